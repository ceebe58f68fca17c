import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { belowFigures, windowOf } from '../../../src/plan/index.ts'
import { boundDuckdb, compileTable, windowParts } from '../../../src/sql/index.ts'

const { tables } = standardLakehouse

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
  // Few values of each column, null among them, so that groups and values repeat in panes and parts.
  const oneOf = (name: string, count: number, salt: number) =>
    `CASE WHEN hash(i, ${salt}) % ${count + 1} < ${count} THEN '${name} ' || hash(i, ${salt}) % ${count + 1} END`
  await connection.run(`CREATE TABLE silver_recent AS SELECT
    (hash(i, 1) % 7)::INTEGER AS user_id, ((hash(i, 2) % 100000) / 100)::DECIMAL(18,2) AS amount,
    ${oneOf('category', 2, 3)} AS amount_category, hash(i, 4) % 3 = 0 AS is_high_value,
    ${oneOf('merchant', 3, 5)} AS merchant, ${oneOf('method', 4, 6)} AS payment_method,
    ${oneOf('city', 2, 7)} AS city, ${oneOf('country', 2, 8)} AS country, ${oneOf('device', 20, 9)} AS device_id,
    hash(i, 10) % 5 = 0 AS is_fraud, hash(i, 11) % 4 = 0 AS is_weekend,
    TIMESTAMP '2024-01-01' + to_seconds(i * 7) AS event_time FROM range(3000) t(i)`)
})
afterAll(() => connection.closeSync())

const hour = 3_600_000_000n
const startMicros = BigInt(Date.UTC(2024, 0, 1)) * 1000n

for (const { path, rows } of tables.filter((table) => windowOf(table.rows.node) !== null)) {
  for (const partsPerCount of [1, 3]) {
    test(`${path} is the same from ${partsPerCount} parts for each count of distinct values`, async () => {
      const dialect = boundDuckdb({
        processing_time: startMicros,
        closed_after: startMicros + hour,
        closed_up_to: startMicros + 4n * hour,
      })
      const rowsOf = async (sql: string) =>
        (await connection.runAndReadAll(`${sql} ORDER BY ALL`)).getRowsJson()
      const { node } = belowFigures(rows)
      const whole = await rowsOf(`SELECT * FROM (${compileTable(dialect, node).sql})`)
      const { partial, combined } = windowParts(dialect, windowOf(node)!, partsPerCount)
      const partials = `(${partial.join('\nUNION ALL\n')})`
      await connection.run(`CREATE OR REPLACE TEMP VIEW window_groups AS ${combined(partials)}`)
      const { sql } = compileTable(dialect, node, 'window_groups')
      expect(whole.length).toBeGreaterThan(1)
      expect(await rowsOf(`SELECT * FROM (${sql})`)).toEqual(whole)
    })
  }
}
