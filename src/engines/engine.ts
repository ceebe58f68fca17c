// The contract of an engine: it executes the planner's batches, and tells what each did.
import type { Delays, Parameters } from '../batches/plan.ts'
import type { RecordSource } from '../batches/source.ts'
import type { Lakehouse } from '../plan/index.ts'
import type { SchemaRegistry } from '../registry/registry.ts'
import type { OnEvent } from './events.ts'

/** Which lakehouse decides, where that may change while a run goes on. */
export type InForce = {
  /** Asked at each opening of the tables. */
  now(): Promise<Pick<PipelineOptions, 'lakehouse' | 'parameters'>>
  /** Whether it is another than `now` said last. */
  isOther(): Promise<boolean>
}

export type PipelineOptions = {
  readonly lakehouse: Lakehouse
  /** Absent: the lakehouse stays as it is. */
  readonly inForce?: InForce
  readonly deltaBasePath: string
  /** Those of the lakehouse that run. */
  readonly streams: readonly string[]
  /** Where records come from; needed by the first stream alone. */
  readonly source: RecordSource | null
  /** Asked for schemas that records name; absent or null: none is. */
  readonly registry?: SchemaRegistry | null
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
  /**
   * By the path of a table: how many microseconds after their batch rows are dropped, by whole days; others
   * stay.
   */
  readonly retention?: Readonly<Record<string, bigint>>
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
  readonly tell: OnEvent
  /** How many of the riskiest transactions of a batch are reported. */
  readonly alertsMax: number
}

export type Engine = {
  /** Runs until done (`once`) or stopped; fails with a LakehouseError that says what to do. */
  run(options: PipelineOptions): Promise<void>
}
