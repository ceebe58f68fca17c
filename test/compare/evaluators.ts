// One expression, several evaluators: DuckDB, the JavaScript that is compiled, and the functions of the
// records called one by one. Spark's stands with its tests, which have a server.
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import {
  type ColumnType,
  type Expr,
  functionNamed,
  type LiteralValue,
  type Value,
} from '../../src/expr/index.ts'
import { compileRowPath, literalOf } from '../../src/javascript/index.ts'
import { input, project } from '../../src/plan/index.ts'
import { type Dialect, duckdb, expressionSql, literalSql } from '../../src/sql/index.ts'
import { columnName, givenSchema, plainTypes } from '../generate/expressions.ts'

export type GivenRow = readonly LiteralValue[]
/** By row, then by expression; null, a number, a truth value, or text. */
export type Table = readonly (readonly unknown[])[]

/** `given` as a SELECT of the rows. */
export function givenSql(dialect: Dialect, rows: readonly GivenRow[]): string {
  return rows
    .map((cells, place) => {
      const columns = cells.map((cell, index) => {
        const type = plainTypes[index]!
        return `${literalSql(dialect, type, cell)} AS ${columnName(type)}`
      })
      return `SELECT ${place} AS place, ${columns.join(', ')}`
    })
    .join(' UNION ALL ')
}

/** A SELECT from `given` of each expression's value, `v0` .., and type, `t0` ... */
export function selectSql(dialect: Dialect, expressions: readonly Expr[]): string {
  const columns = expressions.flatMap((expr, index) => {
    const sql = expressionSql(dialect, expr)
    return [`${shownSql(dialect, sql, expr.type)} AS v${index}`, `typeof(${sql}) AS t${index}`]
  })
  return `SELECT ${columns.join(',\n')} FROM given ORDER BY place`
}

/** A value in the form in which every client can give it. */
function shownSql({ engine, type: nameOf }: Dialect, sql: string, type: ColumnType): string {
  if (type === 'timestamp') return engine === 'duckdb' ? `epoch_us(${sql})` : `unix_micros(${sql})`
  if (type === 'date') return engine === 'duckdb' ? `(${sql} - DATE '1970-01-01')` : `unix_date(${sql})`
  return type.startsWith('decimal') ? `CAST(${sql} AS ${nameOf('string')})` : sql
}

export async function onDuckdb(
  connection: DuckDBConnection,
  expressions: readonly Expr[],
  rows: readonly GivenRow[],
): Promise<{ readonly table: Table; readonly types: readonly string[] }> {
  await connection.run(`CREATE OR REPLACE TABLE given AS ${givenSql(duckdb, rows)}`)
  const found = (await connection.runAndReadAll(selectSql(duckdb, expressions))).getRowObjects()
  return {
    table: found.map((row) => expressions.map((_, index) => shown(plain(row[`v${index}`]!)))),
    types: expressions.map((_, index) => String(found[0]?.[`t${index}`])),
  }
}

function plain(value: DuckDBValue): unknown {
  return value !== null && typeof value === 'object' && 'items' in value ? value.items : value
}

export function onJavascript(expressions: readonly Expr[], rows: readonly GivenRow[]): Table {
  const columns = Object.fromEntries(expressions.map((expr, index) => [`v${index}`, expr]))
  const relation = project(input('given', givenSchema), () => columns)
  const path = compileRowPath({ source: 'given', outputs: { found: { relation, into: 'columns' } } })
  const batch = path.start({ parameters: {} })
  for (const row of rows) batch.add(valuesOf(row))
  const found = batch.rows('found')
  return rows.map((_, place) =>
    expressions.map((expr, index) => shownValue(expr.type, found.columns[`v${index}`]!.get(place) as Value)),
  )
}

/** The functions of the records, called as the expression says. */
export function onRecords(expressions: readonly Expr[], rows: readonly GivenRow[]): Table {
  return rows.map((row) => {
    const values = valuesOf(row)
    return expressions.map((expr) => shownValue(expr.type, interpreted(expr, values)))
  })
}

function interpreted(expr: Expr, row: Readonly<Record<string, Value>>): Value {
  switch (expr.kind) {
    case 'column':
      return row[expr.name]!
    case 'literal':
      return literalOf(expr.type, expr.value)
    case 'case': {
      const branch = expr.branches.find(({ when }) => interpreted(when, row) === true)
      return interpreted(branch?.then ?? expr.otherwise, row)
    }
    case 'call': {
      const record = functionNamed(expr.function)
      const args = expr.args.map((arg, index) => {
        const value = interpreted(arg, row)
        const declared = record.args[index]
        if (declared === 'double') return asDouble(value, arg.type)
        return declared === 'decimal(38,6)' ? asMillionths(value, arg.type) : value
      })
      return record.javascript(...(args as never[]))
    }
    default:
      throw new Error(`a row brings no ${expr.name}`)
  }
}

function asDouble(value: Value, type: ColumnType): Value {
  if (value === null || type === 'double' || type === 'int') return value
  return type === 'long' ? Number(value) : Number(shownValue(type, value))
}

function asMillionths(value: Value, type: ColumnType): Value {
  if (value === null || type === 'decimal(38,6)') return value
  return literalOf('decimal(38,6)', String(shownValue(type, value)))
}

function valuesOf(row: GivenRow): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    row.map((cell, index) => [columnName(plainTypes[index]!), literalOf(plainTypes[index]!, cell)]),
  )
}

function shownValue(type: ColumnType, value: Value): unknown {
  if (value === null || !type.startsWith('decimal')) return shown(value)
  const places = type === 'decimal(38,6)' ? 6 : 2
  const units = BigInt(value as number | bigint)
  const digits = String(units < 0n ? -units : units).padStart(places + 1, '0')
  return `${units < 0n ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`
}

/** Zero has no sign in SQL, and a whole number has one form only here. */
export function shown(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return String(value === 0 ? 0 : value)
  return Array.isArray(value) ? JSON.stringify(value) : value
}

export type Difference = { readonly sql: string; readonly row: string; readonly [evaluator: string]: unknown }

/** Where not all evaluators give one value. */
export function differencesOf(
  expressions: readonly Expr[],
  rows: readonly GivenRow[],
  tables: Readonly<Record<string, Table>>,
): Difference[] {
  return expressions.flatMap((expr, index) =>
    rows.flatMap((row, place) => {
      const cells = Object.entries(tables).map(([name, table]) => [name, table[place]![index]] as const)
      if (cells.every(([, cell]) => cell === cells[0]![1])) return []
      const shownRow = JSON.stringify(row, (_, cell) => (typeof cell === 'bigint' ? String(cell) : cell))
      return [{ sql: expressionSql(duckdb, expr), row: shownRow, ...Object.fromEntries(cells) }]
    }),
  )
}
