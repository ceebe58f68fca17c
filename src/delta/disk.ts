// The file system as a Delta log uses it: the few calls that make a commit durable, and those that read the
// log back. A simulation gives another one, with which it decides what happens between two calls.
import { link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'

/** What a file is on the disk: a table that was deleted and made again has other files. */
export type FileIdentity = { readonly inode: bigint; readonly size: bigint }

export type FileFacts = FileIdentity & { readonly changedMs: number; readonly isDirectory: boolean }

/** Every call fails as that of Node does, with the system's code. */
export type Disk = {
  /** The names in a directory, in no order. */
  readdir(path: string): Promise<string[]>
  stat(path: string): Promise<FileFacts>
  /** The text and the facts are of the same file, whatever happens to its name meanwhile. */
  read(path: string): Promise<{ readonly text: string; readonly facts: FileFacts }>
  /** Makes a file, whose contents then are durable; its name is not. */
  writeNew(path: string, text: string): Promise<FileFacts>
  /** Gives a file a second name, unless something has it. */
  link(from: string, to: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Does nothing where there is no such file. */
  remove(path: string): Promise<void>
  mkdir(path: string): Promise<void>
  /** Makes the contents of a file, or the names in a directory, durable. */
  sync(path: string): Promise<void>
}

type Stats = {
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeMs: bigint
  isDirectory(): boolean
}

export const fileSystem: Disk = {
  readdir,
  link,
  rename,
  stat: async (path) => factsOf(await stat(path, { bigint: true })),
  remove: (path) => emptyWhenAbsent(unlink(path), undefined),
  mkdir: (path) => mkdir(path),

  async read(path) {
    const file = await open(path, 'r')
    try {
      const facts = factsOf(await file.stat({ bigint: true }))
      return { text: await file.readFile('utf8'), facts }
    } finally {
      await file.close()
    }
  },

  async writeNew(path, text) {
    const file = await open(path, 'wx')
    try {
      await file.writeFile(text)
      await file.sync()
      return factsOf(await file.stat({ bigint: true }))
    } finally {
      await file.close()
    }
  },

  async sync(path) {
    const file = await open(path, 'r')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  },
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

function factsOf(stats: Stats): FileFacts {
  const { ino, size, mtimeMs } = stats
  return { inode: ino, size, changedMs: Number(mtimeMs), isDirectory: stats.isDirectory() }
}

export let disk: Disk = fileSystem

/** Milliseconds since the epoch, as files age by them. */
export let clock: () => number = Date.now

/** For simulations: what this process takes for the file system of all logs. */
export function setDisk(next: Disk): void {
  disk = next
}

/** For simulations, in which time jumps. */
export function setClock(next: () => number): void {
  clock = next
}
