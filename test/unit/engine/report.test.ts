import { afterEach, beforeEach, expect, test } from 'vitest'
import { latencyQuantileMs } from '../../../src/engines/latency.ts'
import { type Lakehouse, newLakehouse, runOnce, writeInput } from './pipeline.ts'

let lakehouse: Lakehouse
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

const good = (id: string): Buffer =>
  Buffer.from(
    JSON.stringify({ transaction_id: id, user_id: 1, amount: 5, timestamp: '2026-11-01T10:00:00Z' }),
  )
const withoutUser = (id: string): Buffer =>
  Buffer.from(JSON.stringify({ transaction_id: id, amount: 5, timestamp: '2026-11-01T10:00:00Z' }))

test('where most of a batch was refused, its report has a record with the commonest reason', async () => {
  const values = [Buffer.from('x'), good('t-1'), withoutUser('t-2'), withoutUser('t-3')]
  await writeInput(lakehouse, values)
  const [report] = await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  const { refusedSample, quarantineReasons } = report!
  expect(quarantineReasons).toEqual({ malformed: 1, user_id_invalid: 2 })
  expect(refusedSample).toMatchObject({ reason: 'user_id_invalid', topic: 'input.ndjson', partition: 0 })
  expect(refusedSample!.offset).toBe(BigInt(values[0]!.length + values[1]!.length + 2))
  expect(Buffer.from(refusedSample!.value!).toString()).toBe(withoutUser('t-2').toString())
})

test('where few were refused there is none', async () => {
  await writeInput(lakehouse, [Buffer.from('x'), good('t-1'), good('t-2')])
  const [report] = await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  expect(report!.refusedSample).toBe(null)
  expect(report!.quarantineReasons).toEqual({ malformed: 1 })
})

test('the latencies of a batch count each of its records', async () => {
  await writeInput(lakehouse, [good('t-1'), good('t-2'), Buffer.from('x')])
  const [report] = await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  const { latencies, latencyMs, timeMicros } = report!
  expect([...latencies.values()].reduce((sum, count) => sum + count, 0)).toBe(2) // The event times of silver.
  const expectedMs = Number(timeMicros / 1000n) - Date.UTC(2026, 10, 1, 10)
  expect(Math.abs(latencyMs! / expectedMs - 1)).toBeLessThan(0.03)
  expect(latencyQuantileMs(latencies, 0.99)).toBe(latencyMs)
})
