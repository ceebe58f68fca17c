// Does anything grow that should not? The pipeline runs from Kafka for long at a steady rate, on top of a
// state
// that the same rate has filled; at the end its memory, its lag and the number of files of each table are
// what
// they were early on, and the tables are proved.
// Run: npm run test:soak -- [seconds] [transactions a second] [seconds of event time to fill the state with]
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { parseBatch } from '../../src/batches/progress.ts'
import { DeltaTable, scanSql } from '../../src/delta/index.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { startBroker } from '../services/broker.ts'
import { watchProcess } from './process-use.ts'

const { tables } = standardLakehouse

const seconds = Number(process.argv[2] ?? 3_600)
const rate = Number(process.argv[3] ?? 5_000)
/**
 * A row matters to later ones for 40 minutes: the watermark's delay and the time that velocity looks back.
 * Windows of an hour stay open for two.
 */
const fillSeconds = Number(process.argv[4] ?? Math.min(2_400, seconds))
const topic = 'soak.transactions'
const root = join(import.meta.dirname, '..', '..')
/** Filling takes minutes, which are filled in turn: a gap in event time would be a gap in the state. */
const gapMaxMs = 20_000
/** A backlog is carried in large batches. */
const fillSettings = { MAX_RECORDS_PER_BATCH: '1000000', TRIGGER_INTERVAL_MS: '0' }
const parts = 6
const sampleMs = 1_000
/** A measure is the median of the samples of so long. */
const measureSeconds = Math.min(60, seconds / 12)
/** Measured from the first part to the last; within less than an hour the first is not warm. */
const growthMax = 1.1
const growthJudgedFromSeconds = 3_600
/** Of the pipeline while it fills, and at the steady rate. */
const residentMaxMiB = 1_536
/** The lag of the last part, in seconds of the rate: what more is, the pipeline does not keep up with. */
const lagMaxSeconds = 30
/**
 * Files below the size for compaction that a table may have: those of one round, and of the one under way.
 */
const smallFilesMax = 200
const smallFileBytes = 16n * 1024n * 1024n

const broker = await startBroker()
const work = await mkdtemp(join(tmpdir(), 'assay-soak-'))
const base = join(work, 'tables')
const children: ChildProcess[] = []

function assay(
  args: string[],
  output: 'pipe' | 'inherit' | 'ignore',
  settings: Record<string, string> = {},
): ChildProcess {
  // As a user starts it: the options of Node are in the first line of the script.
  const child = spawn(join(root, 'bin', 'assay.js'), args, {
    env: {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers.join(','),
      KAFKA_TOPIC: topic,
      DELTA_BASE_PATH: base,
      LOG_FORMAT: 'json',
      ...settings,
    },
    stdio: ['ignore', output, output === 'inherit' ? 'inherit' : 'pipe'],
  })
  if (output === 'ignore') child.stderr!.resume()
  children.push(child)
  return child
}

async function produce(args: string[]): Promise<void> {
  const [code] = await once(assay(['produce', ...args], 'ignore'), 'exit')
  if (code !== 0) throw new Error(`produce ended with ${code}`)
}

type Pipeline = {
  /** Records that its batches have carried. */
  readonly carried: () => number
  /** The lag that each batch told, in records. */
  readonly lags: number[]
  readonly batchMs: number[]
  /** Warnings and errors of its log. */
  readonly failures: string[]
  readonly use: ReturnType<typeof watchProcess>
  /** Fails as soon as the pipeline ends by itself. */
  wait(ms: number): Promise<void>
  stop(): Promise<void>
}

