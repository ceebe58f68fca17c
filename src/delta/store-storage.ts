// Tables in an object store. An object has its name when the store has answered, so nothing is synced; a
// commit is one PUT on the condition that its version is not there. Data files are written and read on this
// machine, below a directory that stands for the store's prefix, and are copies from the moment on that the
// store has them.
import { createHash, randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { type FileHandle, mkdir, rm } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { demandConditions, putUnlessThere } from '../objects/conditional.ts'
import type { FileCache } from '../objects/file-cache.ts'
import type { ObjectFacts, ObjectStore } from '../objects/object-store.ts'
import { step } from '../steps/step.ts'
import type { FileFacts, FileIdentity } from './disk.ts'
import type { FileToRead, PendingText, Storage } from './storage.ts'

const filesUploadedAtOnce = 8

export class StoreStorage implements Storage {
  readonly #store: ObjectStore
  readonly #cache: FileCache
  /** Tells of new names by the directory that they are in, those that this process gives. */
  readonly #changes = new EventEmitter()
  #conditions: Promise<void> | null = null

  /** The root of the cache stands for the prefix of the store. */
  constructor(store: ObjectStore, cache: FileCache) {
    this.#store = store
    this.#cache = cache
    this.#changes.setMaxListeners(0)
  }

  /** Fails with STORAGE_REFUSED where the store does not judge conditions; asked once. */
  demandConditions(): Promise<void> {
    this.#conditions ??= demandConditions(this.#store, '_checkpoints/').catch((error: unknown) => {
      this.#conditions = null // It may have been an outage.
      throw error
    })
    return this.#conditions
  }

  list(directory: string): Promise<string[]> {
    return this.#store.names(this.#prefixOf(directory))
  }

  async head(path: string): Promise<FileFacts> {
    return factsOf((await this.#store.head(this.#keyOf(path))) ?? absent(path))
  }

  async read(path: string): Promise<{ readonly text: string; readonly facts: FileFacts }> {
    const { bytes, facts } = (await this.#store.get(this.#keyOf(path))) ?? absent(path)
    return { text: bytes.toString('utf8'), facts: factsOf(facts) }
  }

  async prepare(_directory: string, text: string): Promise<PendingText> {
    await step('commit prepared')
    const bytes = Buffer.from(text)
    return {
      putIfAbsent: (path) => this.#putIfAbsent(path, bytes),
      replace: (path) => this.#store.put(this.#keyOf(path), bytes),
      discard: () => Promise.resolve(),
    }
  }

  async #putIfAbsent(path: string, bytes: Buffer): Promise<FileIdentity | null> {
    await this.demandConditions()
    const etag = await putUnlessThere(this.#store, this.#keyOf(path), bytes)
    if (etag === null) return null
    await step('commit linked')
    this.#changes.emit(dirname(path))
    await step('commit durable')
    return identityOf({ etag, size: bytes.length })
  }

  async nameCheckpoint(from: string, to: string): Promise<void> {
    await this.#store.upload(this.#keyOf(to), from)
    await step('checkpoint named')
  }

  async remove(path: string): Promise<void> {
    await this.#store.delete(this.#keyOf(path))
    await this.#cache.remove(path)
  }

  /** A store has objects alone; a directory that none is in is none. */
  makeDirectory(): Promise<void> {
    return Promise.resolve()
  }

  keepNames(): Promise<void> {
    return Promise.resolve()
  }

  async *filesBelow(
    root: string,
    isSkipped: (name: string) => boolean,
    signal?: AbortSignal,
  ): AsyncGenerator<string> {
    const prefix = this.#prefixOf(root)
    for await (const key of this.#store.keys(prefix)) {
      signal?.throwIfAborted()
      const path = key.slice(prefix.length)
      if (!path.split('/').some(isSkipped)) yield path
    }
  }

  async readyForFiles(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true })
  }

  finishFile(file: FileHandle): Promise<void> {
    return file.close()
  }

  async publish(_table: string, files: readonly { readonly path: string }[]): Promise<void> {
    for (let start = 0; start < files.length; start += filesUploadedAtOnce) {
      const slice = files.slice(start, start + filesUploadedAtOnce)
      await Promise.all(slice.map(({ path }) => this.#store.upload(this.#keyOf(path), path)))
    }
    for (const { path } of files) await this.#cache.keepWritten(path)
  }

  async fetch(files: readonly FileToRead[]): Promise<void> {
    // A log may name a file elsewhere on this machine.
    const ours = files.filter(({ path }) => path.startsWith(`${this.#cache.root}/`))
    await this.#cache.fetchAll(ours, ({ path, size }) =>
      this.#cache.fetch(
        path,
        size,
        async (to) => (await this.#store.download(this.#keyOf(path), to)) !== null,
      ),
    )
  }

  async withCopies<T>(paths: readonly string[], work: (copies: readonly string[]) => Promise<T>): Promise<T> {
    const copies: string[] = []
    try {
      for (const path of paths) {
        await mkdir(dirname(path), { recursive: true })
        const copy = join(dirname(path), `.${randomUUID()}.copy.parquet`)
        copies.push(copy)
        if ((await this.#store.download(this.#keyOf(path), copy)) === null) absent(path)
      }
      return await work(copies)
    } finally {
      for (const copy of copies) await rm(copy, { force: true })
    }
  }

  watch(directory: string, onChange: () => void): { close(): void } {
    this.#changes.on(directory, onChange)
    return { close: () => void this.#changes.off(directory, onChange) }
  }

  #keyOf(path: string): string {
    return relative(this.#cache.root, path).split(sep).join('/')
  }

  #prefixOf(directory: string): string {
    const key = this.#keyOf(directory)
    return key === '' ? '' : `${key}/`
  }
}

function factsOf(facts: ObjectFacts): FileFacts {
  return { ...identityOf(facts), changedMs: facts.changedMs, isDirectory: false }
}

/** A number of the ETag takes the place of the disk's for a file. */
function identityOf({ etag, size }: Pick<ObjectFacts, 'etag' | 'size'>): FileIdentity {
  return { inode: createHash('sha256').update(etag).digest().readBigUInt64BE(), size: BigInt(size) }
}

function absent(path: string): never {
  throw Object.assign(new Error(`ENOENT: no such object, ${path}`), { code: 'ENOENT', path })
}
