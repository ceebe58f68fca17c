// What this process decided of records of all partitions, until the decision of each is on its topic, by
// whomever. What is left of a partition when it becomes this one's own is what its owner did not get to.
import { type NextOffset, type Offsets, partitionKey, type TopicPartition } from '../batches/offsets.ts'
import type { RecordHeader } from '../batches/source.ts'
import type { Decision } from './decision-answer.ts'

/** A decision with the record that it is about. */
export type DecidedRecord = {
  readonly decision: Decision
  readonly offset: bigint
  /** Which decision of its process it is: what comes before it was known to it, and nothing else. */
  readonly sequence: number
  readonly key: Uint8Array | null
  readonly headers: readonly RecordHeader[] | null
  /** Of the record; null where it has none. */
  readonly timestampMs: number | null
}

/** Beyond it nothing more is decided until the owners have caught up. */
export const undecidedMax = 100_000

type Pending = { readonly record: DecidedRecord; readonly sinceMs: number }

type OfPartition = {
  readonly at: TopicPartition
  /** Records before it have their decisions. */
  committed: bigint
  /** By offset, in its order. */
  readonly pending: Map<bigint, Pending>
  /** The next record that this process decides. */
  next: bigint
  /** Behind `next`, those of which the decision is there already. */
  readonly ahead: Set<bigint>
}

export class DecisionLedger {
  readonly #partitions = new Map<string, OfPartition>()
  #count = 0

  /** Records before these have their decisions. */
  constructor(decidedBefore: Offsets) {
    this.onCommitted(decidedBefore)
  }

  /** Decisions that are not on their topic yet. */
  get count(): number {
    return this.#count
  }

  /** Takes a decision up, unless there is one of its record already; in the order of the partition. */
  add(record: DecidedRecord, nowMs: number): boolean {
    const of = this.#of(record.decision)
    of.next = record.offset + 1n
    if (of.ahead.delete(record.offset) || record.offset < of.committed) return false
    of.pending.set(record.offset, { record, sinceMs: nowMs })
    this.#count++
    return true
  }

  /** The decision of a record is on its topic. */
  onPublished(at: TopicPartition, offset: bigint): void {
    const of = this.#of(at)
    if (of.pending.delete(offset)) this.#count--
    else if (offset >= of.next && offset >= of.committed) of.ahead.add(offset)
  }

  /** What the group has is on the topic of decisions, also what this process has not seen there. */
  onCommitted(offsets: Offsets): void {
    for (const { offset: committed, ...at } of offsets.values()) {
      const of = this.#of(at)
      if (committed <= of.committed) continue
      of.committed = committed
      for (const offset of of.pending.keys()) {
        if (offset >= committed) break
        of.pending.delete(offset)
        this.#count--
      }
      for (const offset of of.ahead) if (offset < committed) of.ahead.delete(offset)
    }
  }

  /** The oldest of some partitions that are not on their topic yet, at most so many. */
  waitingOf(keys: Iterable<string>, recordsMax: number): DecidedRecord[] {
    const waiting: DecidedRecord[] = []
    for (const key of keys)
      for (const { record } of this.#partitions.get(key)?.pending.values() ?? []) {
        if (waiting.length === recordsMax) return waiting
        waiting.push(record)
      }
    return waiting
  }

  /** The partitions of which a record waits since before then. */
  waitingSince(beforeMs: number): TopicPartition[] {
    return [...this.#partitions.values()].flatMap(({ at, pending }) => {
      const [oldest] = pending.values()
      return oldest !== undefined && oldest.sinceMs < beforeMs ? [at] : []
    })
  }

  /** Where what is not on its topic yet begins, with `decided` being where this process is. */
  publishedBefore(decided: Offsets): Offsets {
    return new Map(
      [...decided].map(([key, of]): [string, NextOffset] => {
        const known = this.#partitions.get(key)
        const [oldest = of.offset] = known?.pending.keys() ?? []
        const committed = known?.committed ?? 0n
        return [key, { ...of, offset: oldest > committed ? oldest : committed }]
      }),
    )
  }

  #of({ topic, partition }: TopicPartition): OfPartition {
    const key = partitionKey({ topic, partition })
    const known = this.#partitions.get(key)
    if (known !== undefined) return known
    const of: OfPartition = {
      ...{ at: { topic, partition }, committed: 0n, next: 0n },
      ...{ pending: new Map(), ahead: new Set() },
    }
    this.#partitions.set(key, of)
    return of
  }
}
