// A place of whole files by key: a bucket, or a directory of this machine. Copies of a lakehouse are made
// from one to another.
import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, open, opendir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import type { ObjectStore } from './object-store.ts'

/** As those of an object store; `url` is the path of a directory. */
export type FilePlace = Pick<ObjectStore, 'url' | 'keys' | 'put' | 'upload' | 'download' | 'delete'> & {
  head(key: string): Promise<{ readonly size: number } | null>
  get(key: string): Promise<{ readonly bytes: Buffer } | null>
}

/** A file has its name when its contents are durable. Names that begin with a dot are half-written files. */
export class DirectoryPlace implements FilePlace {
  readonly url: string

  constructor(path: string) {
    this.url = path
  }

  async *keys(prefix: string): AsyncGenerator<string> {
    for await (const path of this.#filesBelow(this.url)) {
      const key = relative(this.url, path).split(sep).join('/')
      if (key.startsWith(prefix)) yield key
    }
  }

  async *#filesBelow(directory: string): AsyncGenerator<string> {
    const entries = await opendir(directory).catch(absent)
    if (entries === null) return
    for await (const entry of entries) {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) yield* this.#filesBelow(path)
      else yield path
    }
  }

  async head(key: string): Promise<{ readonly size: number } | null> {
    return await stat(this.pathOf(key)).catch(absent)
  }

  async get(key: string): Promise<{ readonly bytes: Buffer } | null> {
    const bytes = await readFile(this.pathOf(key)).catch(absent)
    return bytes === null ? null : { bytes }
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#write(key, async (path) => {
      const file = await open(path, 'w')
      try {
        await file.writeFile(bytes)
      } finally {
        await file.close()
      }
    })
  }

  async upload(key: string, from: string): Promise<void> {
    await this.#write(key, (path) => copyFile(from, path))
  }

  async download(key: string, to: string): ReturnType<ObjectStore['download']> {
    const path = this.pathOf(key)
    const isThere = await copyFile(path, to).then(() => true, absent)
    if (isThere === null) return null
    const { size, mtimeMs } = await stat(to)
    return { etag: '', size, changedMs: mtimeMs }
  }

  async delete(key: string): Promise<void> {
    await rm(this.pathOf(key), { force: true })
  }

  async #write(key: string, fill: (path: string) => Promise<void>): Promise<void> {
    const path = this.pathOf(key)
    const directory = dirname(path)
    const made = await mkdir(directory, { recursive: true })
    const temporary = join(directory, `.${randomUUID()}.tmp`)
    try {
      await fill(temporary)
      await sync(temporary)
      await rename(temporary, path)
      await sync(directory)
      // So that the names of the directories that were made are durable as well.
      for (let at = directory; made !== undefined && at.length >= made.length; ) {
        at = dirname(at)
        await sync(at)
      }
    } finally {
      await rm(temporary, { force: true })
    }
  }

  /** Where the file is on this machine. */
  pathOf(key: string): string {
    return join(this.url, ...key.split('/'))
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}
