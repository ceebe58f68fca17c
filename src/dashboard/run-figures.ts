// What is known of a run beside its events, as the pages show it: its state in a word, what waits,
// watermarks, and what is wrong. It is what `assay status` and the metrics tell.

import { partitionKey } from '../batches/offsets.ts'
import { holdingPartition } from '../batches/planner.ts'
import type { OnEvent } from '../engines/events.ts'
import type { RunStatus } from '../engines/run-status.ts'
import type { RunWatch } from '../engines/run-watch.ts'
import type { LivePartition, LiveState } from './api.ts'

export type Observed = {
  readonly watch: RunWatch
  readonly status: () => Promise<RunStatus>
  /** Hears what is not of the run itself. */
  readonly onEvent: OnEvent
}

export async function withFigures(state: LiveState, { watch, status }: Observed): Promise<LiveState> {
  const { state: word, lag, tables, findings } = await status()
  const watermarks = new Map(tables.map(({ table, watermark }) => [table, watermark]))
  const isSaid = state.state === 'stopping' || word === 'unknown' || word === 'not running'
  return {
    ...state,
    state: isSaid ? state.state : word,
    lag: lag === null ? state.lag : { ...lag, bytes: null, seenMs: watch.lags.seenMs },
    tables: Object.fromEntries(
      Object.entries(state.tables).map(([path, table]) => {
        const watermark = watermarks.get(path) ?? null
        return [path, { ...table, watermarkMs: watermark === null ? null : Date.parse(watermark) }]
      }),
    ),
    partitions: partitionsOf(watch, state.asOfMs),
    findings: [
      ...findings.map(({ severity, text, help }) => {
        return { severity, message: text, advice: help, code: null, sinceMs: null }
      }),
      ...state.findings,
    ],
  }
}

function partitionsOf({ lags, last, progress }: RunWatch, nowMs: number): readonly LivePartition[] {
  const times = progress?.partitions ?? new Map<string, never>()
  const plan = last?.recorded.plan ?? null
  const holding = plan === null ? null : holdingPartition(plan, times)
  const waiting = new Map(lags.lags(nowMs).map((lag) => [partitionKey(lag), lag]))
  const keys = new Set([...times.keys(), ...waiting.keys()])
  return [...keys].sort().map((key) => {
    const { topic, partition } = times.get(key) ?? waiting.get(key)!
    const micros = times.get(key)?.eventTimeMaxMicros ?? null
    return {
      topic,
      partition,
      eventTimeMs: micros === null ? null : Number(micros / 1000n),
      lagRecords: waiting.get(key)?.records ?? null,
      holdsBack: holding !== null && topic === holding.topic && partition === holding.partition,
    }
  })
}
