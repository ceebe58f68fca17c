// Every function does on DuckDB and in JavaScript what its examples say, and gives the type that it declares.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Whole } from '../../../src/columns/whole.ts'
import { addFunctions } from '../../../src/engines/duckdb-functions.ts'
import {
  addInts,
  allAggregates,
  allFunctions,
  bool,
  type ColumnType,
  type Expr,
  type FunctionRecord,
  int,
  literal,
  long,
  plusMicros,
  type Value,
  when,
} from '../../../src/expr/index.ts'
import { compileRowPath, literalOf } from '../../../src/javascript/index.ts'
import { JsonSlice } from '../../../src/json/slice.ts'
import { input, project } from '../../../src/plan/index.ts'
import { duckdb, expressionSql, literalSql } from '../../../src/sql/index.ts'
import { onJavascript } from '../../compare/evaluators.ts'
import { plainTypes } from '../../generate/expressions.ts'

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
  addFunctions(connection)
})
afterAll(() => connection.closeSync())

describe.each(allFunctions().map((record) => [record.name, record] as const))('%s', (_, record) => {
  test.each(record.examples.map((example) => [JSON.stringify(example.in, text), example] as const))(
    '%s',
    async (_in, example) => {
      const args = example.in.map((value, index) => literalSql(duckdb, argumentType(record, index), value))
      const type = record.returns === 'T' ? record.exampleType! : record.returns
      const call = record.duckdb(...args)
      // A document stays text between operators.
      const result = type === 'json' ? `CAST(${call} AS VARCHAR)` : call
      const expected = literalSql(duckdb, type === 'json' ? 'string' : type, example.out)
      const reader = await connection.runAndReadAll(
        `SELECT ${result} IS NOT DISTINCT FROM ${expected} AS same, CAST(${result} AS VARCHAR) AS got, typeof(${call}) AS type`,
      )
      const [row] = reader.getRowObjectsJson()
      expect(row, `got ${row?.got}`).toMatchObject({ same: true })
      if (type !== 'json') expect(row?.type).toBe(duckdb.type(type))
    },
  )

  test.each(record.examples.map((example) => [JSON.stringify(example.in, text), example] as const))(
    'in JavaScript: %s',
    (_in, example) => {
      const type = record.returns === 'T' ? record.exampleType! : record.returns
      const expected = unsigned(literalOf(type, example.out))
      const args = example.in.map((value, index) => literal(argumentType(record, index), value))
      const values = args.map((arg, index) => literalOf(arg.type, example.in[index]!))
      // Of the slices of a document those that are not there are of kind absent.
      const given = values.map((value, index) =>
        value === null && args[index]!.type === 'json' ? new JsonSlice() : value,
      )
      expect(unsigned(record.javascript(...(given as never[])))).toEqual(expected)
      expect(unsigned(record.javascript(...(values as never[])))).toEqual(expected)
      const names = args.map((_, index) => `a${index}`)
      const columns = Object.fromEntries(args.map((arg, index) => [names[index]!, arg.type]))
      const call = { kind: 'call', function: record.name, type } as const
      const ofRow = project(input('given', columns), (row) => {
        return {
          ofColumns: { ...call, args: names.map((name) => row[name]!) },
          ofLiterals: { ...call, args },
          isTrue: when(
            [[{ ...call, type: 'boolean', args: names.map((name) => row[name]!) }, bool(true)]],
            bool(false),
          ),
        }
      })
      const found: unknown[] = []
      const path = compileRowPath({
        source: 'given',
        outputs: { found: { relation: ofRow, into: 'function' } },
      })
      const batch = path.start({
        parameters: {},
        functions: { found: (...cells: unknown[]) => found.push(...cells.map(unsigned)) },
      })
      batch.add(Object.fromEntries(given.map((value, index) => [names[index]!, value])))
      const isTruth = type === 'boolean' ? expected === true : found[2]
      expect(found).toEqual([expected, expected, isTruth])
    },
  )
})

/** Zero has no sign in SQL. */
const unsigned = (value: unknown): unknown => (value === 0 ? 0 : value)

test('a sum, and an instant, that do not fit their type are an error on both', async () => {
  const max = 2 ** 31 - 1
  const beyond: readonly Expr[] = [
    addInts(int(max), int(1)),
    addInts(int(max), int(1), int(-1)),
    addInts(int(-max), int(-2)),
    plusMicros(literal('timestamp', '2024-01-01 00:00:00'), long(2n ** 63n - 1n)),
    plusMicros(literal('timestamp', '0001-01-01 00:00:00'), long(-(2n ** 63n))),
  ]
  for (const expr of beyond) {
    await expect(
      connection.run(`SELECT ${expressionSql(duckdb, expr)}`),
      expressionSql(duckdb, expr),
    ).rejects.toThrow()
    expect(() => onJavascript([expr], [plainTypes.map(() => null)])).toThrow()
  }
})

