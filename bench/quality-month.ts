// quality/metrics over a month of transactions with the rhythm of days and weeks: how many false alarms a
// day, whether what is put into the data is found, and how much processor time the table takes, beside runs
// of a lakehouse without it. Run: npx node bench/quality-month.ts [records] [days] [runs]
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { pipelineOptions } from '../src/cli/pipeline-options.ts'
import { loadConfig } from '../src/config/config.ts'
import { DeltaTable, fetchedScanSql } from '../src/delta/index.ts'
import { embeddedEngine } from '../src/engines/embedded/run.ts'
import { tellNobody } from '../src/engines/events.ts'
import { openFileSource } from '../src/files/source.ts'
import { standardLakehouse } from '../src/lakehouse/index.ts'
import { type Lakehouse, tablesOf } from '../src/plan/index.ts'
import { createGenerator } from '../src/produce/generator.ts'
import { spreadOverPeriod } from '../src/produce/schedule.ts'

const recordCount = Number(process.argv[2] ?? 1_000_000)
const dayCount = Number(process.argv[3] ?? 30)
const runCount = Number(process.argv[4] ?? 3)
const path = 'quality/metrics'
const dayMs = 86_400_000
const fromMs = Date.UTC(2026, 8, 1)
const toMs = fromMs + dayCount * dayMs

/** For an hour each: devices are not sent any more, and amounts are in another unit. */
const oddHours = [
  { what: 'device_id', atMs: fromMs + Math.floor(dayCount * 0.6) * dayMs + 14 * 3_600_000 },
  { what: 'amount', atMs: fromMs + Math.floor(dayCount * 0.8) * dayMs + 9 * 3_600_000 },
] as const
const hourMs = 3_600_000

const directory = await mkdtemp(join(process.env.BENCH_DIRECTORY ?? tmpdir(), 'assay-quality-'))
const input = join(directory, 'input.ndjson')
await writeInput()

const { shipped: _, ...parts } = standardLakehouse
const withoutIt: Lakehouse = { ...parts, tables: parts.tables.filter((table) => table.path !== path) }
const seconds: { with: number[]; without: number[] } = { with: [], without: [] }
for (let run = 0; run < runCount; run++) {
  for (const [name, lakehouse] of [
    ['without', withoutIt],
    ['with', standardLakehouse],
  ] as const) {
    const base = join(directory, name)
    await rm(base, { recursive: true, force: true })
    seconds[name].push(await processorSeconds(base, lakehouse))
  }
}
const least = (of: readonly number[]): number => Math.min(...of)
const more = (100 * least(seconds.with)) / least(seconds.without) - 100
console.log(
  `${recordCount} records: ${least(seconds.without).toFixed(2)} s of processor time without, ${least(seconds.with).toFixed(2)} s with ${path} (${more.toFixed(1)} % more), the least of ${runCount} runs each`,
)
await tellAlarms()
await rm(directory, { recursive: true })

async function writeInput(): Promise<void> {
  const generator = createGenerator({ seed: 7, disorderShare: 0.05 })
  const timeOf = spreadOverPeriod({ fromMs, toMs }, recordCount)
  const file = createWriteStream(input)
  for (let index = 0; index < recordCount; index++) {
    const atMs = timeOf(index)
    const line = changed(Buffer.from(generator.next(atMs).value).toString('utf8'), atMs)
    if (!file.write(`${line}\n`)) await once(file, 'drain')
  }
  file.end()
  await finished(file)
}

function changed(line: string, atMs: number): string {
  const odd = oddHours.find((hour) => atMs >= hour.atMs && atMs < hour.atMs + hourMs)
  if (odd === undefined) return line
  const record: Record<string, unknown> = JSON.parse(line)
  const value = odd.what === 'amount' ? Math.round(Number(record.amount) * 10_000) / 100 : null
  return JSON.stringify({ ...record, [odd.what]: value })
}

async function processorSeconds(base: string, lakehouse: Lakehouse): Promise<number> {
  const config = { ...loadConfig(lakehouse, {}, join(base, '.env')), deltaBasePath: base }
  const source = await openFileSource(input, { takeUnterminatedTail: false })
  const before = process.cpuUsage()
  try {
    await embeddedEngine.run({
      ...pipelineOptions(config),
      ...{ streams: lakehouse.streams, source, once: true, finalize: true, tell: tellNobody },
      signal: new AbortController().signal,
    })
  } finally {
    await source.close()
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

async function tellAlarms(): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const [table] = tablesOf(standardLakehouse, ['aggregations']).filter((one) => one.path === path)
  const delta = await DeltaTable.open(join(directory, 'with', table!.path))
  const rows = await fetchedScanSql(await delta.snapshot(), delta.directory, { naiveTimestamps: true })
  const isOdd = oddHours.map(({ atMs }) => {
    // What was odd counts as usual for a while: its own hour, and the windows that begin in it.
    return `window_end > make_timestamp(${atMs}000) AND window_start < make_timestamp(${atMs + hourMs}000)`
  })
  const read = async (sql: string) => (await connection.runAndReadAll(sql)).getRowObjectsJson()
  const of = `(SELECT *, ${isOdd.join(' OR ')} AS is_odd FROM (${rows}) WHERE is_anomaly)`
  const [counts] = await read(
    `SELECT count(*) FILTER (WHERE NOT is_odd) AS false_alarms, count(DISTINCT window_start) FILTER (WHERE NOT is_odd) AS windows FROM ${of}`,
  )
  const perDay = Number(counts!.false_alarms) / dayCount
  console.log(
    `${perDay.toFixed(2)} false alarms a day, in ${(Number(counts!.windows) / dayCount).toFixed(2)} windows a day of 144`,
  )
  console.log(
    await read(
      `SELECT column_name, metric, count(*) AS alarms FROM ${of} WHERE NOT is_odd GROUP BY ALL ORDER BY 3 DESC LIMIT 10`,
    ),
  )
  for (const [index, { what }] of oddHours.entries()) {
    const found = await read(
      `SELECT metric, count(*) AS windows FROM ${of} WHERE ${isOdd[index]} AND column_name = '${what}' GROUP BY ALL ORDER BY ALL`,
    )
    console.log(
      `${what}: found by ${found.map(({ metric, windows }) => `${metric} in ${windows} windows`).join(', ')}`,
    )
  }
  connection.closeSync()
  instance.closeSync()
}
