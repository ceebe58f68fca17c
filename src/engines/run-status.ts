// The state of a running process as data, and what is wrong with it in words: `assay status` and /status.
import { holdingPartition } from '../batches/planner.ts'
import { diskFreeMinBytes } from '../metrics/objectives.ts'
import { eventsWatermark, type Lakehouse, namedTables } from '../plan/index.ts'
import { type HealthFacts, type RunFinding, runFindings } from './run-findings.ts'
import type { RunWatch } from './run-watch.ts'

/** In the words of the live view. */
export type RunState =
  | 'starting'
  | 'live'
  | 'backlog'
  | 'waiting'
  | 'away'
  | 'failing'
  | 'not running'
  | 'unknown'

export type TableStatus = {
  readonly table: string
  readonly batch: number | null
  readonly version: number
  readonly rows: number | null
  readonly commitAgeSeconds: number | null
  /** ISO 8601 in UTC; null where the table has none yet. */
  readonly watermark: string | null
  readonly watermarkDelaySeconds: number | null
}

export type LagStatus = {
  readonly records: number
  /** Of the partition that is furthest behind. */
  readonly seconds: number | null
  /** null where that is not known, or the lag does not shrink. */
  readonly drainSeconds: number | null
}

export type RunStatus = {
  /** ISO 8601 in UTC. */
  readonly asOf: string
  readonly streams: readonly string[]
  readonly state: RunState
  /** Who writes; null where nobody does. */
  readonly writer: {
    readonly pid: number
    readonly host: string | null
    readonly since: string
    readonly url: string | null
  } | null
  readonly engine: string | null
  readonly version: string | null
  readonly reads: string | null
  readonly deltaBasePath: string
  readonly batch: number | null
  readonly lastBatchAgeSeconds: number | null
  readonly recordsPerSecond: number | null
  readonly lag: LagStatus | null
  readonly tables: readonly TableStatus[]
  readonly findings: readonly RunFinding[]
}

/** What a status says of a run beside what it does. */
export type StatusFacts = {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly streams: readonly string[]
  readonly engine: string
  readonly version: string
  readonly reads: string
  readonly url: string | null
  readonly diskFreeBytes: number | null
}

export function runStatus(facts: StatusFacts, watch: RunWatch, isBehind: boolean, nowMs: number): RunStatus {
  const { streams, engine, version, reads, deltaBasePath, url } = facts
  const { last, progress } = watch
  const lag = lagOf(watch, nowMs)
  return {
    asOf: new Date(nowMs).toISOString(),
    streams,
    state: stateOf(watch, isBehind),
    writer: { pid: process.pid, host: null, since: new Date(watch.startedMs).toISOString(), url },
    ...{ engine, version, reads, deltaBasePath },
    batch: progress === null ? null : Number(progress.batch),
    lastBatchAgeSeconds: last === null ? null : (nowMs - last.atMs) / 1000,
    recordsPerSecond: watch.recordsPerSecond,
    lag,
    tables: tablesOf(facts, watch, nowMs),
    findings: runFindings(healthOf(facts, watch, lag, nowMs)),
  }
}

function stateOf({ opened, fault, outage, waitingSinceMs }: RunWatch, isBehind: boolean): RunState {
  if (outage !== null) return 'away'
  if (fault !== null) return 'failing'
  if (opened === null) return 'starting'
  if (isBehind) return 'backlog'
  return waitingSinceMs === null ? 'live' : 'waiting'
}

function lagOf({ lags }: RunWatch, nowMs: number): LagStatus | null {
  if (lags.seenMs === null) return null
  const all = lags.lags(nowMs)
  const most = (figures: readonly (number | null)[]): number | null =>
    figures.reduce<number | null>((a, b) => (b === null || (a !== null && a > b) ? a : b), null)
  const drain = most(all.map(({ drainSeconds }) => drainSeconds))
  return {
    records: all.reduce((sum, { records }) => sum + records, 0),
    seconds: most(all.map(({ seconds }) => seconds)),
    drainSeconds: drain === null || !Number.isFinite(drain) ? null : drain,
  }
}

