// The versions at which the tables of a running lakehouse are copied. All have what they had at one moment of
// the run, or a little less of what is computed from others, as a crash leaves it.
import { batchAppId, needsUserMetadata } from '../batches/progress.ts'
import { type DeltaCommit, type DeltaSnapshot, DeltaTable } from '../delta/index.ts'
import { listLog, logDirectory, versionDigits } from '../delta/log-files.ts'
import { isOddPath } from '../delta/paths.ts'
import { LakehouseError } from '../errors/errors.ts'
import { noLakehouse, readableTables } from '../ops/readable.ts'
import { progressOf, tableDirectory } from '../ops/tables.ts'
import { type Lakehouse, namedTables } from '../plan/index.ts'
import { versionBefore } from './batch-history.ts'
import { journalTxns } from './journal.ts'

/** A table as it is copied. */
export type CutTable = {
  readonly path: string
  readonly snapshot: DeltaSnapshot
  /** The oldest of the commits in `log`. */
  readonly oldest: bigint
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
    throw noLakehouse(deltaBasePath)
  }
  // Asked first: the journal that is copied has all of these batches.
  const journal = await journalTxns(deltaBasePath)
  const noted = journal.size === 0 ? null : (journal.get(batchAppId)?.version ?? 0n)
  const newest = await silver.snapshot()
  const batch = (await progressOf(silver, newest))?.batch ?? 0n
  const tables: CutTable[] = []
  for (const { path } of readableTables(lakehouse)) {
    const table = path === events.path ? silver : await tableIfThere(deltaBasePath, path)
    if (table === null) continue
    const version = table === silver ? newest.version : await versionUpTo(table, batch)
    const isOfBatches = namedTables(lakehouse).some((one) => one.path === path)
    const from = isOfBatches ? await firstNeeded(table, batch, table === silver ? noted : null) : null
    const cut = version === null ? null : await cutTable(table, path, version, from)
    if (cut === null) return null
    tables.push(cut)
  }
  return { batch, tables }
}

/**
 * The version from which on the commits of a log are needed, whatever checkpoints it has: they say what the
 * journal does not say yet, and the progress where no txn action does. null where the checkpoint is enough.
 */
async function firstNeeded(table: DeltaTable, upTo: bigint, noted: bigint | null): Promise<bigint | null> {
  const { txns } = await table.snapshot()
  const newest = txns.get(batchAppId)?.version
  if (newest === undefined) return null
  const last = newest < upTo ? newest : upTo
  const batches = [...(noted === null ? [] : [noted + 1n]), ...(needsUserMetadata(txns) ? [last] : [])]
  if (batches.length === 0) return null
  const before = await versionBefore(
    table,
    batches.reduce((least, one) => (one < least ? one : least)),
  )
  return before === null ? null : before + 1n
}

/** A table at a version, as it is where it was copied to, with all commits from `first` on that there are. */
export async function cutTable(
  table: Pick<DeltaTable, 'directory' | 'snapshot'>,
  path: string,
  version: bigint,
  first: bigint | null,
): Promise<CutTable | null> {
  const listing = await listLog(table.directory)
  const checkpoint = listing.checkpoints.find((one) => one.version <= version)
  const base = checkpoint?.version ?? 0n
  const from = first !== null && first < base ? first : base
  const commits = listing.commits.filter((one) => one >= from && one <= version)
  const oldest = commits[0] ?? version
  const isWhole = commits.at(-1) === version || checkpoint?.version === version
  if (!isWhole || (checkpoint === undefined && oldest !== 0n)) return null
  const snapshot = await table.snapshot({ version })
  for (const file of snapshot.files.keys()) if (isOddPath(file)) throw outside(table, file)
  const names = (checkpoint?.paths ?? []).map((one) => one.slice(logDirectory(table.directory).length + 1))
  return { path, snapshot, oldest, log: [...names, ...commits.map((one) => `${versionDigits(one)}.json`)] }
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

function outside({ directory }: Pick<DeltaTable, 'directory'>, file: string): LakehouseError {
  return new LakehouseError(
    'BACKUP_REFUSED',
    `${directory}: its log names a file outside of the table (${file}), which a copy would not have. ` +
      'Write the table anew with the program that put it there, then copy again.',
  )
}
