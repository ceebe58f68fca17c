// Another program puts a table back to older rows: the next start carries the batches again that were taken
// from it, by the plans of then.
import { cp } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openTables } from '../../../src/engines/tables.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { differences } from '../../compare/differences.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { verifyOptions } from '../verify/damaged-lakehouse.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, testParameters, writeInput } from './pipeline.ts'
import { restoreTable } from './written-tables.ts'

const minute = 60_000_000n
let lakehouse: Lakehouse

beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

/** Every minute a transaction, every fifth of them a repeat, every seventh refused. */
const values = Array.from({ length: 120 }, (_, index) => {
  const timestamp = new Date(Date.UTC(2026, 9, 1, 10) + index * 60_000).toISOString()
  const id = index % 5 === 4 ? index - 3 : index
  const facts = { transaction_id: `t${id}`, user_id: index % 3, amount: index + 1, timestamp }
  return Buffer.from(
    JSON.stringify(index % 7 === 6 ? { ...facts, amount: 'x' } : { ...facts, merchant: 'm' }),
  )
})

test.each([
  ['silver/transactions', 4n],
  ['silver/quarantine', 3n],
  ['fraud_detection', 3n],
  ['gold/transactions', 2n],
  ['aggregations/merchant', 2n],
])('%s is as it was after a RESTORE and a start', async (path, version) => {
  await writeInput(lakehouse, values.slice(0, 100))
  await runOnce(lakehouse, {
    recordsPerBatchMax: 10,
    parameters: { ...testParameters, dedup_micros: 2n * minute },
  })
  const before = await readTables(lakehouse.base)
  await restoreTable(lakehouse.base, path, version)
  expect((await readTables(lakehouse.base))[path as 'gold/transactions']).not.toEqual(
    before[path as 'gold/transactions'],
  )
  // Other settings by now: what is carried again is decided by those of then.
  await runOnce(lakehouse, {
    recordsPerBatchMax: 7,
    parameters: { dedup_micros: 30n * minute, high_risk_countries: ['France'] },
  })
  expect(differences(await readTables(lakehouse.base), before)).toEqual([])
  expect((await verifyLakehouse(verifyOptions(lakehouse.base), null)).checks.filter(({ ok }) => !ok)).toEqual(
    [],
  )
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, { recordsPerBatchMax: 7 })
  const after = await readTables(lakehouse.base)
  expect(after['silver/transactions'].length + after['silver/quarantine'].length).toBe(120)
})

test.each([
  ['behind the RESTORE', 3],
  ['ahead of it', 7],
])('a stream of its own that is %s takes each row once, when silver has it again', async (_, reached) => {
  const behind = ['fraud-detection', 'aggregations'] as const
  await writeInput(lakehouse, values.slice(0, 100))
  await runOnce(lakehouse, { recordsPerBatchMax: 10, streams: ['kafka-to-delta'] })
  const reference = `${lakehouse.base}-as-it-is`
  await cp(lakehouse.base, reference, { recursive: true })
  await runOnce({ ...lakehouse, base: reference }, { recordsPerBatchMax: 10, streams: behind })
  const right = await readTables(reference)
  const stop = new AbortController()
  const onBatch = ({ batch }: { readonly batch: bigint }): void => {
    if (batch === BigInt(reached)) stop.abort()
  }
  const until = { recordsPerBatchMax: 10, streams: behind, once: false, signal: stop.signal, onBatch }
  await runOnce(lakehouse, until)
  await restoreTable(lakehouse.base, 'silver/transactions', 6n)
  const end = new AbortController()
  const told: string[] = []
  const following = runOnce(lakehouse, {
    recordsPerBatchMax: 10,
    streams: behind,
    once: false,
    signal: end.signal,
    onNotice: ({ code }) => void told.push(code),
  })
  following.catch(() => undefined)
  await expect.poll(() => told, { timeout: 20_000 }).toContain('SILVER_RESTORED')
  await runOnce(lakehouse, { recordsPerBatchMax: 10, streams: ['kafka-to-delta'] })
  const done = async () => differences(await readTables(lakehouse.base), right)
  await expect.poll(done, { timeout: 30_000 }).toEqual([])
  end.abort()
  await following
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, { recordsPerBatchMax: 7, streams: ['kafka-to-delta'] })
  await runOnce(lakehouse, { recordsPerBatchMax: 7, streams: behind })
  const { checks } = await verifyLakehouse(verifyOptions(lakehouse.base), null)
  expect(checks.filter(({ ok }) => !ok)).toEqual([])
})

test('a stream of its own that is ahead of a RESTORE is stopped, and goes on, without a failure', async () => {
  await writeInput(lakehouse, values.slice(0, 100))
  const read = { recordsPerBatchMax: 10, streams: ['kafka-to-delta'] } as const
  const last = (await runOnce(lakehouse, read)).at(-1)!.batch
  const reached = Promise.withResolvers<void>()
  const stop = new AbortController()
  const behind = { recordsPerBatchMax: 10, streams: ['fraud-detection', 'aggregations'] } as const
  const following = runOnce(lakehouse, {
    ...behind,
    once: false,
    signal: stop.signal,
    onBatch: ({ batch }) => {
      if (batch === last) reached.resolve()
    },
  })
  following.catch(reached.reject)
  await reached.promise
  await restoreTable(lakehouse.base, 'silver/transactions', 6n)
  // The stream that writes silver takes it back, and dies before it carries a batch again.
  await openTables({ ...testOptions, ...read, deltaBasePath: lakehouse.base })
  stop.abort()
  await following
  await runOnce(lakehouse, read)
  expect(await runOnce(lakehouse, behind)).toEqual([])
  const { checks } = await verifyLakehouse(verifyOptions(lakehouse.base), null)
  expect(checks.filter(({ ok }) => !ok)).toEqual([])
})

test('a RESTORE of bronze is refused with the way back, for nothing else holds its records', async () => {
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  await restoreTable(lakehouse.base, 'bronze/transactions', 5n)
  await expect(runOnce(lakehouse, { recordsPerBatchMax: 10 })).rejects.toMatchObject({
    code: 'TABLE_RESTORED',
  })
})
