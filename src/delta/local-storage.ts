// Tables in a directory of this machine. A commit is durable before anybody hears of it: contents first, then
// the names that lead to them.
import { randomUUID } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { type FileHandle, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { step } from '../steps/step.ts'
import { disk, emptyWhenAbsent, type FileIdentity, hasErrno } from './disk.ts'
import type { PendingText, Storage } from './storage.ts'

export const filesSyncedAtOnce = 8

export const localStorage: Storage = {
  list: (directory) => disk.readdir(directory),
  head: (path) => disk.stat(path),
  read: (path) => disk.read(path),
  prepare: (directory, text) => PendingFile.write(directory, text),

  async nameCheckpoint(from, to) {
    await disk.rename(from, to)
    await step('checkpoint named')
    await disk.sync(dirname(to))
  },

  remove: (path) => disk.remove(path),
  makeDirectory,
  keepNames,
  filesBelow: (root, isSkipped, signal) => filesBelow(root, '', isSkipped, signal),
  readyForFiles: () => Promise.resolve(),

  async finishFile(file: FileHandle) {
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  },

  async publish(table, files, finished) {
    const paths = files.map(({ path }) => path)
    if (!finished) {
      await eachAtOnce(paths, (path) => disk.sync(path))
      for (const path of paths) forgetDurable(table, dirname(path)) // DuckDB may have made it.
    }
    await syncNames(table, paths)
  },

  fetch: () => Promise.resolve(),
  withCopies: (paths, work) => work(paths),
  watch: watchOrNot,
}

/** A text that is durably on the disk under a name of its own, waiting for the name it is to have. */
class PendingFile implements PendingText {
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

async function keepNames(directory: string, directories: number): Promise<void> {
  let path = directory
  for (let level = 0; level < directories; level++) {
    await disk.sync(path)
    path = dirname(path)
  }
}

/** Directories below tables whose own names this process has made durable. */
const durable = new Set<string>()
const durableMax = 10_000

/** A directory below a table was made, and maybe those that lead to it. */
export function forgetDurable(table: string, made: string): void {
  for (let path = made; path !== table; path = dirname(path)) durable.delete(path)
}

/** Makes the names of files durable, and those of the directories that lead to them. */
async function syncNames(table: string, paths: readonly string[]): Promise<void> {
  const changed = new Set<string>()
  const named = new Set<string>()
  for (const file of paths) {
    let path = dirname(file)
    changed.add(path)
    for (; path !== table && !durable.has(path) && !named.has(path); path = dirname(path)) {
      named.add(path)
      changed.add(dirname(path))
    }
  }
  await eachAtOnce([...changed], (path) => disk.sync(path))
  if (durable.size + named.size > durableMax) durable.clear()
  for (const path of named) durable.add(path)
}

async function eachAtOnce<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < all.length; start += filesSyncedAtOnce) {
    await Promise.all(all.slice(start, start + filesSyncedAtOnce).map(work))
  }
}

async function* filesBelow(
  root: string,
  below: string,
  isSkipped: (name: string) => boolean,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const directory = join(root, below)
  for (const entry of await emptyWhenAbsent(readdir(directory, { withFileTypes: true }), [])) {
    signal?.throwIfAborted()
    if (isSkipped(entry.name)) continue
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    // An empty directory stays: a writer may be about to put a file into it.
    if (entry.isDirectory()) yield* filesBelow(root, path, isSkipped, signal)
    else if (entry.isFile()) yield path
  }
}

/** Notifications of the file system; where it has no watches left, polling alone is enough. */
function watchOrNot(path: string, onChange: () => void): FSWatcher | null {
  try {
    const watcher = watch(path, { persistent: false }, onChange)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return null
  }
}
