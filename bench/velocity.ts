// What does counting a user's last half hour cost a batch, on top of so many rows in memory? Times 5,000 rows
// a second; a few users have most of them. Run: npx node bench/velocity.ts [rows of the batch] [rows in
// memory]
import { DuckDBInstance } from '@duckdb/node-api'
import { fraudDetection } from '../src/lakehouse/3-fraud_detection.ts'
import type { PlanNode } from '../src/plan/index.ts'
import { duckdb } from '../src/sql/index.ts'
import { velocitySql } from '../src/sql/velocity.ts'

const batchRows = Number(process.argv[2] ?? 2_500)
const memoryRows = Number(process.argv[3] ?? 12_000_000)
const [rowsAtOnce, microsBetween, runs] = [200_000, 200, 5]
const user = '(1 + 10000 * pow(random(), 5))::INTEGER'

type Velocity = Extract<PlanNode, { kind: 'velocity' }>

function velocityOf(node: PlanNode): Velocity {
  if (node.kind === 'velocity') return node
  if ('input' in node) return velocityOf(node.input)
  throw new Error('fraud_detection counts no velocity')
}

const instance = await DuckDBInstance.create(':memory:', {
  memory_limit: '1GiB',
  preserve_insertion_order: 'false',
})
const connection = await instance.connect()
await connection.run('SELECT setseed(0.5)')
await connection.run('CREATE TABLE silver_users (user_id INTEGER, event_time TIMESTAMP)')
for (let from = 0; from < memoryRows; from += rowsAtOnce) {
  const time = `make_timestamp((${from} + range) * ${microsBetween})`
  await connection.run(`INSERT INTO silver_users SELECT ${user}, ${time} FROM range(${rowsAtOnce})`)
}
await connection.run(
  `CREATE TABLE silver_batch AS SELECT 'topic' AS topic, 0 AS "partition", range AS "offset", ${user} AS user_id,
    make_timestamp((${memoryRows} + range) * ${microsBetween}) AS event_time FROM range(${batchRows})`,
)
const counts = velocitySql(duckdb, velocityOf(fraudDetection.rows.node), 'silver_batch', 'silver_users')
const times: number[] = []
for (let run = 0; run < runs; run++) {
  const startedMs = performance.now()
  await connection.runAndReadAll(`SELECT sum(tx_count_30min) FROM (${counts})`)
  times.push(performance.now() - startedMs)
}
const medianMs = times.toSorted((a, b) => a - b)[runs >> 1]!
console.log(`${batchRows} rows on top of ${memoryRows}: ${Math.round(medianMs)} ms, the median of ${runs}`)
connection.closeSync()
instance.closeSync()