function startPipeline(settings: Record<string, string> = {}): Pipeline {
  const child = assay(['run'], 'pipe', settings)
  const use = watchProcess(child.pid!, sampleMs)
  const lags: number[] = []
  const batchMs: number[] = []
  const failures: string[] = []
  let carried = 0
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => {
      const entry = line.startsWith('{') ? JSON.parse(line) : { level: 'error' }
      const isExpected = entry.code === 'DEFINITIONS_CHANGED' // The settings of filling end with it.
      if (entry.level !== 'info' && !isExpected) failures.push(line)
      if (entry.batch_ms === undefined) return console.log(line)
      carried += Number(entry.records)
      batchMs.push(entry.batch_ms)
      if (typeof entry.lag === 'number') lags.push(entry.lag)
    })
  }
  return {
    carried: () => carried,
    lags,
    batchMs,
    failures,
    use,
    async wait(ms) {
      const waiting = new AbortController()
      const ended = once(child, 'exit', { signal: waiting.signal }).then(([code]) => {
        throw new Error(`the pipeline ended by itself with ${code}`)
      })
      try {
        await Promise.race([sleep(ms, undefined, { signal: waiting.signal }), ended])
      } finally {
        waiting.abort()
        ended.catch(() => undefined)
      }
    },
    async stop() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      const [code] = await exited
      use.stop()
      if (code !== 0) failures.push(`it ended with ${code}`)
    },
  }
}

/** Brings the event time of `fillSeconds` into the tables, as fast as the machine can; tells how much. */
async function fill(): Promise<number> {
  const startedMs = performance.now()
  const pipeline = startPipeline(fillSettings)
  let produced = 0
  let filledTo = Date.now() - fillSeconds * 1000
  const behind = (): number => produced - pipeline.carried()
  for (let round = 1; Date.now() - filledTo > gapMaxMs || behind() > (rate * gapMaxMs) / 1000; round++) {
    const to = Date.now()
    const count = Math.round((rate * (to - filledTo)) / 1000)
    const period = [filledTo, to].map((at) => new Date(at).toISOString()).join('/')
    await produce(['--seed', String(round), '--count', String(count), '--period', period])
    produced += count
    filledTo = to
    await pipeline.wait(Math.min(gapMaxMs / 2, (1000 * behind()) / rate))
  }
  await pipeline.stop()
  const tookSeconds = (performance.now() - startedMs) / 1000
  console.log(
    `${produced} transactions of ${Math.round(produced / rate)} s filled the state in ${tookSeconds.toFixed(0)} s: ` +
      `${useText(pipeline)}`,
  )
  return pipeline.use.peakMiB()
}

function useText({ use, failures }: Pipeline): string {
  const peak = Math.round(use.peakMiB())
  return `at most ${peak} MiB, ${use.processorShare().toFixed(2)} processor seconds a second, ${failures.length} failures`
}

type Files = { readonly table: string; readonly live: number; readonly small: number; readonly log: number }

