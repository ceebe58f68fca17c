// The figures of docs/guide/performance.md, all in one run: a million transactions through all tables, from
// Kafka and from files, beside DuckDB alone and Flink; small batches beside one durable commit; latency; and,
// if asked for, Spark. Its JSON file is what bench/report.ts writes the page from. Run: npm run bench --
// --help
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { localStorage } from '../src/delta/local-storage.ts'
import { type Broker, KAFKA_COORDINATES, startBroker } from '../test/services/broker.ts'
import type { BatchFigures, Figures, LatencyFigures, MillionName } from './figures.ts'
import { lastLine, measured, type ProcessFigures } from './measured-process.ts'
import { buildFlinkJob, flinkAgainstAssay, flinkArguments, flinkVersion } from './peers/flink.ts'
import { figuresTable } from './report.ts'

const parts = ['million', 'flink', 'batch', 'latency', 'spark'] as const
const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    only: { type: 'string', default: 'million,flink,batch,latency' },
    records: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    dirty: { type: 'boolean', default: false },
    batches: { type: 'string', default: '150' },
    batch: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '40' },
    rates: { type: 'string', default: '2000,5000,10000' },
    out: { type: 'string', default: join(import.meta.dirname, 'results', 'latest.json') },
  },
})
const usage = `npm run bench -- [options]
  --only <parts>      of ${parts.join(', ')} (default: all but spark, which takes minutes)
  --records <number>  of the million and of Spark (1000000)
  --rounds <number>   how often the million, the middle one by time counts (3)
  --dirty             with 10 % in disorder, 1 % repeated and 1 % malformed records
  --batches <number>  how many small batches (150), each of --batch records (500)
  --seconds <number>  of latency at each of --rates (40, at 2000,5000,10000 a second)
  --out <file>        the JSON file (bench/results/latest.json)
A look of some minutes: --records 50000 --rounds 1 --batches 30 --seconds 5 --rates 2000`

const root = join(import.meta.dirname, '..')
const assayPath = join(root, 'bin', 'assay.js')
const topic = 'bench.transactions'
const wanted = new Set(values.only.split(','))
const unknown = [...wanted].filter((part) => !(parts as readonly string[]).includes(part))
if (unknown.length > 0) throw new Error(`--only knows ${parts.join(', ')}, not ${unknown.join(', ')}`)
const dirt = values.dirty ? ['--disorder', '10%', '--duplicates', '1%', '--malformed', '1%'] : []
const records = ['--count', values.records, '--period', '2026-10-01/2026-10-02', ...dirt]

/** The million, each round one after another, so that a slower machine is slower for all of them. */
async function millionFigures(
  directory: string,
  broker: Broker,
): Promise<Pick<Figures, 'million' | 'flinkRows'>> {
  const brokers = broker.bootstrapServers.join(',')
  const kafka = { KAFKA_BOOTSTRAP_SERVERS: brokers, KAFKA_TOPIC: topic, LOG_LEVEL: 'warn' }
  const node = (args: string[], environment: Record<string, string> = kafka): Promise<ProcessFigures> =>
    measured(process.execPath, ['--max-semi-space-size=8', ...args], { environment })
  // Its records are of the past: the usual retention would delete them.
  await broker.createTopic(topic, 4, { 'retention.ms': '-1' })
  await node([assayPath, 'produce', ...records, '--compression', 'lz4'])
  const input = join(directory, 'input')
  await node([assayPath, 'produce', ...records, '--to', input])
  if (wanted.has('flink')) await buildFlinkJob()

  const million: Partial<Record<MillionName, ProcessFigures[]>> = {}
  const noted = async (name: MillionName, run: Promise<ProcessFigures>): Promise<void> => {
    const { seconds, processorSeconds, peakMiB } = await run
    million[name] = [...(million[name] ?? []), { seconds, processorSeconds, peakMiB }]
    console.error(`${name}: ${seconds.toFixed(1)} s, ${processorSeconds.toFixed(1)} s of processor time`)
  }
  let flinkRows: Figures['flinkRows'] = null
  const once = [assayPath, 'run', '--once', '--finalize']
  for (let round = 0; round < Number(values.rounds); round++) {
    const place = join(directory, `round-${round}`)
    const [fromFiles, fromKafka, flink] = ['files', 'kafka', 'flink'].map((name) => join(place, name))
    await noted('bareDuckdb', node([join(import.meta.dirname, 'bare-duckdb.ts'), input, join(place, 'bare')]))
    await noted('assayFromFiles', node([...once, '--from', input], { ...kafka, DELTA_BASE_PATH: fromFiles! }))
    await noted('assayFromKafka', node(once, { ...kafka, DELTA_BASE_PATH: fromKafka! }))
    if (wanted.has('flink')) {
      await noted('flink', measured('java', await flinkArguments(brokers, topic, flink!)))
      flinkRows = await flinkAgainstAssay(flink!, fromKafka!)
    }
    await rm(place, { recursive: true })
  }
  return { million, flinkRows }
}