test('every function has examples, one of them with a null where it takes an argument', () => {
  for (const record of allFunctions()) {
    expect(record.examples.length, record.name).toBeGreaterThan(0)
    const takesNull = record.examples.some((example) => example.in.includes(null))
    expect(takesNull, `${record.name} lacks an example with null`).toBe(true)
  }
})

test.each(allAggregates().map((record) => [record.name, record] as const))(
  'the aggregate %s over panes is the aggregate over rows',
  async (_, record) => {
    const type = record.args[0]?.replace('*', '') as ColumnType | 'T' | undefined
    const argument =
      type === undefined
        ? []
        : [type === 'boolean' ? '(v > 2)' : type === 'T' ? 'v' : `CAST(v AS ${duckdb.type(type)})`]
    const rows = `(SELECT g, p, v FROM (VALUES ('a',1,1),('a',1,2),('a',2,2),('a',3,NULL),('b',1,NULL),('b',2,3),('b',2,3)) t(g,p,v))`
    const whole = `SELECT g, ${record.duckdb(...argument)} AS r FROM ${rows} GROUP BY g`
    const panes = `SELECT g, p, ${record.panes.duckdb.partial(...argument)} AS part FROM ${rows} GROUP BY g, p`
    const combined = `SELECT g, ${record.panes.duckdb.combine('part')} AS r FROM (${panes}) GROUP BY g`
    const [row] = (
      await connection.runAndReadAll(
        `SELECT count(*) AS groups, bool_and(w.r IS NOT DISTINCT FROM c.r) AS same, bool_and(typeof(w.r) = typeof(c.r)) AS typed ` +
          `FROM (${whole}) w JOIN (${combined}) c USING (g)`,
      )
    ).getRowObjectsJson()
    expect(row).toEqual({ groups: '2', same: true, typed: true })
  },
)

test.each(allAggregates().map((record) => [record.name, record] as const))(
  'the aggregate %s in JavaScript, from rows and from panes, is that of DuckDB',
  async (_, { javascript, args, returns, duckdb: sql }) => {
    if (javascript.kind !== 'fold') return // Its values are kept by panes: test/unit/engine/window-panes.test.ts.
    const { empty, add, combine } = javascript
    const type = args[0] === undefined ? null : args[0] === 'T' ? 'decimal(18,2)' : (args[0] as ColumnType)
    const values =
      type === 'boolean'
        ? ['true', 'false', 'true']
        : type === 'long'
          ? ['9223372036854775807', '-1', '0']
          : ['9999999999999999.99', '-1.50', '0']
    const given = ['NULL', ...values, ...values, 'NULL'].map(
      (text) => `CAST(${text} AS ${duckdb.type(type ?? 'decimal(18,2)')})`,
    )
    const cells: Value[] = [null, ...values, ...values, null].map((text) =>
      text === null
        ? null
        : type === 'boolean'
          ? text === 'true'
          : type === 'long'
            ? literalOf('long', BigInt(text))
            : literalOf('decimal(18,2)', text),
    )
    for (const count of [0, 1, 2, 5, cells.length]) {
      const rows = `(SELECT unnest([${given.slice(0, count).join(', ')}]) AS v)`
      const call = `CAST(${sql(...args.map(() => 'v'))} AS VARCHAR)`
      const [row] = (await connection.runAndReadAll(`SELECT ${call} AS r FROM ${rows}`)).getRowObjectsJson()
      const fold = (part: readonly Value[]) => part.reduce<Whole | null>(add, empty)
      const expected =
        row!.r === null
          ? null
          : returns === 'long'
            ? Number(row!.r)
            : literalOf(returns as ColumnType, String(row!.r))
      expect(fold(cells.slice(0, count)), `${count} rows`).toEqual(expected)
      for (const at of [0, 1, 3]) {
        const panes = combine(fold(cells.slice(0, count).slice(0, at)), fold(cells.slice(0, count).slice(at)))
        expect(panes, `${count} rows in panes`).toEqual(expected)
      }
    }
  },
)

function argumentType(record: FunctionRecord, index: number): ColumnType {
  const type = record.args[Math.min(index, record.args.length - 1)]!.replace('*', '')
  return (type === 'T' ? record.exampleType! : type) as ColumnType
}

function text(_key: string, value: unknown): unknown {
  return typeof value === 'bigint'
    ? String(value)
    : value instanceof Uint8Array
      ? Buffer.from(value).toString('hex')
      : value
}
