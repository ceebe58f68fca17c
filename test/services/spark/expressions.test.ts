// Random expressions give the same value and type on DuckDB and on Spark.
import { DuckDBInstance, type DuckDBValue } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  allFunctions,
  type ColumnType,
  type Expr,
  type FunctionRecord,
  type LiteralValue,
  literal,
} from '../../../src/expr/index.ts'
import { type Dialect, duckdb, expressionSql, literalSql, spark } from '../../../src/sql/index.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const expressionCount = 150
const rowCount = 12
const depthMax = 3

/** Types that a value can have outside of an operator. */
const plainTypes = ['string', 'int', 'long', 'double', 'boolean', 'timestamp', 'decimal(18,2)'] as const
type PlainType = (typeof plainTypes)[number]

/** In bounds in which no sum and no shifted instant leaves its type, whatever is nested. */
const values: Readonly<Record<PlainType, fc.Arbitrary<LiteralValue>>> = {
  string: fc.oneof(
    fc.constantFrom(
      '',
      ' ',
      ', ',
      'a, b',
      '\t x\u00a0',
      'Oslo,   Norway',
      '2024-03-10T10:00:00+02:00',
      '1969-12-31 23:59:59.9999999',
      '😀é',
      '\'\\"`',
    ),
    fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => !text.includes('\0')),
  ),
  int: fc.integer({ min: -1_000_000, max: 1_000_000 }),
  long: fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
  double: fc.oneof(
    fc.constantFrom(0, 1.005, 42, -1.5, 1e300, 999999999999.995, 4.2e-7, 2147483648),
    fc.double({ min: -1e15, max: 1e15, noNaN: true }),
  ),
  boolean: fc.boolean(),
  timestamp: fc
    .integer({ min: -3_000_000_000, max: 4_000_000_000 })
    .chain((second) => fc.integer({ min: 0, max: 999_999 }).map((micro) => instantText(second, micro))),
  'decimal(18,2)': fc.integer({ min: -(10 ** 12), max: 10 ** 12 }).map((cents) => (cents / 100).toFixed(2)),
}

/** Arguments that only some values fit. */
const fixedArguments: Readonly<Record<string, Readonly<Record<number, fc.Arbitrary<Expr>>>>> = {
  windowStart: { 1: fc.constantFrom(300_000_000n, 3_600_000_000n).map((micros) => literal('long', micros)) },
}

const functions = allFunctions().filter(
  (record) =>
    [...record.args, record.returns].every((type) => !/json|binary|headers/.test(type)) &&
    record.args.length > 0,
)

function instantText(second: number, micro: number): string {
  return `${new Date(second * 1000).toISOString().slice(0, 19).replace('T', ' ')}.${String(micro).padStart(6, '0')}`
}

/** An expression of the type: a column, a literal, or a function of such. */
function expressionOf(type: ColumnType, depth: number): fc.Arbitrary<Expr> {
  const leaves: fc.Arbitrary<Expr>[] = []
  if (type === 'array<string>') {
    leaves.push(fc.array(fc.constantFrom('a', 'b', ''), { maxLength: 3 }).map((list) => literal(type, list)))
  } else if (type === 'date') {
    leaves.push(fc.constantFrom('1969-12-31', '2024-02-29', null).map((day) => literal(type, day)))
  } else if (type === 'decimal(28,2)') {
    leaves.push(values['decimal(18,2)'].map((value) => literal(type, value)))
  } else if (isPlain(type)) {
    leaves.push(fc.constant({ kind: 'column', name: columnName(type), type } as const))
    leaves.push(fc.option(values[type], { freq: 5 }).map((value) => literal(type, value)))
  }
  const producers = functions.filter((record) => record.returns === type || record.returns === 'T')
  const calls = depth === 0 ? [] : producers.map((record) => callOf(record, type, depth - 1))
  // A function more often than a leaf: leaves come by themselves at the bottom.
  return calls.length === 0 || leaves.length === 0
    ? fc.oneof(...leaves, ...calls)
    : fc.oneof({ weight: 1, arbitrary: fc.oneof(...leaves) }, { weight: 3, arbitrary: fc.oneof(...calls) })
}

