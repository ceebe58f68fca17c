// How far the tables are behind each partition: in records, in time, and when nothing will wait any more.
import type { Offsets, TopicPartition } from '../batches/offsets.ts'
import { partitionKey } from '../batches/offsets.ts'
import type { PartitionEnd } from '../batches/source.ts'
import type { NewestRecord } from './batch-report.ts'

export type PartitionLag = TopicPartition & {
  readonly records: number
  /**
   * How long the oldest record that waits has waited, at most: it came after the last one that was taken, and
   * after the last look at which none waited. null while neither is known.
   */
  readonly seconds: number | null
  /**
   * At the pace of the last minutes; infinite where the lag does not shrink, null while that is not known.
   */
  readonly drainSeconds: number | null
}

/** The pace is that of so long. */
const paceMs = 120_000

type Known = TopicPartition & {
  end: bigint
  earliest: bigint
  seenMs: number
  offset: bigint | null
  takenMs: number
  caughtUpMs: number
  samples: { readonly atMs: number; readonly lag: number }[]
}

export class PartitionLags {
  readonly #known = new Map<string, Known>()
  #offsets: Offsets = new Map()
  #seenMs: number | null = null

  /** When the ends were last seen; null before the first look. */
  get seenMs(): number | null {
    return this.#seenMs
  }

  /** Where the partitions end now. */
  see(ends: readonly PartitionEnd[], nowMs: number): void {
    this.#seenMs = nowMs
    const keys = new Set(ends.map(partitionKey))
    for (const key of this.#known.keys()) if (!keys.has(key)) this.#known.delete(key)
    for (const { topic, partition, earliest, end } of ends) {
      const known = this.#of({ topic, partition })
      Object.assign(known, { earliest, end, seenMs: nowMs })
      this.#catchUp(known)
      known.samples.push({ atMs: nowMs, lag: lagOf(known) })
      // One sample older than the pace stays: it is where the pace is measured from.
      while (known.samples.length > 2 && known.samples[1]!.atMs <= nowMs - paceMs) known.samples.shift()
    }
  }

  /** How far the tables are. */
  take(offsets: Offsets, newest: readonly NewestRecord[]): void {
    this.#offsets = offsets
    for (const { topic, partition, timestampMs } of newest) {
      const known = this.#of({ topic, partition })
      known.takenMs = Math.max(known.takenMs, timestampMs)
    }
    for (const known of this.#known.values()) this.#catchUp(known)
  }

  /** Of the partitions that were seen. */
  lags(nowMs: number): PartitionLag[] {
    return [...this.#known.values()]
      .filter(({ seenMs }) => seenMs > 0)
      .map((known) => {
        const records = lagOf(known)
        const sinceMs = Math.max(known.takenMs, known.caughtUpMs)
        const seconds = Number.isFinite(sinceMs) ? Math.max(0, nowMs - sinceMs) / 1000 : null
        return {
          ...{ topic: known.topic, partition: known.partition, records },
          seconds: records === 0 ? 0 : seconds,
          drainSeconds: drainSecondsOf(known, records),
        }
      })
  }

  #of({ topic, partition }: TopicPartition): Known {
    const key = partitionKey({ topic, partition })
    const found = this.#known.get(key) ?? {
      ...{ topic, partition, end: 0n, earliest: 0n, seenMs: 0, offset: null },
      ...{ takenMs: Number.NEGATIVE_INFINITY, caughtUpMs: Number.NEGATIVE_INFINITY, samples: [] },
    }
    this.#known.set(key, found)
    return found
  }

  /** What the last look saw is taken: what waits now came after it. */
  #catchUp(known: Known): void {
    known.offset = this.#offsets.get(partitionKey(known))?.offset ?? known.offset
    if (known.seenMs > 0 && lagOf(known) === 0) known.caughtUpMs = known.seenMs
  }
}

function lagOf({ offset, earliest, end }: Known): number {
  const from = offset === null || offset < earliest ? earliest : offset
  return end > from ? Number(end - from) : 0
}

function drainSecondsOf({ samples }: Known, records: number): number | null {
  if (records === 0) return 0
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined || first === last) return null
  const perSecond = (first.lag - last.lag) / ((last.atMs - first.atMs) / 1000)
  return perSecond > 0 ? records / perSecond : Number.POSITIVE_INFINITY
}
