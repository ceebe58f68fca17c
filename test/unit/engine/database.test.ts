// Rows that DuckDB streams: its own stream ends where it fails, as if there were no more rows.
import type { DuckDBConnection } from '@duckdb/node-api'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { streamOf } from '../../../src/engines/database.ts'

let instance: DuckDBInstance
let connection: DuckDBConnection
beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  connection = await instance.connect()
})
afterAll(() => instance.closeSync())

/** `between` runs after the first chunk. */
async function rowCount(select: string, between: () => Promise<unknown> = async () => null): Promise<number> {
  let count = 0
  for await (const rows of (await streamOf(connection, select)).yieldRows()) {
    if (count === 0) await between()
    count += rows.length
  }
  return count
}

test('all rows come, also none', async () => {
  expect(await rowCount('SELECT * FROM range(300000)')).toBe(300_000)
  expect(await rowCount('SELECT * FROM range(10) t(i) WHERE i < 0')).toBe(0)
})

test('a failure behind the first rows is told in the words of DuckDB', async () => {
  const failing = "SELECT CASE WHEN i = 700000 THEN error('a bad page') ELSE i END FROM range(1000000) t(i)"
  await expect(rowCount(failing)).rejects.toThrow('a bad page')
})

test('another statement on the connection ends the stream, and that is a failure', async () => {
  const interrupted = rowCount('SELECT * FROM range(300000)', () => connection.run('SELECT 1'))
  await expect(interrupted).rejects.toThrow('ended before the last one')
})
