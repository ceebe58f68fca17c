// What `npm run bench` measures, as it stands in its JSON file.
import type { ProcessFigures } from './measured-process.ts'
import type { RowComparison } from './peers/flink.ts'

export type BatchFigures = {
  readonly medianMs: number
  readonly p95Ms: number
  /** A batch, in the mean. */
  readonly processorMs: number
  readonly residentMiB: number
}

/** From a transaction's event time to when delta-rs has read its score. */
export type LatencyFigures = {
  /** Transactions a second. */
  readonly rate: number
  readonly rows: number
  readonly versions: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Processor seconds of the pipeline in a second. */
  readonly processorShare: number
}

export type MillionName = 'bareDuckdb' | 'assayFromFiles' | 'assayFromKafka' | 'flink'
export type SparkName = 'embedded' | 'Assay on Spark' | 'hand-written PySpark'

export type Figures = {
  readonly measuredAt: string
  readonly machine: Readonly<Record<string, string>>
  /** The options of the run. */
  readonly records: number
  readonly areDirty: boolean
  /** Of each, every round. */
  readonly million: Readonly<Partial<Record<MillionName, readonly ProcessFigures[]>>>
  readonly flinkRows: readonly RowComparison[] | null
  readonly batch: (BatchFigures & { readonly records: number; readonly durableCommitMs: number }) | null
  readonly latency: readonly LatencyFigures[] | null
  readonly spark: Readonly<Partial<Record<SparkName, ProcessFigures>>> | null
}

/** The round in the middle by wall time, the faster of two. */
export function typicalRound(rounds: readonly ProcessFigures[]): ProcessFigures {
  return rounds.toSorted((a, b) => a.seconds - b.seconds)[Math.floor((rounds.length - 1) / 2)]!
}
