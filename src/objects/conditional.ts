// Writes that a store makes only on a condition, and the proof that it judges the condition.
import { randomUUID } from 'node:crypto'
import { LakehouseError } from '../errors/errors.ts'
import type { ObjectStore } from './object-store.ts'

/**
 * The ETag of the object that now has these bytes; null where the key has others. No two writers write equal
 * bytes, so a refusal whose object has them was the repeat of a write whose answer got lost.
 */
export async function putUnlessThere(
  store: ObjectStore,
  key: string,
  bytes: Uint8Array,
): Promise<string | null> {
  return (await store.putIfAbsent(key, bytes)) ?? etagOfMine(store, key, bytes)
}

/** The same, in place of the object with an ETag. */
export async function putInPlaceOf(
  store: ObjectStore,
  key: string,
  bytes: Uint8Array,
  etag: string,
): Promise<string | null> {
  return (await store.putIfMatch(key, bytes, etag)) ?? etagOfMine(store, key, bytes)
}

async function etagOfMine(store: ObjectStore, key: string, bytes: Uint8Array): Promise<string | null> {
  const there = await store.get(key)
  return there?.bytes.equals(bytes) ? there.facts.etag : null
}

/** Stores that look at the condition and write later have two winners in some races. */
const racersOfProbe = 8

/**
 * Fails with STORAGE_REFUSED where the store ignores a condition: two writers would overwrite each other's
 * commits there, and neither would know.
 */
export async function demandConditions(store: ObjectStore, directory: string): Promise<void> {
  const key = `${directory}probe.${randomUUID()}`
  try {
    const racers = Array.from({ length: racersOfProbe }, (_, index) => Buffer.from(`${key} ${index}`))
    const raced = await Promise.all(racers.map((bytes) => putUnlessThere(store, key, bytes)))
    const winners = raced.filter((etag) => etag !== null)
    if (winners.length !== 1) throw ignored(store, 'If-None-Match')
    if ((await store.putIfAbsent(key, Buffer.from('late'))) !== null) throw ignored(store, 'If-None-Match')
    const mine = Buffer.from(`${key} again`)
    if ((await store.putIfMatch(key, mine, '"0123456789abcdef0123456789abcdef"')) !== null) {
      throw ignored(store, 'If-Match')
    }
    if ((await putInPlaceOf(store, key, mine, winners[0]!)) === null) throw ignored(store, 'If-Match')
  } finally {
    await store.delete(key).catch(() => undefined) // The failure of the probe is what counts.
  }
}

function ignored({ url }: ObjectStore, header: string): LakehouseError {
  return new LakehouseError(
    'STORAGE_REFUSED',
    `${url}: this store does not honour the condition ${header} of a PUT, so two writers would overwrite each other's ` +
      'commits unseen. Nothing was written. Use a store that does: Amazon S3, MinIO, Cloudflare R2, Ceph, versitygw; ' +
      'or keep the tables on a disk.',
    { details: { header } },
  )
}
