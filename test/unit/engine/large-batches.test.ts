import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RecordChunk } from '../../../src/batches/source.ts'
import { DeltaTable, scanSql } from '../../../src/delta/index.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { memorySource } from './memory-source.ts'
import { type Lakehouse, newLakehouse, recordsOf, runOnce, writeInput } from './pipeline.ts'

let lakehouse: Lakehouse
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

const mebibyte = 2 ** 20

async function putRecords(count: number, moreOf: (index: number) => unknown): Promise<void> {
  const values = Array.from({ length: count }, (_, index) => {
    const value = {
      transaction_id: `t${index}`,
      user_id: index,
      amount: 12.5,
      timestamp: '2024-01-01T00:00:00Z',
      more: moreOf(index),
    }
    return Buffer.from(JSON.stringify(value))
  })
  await writeInput(lakehouse, values)
}

async function idsOfSilver(): Promise<string[]> {
  const silver = await DeltaTable.open(join(lakehouse.base, 'silver/transactions'))
  const scan = scanSql(await silver.snapshot(), silver.directory, { columns: ['transaction_id'] })
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const rows = (await connection.runAndReadAll(scan)).getRows()
  connection.closeSync()
  return rows.map(([id]) => String(id)).sort()
}

const ids = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`).sort()

test('a batch has no more bytes than it may have, and one record whatever its size', async () => {
  // The 50th is larger than a whole batch may be.
  await putRecords(100, (index) => 'x'.repeat(index === 50 ? 3 * mebibyte : 100_000))
  const reports = await runOnce(lakehouse, { recordsPerBatchMax: 1000, bytesPerBatchMax: mebibyte })
  expect(await idsOfSilver()).toEqual(ids(100))
  expect(Math.max(...reports.map(({ records }) => records))).toBeLessThanOrEqual(10)
  expect(reports.length).toBeLessThan(60)
}, 120_000)

test('what DuckDB may have does not bound a batch: its rows are judged and written without it', async () => {
  const count = 20_000
  await putRecords(count, (index) => `more of ${index}`)
  const reports = await runOnce(lakehouse, {
    recordsPerBatchMax: count,
    duckdb: { memoryLimitBytes: 16 * mebibyte, threads: 1 },
  })
  expect(await idsOfSilver()).toEqual(ids(count))
  expect(reports).toHaveLength(1)
}, 120_000)

test('timers have their turn while many small records are judged and written', async () => {
  await writeInput(lakehouse, new Array<Buffer>(300_000).fill(Buffer.from('{"a":1}')))
  let [beganMs, endedMs, lastMs, longestMs] = [0, 0, 0, 0]
  const look = (): void => {
    const nowMs = performance.now()
    longestMs = Math.max(longestMs, nowMs - lastMs)
    lastMs = nowMs
    if (endedMs === 0) setImmediate(look)
  }
  setStepHook((name) => {
    if (name === 'batch begun') {
      beganMs = performance.now()
      lastMs = beganMs
      look()
    }
    if (name === 'all tables staged') endedMs = performance.now()
  })
  await runOnce(lakehouse, { recordsPerBatchMax: 300_000 }).finally(() => setStepHook(null))
  // Were they judged or encoded without a break, that alone would be a half of the time.
  expect(longestMs).toBeLessThan((endedMs - beganMs) / 3)
}, 60_000)

test('a run that waits holds nothing of the batch before', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const source = memorySource(recordsOf([Buffer.from('{}'), Buffer.from('{}')]))
  const chunks: WeakRef<RecordChunk>[] = []
  const stop = new AbortController()
  let [batches, looks, isFree] = [0, 0, false]
  await runOnce(
    lakehouse,
    { recordsPerBatchMax: 1, once: false, signal: stop.signal, onBatch: () => void batches++ },
    {
      ...source,
      read: (ranges, onChunk, signal) =>
        source.read(
          ranges,
          (chunk) => {
            chunks.push(new WeakRef(chunk))
            return onChunk(chunk)
          },
          signal,
        ),
      waitForData: async () => {
        await sleep(1) // Nothing comes; a WeakRef holds until the turn ends.
        if (batches < 2) return
        collect()
        isFree = chunks.every((chunk) => chunk.deref() === undefined)
        if (isFree || ++looks === 100) stop.abort()
      },
    },
  )
  expect(chunks).toHaveLength(2)
  expect(isFree).toBe(true)
}, 60_000)
