import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FileCache } from '../../../src/objects/file-cache.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'assay-cache-'))
})
afterEach(() => rm(root, { recursive: true }))

const download = (bytes: number) => async (path: string) => {
  await writeFile(path, Buffer.alloc(bytes))
  return true
}
const absent = () => Promise.resolve(false)
const never = () => Promise.reject(new Error('it was here already'))

test('a file comes once, and again where it is gone or of another size', async () => {
  const cache = new FileCache(root, 1_000_000)
  const path = join(root, 'a', 'b.parquet')
  await cache.fetch(path, 10n, download(10))
  await cache.fetch(path, 10n, never)
  await writeFile(path, 'cut')
  await cache.fetch(path, 10n, download(10))
  expect((await stat(path)).size).toBe(10)
  await rm(root, { recursive: true })
  await cache.fetch(path, 10n, download(10))
  expect(await readdir(join(root, 'a'))).toEqual(['b.parquet'])
})

test('an object that is not there leaves no file, nor a part of one', async () => {
  const cache = new FileCache(root, 1_000_000)
  await cache.fetch(join(root, 'a'), 10n, absent)
  const failing = cache.fetch(join(root, 'b'), 10n, async (path) => {
    await writeFile(path, 'half')
    throw new Error('the connection broke')
  })
  await expect(failing).rejects.toThrow('broke')
  expect(await readdir(root)).toEqual([])
})

test('beyond its bound it keeps what was read last, and what was only written goes first', async () => {
  const cache = new FileCache(root, 100)
  const names = ['old', 'older', 'written', 'young']
  for (const name of names.slice(0, 3)) await writeFile(join(root, name), Buffer.alloc(30))
  const hour = 3_600_000
  for (const [name, hours] of [
    ['old', 2],
    ['older', 3],
  ] as const) {
    const time = new Date(Date.now() - hours * hour)
    await utimes(join(root, name), time, time)
  }
  await cache.keepWritten(join(root, 'written'))
  await cache.fetch(join(root, 'young'), 30n, download(30))
  expect((await readdir(root)).sort()).toEqual(['old', 'young'])
})

test('what was read within the last hour stays, whatever the bound', async () => {
  const cache = new FileCache(root, 10)
  for (const name of ['a', 'b', 'c']) await cache.fetch(join(root, name), 30n, download(30))
  expect((await readdir(root)).sort()).toEqual(['a', 'b', 'c'])
})
