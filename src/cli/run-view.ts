// What a run says: what it reads and writes, what it waits for, what each batch did, that it stops, and a
// summary.
import type { SourceNotice } from '../batches/notice.ts'
import type { Config } from '../config/config.ts'
import type { Share } from '../decisions/decision-share.ts'
import type { BatchReport, ShadowReport } from '../engines/batch-report.ts'
import { latencyQuantileMs } from '../engines/latency.ts'
import { counted } from '../errors/counted.ts'
import { batchLine } from './batch-line.ts'
import { type DecidesAt, tellDecides, tellShare } from './decides-text.ts'
import { createLagEstimate } from './lag-estimate.ts'
import { isPretty, type Logger } from './logger.ts'
import { createProgressBar } from './progress-bar.ts'
import { isAllRefused, nearlyAllRefused } from './refusals.ts'
import { noTotals, type RunTotals, totalsSentence, totalsText, withBatch, withLost } from './run-totals.ts'

export type RunFacts = {
  /** What each reason of a refused record means. */
  readonly reasons: Readonly<Record<string, string>>
  /** The table of refused records, as a query names it. */
  readonly refused: string
  /** Of risk, highest first. */
  readonly levels: readonly string[]
  /** What is read, in words. */
  readonly input: string
  readonly deltaBasePath: string
  /** How many are written. */
  readonly tables: number
  readonly streams: readonly string[]
  readonly engine: Config['engine']
  /** Its name and its config; null for the lakehouse that ships. */
  readonly project: string | null
}

/** Where a run can be asked how it is. */
export type AskedAt = {
  readonly url: string | null
  readonly movedFrom: number | null
  /** null where there is none. */
  readonly dashboard: { readonly url: string; readonly movedFrom: number | null } | null
}

export type RunView = {
  onStart(asked: AskedAt): void
  onBatch(report: BatchReport): void
  onNotice(notice: SourceNotice): void
  /** The run decides transactions too as they come. */
  onDecides(at: DecidesAt): void
  /** Which of them are its own. */
  onShare(share: Share): void
  /** Nothing is there to be read; told often, said seldom. */
  onWait(): void
  onStop(signal: NodeJS.Signals): void
  /** The summary; says where a run with an end took nothing of what it read. */
  onEnd(): 'all refused' | null
  /** The summary of what was done before, where anything was. */
  onFailure(): void
}

/** After a batch, waiting is worth a line only when it lasts. */
const WAITING_TOLD_AFTER_MS = 30_000
const COLUMNS_DEFAULT = 80
/** How often a run without end says that nearly all is refused, and over how many records it judges. */
const REFUSALS_EVERY_MS = 10 * 60_000
const REFUSALS_RECORDS = 1_000

/** With `once` a progress bar and a summary; without, a line of the log for each batch. */
export function openRunView(about: RunFacts, log: Logger, once: boolean, config: Config['log']): RunView {
  return once ? onceView(about, log) : logView(about, log, isPretty(config))
}

export function startRun(facts: RunFacts, log: Logger, asked: AskedAt): void {
  const { input, deltaBasePath, tables, streams, engine, project } = facts
  if (project !== null) log.info(`project ${project}`)
  log.info({ engine, streams }, `reading ${input}, writing ${counted(tables, 'table')} in ${deltaBasePath}`)
  sayWhereAsked(asked, log)
}

function sayWhereAsked({ url, movedFrom, dashboard }: AskedAt, log: Logger): void {
  const moved = (from: number | null): string => (from === null ? '' : `port ${from} is taken, so `)
  if (dashboard !== null) {
    log.info({ url: dashboard.url }, `${moved(dashboard.movedFrom)}the dashboard is at ${dashboard.url}`)
  }
  if (url === null) return
  log.info({ url }, `${moved(movedFrom)}metrics are at ${url}/metrics; "assay status" says how the run is`)
}

function stopping(signal: NodeJS.Signals, log: Logger): void {
  const advice = 'a second signal ends the process at once, which loses nothing either'
  log.info({ signal }, `${signal}: stopping after the batch at hand; ${advice}`)
}

export function lostOffsets({ code, details }: SourceNotice): bigint {
  return code === 'KAFKA_OFFSETS_LOST' && typeof details.lost === 'bigint' ? details.lost : 0n
}

export function warnOfRefusals(totals: RunTotals, { reasons, refused }: RunFacts, log: Logger): boolean {
  const told = nearlyAllRefused(totals, 'NEARLY EVERY RECORD WAS REFUSED', reasons)
  if (told === null) return false
  const message = `${told} assay query "from ${refused}" shows what was refused.`
  const { records, quarantined } = totals
  log.warn({ code: 'NEARLY_ALL_REFUSED', records, quarantined }, message)
  return true
}

/** A run that ends soon says where it is asked only where that is not where it was told to be. */
const unasked: AskedAt = { url: null, movedFrom: null, dashboard: null }

