// Does the cost of a commit stay flat? Appends small batches to one table and compares the first hundred
// commits with the last hundred. Run: npx node bench/delta-commit.ts [commits] [rows]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { type DeltaField, DeltaTable, type DeltaType } from '../src/delta/index.ts'

const commitCount = Number(process.argv[2] ?? 2000)
const rowCount = Number(process.argv[3] ?? 5000)
const column = (name: string, type: DeltaType): DeltaField => ({ name, type, nullable: true, metadata: {} })

const directory = await mkdtemp(join(tmpdir(), 'delta-commit-'))
const instance = await DuckDBInstance.create(':memory:')
try {
  const connection = await instance.connect()
  const table = await DeltaTable.createOrEvolve(directory, {
    fields: [
      column('id', 'long'),
      column('user_id', 'integer'),
      column('amount', 'decimal(18,2)'),
      column('merchant', 'string'),
      column('event_time', 'timestamp'),
      column('day', 'date'),
    ],
    partitionColumns: ['day'],
  })
  const query = `SELECT i AS id, (i % 977)::INTEGER AS user_id, (i % 10000) / 100 AS amount,
    'merchant ' || i % 50 AS merchant,
    TIMESTAMP '2024-01-01' + to_milliseconds(i) AS event_time, DATE '2024-01-01' AS day
    FROM range($first::BIGINT, $first::BIGINT + ${rowCount}) t(i)`
  const stageMs: number[] = []
  const commitMs: number[] = []
  for (let index = 0; index < commitCount; index++) {
    const start = performance.now()
    const staged = await table.stage(connection, query, { first: BigInt(index * rowCount) })
    const between = performance.now()
    await table.commit(staged, { appId: 'bench', version: BigInt(index) })
    stageMs.push(between - start)
    commitMs.push(performance.now() - between)
  }
  for (const [name, times] of Object.entries({ stage: stageMs, commit: commitMs })) {
    console.log(`${name}: first 100 ${summary(times.slice(0, 100))}; last 100 ${summary(times.slice(-100))}`)
  }
  const start = performance.now()
  const { version, numRecords } = await (await DeltaTable.open(directory)).snapshot()
  console.log(
    `open at version ${version} with ${numRecords} rows: ${(performance.now() - start).toFixed(1)} ms`,
  )
} finally {
  instance.closeSync()
  await rm(directory, { recursive: true })
}

function summary(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(1)
  return `median ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms`
}
