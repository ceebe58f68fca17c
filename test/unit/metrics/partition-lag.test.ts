import { expect, test } from 'vitest'
import { partitionKey } from '../../../src/batches/offsets.ts'
import { PartitionLags } from '../../../src/engines/partition-lag.ts'

const topic = 'payments'
const at = (offset: bigint) =>
  new Map([[partitionKey({ topic, partition: 0 }), { topic, partition: 0, offset }]])
const end = (offset: bigint) => [{ topic, partition: 0, earliest: 0n, end: offset }]
const newest = (timestampMs: number) => [{ topic, partition: 0, timestampMs }]
const lagOf = (lags: PartitionLags, nowMs: number) => lags.lags(nowMs)[0]

test('a partition that nobody has read waits with all that it has, for how long nobody knows', () => {
  const lags = new PartitionLags()
  lags.see([{ topic, partition: 0, earliest: 100n, end: 150n }], 1_000)
  expect(lagOf(lags, 2_000)).toMatchObject({ records: 50, seconds: null, drainSeconds: null })
})

test('what waits came after the last record that was taken, and after nothing waited', () => {
  const lags = new PartitionLags()
  lags.take(at(10n), newest(5_000))
  lags.see(end(20n), 60_000)
  expect(lagOf(lags, 65_000)).toMatchObject({ records: 10, seconds: 60 })
  lags.take(at(20n), newest(58_000))
  expect(lagOf(lags, 65_000)).toMatchObject({ records: 0, seconds: 0, drainSeconds: 0 })
  // An hour later one record comes: it has not waited since the last one.
  lags.see(end(20n), 3_600_000)
  lags.see(end(21n), 3_605_000)
  expect(lagOf(lags, 3_606_000)).toMatchObject({ records: 1, seconds: 6 })
})

test('a lag is drained at its pace, or never', () => {
  const lags = new PartitionLags()
  lags.take(at(0n), newest(0))
  lags.see(end(1_000n), 0)
  lags.see(end(1_100n), 10_000)
  expect(lagOf(lags, 10_000)!.drainSeconds).toBe(Number.POSITIVE_INFINITY)
  lags.take(at(700n), newest(0))
  lags.see(end(1_100n), 20_000)
  // From 1,000 to 400 within 20 s.
  expect(lagOf(lags, 20_000)!.drainSeconds).toBeCloseTo(400 / 30)
})

test('a partition that is gone is told no more', () => {
  const lags = new PartitionLags()
  lags.see(end(5n), 0)
  lags.see([], 1_000)
  expect(lags.lags(1_000)).toEqual([])
  expect(lags.seenMs).toBe(1_000)
})
