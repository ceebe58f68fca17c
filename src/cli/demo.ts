// `assay demo`: generator, pipeline and live view on one machine. No Kafka, no JVM: the generator writes
// files that the pipeline reads as they grow.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { embeddedEngine } from '../engines/embedded/run.ts'
import { openFileSource } from '../files/source.ts'
import { streamNames } from '../plan/index.ts'
import { produce } from '../produce/produce.ts'
import { startLiveView } from './live-painter.ts'
import { pipelineOptions } from './pipeline-options.ts'
import { openSession } from './session.ts'

type DemoFlags = {
  readonly rate: number
  readonly seconds?: number
  readonly seed: number
  readonly deltaBasePath?: string
}

/** What was before the demo begins: enough for windows of every table to be closed at once. */
const historyMs = 3 * 3_600_000
const historyRecords = 60_000
/** So many that at the rate of the demo few of them buy six times in half an hour, as in life. */
const users = 1_000_000
/** Enough dirt that quarantine and late rows are seen at work. */
const dirt = { duplicateShare: 0.005, disorderShare: 0.02, lateShare: 0.002, malformedShare: 0.005 }

export function demoCommand(): Command {
  return new Command('demo')
    .option('--rate <records/s>', 'transactions a second', positive, 2_000)
    .option('--seconds <seconds>', 'stop after so long (default: go on until Ctrl-C)', positive)
    .option('--seed <number>', 'the same seed makes the same data', Number, 7)
    .option('--delta-base-path <directory>', 'where the tables go (default: a new directory, which stays)')
    .action(demo)
}

async function demo(flags: DemoFlags): Promise<void> {
  const { config } = openSession()
  const deltaBasePath = flags.deltaBasePath ?? (await mkdtemp(join(tmpdir(), 'assay-demo-')))
  const input = await mkdtemp(join(tmpdir(), 'assay-demo-input-'))
  const stop = new AbortController()
  const abort = (): void => stop.abort()
  process.once('SIGINT', abort).once('SIGTERM', abort)
  const timer = flags.seconds === undefined ? null : setTimeout(abort, flags.seconds * 1000)
  const generator = { seed: flags.seed, users, ...dirt }
  const files = { kind: 'directory', path: input, rotateRows: 100_000, rotateSeconds: 60 } as const
  let [consumed, records] = [0, 0]
  const view = startLiveView(`Assay demo  ${deltaBasePath}`, process.stdout, process.env)
  try {
    const nowMs = Date.now()
    await produce({
      generator,
      count: historyRecords,
      ratePerSecond: null,
      to: files,
      period: { fromMs: nowMs - historyMs, toMs: nowMs },
      signal: stop.signal,
    })
    const source = await openFileSource(input, { takeUnterminatedTail: false })
    const producing = produce({
      generator,
      count: Number.POSITIVE_INFINITY,
      ratePerSecond: flags.rate,
      to: files,
      period: null,
      signal: stop.signal,
    })
    const running = embeddedEngine.run({
      ...pipelineOptions({ ...config, deltaBasePath }),
      streams: streamNames,
      source,
      once: false,
      finalize: false,
      signal: stop.signal,
      onBatch(report) {
        consumed += Number(report.input?.consumed ?? 0n)
        records += report.records
        // The lag of files is in bytes; a record has about as many as those before it.
        const lag = Math.round((Number(report.input?.lag ?? 0n) * records) / consumed)
        // The history did not arrive when its event times say.
        const isHistory = records - report.records < historyRecords
        const latencyMs = isHistory ? null : report.latencyMs
        view.report({ ...report, latencyMs, lagRecords: BigInt(lag) })
      },
      onNotice: () => undefined, // The view shows what matters; nothing scrolls it away.
    })
    // Whichever fails first stops the other.
    await Promise.all([producing, running].map((work) => Promise.resolve(work).finally(abort)))
  } finally {
    if (timer) clearTimeout(timer)
    view.close()
    await rm(input, { recursive: true, force: true })
  }
  process.stdout.write(
    `\nThe tables are in ${deltaBasePath}. Look into them:\n` +
      `  DELTA_BASE_PATH=${deltaBasePath} npx assay query "select risk_level, count(*) from fraud_detection group by 1"\n`,
  )
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('It is a number greater than 0.')
  return value
}
