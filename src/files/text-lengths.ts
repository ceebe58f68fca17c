// How long the texts of compressed files are, kept from run to run: without it every run would have to
// decompress all files again that earlier ones have read, to learn that nothing more is in them. It is a
// cache: where it is missing or wrong in form, the files are read.
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { ListedFile } from './listing.ts'

/** Lines of files that are gone, or that have changed, stay until they are more than those of the others. */
const STALE_LINES_MIN = 1_000

export class TextLengths {
  /** null where nothing is kept. */
  readonly #path: string | null
  #lengths: Map<string, number> | null = null
  #lineCount = 0

  constructor(path: string | null) {
    this.#path = path
  }

  /** null where it is not known. */
  async of(file: ListedFile): Promise<number | null> {
    this.#lengths ??= await this.#load()
    return this.#lengths.get(keyOf(file)) ?? null
  }

  async keep(file: ListedFile, length: number): Promise<void> {
    this.#lengths ??= await this.#load()
    if (this.#lengths.get(keyOf(file)) === length) return
    this.#lengths.set(keyOf(file), length)
    await this.#write(async (path) => {
      await mkdir(dirname(path), { recursive: true })
      await appendFile(path, lineOf(keyOf(file), length))
    })
    this.#lineCount += 1
  }

  /** Forgets what is not of these files where that has become most of it. */
  async prune(files: readonly ListedFile[]): Promise<void> {
    if (this.#lengths === null || this.#lineCount <= STALE_LINES_MIN) return
    const present = new Set(files.map(keyOf))
    const kept = [...this.#lengths].filter(([key]) => present.has(key))
    if (this.#lineCount <= 2 * kept.length + STALE_LINES_MIN) return
    this.#lengths = new Map(kept)
    this.#lineCount = kept.length
    await this.#write(async (path) => {
      await writeFile(`${path}.new`, kept.map(([key, length]) => lineOf(key, length)).join(''))
      await rename(`${path}.new`, path)
    })
  }

  async #load(): Promise<Map<string, number>> {
    const lengths = new Map<string, number>()
    if (this.#path === null) return lengths
    const text = await readFile(this.#path, 'utf8').catch(() => '')
    const lines = text.split('\n').filter((line) => line !== '')
    this.#lineCount = lines.length
    for (const line of lines) {
      const [key, length] = parsed(line)
      if (typeof key === 'string' && typeof length === 'number') lengths.set(key, length)
    }
    return lengths
  }

  /** A disk that refuses is told by what must not get lost; this is only read again. */
  async #write(write: (path: string) => Promise<void>): Promise<void> {
    if (this.#path !== null) await write(this.#path).catch(() => undefined)
  }
}

/** A file that was replaced has another size or another time. */
function keyOf({ path, size, modifiedMs }: ListedFile): string {
  return `${resolve(path)} ${size} ${modifiedMs}`
}

function lineOf(key: string, length: number): string {
  return `${JSON.stringify([key, length])}\n`
}

function parsed(line: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(line)
    return Array.isArray(value) ? value : []
  } catch {
    return [] // Cut off by a crash.
  }
}
