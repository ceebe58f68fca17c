// Random transactions of few users over many hours: sessions with gaps of just the length, sessions that
// reach their greatest length, rows of one time in several partitions, values that are unknown, disorder.
import fc from 'fast-check'
import type { RawRecord } from '../oracle/rows.ts'

const minuteMs = 60_000
const startMs = Date.UTC(2026, 9, 30, 15)

/** Topics in the order of their bytes are in another order as JavaScript compares them. */
const topics = ['a', 'z\uFF5E', 'z\u{1F600}']

const step = fc.record({
  /** Minutes by which the time of the data moves on. */
  minutes: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(0, 0, 1, 3, 7, 12) },
    { weight: 1, arbitrary: fc.constantFrom(29, 30, 31, 50) },
  ),
  behind: fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 10 }) },
    { weight: 1, arbitrary: fc.integer({ min: 11, max: 40 }) },
  ),
  micros: fc.constantFrom(0, 0, 0, 0, 1, 999_999),
  user: fc.constantFrom(1, 1, 1, 2, 2, -7),
  amount: fc.constantFrom(1, 5, 9.99, 9.99, 10, 499.99, 500, 501, 70_000_000_000),
  merchant: fc.constantFrom('m1', 'm2', 'm3', null),
  country: fc.constantFrom('Oslo, Norway', 'Paris, France', 'Nowhere', null),
  device: fc.constantFrom('d1', 'd2', 'd3', null),
  fraud: fc.constantFrom(true, false, false),
  topic: fc.constantFrom(...topics),
  partition: fc.constantFrom(0, 1),
})

/** In the order in which they were sent, by the place where each lies. */
export const journeys = (rowsMax: number): fc.Arbitrary<RawRecord[]> =>
  fc.array(step, { minLength: 5, maxLength: rowsMax, size: 'max' }).map((steps) => {
    let nowMs = startMs
    const offsets = new Map<string, bigint>()
    return steps.map((one, index): RawRecord => {
      nowMs += one.minutes * minuteMs
      const at = new Date(nowMs - one.behind * minuteMs).toISOString().slice(0, 19)
      const value = {
        transaction_id: `t${index}`,
        user_id: one.user,
        amount: one.amount,
        merchant: one.merchant,
        location: one.country,
        device_id: one.device,
        timestamp: `${at}.${String(one.micros).padStart(6, '0')}Z`,
        is_fraud: one.fraud,
      }
      const place = `${one.topic} ${one.partition}`
      const offset = offsets.get(place) ?? 0n
      offsets.set(place, offset + 1n)
      const { topic, partition } = one
      const bytes = Buffer.from(JSON.stringify(value))
      return { topic, partition, offset, key: null, value: bytes, headers: null, timestampMs: null }
    })
  })
