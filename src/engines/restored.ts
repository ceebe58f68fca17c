// A table that another program has put back to older rows (RESTORE): its log still says which batches it
// had, but the rows of the later ones are gone. It is taken back to the batch whose rows it has, and
// carried on from there.
import { noProgress, type Progress, parseBatch } from '../batches/progress.ts'
import type { CommitInfo, DeltaSnapshot, DeltaTable } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { progressOf } from '../lakehouse/delta.ts'

/** The operation of the commit that takes the progress of a table back. */
export const rewindOperation = 'REWIND'

/** How many commits are looked through for the table's last batch. */
const commitsSearchedMax = 1_000n

/** The progress that belongs to the rows of a table that was restored; null where it was not. */
export async function progressAfterRestore(
  delta: DeltaTable,
  snapshot: DeltaSnapshot,
): Promise<Progress | null> {
  const { version: newest } = snapshot
  for (let version = newest; version >= 0n && version > newest - commitsSearchedMax; version--) {
    const info = (await delta.commitAt(version))?.commitInfo ?? null
    if (info === null || info.operation === rewindOperation) return null
    if (parseBatch(info.userMetadata) !== null) return null
    if (info.operation !== 'RESTORE') continue
    const target = await delta.snapshot({ version: await targetOf(delta, version, info) })
    return (await progressOf(delta, target)) ?? noProgress
  }
  return null
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
