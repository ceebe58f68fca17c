// Every function does on DuckDB what its examples say, and gives the type that it declares.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  allAggregates,
  allFunctions,
  type ColumnType,
  type FunctionRecord,
  functionNamed,
} from '../../../src/expr/index.ts'
import { duckdb, literalSql } from '../../../src/sql/index.ts'

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => connection.closeSync())

describe.each(allFunctions().map((record) => [record.name, record] as const))('%s', (_, record) => {
  test.each(record.examples.map((example) => [JSON.stringify(example.in, text), example] as const))(
    '%s',
    async (_in, example) => {
      const args = example.in.map((value, index) => literalSql(duckdb, argumentType(record, index), value))
      if (record.derived !== undefined) args.push(functionNamed(record.derived).duckdb(args[0]!))
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
        : [type === 'boolean' ? '(v > 2)' : type === 'T' ? 'v' : 'CAST(v AS DECIMAL(18,2))']
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
