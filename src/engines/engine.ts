// The contract of an engine: it executes the planner's batches, and tells what each did.
import type { TopicPartition } from '../batches/offsets.ts'
import type { Delays, Parameters } from '../batches/plan.ts'
import type { RecordSource } from '../batches/source.ts'
import type { Lakehouse } from '../plan/index.ts'
import type { Tell } from './events.ts'
import type { LatencyCounts } from './latency.ts'

export type PipelineOptions = {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  /** Those of the lakehouse that run. */
  readonly streams: readonly string[]
  /** Where records come from; needed by the first stream alone. */
  readonly source: RecordSource | null
  /** What is there now, then stop; else until the signal aborts. */
  readonly once: boolean
  /** After `once`: close all windows. */
  readonly finalize: boolean
  readonly recordsPerBatchMax: number
  /** Of keys and values; the embedded engine holds to it. */
  readonly bytesPerBatchMax: number
  /** Rows that one operator of the embedded engine keeps in memory at most, where they can be looked up. */
  readonly stateRowsMax: number
  /** From when a record can be read to when its row is in the tables: the embedded engine goes by it. */
  readonly latencyTargetMs: number
  /** Between the starts of two batches at least; null leaves it to the engine. */
  readonly triggerIntervalMs: number | null
  readonly delays: Delays
  readonly parameters: Parameters
  /** Delta properties of tables that are made. */
  readonly tableProperties: Readonly<Record<string, string>>
  /** Files below this size are put together in the background; null: never. */
  readonly smallFileBytes: number | null
  /** A table is compacted when it has so many new files. */
  readonly filesBeforeCompaction: number
  /** A writer that gives no sign of life for so long can be replaced by another. */
  readonly leaseMs: number
  /** The wait before a failed run is taken up again from the tables; each further one is twice as long. */
  readonly retryFirstMs: number
  readonly duckdb: { readonly memoryLimitBytes: number | null; readonly threads: number | null }
  /** Microseconds since the epoch. */
  readonly clock: () => bigint
  /** A stop, or a pause, that finishes the batch at hand. */
  readonly signal: AbortSignal
  /** The stop alone; a run that only pauses leaves no rows in bronze that no batch took. */
  readonly stop?: AbortSignal
  /** Ends the opening of an engine; `signal` where there is none. A stopped run opens to end its batch. */
  readonly opens?: AbortSignal
  /** Told what happens, when it happens. */
  readonly tell: Tell
  /** How many of the riskiest transactions of a batch are reported. */
  readonly alertsMax: number
}

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
  /** The newest record that the batch took of each partition; none where records have no timestamps. */
  readonly newestRecords: readonly NewestRecord[]
  /** How many of the batch's transactions require review. */
  readonly reviewRows: number
  /** The first of them. */
  readonly alerts: readonly Alert[]
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

export type Engine = {
  /** Runs until done (`once`) or stopped; fails with a LakehouseError that says what to do. */
  run(options: PipelineOptions): Promise<void>
}
