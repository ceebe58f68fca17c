// What a run on Spark carries with it, and what its batches are executed with.
import type { DeltaTable } from '../../delta/index.ts'
import { tableDirectory } from '../../ops/tables.ts'
import type { Database } from '../database.ts'
import type { DefinitionStore } from '../definition-store.ts'
import type { PipelineOptions } from '../engine.ts'
import type { OpenTable } from '../tables.ts'
import type { SparkContext } from './batch.ts'
import type { SparkSession } from './connect/session.ts'
import type { Decoding } from './decoded-records.ts'

export type SparkRun = {
  readonly options: PipelineOptions
  readonly session: SparkSession
  readonly database: Database
  readonly tables: readonly OpenTable[]
  /** Told when nothing is left to do: a failure after it is no failure of what was done before. */
  readonly gotOn: () => void
}

export function contextOf(
  { session, options }: SparkRun,
  silver: DeltaTable,
  definitions: DefinitionStore,
  decoding: Decoding | null = null,
): SparkContext {
  return {
    session,
    definitions,
    decoding,
    options,
    silver,
    bronzeDirectory: tableDirectory(options.deltaBasePath, options.lakehouse.records),
  }
}
