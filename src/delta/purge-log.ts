// Purging the log: only the newest version stays, so that no entry speaks of rows that were deleted.
import { join } from 'node:path'
import { disk } from './disk.ts'
import { logDirectory } from './log-files.ts'

/** Commits, their checksums, checkpoints of every form, and commits that another writer put together. */
const versionedName = /^(\d{20})\.(json|crc|checkpoint\.|(\d{20})\.compacted\.json)/

/** What this folder writes before a file gets its name. */
const ownTemporaryName =
  /^\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(tmp|checkpoint\.(json|parquet)\.tmp)$/

/** Deletes the log before `version`, oldest first; a checkpoint of that version has to be there. */
export async function deleteLogBefore(directory: string, version: bigint): Promise<void> {
  const log = logDirectory(directory)
  for (const name of (await disk.readdir(log)).sort()) {
    const of = versionedName.exec(name)?.[1]
    const isOld = of !== undefined && BigInt(of) < version
    if (isOld || ownTemporaryName.test(name)) await disk.remove(join(log, name))
  }
  await disk.sync(log)
}
