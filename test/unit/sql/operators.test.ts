// Deduplication and velocity against their meaning, written naively, on random rows.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlanNode } from '../../../src/plan/index.ts'
import { compileTable, duckdb, keyDigestSql } from '../../../src/sql/index.ts'
import {
  type Case,
  counted,
  longChain,
  marked,
  naiveCounts,
  naiveRepeats,
  type Row,
  repeatCases,
  velocityCases,
} from './naive.ts'

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => connection.closeSync())

async function put({ past, now }: Case): Promise<void> {
  const value = (one: Row): string => `'${one.id}', ${one.user}, make_timestamp(${one.at}::BIGINT)`
  await connection.run('CREATE OR REPLACE TABLE history (id UHUGEINT, user_id INTEGER, "at" TIMESTAMP)')
  await connection.run(
    'CREATE OR REPLACE TABLE batch (id VARCHAR, user_id INTEGER, "at" TIMESTAMP, topic VARCHAR, "offset" BIGINT, candidate BOOLEAN)',
  )
  if (past.length > 0)
    await connection.run(
      `INSERT INTO history SELECT ${keyDigestSql('id')}, user_id, "at"
      FROM (VALUES ${past.map((one) => `(${value(one)})`).join(',')}) AS rows(id, user_id, "at")`,
    )
  const values = now.map((one, index) => `(${value(one)}, '${one.topic}', ${index}, ${one.candidate})`)
  if (now.length > 0) await connection.run(`INSERT INTO batch VALUES ${values.toSorted().join(',')}`)
}

/** The result column of every row, by the row's place in `now`. */
async function results(node: PlanNode, as: string): Promise<unknown[]> {
  const { sql } = compileTable(duckdb, node)
  const reader = await connection.runAndReadAll(
    `SELECT "offset", "${as}" AS r FROM (${sql}) ORDER BY "offset"`,
  )
  return reader.getRowObjectsJS().map((one) => one.r)
}

test('deduplicate marks what a naive pass in the order of arrival refuses', async () => {
  await fc.assert(
    fc.asyncProperty(repeatCases, async (one) => {
      await put(one)
      expect(await results(marked, 'is_repeat')).toEqual(naiveRepeats(one))
    }),
    { numRuns: 150 },
  )
})

test('velocity counts what arrived no later and lies in the time before', async () => {
  await fc.assert(
    fc.asyncProperty(velocityCases, async (one) => {
      await put(one)
      expect(await results(counted, 'count')).toEqual(naiveCounts(one))
    }),
    { numRuns: 150 },
  )
})

test('a long chain of repeats keeps every row that is far enough from the last kept one', async () => {
  await put(longChain)
  expect(await results(marked, 'is_repeat')).toEqual(longChain.now.map((_, index) => index % 2 === 1))
})
