// What the row path is asked for, and what a batch brings to it.
import type { Rows } from '../columns/column.ts'
import type { Whole } from '../columns/whole.ts'
import type { ColumnType, Value } from '../expr/index.ts'
import type { ValueDecoder } from '../formats/known-schemas.ts'
import type { PlanNode, Relation } from '../plan/index.ts'
import type { ParameterValues } from '../sql/index.ts'

/** A relation whose rows are wanted: as columns, or as arguments of a function that is called for each. */
export type RowOutput = { readonly relation: Relation; readonly into: 'columns' | 'function' }

export type RowPathPlan = {
  /** The input whose rows are given. */
  readonly source: string
  /** Other inputs, as relations that are computed from the source. */
  readonly derived?: Readonly<Record<string, PlanNode>>
  readonly outputs: Readonly<Record<string, RowOutput>>
}

/** The rows that a key may repeat; see RecentIds. */
export type RepeatJudge = { repeats(key: string, micros: Whole): boolean }
/** The rows of a key by event time; see RecentTimes. */
export type RowCounter = { count(key: string | number | bigint | boolean, micros: Whole): number }
/** The rows of a key with their values; see RecentAggregates. */
export type RowAggregates = {
  readonly columns: readonly string[]
  readonly values: Value[]
  readonly results: readonly Value[]
  add(key: string | number | bigint | boolean | null, micros: Whole | null): void
}

/** An operator that remembers rows. */
export type RowState = Extract<PlanNode, { kind: 'deduplicate' | 'over' }>
/** What answers for it: one that counts alone needs a counter. */
export type StateOfRows = RepeatJudge | RowCounter | RowAggregates

export type RowBatch = {
  readonly parameters: ParameterValues
  /** How many rows the source may have, where that is known: columns need not grow then. */
  readonly rowCountMax?: number
  /** For each of the path's states, in their order. */
  readonly states?: readonly StateOfRows[]
  /** Knows the schemas of the batch; absent: there are none. */
  readonly decoder?: ValueDecoder
  /** For each output that is a function: it is called with the relation's columns. */
  readonly functions?: Readonly<Record<string, (...values: never[]) => void>>
}

/** A row of the source; it needs the columns that the path reads, and is not kept. */
export type SourceRow = Readonly<Record<string, unknown>>

export type RunningBatch = {
  readonly add: (row: SourceRow) => void
  /** The rows so far of an output that is columns. */
  readonly rows: (output: string) => Rows
}

export type RowPath = {
  /** The function as it runs, for people. */
  readonly code: string
  readonly plan: RowPathPlan
  /** The columns of the source that it reads. */
  readonly reads: readonly string[]
  readonly parameters: Readonly<Record<string, ColumnType>>
  readonly states: readonly RowState[]
  readonly start: (batch: RowBatch) => RunningBatch
}
