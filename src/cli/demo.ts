// `assay demo`: generator, pipeline and live view on one machine. No Kafka, no JVM: the generator writes
// files that the pipeline reads as they grow.

import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import type { RecordSource } from '../batches/source.ts'
import type { Config } from '../config/config.ts'
import { inHome } from '../config/values.ts'
import { embeddedEngine } from '../engines/embedded/run.ts'
import { listener, type OnEvent, tellAll } from '../engines/events.ts'
import { noLatencies } from '../engines/latency.ts'
import { openFileSource } from '../files/source.ts'
import { levelNames } from '../fraud/score.ts'
import { isStoreUrl } from '../objects/address.ts'
import { type ProduceOptions, produce } from '../produce/produce.ts'
import type { Project } from '../project/project.ts'
import { createLagEstimate } from './lag-estimate.ts'
import { type LiveView, startLiveView } from './live-painter.ts'
import { observeRun } from './observed-run.ts'
import { positiveNumber, seedNumber } from './option-values.ts'
import { pipelineOptions } from './pipeline-options.ts'
import { recordShape } from './record-shape.ts'
import { rulesInForce } from './running-rules.ts'
import { serveDashboard } from './served-dashboard.ts'
import { openSession, type Session } from './session.ts'

type DemoFlags = {
  readonly rate: number
  readonly seconds?: number
  readonly seed: number
  readonly deltaBasePath?: string
}

/** How long a second signal waits for a file that is being written. */
const lastWriteMaxMs = 500

/** What was before the demo begins: enough for windows of every table to be closed at once. */
const historyMs = 3 * 3_600_000
const historyRecords = 60_000
/** Paced, so that the first batch does not wait for the history. */
const historyRecordsPerSecond = 20_000
const firstBatchRecords = 2_000
/** So many that at the rate of the demo few of them buy six times in half an hour, as in life. */
const users = 1_000_000
/**
 * Enough dirt that quarantine and late rows are seen at work. The latency of files counts from the event
 * time, so fewer than one in a hundred are out of order: p99 is that of the pipeline.
 */
const dirt = { duplicateShare: 0.005, disorderShare: 0.005, lateShare: 0.002, malformedShare: 0.005 }

export function demoCommand(project: Project): Command {
  return new Command('demo')
    .option('--rate <records/s>', 'transactions a second', positiveNumber, 2_000)
    .option('--seconds <seconds>', 'stop after so long (default: go on until Ctrl-C)', positiveNumber)
    .option('--seed <number>', 'the same seed makes the same data', seedNumber, 7)
    .option(
      '--delta-base-path <directory>',
      'where the tables go (default: a new directory, which stays)',
      inHome,
    )
    .action((flags: DemoFlags) => demo(project, flags))
}

async function demo(project: Project, flags: DemoFlags): Promise<void> {
  const given = flags.deltaBasePath
  const isStore = given !== undefined && isStoreUrl(given)
  const session = openSession(project, isStore ? { DELTA_BASE_PATH: given } : {})
  const deltaBasePath = isStore
    ? session.config.deltaBasePath
    : (given ?? (await mkdtemp(join(tmpdir(), 'assay-demo-'))))
  const input = await mkdtemp(join(tmpdir(), 'assay-demo-input-'))
  try {
    const config = { ...session.config, deltaBasePath }
    await runDemo(project, flags, config, { input, log: session.log })
  } finally {
    await rm(input, { recursive: true, force: true })
  }
  process.stdout.write(
    `\nThe tables are in ${deltaBasePath}. Look into them:\n` +
      `  DELTA_BASE_PATH=${deltaBasePath} npx assay query "select risk_level, count(*) from fraud_detection group by 1"\n`,
  )
}

type DemoParts = { readonly input: string; readonly log: Session['log'] }

