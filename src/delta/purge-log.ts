// Purging the log: only the newest version stays, so that no entry speaks of rows that were deleted.
import { join } from 'node:path'
import { deleteLogBefore } from './log-cleanup.ts'
import { logDirectory } from './log-files.ts'
import { storageOf } from './mounts.ts'
import type { DeltaSnapshot } from './state.ts'

/** The application id of the txn action whose version counts how often the log was purged. */
export const purgedAppId = 'assay/purged'

export function purgeCount({ txns }: DeltaSnapshot): bigint {
  return txns.get(purgedAppId)?.version ?? 0n
}

/** What this folder writes before a file gets its name. */
const ownTemporaryName =
  /^\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(tmp|checkpoint\.(json|parquet)\.tmp)$/

/** A checkpoint of `version` has to be there. Nobody else of this program may be writing the table. */
export async function keepOnlyVersion(directory: string, version: bigint): Promise<void> {
  const log = logDirectory(directory)
  await deleteLogBefore(directory, version)
  const storage = storageOf(log)
  for (const name of await storage.list(log)) {
    if (ownTemporaryName.test(name)) await storage.remove(join(log, name))
  }
  await storage.keepNames(log, 1)
}