async function batchFigures(directory: string): Promise<Figures['batch']> {
  const script = join(import.meta.dirname, 'many-batches.ts')
  const { output } = await measured(process.execPath, [script, values.batches, values.batch])
  const batch = lastLine(output) as BatchFigures
  return { ...batch, records: Number(values.batch), durableCommitMs: await durableCommitMs(directory) }
}

/** A file as of a Delta commit written, synced, linked and its directory synced, in the median. */
async function durableCommitMs(directory: string): Promise<number> {
  const [commits, text] = [200, 'x'.repeat(2_000)]
  const times: number[] = []
  for (let index = 0; index < commits; index++) {
    const startedMs = performance.now()
    const pending = await localStorage.prepare(directory, text)
    await pending.putIfAbsent(join(directory, `commit-${index}`))
    times.push(performance.now() - startedMs)
  }
  return times.sort((a, b) => a - b)[commits / 2]!
}

async function latencyFigures(): Promise<LatencyFigures[]> {
  const script = [join(import.meta.dirname, 'latency.ts'), values.seconds, ...values.rates.split(',')]
  return lastLine((await measured(process.execPath, script)).output) as LatencyFigures[]
}

async function sparkFigures(): Promise<Figures['spark']> {
  const script = [join(import.meta.dirname, 'spark', 'million.ts'), values.records]
  return lastLine((await measured(process.execPath, script)).output) as Figures['spark']
}

async function machineFacts(): Promise<Record<string, string>> {
  const told = (command: string, args: string[]): string => {
    const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: root })
    return (stdout || stderr || 'none').split('\n')[0]!
  }
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const [version] = (await connection.runAndReadAll('SELECT version()')).getRows()[0]!
  connection.closeSync()
  return {
    processor: `${cpus().length} cores, ${cpus()[0]?.model.trim()}`,
    memory: `${(totalmem() / 1024 ** 3).toFixed(0)} GiB`,
    kernel: `Linux ${release()}`,
    load: `${loadavg()[0]!.toFixed(2)} at the start`,
    Assay: told('git', ['describe', '--always', '--dirty', '--tags']),
    'Node.js': process.version,
    DuckDB: String(version),
    Kafka: KAFKA_COORDINATES[0]!.split(':').at(-1)!,
    Flink: await flinkVersion(),
    Java: told('java', ['-version']),
  }
}

async function main(): Promise<void> {
  const machine = await machineFacts()
  const directory = await mkdtemp(join(tmpdir(), 'assay-bench-'))
  let figures: Figures = {
    measuredAt: new Date().toISOString(),
    machine,
    records: Number(values.records),
    areDirty: values.dirty,
    million: {},
    flinkRows: null,
    batch: null,
    latency: null,
    spark: null,
  }
  try {
    if (wanted.has('million') || wanted.has('flink')) {
      const broker = await startBroker()
      try {
        figures = { ...figures, ...(await millionFigures(directory, broker)) }
      } finally {
        await broker.stop()
      }
    }
    if (wanted.has('batch')) figures = { ...figures, batch: await batchFigures(directory) }
    if (wanted.has('latency')) figures = { ...figures, latency: await latencyFigures() }
    if (wanted.has('spark')) figures = { ...figures, spark: await sparkFigures() }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  await mkdir(dirname(values.out), { recursive: true })
  await writeFile(values.out, `${JSON.stringify(figures, null, 2)}\n`)
  console.log(figuresTable(figures))
}

if (values.help) console.log(usage)
else await main()
