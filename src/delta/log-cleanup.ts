// Cleaning the log: versions that are older than the retention and that a checkpoint stands in for.
import { join } from 'node:path'
import { disk } from './disk.ts'
import { commitPath, emptyWhenAbsent, type LogListing, listLog, logDirectory } from './log-files.ts'

const dayMs = 86_400_000

/**
 * Deletes the expired part of the log; returns the oldest version that it still has, or null when nothing was
 * done.
 */
export async function cleanLog(
  directory: string,
  retentionMs: number,
  nowMs: number,
): Promise<bigint | null> {
  const listing = await listLog(directory)
  // The cut-off is a midnight, so that the log is cleaned once a day and not at every checkpoint.
  const cutoffMs = Math.floor((nowMs - retentionMs) / dayMs) * dayMs
  const keepFrom = firstKept(listing, await newestExpired(directory, listing, cutoffMs))
  if (keepFrom === null) return null
  const log = logDirectory(directory)
  for (const name of await disk.readdir(log)) {
    const version = /^(\d{20})\.(json|crc|checkpoint\.)/.exec(name)?.[1]
    if (version !== undefined && BigInt(version) < keepFrom) await disk.remove(join(log, name))
  }
  return keepFrom
}

/** The newest commit that is not newer than the cut-off. Commits are in the order of their times. */
async function newestExpired(
  directory: string,
  listing: LogListing,
  cutoffMs: number,
): Promise<bigint | null> {
  let newest: bigint | null = null
  for (const version of listing.commits) {
    const found = await emptyWhenAbsent(disk.stat(commitPath(directory, version)), null)
    if (found === null || found.changedMs > cutoffMs) break
    newest = version
  }
  return newest
}

/**
 * The newest checkpoint at or before the newest expired commit: what is before it, the checkpoint stands in
 * for.
 */
export function firstKept(listing: LogListing, newestExpiredVersion: bigint | null): bigint | null {
  if (newestExpiredVersion === null) return null
  const kept = listing.checkpoints.find((checkpoint) => checkpoint.version <= newestExpiredVersion)
  const oldest = listing.commits[0]
  return kept === undefined || oldest === undefined || oldest >= kept.version ? null : kept.version
}
