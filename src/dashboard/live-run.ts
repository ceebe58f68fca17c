// What a run is doing, folded from its events for the pages: the last minutes second by second, the last
// batches phase by phase, and the riskiest transactions as they are decided.
import { memoryUsage } from 'node:process'
import type { BatchReport } from '../engines/batch-report.ts'
import { type BatchEvent, type CommitEvent, listener, type OpenedRun } from '../engines/events.ts'
import { addLatencies, type LatencyCounts, latencyQuantileMs } from '../engines/latency.ts'
import type { Lakehouse } from '../plan/index.ts'
import type { BatchTrace, LiveFinding, LivePoint, LiveState, LiveTable } from './api.ts'
import { readsOfTables } from './lakehouse-answer.ts'

const pointsKept = 600
const batchesKept = 40
/** Rates, quantiles and means are those of so long. */
const recentMs = 60_000
const batchesRecentMax = 1_000
const findingsKept = 20
/** Parts of a batch that are open: a batch that never ends must not be collected without end. */
const batchesOpenMax = 100

/** What the offsets of the input count: of files bytes. */
export type InputUnit = 'records' | 'bytes'

type Told = Extract<BatchEvent, { readonly kind: 'batch' }>
type Span = { readonly name: string; readonly endMs: number; readonly ms: number }
type OpenBatch = { readonly spans: Span[]; readonly commits: CommitEvent[] }
type RecentBatch = {
  readonly atMs: number
  readonly report: BatchReport
  readonly spans: readonly Span[]
  readonly hopsMs: Readonly<Record<string, number>>
}

export class LiveRun {
  readonly startedMs: number
  readonly points: LivePoint[] = []
  readonly batches: BatchTrace[] = []
  readonly #inputUnit: InputUnit
  readonly #readsOf: ReadonlyMap<string, string>
  readonly #nowMs: () => number
  #opened: OpenedRun | null = null
  #last: (Told & { readonly atMs: number }) | null = null
  #recent: RecentBatch[] = []
  readonly #open = new Map<bigint, OpenBatch>()
  #recordsTotal = 0
  #refusedTotal = 0
  #rows: Record<string, number> = {}
  #levels: Record<string, number> = {}
  #refusals: Record<string, number> = {}
  #firings: Record<string, number> = {}
  #notices: LiveFinding[] = []
  #newBatches: BatchTrace[] = []
  #isWaiting = false
  #isStopping = false

  constructor(lakehouse: Lakehouse, inputUnit: InputUnit, nowMs: () => number = Date.now) {
    this.#inputUnit = inputUnit
    this.#readsOf = readsOfTables(lakehouse)
    this.#nowMs = nowMs
    this.startedMs = nowMs()
  }