/** A progress bar, then what became of the records. */
function onceView(about: RunFacts, log: Logger): RunView {
  const bar = createProgressBar('records', process.stderr, process.env)
  const lag = createLagEstimate()
  const startedMs = performance.now()
  let totals = noTotals
  /** The line of the bar goes, so that the log gets one of its own. */
  const say = (tell: () => void): void => {
    bar.clear()
    tell()
  }
  const summarize = (): void => {
    bar.close()
    process.stderr.write(totalsText(totals, performance.now() - startedMs))
    warnOfRefusals(totals, about, log)
  }
  return {
    onEnd() {
      summarize()
      return isAllRefused(totals) ? 'all refused' : null
    },
    onFailure: () => (totals.batches > 0 ? summarize() : bar.clear()),
    onStart: (asked) => say(() => startRun(about, log, asked.movedFrom === null ? unasked : asked)),
    onWait: () => undefined,
    // A run with an end decides nothing.
    ...{ onDecides: () => undefined, onShare: () => undefined },
    onStop: (signal) => say(() => stopping(signal, log)),
    onNotice(notice) {
      totals = withLost(totals, lostOffsets(notice))
      say(() => log.warn({ code: notice.code, ...notice.details }, notice.message))
    },
    onBatch(report) {
      totals = withBatch(totals, report)
      const waiting = lag.records(report)
      bar.update(totals.records, waiting === null ? null : totals.records + Number(waiting))
    },
  }
}

/** For people the summary is the text that `--once` ends with, for machines it is an entry of the log. */
function logView(about: RunFacts, log: Logger, pretty: boolean): RunView {
  const startedMs = performance.now()
  let [totals, sinceJudged] = [noTotals, noTotals]
  let [batchAtMs, isWaitingTold] = [startedMs, false]
  let warnedAtMs = Number.NEGATIVE_INFINITY
  const summarize = (): void => {
    const elapsedMs = performance.now() - startedMs
    if (pretty) process.stderr.write(totalsText(totals, elapsedMs))
    else log.info(totalsFacts(totals, elapsedMs), `ended: ${totalsSentence(totals, elapsedMs)}`)
  }
  return {
    onEnd() {
      summarize()
      return null
    },
    onFailure: () => (totals.batches > 0 ? summarize() : undefined),
    onStart: (asked) => startRun(about, log, asked),
    onStop: (signal) => stopping(signal, log),
    onDecides: (at) => tellDecides(log, at),
    onShare: (share) => tellShare(log, share),
    onNotice(notice) {
      totals = withLost(totals, lostOffsets(notice))
      log.warn({ code: notice.code, ...notice.details }, notice.message)
    },
    onWait() {
      const waitedMs = performance.now() - batchAtMs
      if (isWaitingTold || (totals.batches > 0 && waitedMs < WAITING_TOLD_AFTER_MS)) return
      isWaitingTold = true
      log.info(`everything is read: waiting for more in ${about.input}`)
    },
    onBatch(report) {
      totals = withBatch(totals, report)
      sinceJudged = withBatch(sinceJudged, report)
      if (pretty) log.info(batchLine(report, totals.lost, columnsOf(process.stderr)))
      else
        log.info(
          batchFacts(report, totals.lost),
          `batch ${report.batch}: ${counted(report.records, 'record')}`,
        )
      const nowMs = performance.now()
      ;[batchAtMs, isWaitingTold] = [nowMs, false]
      if (totals.batches > 1 && sinceJudged.records < REFUSALS_RECORDS) return
      if (nowMs - warnedAtMs >= REFUSALS_EVERY_MS && warnOfRefusals(sinceJudged, about, log))
        warnedAtMs = nowMs
      sinceJudged = noTotals
    },
  }
}

function totalsFacts(totals: RunTotals, elapsedMs: number): Readonly<Record<string, unknown>> {
  const { batches, records, lost, quarantined, reasons, rowsByTable } = totals
  return {
    batches,
    records,
    lost,
    quarantined,
    reasons,
    rows: rowsByTable,
    elapsed_ms: Math.round(elapsedMs),
  }
}

/** What is no terminal has lines of any length. A terminal that does not know its width says 0. */
function columnsOf({ isTTY, columns }: NodeJS.WriteStream): number {
  return isTTY ? columns || COLUMNS_DEFAULT : Number.POSITIVE_INFINITY
}

function batchFacts(report: BatchReport, lost: bigint) {
  const { watermarkMicros } = report
  return {
    batch: report.batch,
    records: report.records,
    lag: report.input === null ? null : report.input.lag,
    ...(lost > 0n ? { lost } : {}),
    silver: report.silverRows,
    quarantined: report.quarantinedRows,
    ...(report.quarantinedRows > 0 ? { reasons: report.quarantineReasons } : {}),
    ...(Object.keys(report.overflows).length > 0 ? { rule_overflows: report.overflows } : {}),
    ...(report.shadows.length > 0 ? { shadows: report.shadows.map(shadowFacts) } : {}),
    watermark: watermarkMicros === null ? null : new Date(Number(watermarkMicros / 1000n)).toISOString(),
    batch_ms: Math.round(report.batchMs),
    latency_ms: roundedMs(report.latencyMs),
    latency_p99_ms: roundedMs(latencyQuantileMs(report.latencies, 0.99)),
    review: report.reviewRows,
  }
}

function shadowFacts({ version, rows, reviewRows, failedRows }: ShadowReport) {
  return { version, rows, review: reviewRows, ...(failedRows > 0 ? { failed: failedRows } : {}) }
}

function roundedMs(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms)
}
