// Positions in the input: what a batch is cut from and what progress is counted in.

/** One partition of one topic. A file is a topic of its own (its path below the directory), partition 0. */
export type TopicPartition = { readonly topic: string; readonly partition: number }

/** A topic that was deleted and created anew has its name, its offsets, and another id. */
export type OfTopic = {
  /** Absent where the input has none: files, and brokers before 2.8. */
  readonly topicId?: string
  /** True for a file, whose progress stands in `ops/files` and not in every commit. */
  readonly isFile?: true
}

/**
 * The records of a partition with start <= offset < end. Offsets may have holes (compaction, transactions).
 */
export type OffsetRange = TopicPartition & OfTopic & { readonly start: bigint; readonly end: bigint }

/**
 * The next offset to read of each partition, by `partitionKey`. A partition that is absent was never read.
 */
export type Offsets = ReadonlyMap<string, NextOffset>
export type NextOffset = TopicPartition & OfTopic & { readonly offset: bigint }

/**
 * The key of a partition in a map: topic names cannot hold a newline, and file paths with one are refused.
 */
export function partitionKey(of: TopicPartition): string {
  return `${of.topic}\n${of.partition}`
}
