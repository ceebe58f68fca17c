// The files of `_delta_log`: their names, reading them, and putting one there if it is absent.
import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { step } from '../steps/step.ts'
import type { DeltaCommit } from './actions.ts'
import { parseCommit } from './commit-parse.ts'
import { disk, type FileIdentity } from './disk.ts'

export function logDirectory(table: string): string {
  return join(table, '_delta_log')
}

export function versionDigits(version: bigint): string {
  return version.toString().padStart(20, '0')
}

export function commitPath(table: string, version: bigint): string {
  return join(logDirectory(table), `${versionDigits(version)}.json`)
}

const commitNameLength = versionDigits(0n).length + '.json'.length

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
  return listingOf(directory, await emptyWhenAbsent(disk.readdir(directory), []))
}

/** A log may have some hundred thousand commits: what is asked of every name is cheap. */
export function listingOf(directory: string, names: readonly string[]): LogListing {
  const versions: number[] = []
  const parts = new Map<string, { version: bigint; wanted: number; paths: string[] }>()
  let hasUuidCheckpoints = false
  for (const name of names) {
    if (name.length === commitNameLength && name.endsWith('.json')) {
      const version = Number(name.slice(0, -'.json'.length))
      if (Number.isSafeInteger(version)) versions.push(version)
      continue
    }
    hasUuidCheckpoints ||= /^\d{20}\.checkpoint\.[0-9a-f-]{36}\./.test(name)
    const checkpoint = /^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$/.exec(name)
    if (!checkpoint?.[1]) continue
    const key = `${checkpoint[1]} ${checkpoint[3] ?? ''}`
    const [version, wanted] = [BigInt(checkpoint[1]), Number(checkpoint[3] ?? 1)]
    const found = parts.get(key) ?? { version, wanted, paths: [] }
    found.paths.push(join(directory, name))
    parts.set(key, found)
  }
  const complete = [...parts.values()].filter((checkpoint) => checkpoint.paths.length === checkpoint.wanted)
  for (const { paths } of complete) paths.sort()
  return {
    commits: Array.from(Float64Array.from(versions).sort(), BigInt),
    checkpoints: complete.sort((a, b) => Number(b.version - a.version)),
    hasUuidCheckpoints,
  }
}

/** Whether the checkpoint is there that the log names as its last: a look at two files of all. */
export async function hasHintedCheckpoint(table: string): Promise<boolean> {
  const directory = logDirectory(table)
  const hint = await emptyWhenAbsent(disk.read(join(directory, '_last_checkpoint')), null)
  const version = /"version":\s*(\d{1,18})\b/.exec(hint?.text ?? '')?.[1]
  if (version === undefined) return false
  return (await identityOf(join(directory, `${versionDigits(BigInt(version))}.checkpoint.parquet`))) !== null
}

/** null where there is no such file. */
export async function identityOf(path: string): Promise<FileIdentity | null> {
  return emptyWhenAbsent(disk.stat(path), null)
}

export type CommitFile = {
  readonly commit: DeltaCommit
  readonly identity: FileIdentity
}

/** Reads one version; null where the log does not have it. */
export async function readCommit(table: string, version: bigint): Promise<CommitFile | null> {
  const path = commitPath(table, version)
  const found = await emptyWhenAbsent(disk.read(path), null)
  if (found === null) return null
  const { text, facts } = found
  return { commit: parseCommit(version, text, facts.changedMs, path), identity: facts }
}

/** A text that is durably on the disk under a name of its own, waiting for the name it is to have. */
export class PendingFile {
  readonly #path: string
  readonly #text: string
  readonly #identity: FileIdentity
  private constructor(path: string, text: string, identity: FileIdentity) {
    this.#path = path
    this.#text = text
    this.#identity = identity
  }

  static async write(directory: string, text: string): Promise<PendingFile> {
    const path = join(directory, `.${randomUUID()}.tmp`)
    const identity = await disk.writeNew(path, text)
    await step('commit prepared')
    return new PendingFile(path, text, identity)
  }

  /** Gives it the name unless another has it: the one atomic step of a commit. */
  async putIfAbsent(path: string): Promise<FileIdentity | null> {
    try {
      await disk.link(this.#path, path)
    } catch (error) {
      // A network mount repeats a call whose answer was lost: the first one made the name.
      if (!hasErrno(error, 'EEXIST')) throw error
      if (!(await this.#has(path))) return null
    }
    await step('commit linked')
    await disk.sync(dirname(path))
    await step('commit durable')
    return this.#identity // Both names are of one file.
  }

  /** Whether the file of that name is this one: every commit has an id, so no other has its text. */
  async #has(path: string): Promise<boolean> {
    const there = await emptyWhenAbsent(disk.read(path), null)
    return there?.text === this.#text
  }

  /** Gives it the name, in place of what had it. */
  async replace(path: string): Promise<void> {
    await disk.rename(this.#path, path)
    await disk.sync(dirname(path))
  }

  async discard(): Promise<void> {
    await disk.remove(this.#path)
  }
}

/**
 * Makes a directory and those above it, durably. One by one: `mkdir` of Node with `recursive` never ends
 * where a file system refuses names with ENOENT, as /proc does.
 */
export async function makeDirectory(path: string): Promise<void> {
  if (await makeOne(path)) return
  await makeDirectory(dirname(path))
  // Its parent is there: this fails with the system's reason.
  if (!(await makeOne(path))) await disk.mkdir(path)
}

/** True where the directory is there now, false where that above it is not. */
async function makeOne(path: string): Promise<boolean> {
  try {
    await disk.mkdir(path)
  } catch (error) {
    if (hasErrno(error, 'ENOENT') && dirname(path) !== path) return false
    if (!hasErrno(error, 'EEXIST') || !(await disk.stat(path)).isDirectory) throw error
    return true
  }
  await disk.sync(dirname(path))
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
    await disk.sync(path)
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
