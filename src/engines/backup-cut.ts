// The versions at which the tables of a running lakehouse are copied. All have what they had at one moment of
// the run, or a little less of what is computed from others, as a crash leaves it.
import { batchAppId } from '../batches/progress.ts'
import { type DeltaCommit, type DeltaSnapshot, DeltaTable } from '../delta/index.ts'
import { listLog, logDirectory, versionDigits } from '../delta/log-files.ts'
import { isOddPath } from '../delta/paths.ts'
import { LakehouseError } from '../errors/errors.ts'
import { readableTables } from '../ops/readable.ts'
import { progressOf, tableDirectory } from '../ops/tables.ts'
import type { Lakehouse } from '../plan/index.ts'

/** A table as it is copied. */
export type CutTable = {
  readonly path: string
  readonly snapshot: DeltaSnapshot
  /** Names of the files of its log that this version needs, checkpoints first. */
  readonly log: readonly string[]
}

export type BackupCut = {
  /** The last batch of silver. */
  readonly batch: bigint
  /** In the order in which a batch writes them; what Assay keeps of its own work stands behind. */
  readonly tables: readonly CutTable[]
}

/** null where the log was cleaned up meanwhile: the next cut is another. */
export async function cutLakehouse(lakehouse: Lakehouse, deltaBasePath: string): Promise<BackupCut | null> {
  const { events, records } = lakehouse
  const silver = await tableIfThere(deltaBasePath, events.path)
  if (silver === null || (await tableIfThere(deltaBasePath, records.path)) === null) {
    throw new LakehouseError(
      'DELTA_TABLE_NOT_FOUND',
      `${deltaBasePath} has no lakehouse: there is nothing to copy. Is DELTA_BASE_PATH right?`,
    )
  }
  const newest = await silver.snapshot()
  const batch = (await progressOf(silver, newest))?.batch ?? 0n
  const tables: CutTable[] = []
  for (const { path } of readableTables(lakehouse)) {
    const table = path === events.path ? silver : await tableIfThere(deltaBasePath, path)
    if (table === null) continue
    const version = table === silver ? newest.version : await versionUpTo(table, batch)
    const cut = version === null ? null : await cutTable(table, path, version)
    if (cut === null) return null
    tables.push(cut)
  }
  return { batch, tables }
}

/** A table at a version, as it is where it was copied to. */
export async function cutTable(table: DeltaTable, path: string, version: bigint): Promise<CutTable | null> {
  const listing = await listLog(table.directory)
  const checkpoint = listing.checkpoints.find((one) => one.version <= version)
  const from = checkpoint?.version ?? 0n
  const commits = listing.commits.filter((one) => one >= from && one <= version)
  const isWhole = commits.at(-1) === version || checkpoint?.version === version
  if (!isWhole || (checkpoint === undefined && commits[0] !== 0n)) return null
  const snapshot = await table.snapshot({ version })
  for (const file of snapshot.files.keys()) if (isOddPath(file)) throw outside(table, file)
  const names = (checkpoint?.paths ?? []).map((one) => one.slice(logDirectory(table.directory).length + 1))
  return { path, snapshot, log: [...names, ...commits.map((one) => `${versionDigits(one)}.json`)] }
}

/** The newest version of which no commit is of a later batch; null where the log does not say. */
async function versionUpTo(table: DeltaTable, batch: bigint): Promise<bigint | null> {
  const { version: newest, txns } = await table.snapshot()
  if ((txns.get(batchAppId)?.version ?? 0n) <= batch) return newest
  let upTo = newest
  for (let version = newest; version >= 0n; version--) {
    const commit = await table.commitAt(version)
    if (commit === null) return null
    const own = batchOf(commit)
    if (own === null) continue
    if (own <= batch) return upTo
    upTo = version - 1n
  }
  return upTo < 0n ? null : upTo
}

function batchOf({ txns }: DeltaCommit): bigint | null {
  return txns.find(({ appId }) => appId === batchAppId)?.version ?? null
}

export async function tableIfThere(deltaBasePath: string, path: string): Promise<DeltaTable | null> {
  const directory = tableDirectory(deltaBasePath, { path })
  return (await DeltaTable.exists(directory)) ? DeltaTable.open(directory) : null
}

function outside({ directory }: DeltaTable, file: string): LakehouseError {
  return new LakehouseError(
    'BACKUP_REFUSED',
    `${directory}: its log names a file outside of the table (${file}), which a copy would not have. ` +
      'Write the table anew with the program that put it there, then copy again.',
  )
}
