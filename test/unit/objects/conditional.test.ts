import { expect, test } from 'vitest'
import { demandConditions, putInPlaceOf, putUnlessThere } from '../../../src/objects/conditional.ts'
import type { ObjectStore } from '../../../src/objects/object-store.ts'
import { faultyStore, memoryStore } from '../../crash/memory-store.ts'

const bytes = (text: string) => Buffer.from(text)
/** The first answer to each conditional write gets lost. */
const forgetful = (store: ObjectStore) => faultyStore(store, { random: () => 0.5, repeated: 1 })

test('a write whose answer got lost is told from a conflict by what stands there', async () => {
  const store = forgetful(memoryStore('s3://test'))
  const etag = await putUnlessThere(store, 'key', bytes('mine'))
  expect(etag).toBe((await store.head('key'))?.etag)
  expect(await putUnlessThere(store, 'key', bytes('yours'))).toBeNull()
  const next = await putInPlaceOf(store, 'key', bytes('mine too'), etag!)
  expect(next).toBe((await store.head('key'))?.etag)
  expect(await putInPlaceOf(store, 'key', bytes('yours'), etag!)).toBeNull()
})

test('a store that honours both conditions passes the probe, which leaves nothing', async () => {
  const store = memoryStore('s3://test')
  await demandConditions(forgetful(store), 'probes/')
  expect(store.objects.size).toBe(0)
})

const ignoring: Readonly<Record<string, (store: ObjectStore) => Partial<ObjectStore>>> = {
  'If-None-Match': (store) => ({
    putIfAbsent: async (key, value) => {
      await store.put(key, value)
      return (await store.head(key))!.etag
    },
  }),
  'If-Match': (store) => ({
    putIfMatch: async (key, value) => {
      await store.put(key, value)
      return (await store.head(key))!.etag
    },
  }),
  'If-None-Match where two look at once': (store) => ({
    putIfAbsent: async (key, value) => {
      const there = await store.head(key)
      await new Promise(setImmediate)
      return there === null ? ignoring['If-None-Match']!(store).putIfAbsent!(key, value) : null
    },
  }),
}

for (const [condition, change] of Object.entries(ignoring)) {
  test(`a store that ignores ${condition} is refused`, async () => {
    const store = memoryStore('s3://test')
    const refused = demandConditions({ ...store, ...change(store) }, 'probes/')
    await expect(refused).rejects.toMatchObject({ code: 'STORAGE_REFUSED' })
    await expect(refused).rejects.toThrow(
      `s3://test: this store does not honour the condition ${condition.split(' ')[0]}`,
    )
  })
}
