// An object store in memory, and what may happen to its callers: it stands still before a call, and answers
// get lost after it acted.
import { readFile, writeFile } from 'node:fs/promises'
import { LakehouseError } from '../../src/errors/errors.ts'
import type { ObjectFacts, ObjectStore } from '../../src/objects/object-store.ts'

type Stored = { readonly bytes: Buffer; readonly facts: ObjectFacts }

/** `url` is its name among those of a test. */
export function memoryStore(url: string): ObjectStore & { readonly objects: ReadonlyMap<string, Stored> } {
  const objects = new Map<string, Stored>()
  let writes = 0
  const write = (key: string, bytes: Uint8Array): string => {
    writes += 1
    const etag = `"${writes}"`
    const facts = { etag, size: bytes.length, changedMs: Date.now() }
    objects.set(key, { bytes: Buffer.from(bytes), facts })
    return etag
  }
  return {
    url,
    objects,
    async *keys(prefix) {
      for (const key of [...objects.keys()]) if (key.startsWith(prefix)) yield key
    },
    names: async (prefix) => {
      const below = [...objects.keys()].filter((key) => key.startsWith(prefix))
      return [...new Set(below.map((key) => key.slice(prefix.length).split('/')[0]!))]
    },
    head: async (key) => objects.get(key)?.facts ?? null,
    get: async (key) => objects.get(key) ?? null,
    download: async (key, path) => {
      const found = objects.get(key)
      if (found === undefined) return null
      await writeFile(path, found.bytes)
      return found.facts
    },
    put: async (key, bytes) => void write(key, bytes),
    upload: async (key, path) => void write(key, await readFile(path)),
    putIfAbsent: async (key, bytes) => (objects.has(key) ? null : write(key, bytes)),
    putIfMatch: async (key, bytes, etag) => {
      return objects.get(key)?.facts.etag === etag ? write(key, bytes) : null
    },
    delete: async (key) => void objects.delete(key),
  }
}

export type StoreFaults = {
  /** Before each call. */
  readonly stop?: () => Promise<void> | undefined
  /** From 0 to 1, for each call that could go wrong. */
  readonly random: () => number
  /** How many of the conditional writes are repeated because the first answer got lost. */
  readonly repeated?: number
  /** How many calls fail for good, half of them after the store acted. */
  readonly failed?: number
}

export function faultyStore(store: ObjectStore, faults: StoreFaults): ObjectStore {
  const { random, stop = () => undefined, repeated = 0, failed = 0 } = faults
  const ask = async <T>(call: () => Promise<T>): Promise<T> => {
    await stop()
    const luck = random()
    if (luck < failed / 2) throw away(store.url)
    const answer = await call()
    if (luck < failed) throw away(store.url)
    return answer
  }
  const askTwice = (call: () => Promise<string | null>): Promise<string | null> =>
    ask(async () => {
      if (random() < repeated) await call()
      return call()
    })
  return {
    url: store.url,
    async *keys(prefix) {
      await stop()
      yield* store.keys(prefix)
    },
    names: (prefix) => ask(() => store.names(prefix)),
    head: (key) => ask(() => store.head(key)),
    get: (key) => ask(() => store.get(key)),
    download: (key, path) => ask(() => store.download(key, path)),
    put: (key, bytes) => ask(() => store.put(key, bytes)),
    upload: (key, path) => ask(() => store.upload(key, path)),
    putIfAbsent: (key, bytes) => askTwice(() => store.putIfAbsent(key, bytes)),
    putIfMatch: (key, bytes, etag) => askTwice(() => store.putIfMatch(key, bytes, etag)),
    delete: (key) => ask(() => store.delete(key)),
  }
}

function away(url: string): LakehouseError {
  return new LakehouseError('STORAGE_FAILED', `${url}: the store is away, as the test asked for`)
}
