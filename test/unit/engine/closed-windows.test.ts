import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import type { Closing } from '../../../src/engines/batch-rules.ts'
import { closedWindowsSql } from '../../../src/engines/embedded/closed-windows.ts'
import { silverTransactions } from '../../../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { deltaDefinition } from '../../../src/ops/tables.ts'
import { belowFigures, windowOf } from '../../../src/plan/index.ts'
import { boundDuckdb, columnDefinitions, compileTable, duckdb } from '../../../src/sql/index.ts'

const { tables } = standardLakehouse

const startMicros = BigInt(Date.UTC(2024, 0, 1)) * 1000n
const hour = 3_600_000_000n
const rowCount = 300_000

let directory: string
let connection: DuckDBConnection
let silver: DeltaTable
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'closed-windows-'))
  const options = { preserve_insertion_order: 'false', temp_directory: join(directory, 'spill') }
  connection = await (await DuckDBInstance.create(':memory:', options)).connect()
  silver = await DeltaTable.createOrEvolve(join(directory, 'silver'), deltaDefinition(silverTransactions, {}))
  await silver.append(
    connection,
    `SELECT 'id ' || i AS transaction_id, (hash(i, 1) % 50000)::INTEGER AS user_id, 1.5 AS amount,
      'small' AS amount_category, false AS is_high_value, 'merchant ' || hash(i, 2) % 9 AS merchant,
      'cash' AS payment_method, 'Paris, France' AS location, 'Paris' AS city, 'France' AS country,
      'device ' || hash(i, 3) % 200000 AS device_id, false AS is_fraud, t AS event_time,
      CAST(t AS DATE) AS transaction_date, 0 AS transaction_hour, 2 AS transaction_day_of_week,
      false AS is_weekend, 't' AS topic, 0 AS partition, i AS "offset", t AS processing_time,
      CAST(t AS DATE) AS processing_date
    FROM (SELECT i, make_timestamp(${startMicros} + i * 12000) AS t FROM range(${rowCount}) r(i))`,
    { appId: 'a', version: 1n },
  )
  await connection.run(
    `CREATE TEMP TABLE silver_batch (${columnDefinitions(duckdb, silverTransactions.rows.schema)})`,
  )
}, 60_000)
afterAll(async () => {
  connection.closeSync()
  await rm(directory, { recursive: true })
})

for (const { path, rows: all } of tables.filter((table) => windowOf(table.rows.node) !== null)) {
  const rows = belowFigures(all)
  test(`one window of ${path} with more rows than fit is what it is with memory for all`, async () => {
    const batch = {
      connection,
      useThreadsFor: async () => undefined,
      silver,
      timeMicros: startMicros + 100n * hour,
      node: rows.node,
      dialect: (part: Closing) =>
        boundDuckdb({
          processing_time: startMicros,
          closed_after: part.closedToMicros,
          closed_up_to: part.upToMicros,
        }),
      shrinkBy: 1,
    }
    const closing = {
      window: windowOf(rows.node)!,
      closedToMicros: startMicros,
      upToMicros: startMicros + hour,
    }
    const read = async (sql: string) => {
      const digest = `SELECT count(*), sum(hash(COLUMNS(*))) FROM (${sql})`
      return (await connection.runAndReadAll(digest)).getRowsJson()
    }
    await connection.run("SET memory_limit = '4GB'")
    const whole = await closedWindowsSql(batch, closing)
    expect(whole).toBe(compileTable(batch.dialect(closing), rows.node).sql)
    const expected = await read(whole)
    await connection.run("SET memory_limit = '80MB'")
    expect(await read(await closedWindowsSql({ ...batch, shrinkBy: 8 }, closing))).toEqual(expected)
  }, 120_000)
}
