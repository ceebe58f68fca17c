// Delta tables from TypeScript, with DuckDB as the Parquet reader and writer. See docs/reference/delta.md.
import './driver-texts.ts'

export type {
  AddFile,
  CommitInfo,
  DeltaCommit,
  Metadata,
  PartitionValues,
  Protocol,
  RemoveFile,
  Txn,
} from './actions.ts'
export { deltaField, deltaType } from './column-types.ts'
export type { CommitOptions, CommitOutcome } from './commit.ts'
export type { DeleteOptions, DeleteResult } from './delete-rows.ts'
export type { TableFigures } from './figures.ts'
export type { HistoryEntry, TableDescription } from './history.ts'
export type { OptimizeOptions, OptimizeResult } from './optimize.ts'
export type { QueryParameters } from './parquet-files.ts'
export type { PruneRange, PruneValue } from './prune.ts'
export type { Replacement } from './replace-rows.ts'
export type { Row } from './rows.ts'
export { fetchedScanSql, fetchFiles, prunedFiles, type ScanOptions, scanSql } from './scan.ts'
export type { DeltaField, DeltaTableDefinition, DeltaType } from './schema.ts'
export type { StagedAppend } from './stage.ts'
export { type DeltaSnapshot, type ForeignRemoval, foreignRemoval } from './state.ts'
export type { FileStats, StatsTree, StatsValue } from './stats.ts'
export { type AppendOptions, DeltaTable } from './table.ts'
export type { VacuumOptions } from './vacuum.ts'
