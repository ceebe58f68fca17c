// Vacuum: deletes files under the table's directory that no version within the retention needs.
import { realpathSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { LakehouseError } from '../errors/errors.ts'
import type { Metadata } from './actions.ts'
import { clock, emptyWhenAbsent } from './disk.ts'
import { logDirectory } from './log-files.ts'
import { storageOf } from './mounts.ts'
import { isOddPath } from './paths.ts'
import { deletedFileRetentionDefaultMs, deletedFileRetentionMs } from './properties.ts'
import type { LogState } from './state.ts'

export type VacuumOptions = {
  /** Files that were dead for at least this long are deleted. Default: what the table's properties say. */
  readonly retentionMs?: number
  /** Names what would be deleted, and deletes nothing. */
  readonly dryRun?: boolean
  /** Allows a retention shorter than the table's: right only when nobody else reads or writes the table. */
  readonly force?: boolean
  /** Ends when so many files are deleted. */
  readonly filesMax?: number
  readonly nowMs?: number
  readonly signal?: AbortSignal
}

const filesDeletedAtOnce = 8

/** The time before which a file must have died to be deleted. */
export function vacuumCutoffMs(directory: string, metadata: Metadata, options: VacuumOptions): number {
  const ofTable = deletedFileRetentionMs(metadata)
  const retentionMs = options.retentionMs ?? ofTable ?? deletedFileRetentionDefaultMs
  const leastMs = ofTable ?? Number.POSITIVE_INFINITY
  if (retentionMs < leastMs && options.force !== true) {
    const [asked, least] = [`${retentionMs / 1000} s`, `${leastMs / 1000} s`]
    const message = `${directory}: a retention of ${asked} is shorter than the table's (${least}).`
    const advice = 'Readers and writers at work may still need the files. Use a longer one, or force it.'
    throw new LakehouseError('DELTA_RETENTION_TOO_SHORT', `${message} ${advice}`)
  }
  // Without a retention all is dead, by whatever clock its time was taken.
  if (retentionMs === 0) return Number.POSITIVE_INFINITY
  return (options.nowMs ?? clock()) - retentionMs
}

/**
 * Deletes, and returns the paths relative to the table's directory. The newest state is asked about every
 * file, so that one that comes into the table meanwhile stays.
 */
export async function vacuumFiles(
  directory: string,
  newest: () => LogState,
  cutoffMs: number,
  options: VacuumOptions,
): Promise<string[]> {
  const storage = storageOf(directory)
  const isNeeded = await neededFiles(directory, newest, cutoffMs)
  const { partitionColumns } = newest().essentials().metadata
  const filesMax = options.filesMax ?? Number.POSITIVE_INFINITY
  const deleted: string[] = []
  let slice: string[] = []
  const deleteSlice = async () => {
    const paths = slice.filter((path) => !isNeeded(path))
    slice = []
    deleted.push(...paths)
    if (options.dryRun === true) return
    await Promise.all(paths.map((path) => storage.remove(join(directory, path))))
  }
  for await (const path of dataFiles(directory, partitionColumns, options.signal)) {
    if (isNeeded(path)) continue
    const found = await emptyWhenAbsent(storage.head(join(directory, path)), null)
    if (found === null || found.changedMs >= cutoffMs) continue
    slice.push(path)
    if (slice.length >= Math.min(filesDeletedAtOnce, filesMax - deleted.length)) await deleteSlice()
    if (deleted.length >= filesMax) return deleted
  }
  await deleteSlice()
  if (options.dryRun !== true) await deleteLeftovers(directory, cutoffMs)
  return deleted
}

/** Deletes removed files whose retention is over, as far as nothing needs them again. */
export async function deleteExpired(
  directory: string,
  newest: () => LogState,
  filesMax: number,
  signal?: AbortSignal,
): Promise<void> {
  const storage = storageOf(directory)
  const isNeeded = await neededFiles(directory, newest, Number.NEGATIVE_INFINITY)
  const { partitionColumns } = newest().essentials().metadata
  for (let done = 0; done < filesMax && newest().expired.length > 0; done += filesDeletedAtOnce) {
    signal?.throwIfAborted()
    const paths = newest().expired.splice(0, filesDeletedAtOnce)
    // What a log may name outside of the data of its table is not deleted on its word.
    const dead = paths.filter((path) => {
      const isData = !isOddPath(path) && !path.split('/').some((name) => isHidden(name, partitionColumns))
      return isData && !isNeeded(path)
    })
    await Promise.all(dead.map((path) => storage.remove(join(directory, path))))
  }
}

/**
 * Files under the directory that no version within the retention names: of a writer at work, or of one that
 * died before its commit.
 */
export async function* unnamedFiles(directory: string, newest: () => LogState): AsyncGenerator<string> {
  const isNeeded = await neededFiles(directory, newest, Number.NEGATIVE_INFINITY)
  const { partitionColumns } = newest().essentials().metadata
  for await (const path of dataFiles(directory, partitionColumns)) {
    if (!isNeeded(path)) yield join(directory, path)
  }
}

/** Whether a version within the retention has the file of a path, relative to the table's directory. */
async function neededFiles(
  directory: string,
  newest: () => LogState,
  cutoffMs: number,
): Promise<(path: string) => boolean> {
  const root = await emptyWhenAbsent(realpath(directory), directory)
  let [version, odd] = [-1n, new Set<string>()]
  const places = new Map<string, string>()
  const placeOfNamed = (path: string): string => {
    const place = places.get(path) ?? placeOf(root, path)
    places.set(path, place)
    return place
  }
  const isNamed = (state: LogState, path: string): boolean => {
    const removedMs = state.tombstones.get(path)?.deletionTimestamp
    return state.files.has(path) || (removedMs !== undefined && removedMs > cutoffMs)
  }
  return (path) => {
    const state = newest()
    if (state.version !== version) {
      version = state.version
      odd = new Set([...state.oddPaths].filter((named) => isNamed(state, named)).map(placeOfNamed))
    }
    return isNamed(state, path) || (odd.size > 0 && odd.has(resolve(root, path)))
  }
}

/** Where a path of the log leads to, links resolved as far as the file is there. */
function placeOf(root: string, path: string): string {
  const place = resolve(root, path)
  try {
    return realpathSync(place)
  } catch {
    return place // No such file: nothing to be protected.
  }
}

/** The files that may be data, relative to the table's directory. */
function dataFiles(
  directory: string,
  partitionColumns: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<string> {
  return storageOf(directory).filesBelow(directory, (name) => isHidden(name, partitionColumns), signal)
}

/** Names with _ or . in front are not data (the log is one of them), unless a partition column begins so. */
function isHidden(name: string, partitionColumns: readonly string[]): boolean {
  if (!/^[._]/.test(name)) return false
  const starts = partitionColumns.flatMap((column) => [`${column}=`, `${encodeURIComponent(column)}=`])
  return !starts.some((start) => name.startsWith(start))
}

/** What a crash left half-written in the log: such files have no meaning to anyone. */
export async function deleteLeftovers(directory: string, cutoffMs: number): Promise<void> {
  const log = logDirectory(directory)
  const storage = storageOf(log)
  for (const name of await storage.list(log)) {
    if (!/^\..*\.tmp$/.test(name)) continue
    const found = await emptyWhenAbsent(storage.head(join(log, name)), null)
    if (found !== null && found.changedMs < cutoffMs) await storage.remove(join(log, name))
  }
}