async function runDemo(
  project: Project,
  flags: DemoFlags,
  config: Config,
  { input, log }: DemoParts,
): Promise<void> {
  const { streams } = config.lakehouse
  const stop = new AbortController()
  const source = growingBatches(await openFileSource(input, { takeUnterminatedTail: false }))
  const pipeline = pipelineOptions({ ...config, engine: 'embedded' })
  const of = { engine: 'embedded', streams, reads: 'generated transactions' } as const
  const observed = await observeRun({ ...pipeline, ...of, source, metrics: config.metrics })
  const about = { ...of, inputUnit: 'bytes', title: 'Assay demo', observed } as const
  const dashboard = await serveDashboard(config, about, ({ message }) => log.warn(message))
  if (dashboard !== null) process.stdout.write(`The dashboard is at ${dashboard.url}\n`)
  const title = ['Assay demo', ...(dashboard === null ? [] : [dashboard.url]), config.deltaBasePath].join(
    '  ',
  )
  let view: LiveView | null = null
  const abort = (): void => {
    stop.abort()
    dashboard?.stopping()
    view?.say('stopping: the batch at hand is finished')
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!stop.signal.aborted) {
      abort()
      return
    }
    // A second Ctrl-C ends the process at once; a signal that does so calls nobody to give the terminal back.
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    view?.close()
    // A file that is being written would make the directory again.
    const limit = sleep(lastWriteMaxMs)
    void Promise.race([producing?.catch(() => undefined), limit]).then(() => {
      rmSync(input, { recursive: true, force: true })
      process.kill(process.pid, signal)
    })
  }
  let producing: Promise<void> | null = null
  // Before there is anything to see: who sees it may answer with a signal.
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  const shown = startLiveView(title, levelNames(project.lakehouse), process.stdout, process.env)
  view = shown
  if (observed.url !== null) shown.say(`metrics at ${observed.url}/metrics`)
  const timer = flags.seconds === undefined ? null : setTimeout(abort, flags.seconds * 1000)
  try {
    producing = produceAll(flags, { path: input, shape: recordShape(project) }, stop.signal)
    const listeners = [observed.onEvent, reportTo(shown), ...(dashboard === null ? [] : [dashboard.onEvent])]
    // The view shows what matters; nothing scrolls it away.
    const tell = withoutHistory(tellAll(listeners))
    const running = embeddedEngine.run({
      ...{ ...pipeline, streams, source, once: false, finalize: false, signal: stop.signal },
      ...{ tell, inForce: await rulesInForce(config, tell) },
    })
    // Whichever fails first stops the other.
    await Promise.all([producing, running].map((work) => Promise.resolve(work).finally(abort)))
  } finally {
    if (timer) clearTimeout(timer)
    await dashboard?.close()
    await observed.close()
    shown.close()
    await rm(input, { recursive: true, force: true })
    // Until then a second signal has to remove it.
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

/** The history at once, then what happens now, at the rate of the demo, until the signal. */
async function produceAll(
  flags: DemoFlags,
  { path, shape }: { readonly path: string; readonly shape: NonNullable<ProduceOptions['shape']> | null },
  signal: AbortSignal,
): Promise<void> {
  const nowMs = Date.now()
  const generator = { seed: flags.seed, users, ...dirt }
  const to = { kind: 'directory', path, rotateRows: 100_000, rotateSeconds: 60 } as const
  const period = { fromMs: nowMs - historyMs, toMs: nowMs }
  const ratePerSecond = historyRecordsPerSecond
  await produce({ generator, count: historyRecords, ratePerSecond, to, shape, period, signal })
  const count = Number.POSITIVE_INFINITY
  await produce({ generator, count, ratePerSecond: flags.rate, to, shape, period: null, signal })
}

/** The same input in batches that begin small and double: so the first numbers are there soon. */
export function growingBatches(source: RecordSource): RecordSource {
  let recordsMax = firstBatchRecords
  return {
    kind: source.kind,
    async cut(next, recordsPerBatchMax, signal, preferred) {
      const cut = await source.cut(next, Math.min(recordsMax, recordsPerBatchMax), signal, preferred)
      if (cut.ranges.length > 0) recordsMax *= 2
      return cut
    },
    read: (ranges, onChunk, signal) => source.read(ranges, onChunk, signal),
    waitForData: (next, waitMaxMs, signal) => source.waitForData(next, waitMaxMs, signal),
    lag: (next, signal) => source.lag(next, signal),
    reportProgress: (next) => source.reportProgress(next),
    close: () => source.close(),
  }
}

/** The history did not arrive when its event times say. */
function withoutHistory(tell: OnEvent): OnEvent {
  let records = 0
  return (event) => {
    if (event.kind !== 'batch') return tell(event)
    const isHistory = records < historyRecords
    records += event.report.records
    tell(isHistory ? { ...event, report: { ...event.report, latencies: noLatencies } } : event)
  }
}

function reportTo(view: LiveView): OnEvent {
  const lag = createLagEstimate()
  let isFirst = true
  return listener({
    batch: ({ report }) => {
      if (isFirst) view.say(null)
      isFirst = false
      view.report({ ...report, lagRecords: lag.records(report) })
    },
  })
}
