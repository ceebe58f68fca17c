// What a run is doing now, folded from its events: what metrics and the status are told from.
import type { Progress } from '../batches/progress.ts'
import type { RecordSource } from '../batches/source.ts'
import { errorCodes } from '../errors/errors.ts'
import { type BatchEvent, type FaultEvent, listener, type OpenedRun } from './events.ts'
import { PartitionLags } from './partition-lag.ts'

/** The ends of the partitions are looked at so often, beside the batches. */
const looksEveryMs = 5_000
const lookMaxMs = 2_000
/** Rates and shares are those of so long. */
const recentMs = 60_000
/** Batches of that time at most: a fast run of small ones must not collect them without end. */
const recentBatchesMax = 1_000

type Told = Extract<BatchEvent, { readonly kind: 'batch' }>

/** A batch of the recent past. */
export type RecentBatch = {
  readonly atMs: number
  readonly records: number
  readonly quarantined: number
  readonly batchMs: number
  readonly phasesMs: Readonly<Record<string, number>>
}

/** Something that is waited for: it may be over at any time. */
export type Outage = { readonly code: string; readonly message: string; readonly sinceMs: number }

export class RunWatch {
  readonly startedMs: number
  readonly lags = new PartitionLags()
  readonly #nowMs: () => number
  #opened: OpenedRun | null = null
  #last: (Told & { readonly atMs: number }) | null = null
  #recent: RecentBatch[] = []
  #phases = new Map<bigint, Record<string, number>>()
  #fault: (FaultEvent & { readonly atMs: number }) | null = null
  #outage: Outage | null = null
  #shadowFaults: readonly string[] = []
  /** Told before the tables are open. */
  #shadowFaultsTold: string[] = []
  #waitingSinceMs: number | null = null
  #looking: Promise<void> | null = null
  readonly #looks = new AbortController()

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs
    this.startedMs = nowMs()
  }

  /** null before the tables are open. */
  get opened(): OpenedRun | null {
    return this.#opened
  }

  get last(): (Told & { readonly atMs: number }) | null {
    return this.#last
  }

  get progress(): Progress | null {
    return this.#last?.recorded.progress ?? this.#opened?.progress ?? null
  }

  /** The last failure, until something got done after it. */
  get fault(): (FaultEvent & { readonly atMs: number }) | null {
    return this.#fault
  }

  /** What is wrong with versions that should run as shadows. */
  get shadowFaults(): readonly string[] {
    return this.#shadowFaults
  }

  get outage(): Outage | null {
    return this.#outage
  }

  /** Since when nothing is there to be carried; null while something is. */
  get waitingSinceMs(): number | null {
    return this.#waitingSinceMs
  }

  /** The batches of the last minute, oldest first. */
  get recent(): readonly RecentBatch[] {
    const fromMs = this.#nowMs() - recentMs
    while (this.#recent[0] !== undefined && this.#recent[0].atMs < fromMs) this.#recent.shift()
    return this.#recent
  }

  /** Over the last minute, or over the time since the start. */
  get recordsPerSecond(): number {
    const records = this.recent.reduce((sum, one) => sum + one.records, 0)
    const overMs = Math.min(recentMs, Math.max(1_000, this.#nowMs() - this.startedMs))
    return records / (overMs / 1000)
  }

  readonly onEvent = listener({
    opened: (event) => {
      this.#opened = event
      this.#shadowFaults = this.#shadowFaultsTold
      this.#shadowFaultsTold = []
      this.lags.take(event.progress.offsets, [])
    },
    phase: ({ batch, phase, ms }) => {
      const ofBatch = this.#phases.get(batch) ?? {}
      this.#phases.set(batch, { ...ofBatch, [phase]: (ofBatch[phase] ?? 0) + ms })
      if (this.#phases.size > recentBatchesMax) this.#phases.delete(this.#phases.keys().next().value!)
    },
    batch: (event) => this.#addBatch(event, this.#nowMs()),
    waiting: () => {
      this.#waitingSinceMs ??= this.#nowMs()
      this.#fault = null
    },
    fault: (event) => {
      this.#fault = { ...event, atMs: this.#nowMs() }
    },
    notice: ({ code, message }) => {
      if (code === 'RULES_SHADOW_FAILED') this.#shadowFaultsTold.push(message)
      if (code === 'KAFKA_BACK') this.#outage = null
      const isOutage = code in errorCodes && isWaitedFor(code)
      if (isOutage) this.#outage ??= { code, message, sinceMs: this.#nowMs() }
    },
  })

  /** Looks at the ends of the source's partitions from now on; `stop` ends it. */
  look(source: RecordSource | null): void {
    if (source?.ends === undefined) return
    const look = async (): Promise<void> => {
      const signal = AbortSignal.any([this.#looks.signal, AbortSignal.timeout(lookMaxMs)])
      // A broker that is away shows by the age of the last look.
      const ends = await source.ends!(signal).catch(() => null)
      if (ends !== null) this.lags.see(ends, this.#nowMs())
      this.#looking = null
    }
    const timer = setInterval(() => {
      this.#looking ??= look()
    }, looksEveryMs)
    timer.unref()
    this.#looks.signal.addEventListener('abort', () => clearInterval(timer))
    this.#looking = look()
  }

  async stop(): Promise<void> {
    this.#looks.abort()
    await this.#looking
  }

  #addBatch(event: Told, atMs: number): void {
    const { report, recorded } = event
    this.#last = { ...event, atMs }
    this.#fault = null
    this.#outage = null
    this.#waitingSinceMs = null
    this.lags.take(recorded.progress.offsets, report.newestRecords)
    const phasesMs = this.#phases.get(report.batch) ?? {}
    this.#phases.delete(report.batch)
    const { records, quarantinedRows: quarantined, batchMs } = report
    this.#recent.push({ atMs, records, quarantined, batchMs, phasesMs })
    if (this.#recent.length > recentBatchesMax) this.#recent.shift()
  }
}

function isWaitedFor(code: string): boolean {
  return errorCodes[code as keyof typeof errorCodes].retry === 'wait' // As just seen, it is one of them.
}
