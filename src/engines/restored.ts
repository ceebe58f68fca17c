// A table that another program has put back to older rows (RESTORE): its log still says which batches it
// had, but the rows of the later ones are gone. It is taken back to the batch whose rows it has, and
// carried on from there.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Offsets } from '../batches/offsets.ts'
import { decodeTxns, noProgress, type Progress, parseBatch, type RecordedBatch } from '../batches/progress.ts'
import { isStreamed } from '../batches/streamed.ts'
import type { AddFile, CommitInfo, DeltaCommit, DeltaSnapshot, DeltaTable } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { progressOf } from '../ops/tables.ts'
import { duckdb } from '../sql/index.ts'
import { rowsOf } from './database.ts'
import { goneRecordsSql, missingFile } from './gone-records.ts'

/** The operation of the commit that takes the progress of a table back. */
export const rewindOperation = 'REWIND'

/** The operation of the commit that replaces all rows by those that were computed anew. */
export const replacedOperation = 'REBUILD'

/** How many commits are looked through for the table's last batch. */
const commitsSearchedMax = 1_000n

/** What a table is that was put back to older rows. */
export type Restored = {
  /** The progress that belongs to its rows. */
  readonly progress: Progress
  /** The version of the RESTORE. */
  readonly version: bigint
  /**
   * The files of a batch that was written onto the older rows unawares: Spark's writer looks at the log when it
   * begins to write, and again for conflicts alone.
   */
  readonly unaware: readonly AddFile[]
}

/** null for a table that was not restored since its last batch began to be written. */
export async function restoredSince(delta: DeltaTable, snapshot: DeltaSnapshot): Promise<Restored | null> {
  const { version: newest } = snapshot
  const unaware: AddFile[] = []
  /** Whoever wrote the newest batch knew the table up to here. */
  let known = newest - commitsSearchedMax
  for (let version = newest; version >= 0n && version > known; version--) {
    const commit = await delta.commitAt(version)
    const info = commit?.commitInfo ?? null
    if (commit === null || info === null || isOfOurs(info)) return null
    if (parseBatch(info.userMetadata) !== null) {
      known = typeof info.readVersion === 'number' ? BigInt(info.readVersion) : version - 1n
      unaware.push(...commit.adds)
    }
    if (info.operation !== 'RESTORE') continue
    const target = await delta.snapshot({ version: await targetOf(delta, version, info) })
    return { progress: await progressOfRows(delta, target), version, unaware }
  }
  return null
}

/** What came before such a commit says nothing of the rows that are there. */
function isOfOurs({ operation }: CommitInfo): boolean {
  return operation === rewindOperation || operation === replacedOperation
}

/** Of a version that may have been restored itself. */
async function progressOfRows(delta: DeltaTable, target: DeltaSnapshot): Promise<Progress> {
  const restored = await restoredSince(delta, target)
  return restored?.progress ?? (await progressOf(delta, target)) ?? noProgress
}

/**
 * The batch that a commit took a table to beside the batches' own: back to that of a RESTORE's rows, or on to
 * that of a rebuild; null for any other commit.
 */
export function movedTo({ commitInfo, txns }: DeltaCommit): RecordedBatch | null {
  if (commitInfo === null || !isOfOurs(commitInfo)) return null
  const progress = decodeTxns(new Map(txns.map((txn) => [txn.appId, txn])))
  return progress === null ? null : { plan: null, progress, counts: null }
}

/** The version that a RESTORE went back to, as Spark and delta-rs tell it. */
async function targetOf(delta: DeltaTable, version: bigint, info: CommitInfo): Promise<bigint> {
  const { operationParameters } = info
  const given = (operationParameters ?? {}) as Readonly<Record<string, unknown>> // Judged below.
  if (/^\d+$/.test(String(given.version))) return BigInt(String(given.version))
  const timeMs = Date.parse(String(given.timestamp ?? given.datetime))
  if (!Number.isNaN(timeMs)) return delta.versionAtTime(timeMs)
  throw new LakehouseError(
    'TABLE_RESTORED',
    `${delta.directory} was put back to older rows by another program (RESTORE, version ${version}), whose commit does not ` +
      `say to which version. Restore the table to version ${version - 1n}.`,
    { details: { version } },
  )
}

/**
 * Fails with TABLE_RESTORED where a RESTORE took records from a bronze that a streaming query writes, which
 * batches have taken: its log does not say which they are. What no batch has taken is read again.
 */
export async function refuseRestoredBronze(
  connection: DuckDBConnection,
  bronze: DeltaTable,
  taken: Offsets,
): Promise<void> {
  const { version: newest, txns } = await bronze.snapshot()
  if (!isStreamed(txns)) return
  for (let version = newest; version >= 0n && version > newest - commitsSearchedMax; version--) {
    const commit = await bronze.commitAt(version)
    if (commit === null) return
    if (commit.commitInfo?.operation !== 'RESTORE') continue
    const isLost = await tookTaken(connection, bronze, commit, taken)
    if (isLost) throw bronzeRestored(bronze, version)
    return
  }
}

async function tookTaken(
  connection: DuckDBConnection,
  bronze: DeltaTable,
  commit: DeltaCommit,
  taken: Offsets,
): Promise<boolean> {
  if (commit.removes.length === 0 || taken.size === 0) return false
  if ((await missingFile(bronze, commit)) !== null) return true
  const next = [...taken.values()].map(
    ({ topic, partition, offset }) => `(${duckdb.text(topic)}, ${partition}, ${offset})`,
  )
  const rows = await rowsOf(
    connection,
    `SELECT 1 FROM (${await goneRecordsSql(bronze, commit)}) AS gone
    JOIN (VALUES ${next.join(', ')}) AS read(topic, partition, next) USING (topic, partition)
    WHERE "offset" < next LIMIT 1`,
  )
  return rows.length > 0
}

/** Records of bronze are in no other table. */
export function bronzeRestored({ directory }: DeltaTable, version: bigint): LakehouseError {
  return new LakehouseError(
    'TABLE_RESTORED',
    `${directory} was put back to older rows by another program (RESTORE, version ${version}), and nothing else holds the ` +
      `records that it lacks since. Restore it to version ${version - 1n}, then start again.`,
    { details: { version } },
  )
}
