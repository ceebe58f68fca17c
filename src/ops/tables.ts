// The tables as Delta tables: their columns, their place, their progress.
import { join } from 'node:path'
import {
  batchAppId,
  decodeTxns,
  needsUserMetadata,
  type Progress,
  parseBatch,
  parseProgress,
  type RecordedBatch,
} from '../batches/progress.ts'
import {
  type DeltaSnapshot,
  DeltaTable,
  type DeltaTableDefinition,
  deltaField,
  deltaType,
} from '../delta/index.ts'
import { directoryOf } from '../delta/mounts.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { TableDefinition } from '../plan/index.ts'

/** The directory of a table; no table's directory lies inside of another's. */
export function tableDirectory(deltaBasePath: string, table: Pick<TableDefinition, 'path'>): string {
  return join(directoryOf(deltaBasePath), ...table.path.split('/'))
}

/** The directory of a table that Assay keeps of its own work, such as `ops/batches`. */
export function opsDirectory(deltaBasePath: string, path: string): string {
  return tableDirectory(deltaBasePath, { path })
}

export function openOpsTable(
  deltaBasePath: string,
  path: string,
  definition: DeltaTableDefinition,
): Promise<DeltaTable> {
  return DeltaTable.createOrEvolve(opsDirectory(deltaBasePath, path), definition)
}

export function deltaDefinition(
  table: TableDefinition,
  properties: Readonly<Record<string, string>>,
): DeltaTableDefinition {
  return {
    fields: Object.entries(table.rows.schema).map(([name, type]) => deltaField(name, deltaType(type))),
    partitionColumns: table.partitionBy === null ? [] : [table.partitionBy],
    properties,
    description: table.meaning,
  }
}

/** Makes the table, or opens it and adds columns that it lacks. */
export function openTable(
  deltaBasePath: string,
  table: TableDefinition,
  properties: Readonly<Record<string, string>> = {},
): Promise<DeltaTable> {
  return DeltaTable.createOrEvolve(tableDirectory(deltaBasePath, table), deltaDefinition(table, properties))
}

/** How many commits are looked through for the progress of a writer that records it in userMetadata alone. */
const commitsSearchedMax = 1_000n

/** How far the table is; null before the first batch. */
export async function progressOf(table: DeltaTable, snapshot: DeltaSnapshot): Promise<Progress | null> {
  const fromTxns = decodeTxns(snapshot.txns)
  if (fromTxns === null || !needsUserMetadata(snapshot.txns)) return fromTxns
  const { version: newest } = snapshot
  for (let version = newest; version >= 0n && version > newest - commitsSearchedMax; version--) {
    const commit = await table.commitAt(version)
    if (commit === null) break // Older ones were cleaned up as well.
    const progress = parseProgress(commit.commitInfo?.userMetadata)
    if (progress?.batch === fromTxns.batch) return progress
  }
  throw new LakehouseError(
    'PROGRESS_UNKNOWN',
    `${table.directory} is at batch ${fromTxns.batch} (txn ${batchAppId}), but no commit in its log says with which offsets. ` +
      'Its log was cleaned up since. Restore the log from a backup.',
  )
}

/** The last batch of a table with its plan; without one where no commit of it is left, or none had one. */
export async function recordedBatch(table: DeltaTable, progress: Progress): Promise<RecordedBatch> {
  const { version: newest } = await table.snapshot()
  for (let version = newest; version >= 0n && version > newest - commitsSearchedMax; version--) {
    const commit = await table.commitAt(version)
    if (commit === null) break
    const recorded = parseBatch(commit.commitInfo?.userMetadata)
    if (recorded?.progress.batch === progress.batch) return recorded
  }
  return { plan: null, progress, counts: null }
}
