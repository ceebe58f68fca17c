// How old is a transaction when an independent Delta reader (delta-rs) can read its score, and what does that
// cost? Starts a real broker, and for each rate the pipeline with tables of its own and a producer; at the
// end the pipeline with nothing to do. Settings of the environment apply. Run: npx node bench/latency.ts
// [seconds] [records/s..]
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startBroker } from '../test/services/broker.ts'
import { pythonEnvironment } from '../test/services/tools.ts'
import type { LatencyFigures } from './figures.ts'
import { processorSecondsOf } from './measured-process.ts'

const seconds = Number(process.argv[2] ?? 40)
const rates = process.argv.length > 3 ? process.argv.slice(3).map(Number) : [2_000, 5_000, 10_000]
/** From the first rows on: what is compiled and connected by then is not what is measured. */
const warmUpSeconds = 5
const idleSeconds = 20
const python = await pythonEnvironment('deltalake', ['deltalake', 'pyarrow'])
const broker = await startBroker()
const directory = await mkdtemp(join(tmpdir(), 'assay-latency-'))
const running = new Set<ChildProcess>()
const measuredRates: LatencyFigures[] = []

function start(command: string, args: string[], settings: Record<string, string> = {}): ChildProcess {
  const environment = { ...process.env, LOG_LEVEL: 'warn', ...settings }
  const child = spawn(command, args, { env: environment, stdio: ['ignore', 'ignore', 'inherit'] })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  if (!running.has(child)) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function measure(rate: number): Promise<void> {
  const [topic, base] = [`bench.transactions.${rate}`, join(directory, String(rate))]
  const settings = {
    KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers.join(','),
    KAFKA_TOPIC: topic,
    DELTA_BASE_PATH: base,
  }
  const assay = (...args: string[]) =>
    start(process.execPath, [join(import.meta.dirname, '..', 'bin', 'assay.js'), ...args], settings)
  await broker.createTopic(topic, 4)
  const pipeline = assay('run')
  // What came before the pipeline was there would be as old as its start.
  while (!existsSync(join(base, 'ops', 'files', '_delta_log')) && running.has(pipeline)) await sleep(50)
  const producer = assay('produce', '--rate', String(rate))
  const script = join(import.meta.dirname, 'latency.py')
  const reader = spawn(python, [script, join(base, 'fraud_detection'), `${warmUpSeconds}`, `${seconds}`])
  reader.stderr.pipe(process.stderr)
  let found = ''
  let beforeSeconds = 0
  reader.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (found === '') beforeSeconds = processorSecondsOf(pipeline.pid!) // Its first line says that it begins.
    found += text
  })
  await once(reader, 'close')
  const share = (processorSecondsOf(pipeline.pid!) - beforeSeconds) / seconds
  const line = found.split('\n')[1]!
  const figures = { rate, ...(JSON.parse(line) as object), processorShare: share } as LatencyFigures
  measuredRates.push(figures)
  const { rows, versions, p50Ms, p99Ms, maxMs } = figures
  console.log(
    `${rate} records/s: ${rows} rows in ${versions} versions, p50 ${p50Ms} ms, p99 ${p99Ms} ms, max ${maxMs} ms; ` +
      `${share.toFixed(2)} processor seconds a second`,
  )
  await stop(producer)
  if (rate !== rates.at(-1)) return await stop(pipeline)
  await sleep(5_000) // What follows the last batch is done by then.
  const idleFrom = processorSecondsOf(pipeline.pid!)
  await sleep(idleSeconds * 1000)
  const idleShare = (processorSecondsOf(pipeline.pid!) - idleFrom) / idleSeconds
  console.log(`no records: ${idleShare.toFixed(3)} processor seconds a second`)
  await stop(pipeline)
}

try {
  for (const rate of rates) await measure(rate)
  console.log(JSON.stringify(measuredRates))
} finally {
  for (const child of running) await stop(child)
  await broker.stop()
  await rm(directory, { recursive: true, force: true })
}
