// What the live view shows: totals and the recent past, folded from one report for each batch.

import type { Alert, BatchReport } from '../engines/engine.ts'

/** What one batch did, with the lag in records: that of files is told in bytes. */
export type LiveViewReport = Omit<BatchReport, 'input'> & { readonly lagRecords: bigint | null }

export type LiveViewState = {
  readonly title: string
  readonly startedMs: number
  readonly nowMs: number
  readonly batch: bigint | null
  readonly batches: number
  readonly records: number
  /** Records by whole second, the newest last; seconds without any are absent. */
  readonly recordsBySecond: readonly { readonly second: number; readonly records: number }[]
  readonly latenciesMs: readonly number[]
  readonly batchMs: number | null
  readonly watermarkMicros: bigint | null
  readonly lagRecords: bigint | null
  readonly rowsByTable: Readonly<Record<string, number>>
  readonly quarantineReasons: Readonly<Record<string, number>>
  readonly riskLevels: Readonly<Record<string, number>>
  /** The newest first. */
  readonly alerts: readonly Alert[]
}

export const SECONDS_KEPT = 120
export const LATENCIES_KEPT = 512
export const ALERTS_KEPT = 50

export function emptyLiveView(title: string, nowMs: number): LiveViewState {
  return {
    ...{ title, startedMs: nowMs, nowMs, batch: null, batches: 0, records: 0, recordsBySecond: [] },
    ...{ latenciesMs: [], batchMs: null, watermarkMicros: null, lagRecords: null },
    ...{ rowsByTable: {}, quarantineReasons: {}, riskLevels: {}, alerts: [] },
  }
}

export function withTime(state: LiveViewState, nowMs: number): LiveViewState {
  return { ...state, nowMs }
}

export function withReport(state: LiveViewState, report: LiveViewReport, nowMs: number): LiveViewState {
  const { latencyMs } = report
  return {
    ...state,
    nowMs,
    batch: report.batch,
    batches: state.batches + 1,
    records: state.records + report.records,
    recordsBySecond: addToSecond(state.recordsBySecond, Math.floor(nowMs / 1000), report.records),
    latenciesMs:
      latencyMs === null ? state.latenciesMs : [...state.latenciesMs, latencyMs].slice(-LATENCIES_KEPT),
    batchMs: report.batchMs,
    watermarkMicros: report.watermarkMicros,
    lagRecords: report.lagRecords,
    rowsByTable: addCounts(state.rowsByTable, report.rowsByTable),
    quarantineReasons: addCounts(state.quarantineReasons, report.quarantineReasons),
    riskLevels: addCounts(state.riskLevels, report.riskLevels),
    alerts: [...report.alerts.toReversed(), ...state.alerts].slice(0, ALERTS_KEPT),
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

/** The smallest value that at least `share` of the values do not exceed; null without any. */
export function quantile(values: readonly number[], share: number): number | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
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

function addCounts(
  before: Readonly<Record<string, number>>,
  more: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const sum = new Map(Object.entries(before))
  for (const [name, count] of Object.entries(more)) sum.set(name, (sum.get(name) ?? 0) + count)
  return Object.fromEntries(sum)
}
