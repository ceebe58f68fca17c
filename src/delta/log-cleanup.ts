// Cleaning the log: versions that are older than the retention and that a checkpoint stands in for.
import { join } from 'node:path'
import { emptyWhenAbsent } from './disk.ts'
import { commitPath, type LogListing, listingOf, logDirectory, versionDigits } from './log-files.ts'
import { storageOf } from './mounts.ts'

/** So many files are deleted at most before others may have the disk for longer. */
const filesDeletedMax = 20_000
const filesDeletedAtOnce = 8

/** Commits, their checksums, checkpoints of every form, and commits that another writer put together. */
const versionedName = /^(\d{20})\.(json|crc|checkpoint\.|(\d{20})\.compacted\.json)/

/**
 * Deletes the expired part of the log, or the oldest of it; returns how many commits the log still has, or
 * null where more of them are expired.
 */
export async function cleanLog(
  directory: string,
  retentionMs: number,
  nowMs: number,
): Promise<number | null> {
  const names = await storageOf(directory).list(logDirectory(directory))
  const listing = listingOf(logDirectory(directory), names)
  const keepFrom = firstKept(listing, await newestExpired(directory, listing, nowMs - retentionMs))
  const { commits } = listing
  if (keepFrom === null) return commits.length
  const isDone = await deleteBefore(directory, names, keepFrom, filesDeletedMax)
  return isDone ? commits.length - commits.filter((version) => version < keepFrom).length : null
}

/** Deletes the log before `version`; a checkpoint of that version has to be there. */
export async function deleteLogBefore(directory: string, version: bigint): Promise<void> {
  const names = await storageOf(directory).list(logDirectory(directory))
  await deleteBefore(directory, names, version, Number.POSITIVE_INFINITY)
}

/** Oldest first, so that what is left has no hole, whenever this ends. Returns false where there are more. */
async function deleteBefore(
  directory: string,
  names: readonly string[],
  version: bigint,
  filesMax: number,
): Promise<boolean> {
  const digits = versionDigits(version)
  // Names of versions begin with as many digits, so they compare as texts.
  const old = names.filter((name) => name < digits && versionedName.test(name)).sort()
  for (let start = 0; start < Math.min(old.length, filesMax); start += filesDeletedAtOnce) {
    const slice = old.slice(start, start + filesDeletedAtOnce)
    await Promise.all(slice.map((name) => storageOf(directory).remove(join(logDirectory(directory), name))))
  }
  return old.length <= filesMax
}

/** The newest commit that is not newer than the cut-off. Commits are in the order of their times. */
async function newestExpired(
  directory: string,
  { commits }: LogListing,
  cutoffMs: number,
): Promise<bigint | null> {
  // The first that is kept is between these two.
  let [expired, kept] = [-1, commits.length]
  while (kept - expired > 1) {
    const middle = Math.floor((expired + kept) / 2)
    const found = await emptyWhenAbsent(
      storageOf(directory).head(commitPath(directory, commits[middle]!)),
      null,
    )
    // One that another process deleted meanwhile was expired.
    if (found === null || found.changedMs <= cutoffMs) expired = middle
    else kept = middle
  }
  return commits[expired] ?? null
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
