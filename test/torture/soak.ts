// Does anything grow that should not? The pipeline runs from Kafka for long at a steady rate; at the end its
// memory and the number of files of each table are what they were early on, and the tables are proved. It
// starts on a lakehouse that has carried the same rate for so long that the state between batches is full.
// Run: npm run test:soak -- [seconds] [transactions a second]
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { DeltaTable } from '../../src/delta/index.ts'
import { tables } from '../../src/lakehouse/pipeline.ts'
import { startBroker } from '../services/broker.ts'

const seconds = Number(process.argv[2] ?? 3_600)
const rate = Number(process.argv[3] ?? 5_000)
const topic = 'soak.transactions'
const root = join(import.meta.dirname, '..', '..')
/**
 * A row matters to later ones for 40 minutes: the watermark's delay and the time that velocity looks back.
 */
const fillSeconds = Math.min(2_400, seconds)
/**
 * Filling takes minutes, which are filled in turn: a gap in event time would be a gap in the state, that
 * closes while memory is measured.
 */
const gapMaxMs = 20_000
/** An hour is measured every 10 minutes. At the first of them everything is warm. */
const parts = 6
const sampleMs = 5_000
/** A measure is the median of the samples of so long. */
const measureSeconds = Math.min(60, seconds / 12)
const growthMax = 1.1
/**
 * Files below the size for compaction that a table may have: those of one round, and of the one under way.
 */
const smallFilesMax = 200

const broker = await startBroker()
const work = await mkdtemp(join(tmpdir(), 'assay-soak-'))
const base = join(work, 'tables')
const children: ChildProcess[] = []
let lag = 0

function assay(args: string[], stdout: 'pipe' | 'inherit' | 'ignore'): ChildProcess {
  // As a user starts it: the options of Node are in the first line of the script.
  const child = spawn(join(root, 'bin', 'assay.js'), args, {
    env: {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers.join(','),
      KAFKA_TOPIC: topic,
      DELTA_BASE_PATH: base,
      LOG_FORMAT: 'json',
    },
    stdio: ['ignore', stdout, stdout === 'pipe' ? 'pipe' : 'inherit'],
  })
  children.push(child)
  return child
}

async function succeed(child: ChildProcess, what: string): Promise<void> {
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${what} ended with ${code}`)
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}

/** Keeps the latencies and the lag that the pipeline logs with each batch. */
function follow(pipeline: ChildProcess): number[] {
  const latencies: number[] = []
  for (const stream of [pipeline.stdout!, pipeline.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => {
      const entry = line.startsWith('{') ? JSON.parse(line) : {}
      if (typeof entry.latency_ms === 'number') latencies.push(entry.latency_ms)
      if (typeof entry.lag === 'number') lag = entry.lag
      if (entry.batch === undefined) console.log(line)
    })
  }
  return latencies
}

type Files = { readonly table: string; readonly live: number; readonly small: number; readonly log: number }

async function countFiles(): Promise<Files[]> {
  const counts: Files[] = []
  for (const { path } of tables) {
    const directory = join(base, path)
    const files = [...(await (await DeltaTable.open(directory)).snapshot()).files.values()]
    const small = files.filter(({ size }) => size < 16n * 1024n * 1024n).length
    const log = (await readdir(join(directory, '_delta_log'))).length
    counts.push({ table: path, live: files.length, small, log })
  }
  return counts
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** Fails as soon as the pipeline ends. */
async function waitBeside(pipeline: ChildProcess, ms: number): Promise<void> {
  const waiting = new AbortController()
  const ended = once(pipeline, 'exit', { signal: waiting.signal }).then(([code]) => {
    throw new Error(`the pipeline ended by itself with ${code}`)
  })
  try {
    await Promise.race([sleep(ms, undefined, { signal: waiting.signal }), ended])
  } finally {
    waiting.abort()
    ended.catch(() => undefined)
  }
}

type Measure = { readonly resident: number; readonly files: readonly Files[] }

async function measure(pipeline: ChildProcess): Promise<Measure> {
  const samples: number[] = []
  for (const end = performance.now() + measureSeconds * 1000; performance.now() < end; ) {
    samples.push(await residentMiB(pipeline.pid!))
    await waitBeside(pipeline, sampleMs)
  }
  return { resident: median(samples), files: await countFiles() }
}

function report(when: string, { resident, files }: Measure): void {
  console.log(`${when}: ${Math.round(resident)} MiB resident, lag ${lag} records`)
  for (const { table, live, small, log } of files) {
    console.log(`  ${table.padEnd(30)} ${live} files, ${small} of them small, ${log} files of the log`)
  }
}

try {
  await broker.createTopic(topic, 4)
  let filledTo = Date.now() - fillSeconds * 1000
  for (let round = 1; Date.now() - filledTo > gapMaxMs; round++) {
    const to = Date.now()
    const count = Math.round((rate * (to - filledTo)) / 1000)
    const period = [filledTo, to].map((at) => new Date(at).toISOString()).join('/')
    const produced = ['produce', '--seed', String(round), '--count', String(count), '--period', period]
    await succeed(assay(produced, 'ignore'), 'produce')
    await succeed(assay(['run', '--once'], 'ignore'), 'run --once')
    console.log(`${count} transactions of ${period} are in all tables`)
    filledTo = to
  }
  const pipeline = assay(['run'], 'pipe')
  const latencies = follow(pipeline)
  const producer = assay(['produce', '--rate', String(rate), '--count', String(rate * seconds)], 'ignore')
  const produced = once(producer, 'exit')
  const startedMs = performance.now()
  const measures: Measure[] = []
  for (let part = 1; part <= parts; part++) {
    const endMs = startedMs + ((seconds * part) / parts - measureSeconds) * 1000
    await waitBeside(pipeline, Math.max(0, endMs - performance.now()))
    measures.push(await measure(pipeline))
    report(`after ${Math.round((seconds * part) / parts)} s`, measures.at(-1)!)
  }
  const [early, late] = [measures[0]!, measures.at(-1)!]
  await produced
  const exited = once(pipeline, 'exit')
  pipeline.kill('SIGTERM')
  const [code] = await exited
  const sorted = latencies.toSorted((a, b) => a - b)
  const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0
  const growth = late.resident / early.resident
  console.log(
    `${rate} transactions/s for ${seconds} s, ${latencies.length} batches: memory grew by the factor ${growth.toFixed(3)}, ` +
      `latency ${median(latencies)} ms in the median, ${p99} ms at 99 %; the pipeline ended with ${code}`,
  )
  const [verified] = await once(assay(['verify'], 'inherit'), 'exit')
  const isBounded = late.files.every(({ small }) => small <= smallFilesMax)
  if (growth > growthMax || !isBounded || code !== 0 || verified !== 0) process.exitCode = 1
} finally {
  for (const child of children)
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  await broker.stop()
  await rm(work, { recursive: true, force: true })
}