function callOf(record: FunctionRecord, type: ColumnType, depth: number): fc.Arbitrary<Expr> {
  const generic = record.returns === 'T' ? fc.constant(type) : fc.constantFrom<ColumnType>(...plainTypes)
  return generic.chain((chosen) => {
    const args = record.args.flatMap((declared, index) => {
      const argument = declared.replace('*', '')
      const of = (argument === 'T' ? chosen : argument) as ColumnType
      const one = fixedArguments[record.name]?.[index] ?? expressionOf(of, depth)
      return declared.endsWith('*') ? [one, one] : [one]
    })
    return fc.tuple(...args).map((all) => ({
      kind: 'call',
      function: record.name,
      args: all,
      type: record.returns === 'T' ? chosen : record.returns,
    }))
  }) as fc.Arbitrary<Expr>
}

const isPlain = (type: ColumnType): type is PlainType => (plainTypes as readonly string[]).includes(type)
const columnName = (type: PlainType): string => `c_${type.replaceAll(/\W/g, '_')}`

/** A value in the form in which both clients can give it. */
function shown(dialect: Dialect, sql: string, type: ColumnType): string {
  if (type === 'timestamp') return dialect.engine === 'duckdb' ? `epoch_us(${sql})` : `unix_micros(${sql})`
  return /^(decimal|date)/.test(type) ? `CAST(${sql} AS ${dialect.type('string')})` : sql
}

describe.skipIf(sparkAbsent !== null)(`on both engines (SEED=${seed})`, () => {
  let server: TestSpark
  beforeAll(async () => {
    server = await startTestSpark()
  })
  afterAll(() => server?.close())

  test('random expressions have the same value and type', async () => {
    const resultTypes: readonly ColumnType[] = [...plainTypes, 'date', 'array<string>', 'decimal(28,2)']
    const possible = resultTypes.filter(
      (type) => isPlain(type) || functions.some(({ returns }) => returns === type),
    )
    const any = fc.constantFrom(...possible).chain((type) => expressionOf(type, depthMax))
    const expressions = fc.sample(any, { seed, numRuns: expressionCount })
    const row = fc.tuple(...plainTypes.map((type) => fc.option(values[type], { freq: 6 })))
    const rows = fc.sample(row, { seed, numRuns: rowCount })

    const table = (dialect: Dialect): string =>
      rows
        .map((cells, place) => {
          const columns = cells.map((cell, index) => {
            const type = plainTypes[index]!
            return `${literalSql(dialect, type, cell)} AS ${columnName(type)}`
          })
          return `SELECT ${place} AS place, ${columns.join(', ')}`
        })
        .join(' UNION ALL ')
    const select = (dialect: Dialect): string =>
      expressions
        .flatMap((expr, index) => {
          const sql = expressionSql(dialect, expr)
          return [`${shown(dialect, sql, expr.type)} AS v${index}`, `typeof(${sql}) AS t${index}`]
        })
        .join(',\n')

    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    await connection.run(`CREATE TABLE given AS ${table(duckdb)}`)
    const reader = await connection.runAndReadAll(`SELECT ${select(duckdb)} FROM given ORDER BY place`)
    const expected = reader.getRowObjects()
    connection.closeSync()
    instance.closeSync()

    await server.session.setConfig({ 'spark.sql.optimizer.excludedRules': foldingRules }, call)
    await server.session.run(`CREATE OR REPLACE TEMP VIEW given AS ${table(spark)}`, call)
    const found = await server.session.rows(`SELECT ${select(spark)} FROM given ORDER BY place`, call)

    const differences = expressions.flatMap((expr, index) =>
      expected.flatMap((duckdbRow, place) => {
        const [left, right] = [plain(duckdbRow[`v${index}`]!), found[place]![`v${index}`]]
        const isSame = JSON.stringify(left, text) === JSON.stringify(right, text)
        const types = [duckdbRow[`t${index}`], String(found[place]![`t${index}`]).toUpperCase()]
        const areTyped = types[0] === duckdb.type(expr.type) && types[1] === spark.type(expr.type)
        if (isSame && areTyped) return []
        return [{ sql: expressionSql(spark, expr), row: rows[place], duckdb: left, spark: right, types }]
      }),
    )
    expect(differences.slice(0, 3), `${differences.length} differences; repeat with SEED=${seed}`).toEqual([])
  })
})

/** With them the optimizer itself would compute the rows, and not the code that runs over a table. */
const foldingRules = 'org.apache.spark.sql.catalyst.optimizer.ConvertToLocalRelation'

function plain(value: DuckDBValue): unknown {
  return value !== null && typeof value === 'object' && 'items' in value ? value.items : value
}

/** What JSON has no form for; zero has no sign in SQL. */
function text(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}`
  return typeof value === 'number' ? (value === 0 ? '0' : String(value)) : value
}
