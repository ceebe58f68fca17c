// Copies of whole, immutable objects as files of this machine. It is a cache: who deletes it while no process
// uses it loses nothing. Several processes may share it.
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'

/** Makes a file of the object at `path`; false where there is none. */
export type Download = (path: string) => Promise<boolean>

const filesDownloadedAtOnce = 8
/** A file that somebody was told to read stays for so long, whatever the bound says. */
const readMaxMs = 3_600_000
/** Of the bound, so much is left when files had to go: each look at all files makes room for many. */
const partKept = 0.8

/** The mark of a file that was written and never read: it may go before all others. */
const neverRead = new Date(0)

export class FileCache {
  readonly root: string
  readonly #bytesMax: number
  /** An estimate between two looks at all files; null before the first. */
  #bytes: number | null = null
  #looking: Promise<void> | null = null

  /** Whatever is below `root` belongs to the cache. */
  constructor(root: string, bytesMax: number) {
    this.root = root
    this.#bytesMax = bytesMax
  }

  /** Brings the file here unless it is, in that size; does nothing where there is no such object. */
  async fetch(path: string, size: bigint | null, download: Download): Promise<void> {
    if (await this.#touch(path, size)) return
    await mkdir(dirname(path), { recursive: true })
    const temporary = `${path}.${randomUUID()}.tmp`
    try {
      if (!(await download(temporary))) {
        await rm(path, { force: true }) // A copy of what is there no more.
        return
      }
      const { size: bytes } = await stat(temporary)
      await rename(temporary, path)
      await this.#grew(bytes)
    } finally {
      await rm(temporary, { force: true })
    }
  }

  async fetchAll<T>(all: readonly T[], fetchOne: (one: T) => Promise<void>): Promise<void> {
    const waiting = all.values()
    const work = async (): Promise<void> => {
      for (const one of waiting) await fetchOne(one)
    }
    await Promise.all(Array.from({ length: Math.min(filesDownloadedAtOnce, all.length) }, work))
  }

  /** A file that was written here is in the store by now. */
  async keepWritten(path: string): Promise<void> {
    const found = await stat(path).catch(() => null)
    if (found === null) return // Somebody has deleted the cache.
    await utimes(path, neverRead, found.mtime).catch(() => undefined)
    await this.#grew(found.size)
  }

  async remove(path: string): Promise<void> {
    await rm(path, { force: true })
  }

  /** True where the file is here in that size; nobody deletes it for a while. */
  async #touch(path: string, size: bigint | null): Promise<boolean> {
    try {
      const found = await stat(path)
      if (size !== null && BigInt(found.size) !== size) return false
      await utimes(path, new Date(), found.mtime)
      return true
    } catch {
      return false // It is not here, or another process has deleted it just now.
    }
  }

  async #grew(bytes: number): Promise<void> {
    if (this.#bytes !== null) this.#bytes += bytes
    if (this.#bytes !== null && this.#bytes <= this.#bytesMax) return
    this.#looking ??= this.#makeRoom().finally(() => {
      this.#looking = null
    })
    await this.#looking
  }

  /** Deletes what was not read for the longest time, as far as the bound asks for it. */
  async #makeRoom(): Promise<void> {
    const files = await filesOf(this.root)
    let bytes = files.reduce((sum, file) => sum + file.size, 0)
    if (bytes > this.#bytesMax) {
      const youngMs = Date.now() - readMaxMs
      for (const { path, size, usedMs, isWritten } of files.sort((a, b) => a.usedMs - b.usedMs)) {
        if (bytes <= this.#bytesMax * partKept) break
        if (!isWritten && usedMs > youngMs) continue
        await rm(path, { force: true })
        bytes -= size
      }
    }
    this.#bytes = bytes
  }
}

type CachedFile = {
  readonly path: string
  readonly size: number
  readonly usedMs: number
  /** It is in the store, and nobody has read it here. */
  readonly isWritten: boolean
}

async function filesOf(root: string): Promise<CachedFile[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  const files: CachedFile[] = []
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    // What a stream has on this machine while it runs is no copy.
    if (!entry.isFile() || relative(root, path).startsWith('_')) continue
    const found = await stat(path).catch(() => null) // Another process may delete it meanwhile.
    if (found === null) continue
    const isWritten = found.atimeMs === 0
    const usedMs = isWritten ? 0 : Math.max(found.atimeMs, found.mtimeMs)
    files.push({ path, size: found.size, usedMs, isWritten })
  }
  return files
}
