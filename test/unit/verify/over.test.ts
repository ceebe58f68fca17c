// What the proof computes over earlier rows, against the meaning of the operator, on random rows.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eachRow } from '../../../src/engines/embedded/selected-rows.ts'
import type { OverNode } from '../../../src/plan/index.ts'
import { columnDefinitions, duckdb, literalSql } from '../../../src/sql/index.ts'
import { computePart } from '../../../src/verify/over.ts'
import { literalValue, overCases, overSchema } from '../../generate/over.ts'
import { type OracleRow, overByMeaning } from '../../oracle/over.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => connection.closeSync())

async function put(rows: readonly OracleRow[]): Promise<void> {
  await connection.run(`CREATE OR REPLACE TABLE rows (${columnDefinitions(duckdb, overSchema)})`)
  const values = rows.map((row) => {
    const cells = Object.entries(overSchema).map(([name, type]) => {
      const value = row[name]!
      if (type === 'timestamp') return value === null ? 'NULL' : `make_timestamp(${value}::BIGINT)`
      return literalSql(duckdb, type, literalValue(type, value))
    })
    return `(${cells.join(', ')})`
  })
  if (values.length > 0) await connection.run(`INSERT INTO rows VALUES ${values.join(',')}`)
}

const shown = (row: Readonly<Record<string, unknown>>, node: OverNode, offset: unknown): string =>
  [offset, ...Object.keys(node.aggregates).map((name) => row[name])].map(String).join(' ')

test(`all batches at once give what each gave (SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(overCases, async ({ node, oracle, batches }) => {
      await put(batches.flat().toReversed())
      const rows = 'SELECT *, make_timestamp(batch) AS processing_time FROM rows'
      expect(
        await computePart(connection, node, { rows, isOwn: 'true' }, { table: 'given', isFirst: true }),
      ).toBe(0n)
      const found: string[] = []
      await eachRow(connection, 'SELECT * FROM given', (row) => {
        expect(row['is busy']).toBe(false)
        found.push(shown(row, node, row.offset))
      })
      const wanted = batches.flatMap((rows, batch) => {
        const added = overByMeaning(oracle, batches.slice(0, batch).flat(), rows)
        return rows.flatMap((row, index) => {
          // A row without a key or an event time has none of it.
          if (row[node.key] === null || row.at === null) return []
          return [shown(added[index]!, node, row.offset)]
        })
      })
      expect(found.toSorted()).toEqual(wanted.toSorted())
    }),
    { seed, numRuns: Number(process.env.RUNS ?? 100) },
  )
}, 120_000)
