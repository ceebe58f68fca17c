// Vacuum: deletes files under the table's directory that no version within the retention needs.
import type { Dirent } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { LakehouseError } from '../errors/errors.ts'
import { disk } from './disk.ts'
import { emptyWhenAbsent, logDirectory } from './log-files.ts'
import { deletedFileRetentionDefaultMs, deletedFileRetentionMs } from './properties.ts'
import type { LogState } from './state.ts'

export type VacuumOptions = {
  /** Files that were dead for at least this long are deleted. Default: 7 days. */
  readonly retentionMs?: number
  /** Names what would be deleted, and deletes nothing. */
  readonly dryRun?: boolean
  /** Allows a retention shorter than the table's: right only when nobody else reads or writes the table. */
  readonly force?: boolean
  readonly nowMs?: number
  readonly signal?: AbortSignal
}

/** The facts that vacuum decides by, copied from one state. */
export type VacuumFacts = { readonly protectedPaths: ReadonlySet<string>; readonly cutoffMs: number }

export function vacuumFacts(directory: string, state: LogState, options: VacuumOptions): VacuumFacts {
  const retentionMs = options.retentionMs ?? deletedFileRetentionDefaultMs
  const leastMs = deletedFileRetentionMs(state.essentials().metadata) ?? Number.POSITIVE_INFINITY
  if (retentionMs < leastMs && options.force !== true) {
    const [asked, least] = [`${retentionMs} ms`, `${leastMs} ms`]
    const message = `${directory}: a retention of ${asked} is shorter than the table's (${least}).`
    const advice = 'Readers and writers at work may still need the files. Use a longer one, or force it.'
    throw new LakehouseError('DELTA_RETENTION_TOO_SHORT', `${message} ${advice}`)
  }
  // Without a retention, what was written in this very millisecond is dead as well.
  const cutoffMs = (options.nowMs ?? Date.now()) - retentionMs + (retentionMs === 0 ? 1 : 0)
  const recent = [...state.tombstones.values()].filter((file) => file.deletionTimestamp > cutoffMs)
  return { protectedPaths: new Set([...state.files.keys(), ...recent.map((file) => file.path)]), cutoffMs }
}

/**
 * Files under the directory that no version in the log names: of a writer at work, or of one that died before
 * its commit.
 */
export function unnamedFiles(directory: string, state: LogState): AsyncGenerator<string> {
  const protectedPaths = new Set([...state.files.keys(), ...state.tombstones.keys()])
  const { partitionColumns } = state.essentials().metadata
  const facts = { protectedPaths, cutoffMs: Number.POSITIVE_INFINITY }
  return deadFiles(directory, directory, partitionColumns, facts)
}

/** Deletes, and returns the paths relative to the table's directory. */
export async function vacuumFiles(
  directory: string,
  partitionColumns: readonly string[],
  facts: VacuumFacts,
  options: VacuumOptions,
): Promise<string[]> {
  const deleted: string[] = []
  for await (const path of deadFiles(directory, directory, partitionColumns, facts, options.signal)) {
    deleted.push(relative(directory, path).split(sep).join('/'))
    if (options.dryRun !== true) await rm(path, { force: true })
  }
  if (options.dryRun !== true) await deleteLeftovers(directory, facts.cutoffMs)
  return deleted
}

async function* deadFiles(
  root: string,
  directory: string,
  partitionColumns: readonly string[],
  facts: VacuumFacts,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  for (const entry of await emptyWhenAbsent(readdir(directory, { withFileTypes: true }), [])) {
    signal?.throwIfAborted()
    if (isHidden(entry, partitionColumns)) continue
    const path = join(directory, entry.name)
    if (entry.isDirectory()) {
      // An empty directory stays: a writer may be about to put a file into it.
      yield* deadFiles(root, path, partitionColumns, facts, signal)
    } else if (entry.isFile() && !facts.protectedPaths.has(relative(root, path).split(sep).join('/'))) {
      const found = await emptyWhenAbsent(stat(path), null)
      if (found !== null && found.mtimeMs < facts.cutoffMs) yield path
    }
  }
}

/** Names with _ or . in front are not data (the log is one of them), unless a partition column begins so. */
function isHidden(entry: Dirent, partitionColumns: readonly string[]): boolean {
  if (!/^[._]/.test(entry.name)) return false
  const starts = partitionColumns.flatMap((column) => [`${column}=`, `${encodeURIComponent(column)}=`])
  return !starts.some((start) => entry.name.startsWith(start))
}

/** What a crash left half-written in the log: such files have no meaning to anyone. */
export async function deleteLeftovers(directory: string, cutoffMs: number): Promise<void> {
  const log = logDirectory(directory)
  for (const name of await disk.readdir(log)) {
    if (/^\..*\.tmp$/.test(name)) await deleteOlder(join(log, name), cutoffMs)
  }
}

async function deleteOlder(path: string, cutoffMs: number): Promise<void> {
  const found = await emptyWhenAbsent(disk.stat(path), null)
  if (found !== null && found.changedMs < cutoffMs) await disk.remove(path)
}
