// The embedded engine on tables in an object store, which loses answers and fails.
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { mountStore } from '../../../src/delta/mounts.ts'
import { lockStreams } from '../../../src/engines/lock.ts'
import { LakehouseError } from '../../../src/errors/errors.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { judgeLakehouse } from '../../compare/judge-lakehouse.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { faultyStore, memoryStore } from '../../crash/memory-store.ts'
import { lines } from '../../generate/lines.ts'
import { randomOf } from '../../generate/random.ts'
import { type Lakehouse, newLakehouse, recordsOf, runOnce, testOptions, writeInput } from './pipeline.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const url = 's3://test/lakehouse'

let lakehouse: Lakehouse
let copies: string
beforeEach(async () => {
  lakehouse = { ...(await newLakehouse()), base: url }
  copies = await realpath(await mkdtemp(join(tmpdir(), 'assay-copies-')))
})
afterEach(async () => {
  await lakehouse.remove()
  await rm(copies, { recursive: true, force: true })
})

const sample = (rows: number) => fc.sample(lines(rows, rows), { seed, numRuns: 1 })[0]!

/** As somebody who starts the run again where an outage has ended it. */
async function runUntilDone(options: Parameters<typeof runOnce>[1], starts = 20): Promise<void> {
  try {
    await runOnce(lakehouse, options)
  } catch (error) {
    if (!(error instanceof LakehouseError && error.code === 'STORAGE_FAILED') || starts === 0) throw error
    await runUntilDone(options, starts - 1)
  }
}

test('the tables are what the oracle computes, although answers get lost and copies are deleted', async () => {
  const values = sample(90)
  const random = randomOf(seed)
  const store = memoryStore(url)
  mountStore(faultyStore(store, { random, repeated: 0.3, failed: 0.002 }), copies, 1)
  const options = { recordsPerBatchMax: 20, smallFileBytes: 2 ** 20, filesBeforeCompaction: 4 }
  for (const part of [30, 60, 90]) {
    await writeInput(lakehouse, values.slice(0, part))
    await runUntilDone({ ...options, finalize: part === 90 })
    await rm(copies, { recursive: true, force: true })
  }
  mountStore(store, copies, 1)
  const found = judgeLakehouse(recordsOf(values), await readTables(url))
  expect(found, `repeat with SEED=${seed}`).toEqual([])
  const { parameters, delays, duckdb } = testOptions
  const about = { lakehouse: standardLakehouse, deltaBasePath: url, parameters, delays, duckdb }
  const { checks } = await verifyLakehouse(about, null)
  expect(checks.filter(({ ok }) => !ok)).toEqual([])
})

test('of two processes one holds the lease, and the other is told who', async () => {
  mountStore(memoryStore(url), copies, 1)
  const options = { leaseMs: 500 }
  const first = await lockStreams(url, ['kafka-to-delta'], options)
  const second = lockStreams(url, ['kafka-to-delta'], options)
  await expect(second).rejects.toMatchObject({ code: 'STREAM_LOCKED' })
  await expect(second).rejects.toThrow(`process ${process.pid}`)
  await first.release()
  await (await lockStreams(url, ['kafka-to-delta'], options)).release()
})

test('a lease whose holder is silent is taken over, and who loses one is fenced', async () => {
  const store = memoryStore(url)
  mountStore(store, copies, 1)
  const key = '_checkpoints/kafka-to-delta/lock'
  const another = Buffer.from(JSON.stringify({ owner: 'another', pid: 1, host: 'elsewhere' }))
  await store.put(key, another)
  const lock = await lockStreams(url, ['kafka-to-delta'], { leaseMs: 300 })
  await store.delete(key) // Somebody cleans up: the next sign of life puts it back.
  while ((await store.head(key)) === null) await sleep(10)
  const lost = new Promise((resolve) => lock.lost.addEventListener('abort', resolve, { once: true }))
  await store.put(key, another)
  await lost
  expect(lock.lost.reason).toMatchObject({ code: 'WRITER_FENCED' })
  await lock.release()
  expect((await store.get(key))!.bytes).toEqual(another)
})
