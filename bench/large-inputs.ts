// Does memory stay bounded, whatever comes? Inputs that are large in one way each go through a run with the
// settings as they come; the rows of silver are counted, and the peak of the process is said.
// Run: npx node bench/large-inputs.ts <large-records|huge-records|many-dates>
//   or npx node bench/large-inputs.ts one-hour [rows] [MiB for DuckDB]

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeltaTable } from '../src/delta/index.ts'
import { Database } from '../src/engines/database.ts'
import { closedWindowsSql } from '../src/engines/embedded/closed-windows.ts'
import { silverTransactions } from '../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../src/lakehouse/index.ts'
import { deltaDefinition } from '../src/ops/tables.ts'
import { windowOf } from '../src/plan/index.ts'
import { boundDuckdb, columnDefinitions, duckdb } from '../src/sql/index.ts'

const { tables } = standardLakehouse

type Case = { readonly rows: number; readonly bytes: number; readonly timeMs: (row: number) => number }

const startMs = Date.UTC(2020, 0, 1)
const cases: Readonly<Record<string, Case>> = {
  'large-records': { rows: 6_000, bytes: 100_000, timeMs: (row) => startMs + row * 10 },
  'huge-records': { rows: 20, bytes: 30_000_000, timeMs: (row) => startMs + row * 10 },
  'many-dates': { rows: 9_000, bytes: 0, timeMs: (row) => startMs - (row % 3_000) * 86_400_000 },
}

const name = process.argv[2] ?? ''
const work = await mkdtemp(join(tmpdir(), 'assay-large-'))
try {
  const one = cases[name]
  if (name === 'one-hour') await closeOneHour(Number(process.argv[3] ?? 36_000_000), process.argv[4])
  else if (one) await runCase(one)
  else throw new Error(`no case ${name}`)
} finally {
  await rm(work, { recursive: true })
}

async function runCase({ rows, bytes, timeMs }: Case): Promise<void> {
  const input = join(work, 'input')
  await mkdir(input)
  const out = createWriteStream(join(input, 'a.ndjson'))
  for (let row = 0; row < rows; row++) {
    const value = {
      transaction_id: `id ${row}`,
      user_id: row % 500,
      amount: 12.5,
      merchant: `merchant ${row % 7}`,
      timestamp: new Date(timeMs(row)).toISOString(),
      more: `${row} `.repeat(Math.ceil(bytes / `${row} `.length)),
    }
    if (!out.write(`${JSON.stringify(value)}\n`)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'close')
  const assay = join(import.meta.dirname, '..', 'bin', 'assay.js')
  const base = join(work, 'tables')
  const startedMs = performance.now()
  const child = spawn(
    process.execPath,
    ['--max-semi-space-size=8', assay, 'run', '--once', '--from', input],
    {
      env: { ...process.env, DELTA_BASE_PATH: base },
      stdio: 'inherit',
    },
  )
  let peak = 0
  const timer = setInterval(async () => {
    peak = Math.max(peak, await peakMiB(String(child.pid)).catch(() => 0))
  }, 100)
  const [code] = await once(child, 'exit')
  clearInterval(timer)
  const silver = await (await DeltaTable.open(join(base, 'silver/transactions'))).snapshot()
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.log(
    `${name}: exit ${code}, ${silver.numRecords} of ${rows} rows in silver, ${seconds} s, peak ${peak} MiB`,
  )
}

/** So many rows of silver in one hour, whose windows close together. */
async function closeOneHour(rows: number, limitMiB?: string): Promise<void> {
  const database = await Database.open({
    spillDirectory: join(work, 'spill'),
    memoryLimitBytes: limitMiB === undefined ? null : Number(limitMiB) * 2 ** 20,
    threads: null,
  })
  const connection = database.batch
  const silver = await DeltaTable.createOrEvolve(
    join(work, 'silver'),
    deltaDefinition(silverTransactions, {}),
  )
  const perFile = 1_000_000
  const everyMicros = 3_600_000_000 / rows
  for (let first = 0; first < rows; first += perFile) {
    const last = Math.min(first + perFile, rows)
    await silver.append(connection, silverSql(first, last, everyMicros), {
      appId: 'bench',
      version: BigInt(first),
    })
  }
  await connection.run(
    `CREATE TEMP TABLE silver_batch (${columnDefinitions(duckdb, silverTransactions.rows.schema)})`,
  )
  const startMicros = BigInt(startMs) * 1000n
  const closing = { closedToMicros: startMicros, upToMicros: startMicros + 3_600_000_000n }
  for (const { path, rows: relation } of tables.filter((table) => table.watermark !== null)) {
    const startedMs = performance.now()
    const select = await closedWindowsSql(
      {
        connection,
        useThreadsFor: (count) => database.useThreadsFor(count),
        silver,
        timeMicros: startMicros * 2n,
        node: relation.node,
        dialect: (part) =>
          boundDuckdb({
            processing_time: startMicros,
            closed_after: part.closedToMicros,
            closed_up_to: part.upToMicros,
          }),
        shrinkBy: 1,
      },
      { ...closing, window: windowOf(relation.node)! },
    )
    const counted = await connection.runAndReadAll(`SELECT count(*) FROM (${select})`)
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    console.log(
      `${path}: ${counted.getRows()[0]![0]} windows, ${seconds} s, peak ${await peakMiB('self')} MiB`,
    )
  }
  database.close()
}

function silverSql(first: number, last: number, everyMicros: number): string {
  return `SELECT 'id ' || i AS transaction_id, (hash(i, 1) % 100000)::INTEGER AS user_id, 12.5 AS amount,
    'medium' AS amount_category, false AS is_high_value, 'merchant ' || hash(i, 2) % 300 AS merchant,
    'method ' || hash(i, 3) % 5 AS payment_method, 'Paris, France' AS location, 'Paris' AS city,
    'France' AS country, 'device ' || hash(i, 4) % 200000 AS device_id, false AS is_fraud, t AS event_time,
    CAST(t AS DATE) AS transaction_date, 0 AS transaction_hour, 4 AS transaction_day_of_week,
    false AS is_weekend, 't' AS topic, 0 AS partition, i AS "offset", t AS processing_time,
    CAST(t AS DATE) AS processing_date
    FROM (SELECT i, make_timestamp(${startMs}000 + CAST(i * ${everyMicros} AS BIGINT)) AS t
      FROM range(${first}, ${last}) r(i))`
}

async function peakMiB(process: string): Promise<number> {
  const status = await readFile(`/proc/${process}/status`, 'utf8')
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}
