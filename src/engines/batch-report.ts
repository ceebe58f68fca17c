// What one batch did, as log, terminal and metrics tell it.
import type { TopicPartition } from '../batches/offsets.ts'
import type { LatencyCounts } from './latency.ts'

/** What one batch did; told after its commits. */
export type BatchReport = {
  readonly batch: bigint
  readonly timeMicros: bigint
  readonly records: number
  readonly silverRows: number
  readonly quarantinedRows: number
  readonly quarantineReasons: Readonly<Record<string, number>>
  /** The first record of those with the commonest reason, where most were refused; null else. */
  readonly refusedSample: RefusedSample | null
  readonly rowsByTable: Readonly<Record<string, number>>
  /** Silver's, at the end of the batch; null before the first row. */
  readonly watermarkMicros: bigint | null
  /**
   * How far the input was read by this batch, and how far it goes on behind it; null where that is not known.
   */
  readonly input: InputPosition | null
  readonly batchMs: number
  /**
   * From the median record's arrival in the input (its event time, for files) to the commit; null without
   * records.
   */
  readonly latencyMs: number | null
  /** The same of each record; empty without records. */
  readonly latencies: LatencyCounts
  readonly riskLevels: Readonly<Record<string, number>>
  /** In how many of the batch's transactions each rule fired. */
  readonly firings: Readonly<Record<string, number>>
  /** In how many of them a rule was unknown, because it calculates what overflowed or was divided by 0. */
  readonly overflows: Readonly<Record<string, number>>
  /** Of each version that ran beside the one that decides, what it said of them. */
  readonly shadows: readonly ShadowReport[]
  /** The newest record that the batch took of each partition; none where records have no timestamps. */
  readonly newestRecords: readonly NewestRecord[]
  /** How many of the batch's transactions require review. */
  readonly reviewRows: number
  /** The first of them. */
  readonly alerts: readonly Alert[]
}

export type ShadowReport = {
  readonly version: number
  readonly rows: number
  /** How many it would have sent to review. */
  readonly reviewRows: number
  /** In how many a rule of it was unknown, as in `overflows`. */
  readonly failedRows: number
}

/** By the timestamp that it has in Kafka. */
export type NewestRecord = TopicPartition & { readonly timestampMs: number }

/** In offsets: records of Kafka, bytes of files. */
export type InputPosition = { readonly consumed: bigint; readonly lag: bigint }

export type RefusedSample = {
  readonly reason: string
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** null is a tombstone. */
  readonly value: Uint8Array | null
}

/**
 * A row of the scored table that requires review. Decimals, longs and days are text, instants ISO 8601 in UTC
 * to the second.
 */
export type Alert = Readonly<Record<string, AlertCell>> & {
  readonly fraud_score: number
  readonly risk_level: string
  readonly reasons: readonly string[]
  readonly event_time: string
}

export type AlertCell = string | number | boolean | null | readonly string[]