async function countFiles(): Promise<Files[]> {
  const counts: Files[] = []
  for (const { path } of tables) {
    const directory = join(base, path)
    const files = [...(await (await DeltaTable.open(directory)).snapshot()).files.values()]
    const small = files.filter(({ size }) => size < smallFileBytes).length
    const log = (await readdir(join(directory, '_delta_log'))).length
    counts.push({ table: path, live: files.length, small, log })
  }
  return counts
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

type Measure = { readonly resident: number; readonly lag: number; readonly files: readonly Files[] }

/** At the end of a part: what is resident, and the lag that the batches of the part told. */
async function measure(pipeline: Pipeline, lagsBefore: number): Promise<Measure> {
  const from = pipeline.use.samplesMiB.length
  await pipeline.wait(measureSeconds * 1000)
  return {
    resident: median(pipeline.use.samplesMiB.slice(from)),
    lag: median(pipeline.lags.slice(lagsBefore)),
    files: await countFiles(),
  }
}

function report(when: string, { resident, lag, files }: Measure): void {
  console.log(
    `${when}: ${Math.round(resident)} MiB resident, lag ${lag} records in the median of its batches`,
  )
  for (const { table, live, small, log } of files) {
    console.log(`  ${table.padEnd(30)} ${live} files, ${small} of them small, ${log} files of the log`)
  }
}

/** From a record's timestamp to the commit of its score, of all records of batches since then. */
async function latencyText(sinceMs: number): Promise<string> {
  const scores = await DeltaTable.open(join(base, 'fraud_detection'))
  const commits: string[] = []
  for (const { userMetadata, timestamp } of await scores.history()) {
    const told = parseBatch(userMetadata ?? '')
    if (told === null || timestamp < sinceMs) continue
    commits.push(`(make_timestamp(${told.progress.timeMicros}), ${timestamp})`)
  }
  if (commits.length === 0) return 'no batch committed a score'
  const directory = join(base, 'bronze/transactions')
  const records = scanSql(await (await DeltaTable.open(directory)).snapshot(), directory, {
    naiveTimestamps: true,
  })
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const reader = await connection.runAndReadAll(
    `SELECT count(*)::DOUBLE, quantile_disc(ms, 0.5), quantile_disc(ms, 0.99), max(ms) FROM (
      SELECT (committed_ms - epoch_ms(kafka_timestamp))::DOUBLE AS ms FROM (${records})
      JOIN (VALUES ${commits.join(', ')}) AS commits(time, committed_ms) ON processing_time = time
      WHERE epoch_ms(kafka_timestamp) >= ${sinceMs})`,
  )
  connection.closeSync()
  const [count, p50, p99, most] = reader.getRows()[0]!
  return `latency of ${count} records from their timestamp to the commit of their score: ${p50} ms at 50 %, ${p99} ms at 99 %, ${most} ms at most`
}

/** Runs at the steady rate and measures at the end of each part. */
async function steady(): Promise<{ readonly measures: readonly Measure[]; readonly pipeline: Pipeline }> {
  const pipeline = startPipeline()
  const startedMs = performance.now()
  const sinceMs = Date.now()
  const produced = produce(['--rate', String(rate), '--count', String(rate * seconds)])
  const measures: Measure[] = []
  for (let part = 1; part <= parts; part++) {
    const lagsBefore = pipeline.lags.length
    const endMs = startedMs + ((seconds * part) / parts - measureSeconds) * 1000
    await pipeline.wait(Math.max(0, endMs - performance.now()))
    measures.push(await measure(pipeline, lagsBefore))
    report(`after ${Math.round((seconds * part) / parts)} s`, measures.at(-1)!)
  }
  await produced
  const producedMs = performance.now() - startedMs
  await pipeline.stop()
  console.log(
    `${rate} transactions/s for ${(producedMs / 1000).toFixed(0)} s, ${pipeline.batchMs.length} batches of ` +
      `${median(pipeline.batchMs)} ms in the median: ${useText(pipeline)}`,
  )
  console.log(`lag by part: ${measures.map(({ lag }) => lag).join(', ')} records`)
  console.log(await latencyText(sinceMs))
  for (const failure of pipeline.failures) console.log(`  failure: ${failure}`)
  return { measures, pipeline }
}

async function verify(): Promise<number | null> {
  const startedMs = performance.now()
  const child = assay(['verify'], 'inherit')
  const use = watchProcess(child.pid!, sampleMs)
  const [code] = await once(child, 'exit')
  use.stop()
  const took = ((performance.now() - startedMs) / 1000).toFixed(0)
  console.log(
    `verify took ${took} s, ${use.processorSeconds().toFixed(0)} processor seconds, at most ${Math.round(use.peakMiB())} MiB`,
  )
  return code
}

try {
  await broker.createTopic(topic, 4)
  const filledMiB = fillSeconds > 0 ? await fill() : 0
  const { measures, pipeline } = await steady()
  const [early, late] = [measures[0]!, measures.at(-1)!]
  const growth = late.resident / early.resident
  const steadyMiB = pipeline.use.peakMiB()
  console.log(
    `memory grew by the factor ${growth.toFixed(3)} between the first part and the last; at most ` +
      `${Math.round(filledMiB)} MiB while it filled, ${Math.round(steadyMiB)} MiB at the steady rate`,
  )
  const code = await verify()
  const faults = [
    [growth > growthMax && seconds >= growthJudgedFromSeconds, 'memory grew'],
    [Math.max(filledMiB, steadyMiB) > residentMaxMiB, `more than ${residentMaxMiB} MiB were resident`],
    [late.lag > rate * lagMaxSeconds, 'the pipeline did not keep up'],
    [late.files.some(({ small }) => small > smallFilesMax), 'a table has too many small files'],
    [pipeline.failures.length > 0, 'the pipeline told of failures'],
    [code !== 0, 'verify found something'],
  ].flatMap(([isSo, what]) => (isSo ? [what] : []))
  console.log(faults.length === 0 ? 'all held' : `FAILED: ${faults.join(', ')}`)
  if (faults.length > 0) process.exitCode = 1
} finally {
  for (const child of children)
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  await broker.stop()
  await rm(work, { recursive: true, force: true })
}
