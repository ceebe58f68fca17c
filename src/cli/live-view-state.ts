// What the live view shows: totals and the recent past, folded from one report for each batch.

import type { Alert, BatchReport } from '../engines/batch-report.ts'
import { addLatencies, type LatencyCounts, latencyQuantileMs } from '../engines/latency.ts'

/** What one batch did, with the lag in records: that of files is told in bytes. */
export type LiveViewReport = Omit<
  BatchReport,
  'input' | 'latencyMs' | 'refusedSample' | 'firings' | 'overflows' | 'shadows' | 'newestRecords'
> & {
  readonly lagRecords: bigint | null
}

export type LiveViewState = {
  readonly title: string
  /** What is being done, where that is not to carry batches; null else. */
  readonly note: string | null
  /** Where the run decides transactions as they come, and which of them; null where it does not. */
  readonly decisions: string | null
  readonly startedMs: number
  readonly nowMs: number
  readonly batch: bigint | null
  readonly batches: number
  readonly records: number
  /** Records by whole second, the newest last; seconds without any are absent. */
  readonly recordsBySecond: readonly { readonly second: number; readonly records: number }[]
  /** Of the records of each of the last seconds, as those of `recordsBySecond`. */
  readonly latenciesBySecond: readonly { readonly second: number; readonly counts: LatencyCounts }[]
  readonly batchMs: number | null
  readonly watermarkMicros: bigint | null
  readonly lagRecords: bigint | null
  readonly rowsByTable: Readonly<Record<string, number>>
  readonly quarantineReasons: Readonly<Record<string, number>>
  readonly riskLevels: Readonly<Record<string, number>>
  /** All that there are, highest first. */
  readonly levels: readonly string[]
  /** By their event times, the newest first. */
  readonly alerts: readonly Alert[]
}

export const SECONDS_KEPT = 120
export const ALERTS_KEPT = 50

export function emptyLiveView(title: string, nowMs: number, levels: readonly string[]): LiveViewState {
  return {
    ...{
      title,
      note: null,
      decisions: null,
      startedMs: nowMs,
      nowMs,
      batch: null,
      batches: 0,
      records: 0,
      recordsBySecond: [],
    },
    ...{ latenciesBySecond: [], batchMs: null, watermarkMicros: null, lagRecords: null },
    ...{ rowsByTable: {}, quarantineReasons: {}, riskLevels: {}, levels, alerts: [] },
  }
}

export function withNote(state: LiveViewState, note: string | null): LiveViewState {
  return { ...state, note }
}

export function withDecisions(state: LiveViewState, decisions: string): LiveViewState {
  return { ...state, decisions }
}

export function withTime(state: LiveViewState, nowMs: number): LiveViewState {
  return { ...state, nowMs }
}

export function withReport(state: LiveViewState, report: LiveViewReport, nowMs: number): LiveViewState {
  const second = Math.floor(nowMs / 1000)
  return {
    ...state,
    nowMs,
    batch: report.batch,
    batches: state.batches + 1,
    records: state.records + report.records,
    recordsBySecond: addToSecond(state.recordsBySecond, second, report.records),
    latenciesBySecond: addLatenciesToSecond(state.latenciesBySecond, second, report.latencies),
    batchMs: report.batchMs,
    watermarkMicros: report.watermarkMicros,
    lagRecords: report.lagRecords,
    rowsByTable: addCounts(state.rowsByTable, report.rowsByTable),
    quarantineReasons: addCounts(state.quarantineReasons, report.quarantineReasons),
    riskLevels: addCounts(state.riskLevels, report.riskLevels),
    alerts: newestFirst([...report.alerts, ...state.alerts]).slice(0, ALERTS_KEPT),
  }
}

/** Records in each of the last `seconds` whole seconds before now, the newest last. */
export function recentRates(state: LiveViewState, seconds: number): number[] {
  const newest = Math.floor(state.nowMs / 1000) - 1 // The present second is not over.
  const oldest = Math.max(Math.floor(state.startedMs / 1000), newest - seconds + 1)
  const rates = new Array<number>(Math.max(0, newest - oldest + 1)).fill(0)
  for (const { second, records } of state.recordsBySecond) {
    if (second >= oldest && second <= newest) rates[second - oldest] = records
  }
  return rates
}

/** What at least `share` of the records of the last seconds took at most; null without any. */
export function recentLatencyMs(state: LiveViewState, share: number): number | null {
  const oldest = Math.floor(state.nowMs / 1000) - SECONDS_KEPT
  const recent = state.latenciesBySecond.filter(({ second }) => second >= oldest)
  return latencyQuantileMs(addLatencies(recent.map(({ counts }) => counts)), share)
}

function newestFirst(alerts: readonly Alert[]): Alert[] {
  return alerts.toSorted((a, b) => (a.event_time === b.event_time ? 0 : a.event_time < b.event_time ? 1 : -1))
}

function addToSecond(
  before: LiveViewState['recordsBySecond'],
  second: number,
  records: number,
): LiveViewState['recordsBySecond'] {
  const newest = before.at(-1)
  if (newest?.second === second)
    return [...before.slice(0, -1), { second, records: newest.records + records }]
  return [...before, { second, records }].slice(-SECONDS_KEPT)
}

function addLatenciesToSecond(
  before: LiveViewState['latenciesBySecond'],
  second: number,
  counts: LatencyCounts,
): LiveViewState['latenciesBySecond'] {
  if (counts.size === 0) return before
  const newest = before.at(-1)
  if (newest?.second === second)
    return [...before.slice(0, -1), { second, counts: addLatencies([newest.counts, counts]) }]
  return [...before, { second, counts }].slice(-SECONDS_KEPT)
}

function addCounts(
  before: Readonly<Record<string, number>>,
  more: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const sum = new Map(Object.entries(before))
  for (const [name, count] of Object.entries(more)) sum.set(name, (sum.get(name) ?? 0) + count)
  return Object.fromEntries(sum)
}
