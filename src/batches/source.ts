// The contract of an input: Kafka and files implement it, the planner and the engines use it.
import type { OffsetRange, Offsets, TopicPartition } from './offsets.ts'

/** What Kafka has in place of the timestamp of a record without one. */
export const NO_TIMESTAMP_MS = -1n

/** Milliseconds of the years 1 to 9999: other record timestamps are no instants and count as absent. */
export const [timestampFirstMs, timestampLastMs] = [-62_135_596_800_000n, 253_402_300_799_999n]

const [noneMs, firstMs, lastMs] = [NO_TIMESTAMP_MS, timestampFirstMs, timestampLastMs].map(Number) as [
  number,
  number,
  number,
]

/** Whether a record timestamp is there, and is an instant. */
export function isInstantMs(timestampMs: number | bigint): boolean {
  const ms = Number(timestampMs) // What that rounds is far from the bounds.
  return ms !== noneMs && ms >= firstMs && ms <= lastMs
}

/** Records of one partition in offset order, column by column: index i of every column is one record. */
export type RecordChunk = {
  readonly topic: string
  readonly partition: number
  readonly count: number
  readonly offsets: BigInt64Array
  /**
   * Milliseconds since the epoch, `NO_TIMESTAMP_MS` where a record has none; null where the input has no
   * record timestamps (files). Any 64 bits may stand here: they are what a producer wrote.
   */
  readonly timestampsMs: BigInt64Array | null
  readonly keys: readonly (Uint8Array | null)[]
  /** null is a tombstone. */
  readonly values: readonly (Uint8Array | null)[]
  /** null where the record has no headers. */
  readonly headers: readonly (readonly RecordHeader[] | null)[]
}

/**
 * The key as text. Bytes that are not UTF-8 are `\x` and their hexadecimal digits, and so is a text that
 * begins with `\x` itself: the bytes come back from either.
 */
export type RecordHeader = { readonly key: string; readonly value: Uint8Array | null }

/** What the next batch may take: one range for every partition that has something to read. */
export type Cut = {
  readonly ranges: readonly OffsetRange[]
  /** True where more is waiting behind the cut. */
  readonly more: boolean
  /**
   * The partitions whose end, asked before the records of the ranges are read, lies beyond what this batch
   * takes of them: rows of theirs are still to come, so they may hold the watermark. The end is the real one
   * even where a run reads only what was there at its start. Always none for files, which are read one after
   * another.
   */
  readonly waiting: readonly TopicPartition[]
}

/** What is readable of a partition: from `earliest` to before `end`. */
export type PartitionEnd = TopicPartition & { readonly earliest: bigint; readonly end: bigint }

export type RecordSource = {
  /** Of files the progress stands in `ops/files`, of Kafka in every commit. */
  readonly kind: 'kafka' | 'files'
  /**
   * Decides the ranges of the next batch: everything that is there from `next` on, at most `recordsMax`
   * records, cut at one record timestamp over all partitions when more is waiting. A partition absent from
   * `next` starts where the source's own starting position says. Fails with KAFKA_OFFSETS_LOST where `next`
   * is no longer readable. A partition that has nothing to read yet gets an empty range where reading goes on
   * elsewhere than `next` says (it is absent there, or records were lost), so that the place is recorded:
   * with the first records, or before them where it would be another one later. No ranges: there is nothing
   * to do. `preferred` are partitions that hold the watermark back, the one that holds it most first: where
   * the cut at one timestamp would give the first of them nothing, they get up to half of the batch.
   */
  cut(
    next: Offsets,
    recordsMax: number,
    signal: AbortSignal,
    preferred?: readonly TopicPartition[],
  ): Promise<Cut>
  /**
   * Reads exactly the records of `ranges`, partition by partition in any interleaving, each in offset order;
   * waits for `onChunk` before it fetches much more (bounded memory).
   */
  read(
    ranges: readonly OffsetRange[],
    onChunk: (chunk: RecordChunk) => void | Promise<void>,
    signal: AbortSignal,
  ): Promise<void>
  /** Resolves as soon as something may be readable behind `next`, or after `waitMaxMs`. */
  waitForData(next: Offsets, waitMaxMs: number, signal: AbortSignal): Promise<void>
  /**
   * How many records (bytes, for files) are waiting behind `next`, for lag, progress bars and metrics: as the
   * last cut saw them, so that nothing is asked; where there was none, it looks.
   */
  lag(next: Offsets, signal: AbortSignal): Promise<bigint>
  /**
   * Where every partition begins and ends now: asked anew; nobody is told of a failure. Absent where there
   * are no partitions.
   */
  ends?(signal: AbortSignal): Promise<readonly PartitionEnd[]>
  /**
   * Tells the outside how far the tables are (the Kafka consumer group, for lag tools only); never read back.
   * Resolves at once: it is told in the background, one request at a time, the newest offsets alone, and
   * `close` waits a moment for the last.
   */
  reportProgress(next: Offsets): Promise<void>
  close(): Promise<void>
}