  readonly onEvent = listener({
    opened: (opened) => {
      this.#opened = opened
    },
    phase: ({ batch, phase, ms }) => {
      this.#openBatch(batch).spans.push({ name: phase, endMs: this.#nowMs(), ms })
    },
    committed: (commit) => void this.#openBatch(commit.batch).commits.push(commit),
    batch: (told) => this.#addBatch(told, this.#nowMs()),
    waiting: () => {
      this.#isWaiting = true
    },
    notice: ({ code, message }) => {
      const known = this.#notices.filter((notice) => notice.code !== code)
      const notice = { severity: 'warn', message, advice: null, code, sinceMs: this.#nowMs() } as const
      this.#notices = [notice, ...known].slice(0, findingsKept)
    },
  })

  stopping(): void {
    this.#isStopping = true
  }

  /** The second that has passed becomes a point of the charts. */
  tick(): { readonly state: LiveState; readonly point: LivePoint } {
    const state = this.state()
    const { p50, p95, p99 } = this.#latency(this.#batchesSince(this.#nowMs() - 10_000))
    const second = this.#recordsBetween(state.asOfMs - 1_000, state.asOfMs)
    const { resident, heap } = state.memory
    const lag = state.lag.records ?? state.lag.bytes
    const point = [Math.round(state.asOfMs / 1000), second, p50, p95, p99, lag, resident, heap]
    this.points.push(point)
    if (this.points.length > pointsKept) this.points.shift()
    return { state, point }
  }

  state(): LiveState {
    const nowMs = this.#nowMs()
    const recent = this.#batchesSince(nowMs - recentMs)
    const seconds = Math.min(recentMs, Math.max(1_000, nowMs - this.startedMs)) / 1000
    const { rss, heapUsed } = memoryUsage()
    const report = this.#last?.report ?? null
    return {
      asOfMs: nowMs,
      startedMs: this.startedMs,
      state: this.#stateNow(),
      batch: report === null ? null : Number(report.batch),
      lastBatchMs: this.#last?.atMs ?? null,
      recordsTotal: this.#recordsTotal,
      refusedTotal: this.#refusedTotal,
      recordsPerSecond: recent.reduce((sum, one) => sum + one.report.records, 0) / seconds,
      lag: this.#lag(),
      latency: this.#latency(recent),
      memory: { resident: rss, heap: heapUsed },
      tables: this.#tables(recent, seconds),
      partitions: [],
      phases: meanPhases(recent),
      refusals: { ...this.#refusals },
      levels: { ...this.#levels },
      firings: { ...this.#firings },
      findings: this.#notices,
    }
  }

  /** As of the last batch. */
  #lag(): LiveState['lag'] {
    const waiting = this.#last?.report.input?.lag
    const of = { records: null, bytes: null, seconds: null, drainSeconds: null, seenMs: null }
    if (waiting === undefined || this.#last === null) return of
    return { ...of, [this.#inputUnit]: Number(waiting), seenMs: this.#last.atMs }
  }

  #stateNow(): LiveState['state'] {
    if (this.#isStopping) return 'stopping'
    if (this.#opened === null) return 'starting'
    return this.#isWaiting ? 'waiting' : 'live'
  }

  #openBatch(batch: bigint): OpenBatch {
    const found = this.#open.get(batch) ?? { spans: [], commits: [] }
    this.#open.set(batch, found)
    if (this.#open.size > batchesOpenMax) this.#open.delete(this.#open.keys().next().value!)
    return found
  }

  #addBatch(told: Told, atMs: number): void {
    const { report } = told
    const { spans, commits } = this.#openBatch(report.batch)
    this.#open.delete(report.batch)
    this.#last = { ...told, atMs }
    this.#isWaiting = false
    this.#recordsTotal += report.records
    this.#refusedTotal += report.quarantinedRows
    addCounts(this.#rows, report.rowsByTable)
    addCounts(this.#levels, report.riskLevels)
    addCounts(this.#refusals, report.quarantineReasons)
    addCounts(this.#firings, report.firings)
    this.#recent.push({ atMs, report, spans, hopsMs: this.#hops(commits, atMs - report.batchMs) })
    if (this.#recent.length > batchesRecentMax) this.#recent.shift()
    const startMs = atMs - report.batchMs
    this.batches.push({
      batch: Number(report.batch),
      endMs: atMs,
      totalMs: report.batchMs,
      records: report.records,
      spans: spans.map(({ name, endMs, ms }) => ({
        name,
        fromMs: endMs - ms - startMs,
        toMs: endMs - startMs,
      })),
      commits: commits.map((one) => ({ table: one.table, atMs: one.atMs - startMs, rows: one.rows })),
    })
    this.#newBatches.push(this.batches.at(-1)!)
    for (const kept of [this.batches, this.#newBatches]) if (kept.length > batchesKept) kept.shift()
  }

  /** Those since it was asked last. */
  takeNewBatches(): readonly BatchTrace[] {
    const batches = this.#newBatches
    this.#newBatches = []
    return batches
  }

  /** How long after the table that it reads each table was committed; the first after the start. */
  #hops(commits: readonly CommitEvent[], startMs: number): Readonly<Record<string, number>> {
    const at = new Map(commits.map(({ table, atMs }) => [table, atMs]))
    const hops = commits.map(({ table, atMs }) => {
      const from = at.get(this.#readsOf.get(table) ?? '') ?? startMs
      return [table, Math.max(0, atMs - from)] as const
    })
    return Object.fromEntries(hops)
  }

  #batchesSince(fromMs: number): readonly RecentBatch[] {
    const oldestMs = this.#nowMs() - recentMs
    while (this.#recent[0] !== undefined && this.#recent[0].atMs < oldestMs) this.#recent.shift()
    return this.#recent.filter(({ atMs }) => atMs >= fromMs)
  }

  #recordsBetween(fromMs: number, toMs: number): number {
    const recent = this.#recent.filter(({ atMs }) => atMs > fromMs && atMs <= toMs)
    return recent.reduce((sum, one) => sum + one.report.records, 0)
  }

  #latency(recent: readonly RecentBatch[]): LiveState['latency'] {
    const all: LatencyCounts = addLatencies(recent.map(({ report }) => report.latencies))
    return {
      p50: latencyQuantileMs(all, 0.5),
      p95: latencyQuantileMs(all, 0.95),
      p99: latencyQuantileMs(all, 0.99),
    }
  }

  #tables(recent: readonly RecentBatch[], seconds: number): Readonly<Record<string, LiveTable>> {
    const tables = this.#opened?.tables ?? []
    return Object.fromEntries(
      tables.map(({ definition: { path }, delta }): [string, LiveTable] => {
        const { version, files, bytes, rows, committedMs } = delta.figures()
        const written = recent.reduce((sum, { report }) => sum + (report.rowsByTable[path] ?? 0), 0)
        const hops = recent.flatMap(({ hopsMs }) => hopsMs[path] ?? [])
        const hopMs = hops.length === 0 ? null : hops.reduce((a, b) => a + b, 0) / hops.length
        const rowsSinceStart = this.#rows[path] ?? 0
        const figures = { rows, version: Number(version), files, bytes, committedMs }
        const rowsPerSecond = written / seconds
        return [path, { rowsPerSecond, rowsSinceStart, ...figures, hopMs, watermarkMs: null }]
      }),
    )
  }
}

function meanPhases(recent: readonly RecentBatch[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const { spans } of recent) for (const { name, ms } of spans) sums[name] = (sums[name] ?? 0) + ms
  return Object.fromEntries(Object.entries(sums).map(([name, ms]) => [name, ms / recent.length]))
}

function addCounts(to: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) to[name] = (to[name] ?? 0) + count
}