function tablesOf({ lakehouse, streams }: StatusFacts, watch: RunWatch, nowMs: number): TableStatus[] {
  const { opened, progress } = watch
  if (opened === null) return []
  return opened.tables.flatMap(({ definition: { path }, delta }) => {
    const table = namedTables(lakehouse).find((one) => one.path === path)
    if (table === undefined || !streams.includes(table.stream)) return []
    const { version, rows, committedMs } = delta.figures()
    const name = watermarkOf(lakehouse, path)
    const micros = name === null ? undefined : progress?.watermarks[name]
    return [
      {
        table: path,
        batch: progress === null ? null : Number(progress.batch),
        version: Number(version),
        rows,
        commitAgeSeconds: committedMs === null ? null : Math.max(0, nowMs - committedMs) / 1000,
        ...watermarkStatus(micros, nowMs),
      },
    ]
  })
}

/** The name of a table's watermark: that of the events judges which rows come to them. */
export function watermarkOf(lakehouse: Lakehouse, path: string): string | null {
  if (path === lakehouse.events.path) return eventsWatermark(lakehouse)
  return lakehouse.tables.find((table) => table.path === path)?.watermark ?? null
}

export function watermarkStatus(
  micros: bigint | undefined,
  nowMs: number,
): Pick<TableStatus, 'watermark' | 'watermarkDelaySeconds'> {
  if (micros === undefined) return { watermark: null, watermarkDelaySeconds: null }
  const ms = Number(micros / 1000n)
  return { watermark: new Date(ms).toISOString(), watermarkDelaySeconds: (nowMs - ms) / 1000 }
}

function healthOf(
  { lakehouse, diskFreeBytes }: StatusFacts,
  watch: RunWatch,
  lag: LagStatus | null,
  nowMs: number,
): HealthFacts {
  const { recent, last, lags, outage, fault, opened, progress, shadowFaults } = watch
  const records = recent.reduce((sum, one) => sum + one.records, 0)
  const quarantined = recent.reduce((sum, one) => sum + one.quarantined, 0)
  const silver = opened?.silverBatch ?? null
  return {
    nowMs,
    outage,
    fault,
    lag,
    lagGrows:
      lag !== null && lags.lags(nowMs).some(({ drainSeconds }) => drainSeconds === Number.POSITIVE_INFINITY),
    unseenSeconds: lags.seenMs === null ? null : (nowMs - lags.seenMs) / 1000,
    idleSeconds: (nowMs - (last?.atMs ?? watch.startedMs)) / 1000,
    records,
    quarantined,
    refusedTable: lakehouse.refused.path,
    reasons: last?.report.quarantineReasons ?? {},
    phasesMs: recent.map(({ phasesMs }) => phasesMs),
    held: heldOf(watch),
    shadowFaults,
    batchesBehind: silver === null ? null : Number(silver() - (progress?.batch ?? 0n)),
    diskFreeBytes: diskFreeBytes !== null && diskFreeBytes < diskFreeMinBytes ? diskFreeBytes : null,
  }
}

/** The partition that holds the watermark back, and by how much it is behind the newest one. */
function heldOf({ last }: RunWatch): HealthFacts['held'] {
  if (last === null || last.recorded.plan === null) return null
  const { partitions } = last.recorded.progress
  const holding = holdingPartition(last.recorded.plan, partitions)
  if (holding === null) return null
  const times = [...partitions.values()].flatMap((one) => one.eventTimeMaxMicros ?? [])
  const newest = times.reduce((a, b) => (a > b ? a : b), 0n)
  const own = [...partitions.values()].find(
    ({ topic, partition }) => topic === holding.topic && partition === holding.partition,
  )
  if (own?.eventTimeMaxMicros == null) return null
  return { ...holding, seconds: Number(newest - own.eventTimeMaxMicros) / 1e6 }
}
