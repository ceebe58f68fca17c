// The files of `_delta_log`: their names, reading them, and putting one there if it is absent.
import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { step } from '../steps/step.ts'
import { type DeltaCommit, parseCommit } from './actions.ts'

export function logDirectory(table: string): string {
  return join(table, '_delta_log')
}

export function versionDigits(version: bigint): string {
  return version.toString().padStart(20, '0')
}

export function commitPath(table: string, version: bigint): string {
  return join(logDirectory(table), `${versionDigits(version)}.json`)
}

/** A checkpoint whose parts are all there; a classic one has a single part. */
export type CheckpointFiles = { readonly version: bigint; readonly paths: readonly string[] }

export type LogListing = {
  /** Ascending. */
  readonly commits: readonly bigint[]
  /** Newest first. */
  readonly checkpoints: readonly CheckpointFiles[]
  /** Checkpoints of a form that is not read: there are some. */
  readonly hasUuidCheckpoints: boolean
}

export async function listLog(table: string): Promise<LogListing> {
  const directory = logDirectory(table)
  const names = await emptyWhenAbsent(readdir(directory), [])
  const commits: bigint[] = []
  const parts = new Map<string, { version: bigint; wanted: number; paths: string[] }>()
  for (const name of names.sort()) {
    const commit = /^(\d{20})\.json$/.exec(name)
    if (commit?.[1]) commits.push(BigInt(commit[1]))
    const checkpoint = /^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$/.exec(name)
    if (!checkpoint?.[1]) continue
    const key = `${checkpoint[1]} ${checkpoint[3] ?? ''}`
    const found = parts.get(key) ?? {
      version: BigInt(checkpoint[1]),
      wanted: Number(checkpoint[3] ?? 1),
      paths: [],
    }
    found.paths.push(join(directory, name))
    parts.set(key, found)
  }
  const complete = [...parts.values()].filter((checkpoint) => checkpoint.paths.length === checkpoint.wanted)
  const hasUuidCheckpoints = names.some((name) => /^\d{20}\.checkpoint\.[0-9a-f-]{36}\./.test(name))
  return { commits, hasUuidCheckpoints, checkpoints: complete.sort((a, b) => Number(b.version - a.version)) }
}

/** What a commit file is on the disk: a table that was deleted and made again has other files. */
export type FileIdentity = { readonly inode: bigint; readonly size: bigint }

export async function identityOf(path: string): Promise<FileIdentity | null> {
  const found = await emptyWhenAbsent(stat(path, { bigint: true }), null)
  return found === null ? null : { inode: found.ino, size: found.size }
}

export type CommitFile = {
  readonly commit: DeltaCommit
  readonly identity: FileIdentity
  readonly fileTimeMs: number
}

/** Reads one version; null where the log does not have it. */
export async function readCommit(table: string, version: bigint): Promise<CommitFile | null> {
  const path = commitPath(table, version)
  const file = await emptyWhenAbsent(open(path, 'r'), null)
  if (file === null) return null
  try {
    const { ino, size, mtimeMs } = await file.stat({ bigint: true })
    const text = await file.readFile('utf8')
    const fileTimeMs = Number(mtimeMs)
    return {
      commit: parseCommit(version, text, fileTimeMs, path),
      identity: { inode: ino, size },
      fileTimeMs,
    }
  } finally {
    await file.close()
  }
}

/** A text that is durably on the disk under a name of its own, waiting for the name it is to have. */
export class PendingFile {
  readonly #path: string
  private constructor(path: string) {
    this.#path = path
  }

  static async write(directory: string, text: string): Promise<PendingFile> {
    const path = join(directory, `.${randomUUID()}.tmp`)
    const file = await open(path, 'wx')
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await step('commit prepared')
    return new PendingFile(path)
  }

  /** Gives it the name unless another has it: the one atomic step of a commit. */
  async putIfAbsent(path: string): Promise<FileIdentity | null> {
    try {
      await link(this.#path, path)
    } catch (error) {
      if (hasErrno(error, 'EEXIST')) return null
      throw error
    }
    await step('commit linked')
    await syncPath(dirname(path))
    await step('commit durable')
    const { ino, size } = await stat(path, { bigint: true })
    return { inode: ino, size }
  }

  /** Gives it the name, in place of what had it. */
  async replace(path: string): Promise<void> {
    await rename(this.#path, path)
    await syncPath(dirname(path))
  }

  async discard(): Promise<void> {
    await rm(this.#path, { force: true })
  }
}

/** Makes the contents of a file, or the names in a directory, durable. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Makes a directory and those above it, durably. One by one: `mkdir` of Node with `recursive` never ends
 * where a file system refuses names with ENOENT, as /proc does.
 */
export async function makeDirectory(path: string): Promise<void> {
  if (await makeOne(path)) return
  await makeDirectory(dirname(path))
  if (!(await makeOne(path))) await mkdir(path) // Its parent is there: this fails with the system's reason.
}

/** True where the directory is there now, false where that above it is not. */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path)
  } catch (error) {
    if (hasErrno(error, 'ENOENT') && dirname(path) !== path) return false
    if (!hasErrno(error, 'EEXIST') || !(await stat(path)).isDirectory()) throw error
    return true
  }
  await syncPath(dirname(path))
  return true
}

/** From a table to the directory of all tables and its parent. */
const directoriesAbove = 3

/**
 * Makes the names that lead to a table durable: who made the directories may have been killed before it did.
 */
export async function syncNamesOf(table: string): Promise<void> {
  let path = table
  for (let level = 0; level < directoriesAbove; level++) {
    await syncPath(path)
    path = dirname(path)
  }
}

export async function emptyWhenAbsent<T, E>(reading: Promise<T>, empty: E): Promise<T | E> {
  try {
    return await reading
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return empty
    throw error
  }
}

export function hasErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
