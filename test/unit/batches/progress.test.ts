// Progress survives both ways in which a commit carries it, and watermarks follow their rules.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { partitionKey } from '../../../src/batches/offsets.ts'
import {
  byHold,
  closesWindow,
  floorTo,
  lastWindowEnd,
  planBatch,
  progressAfter,
} from '../../../src/batches/planner.ts'
import {
  batchJson,
  decodeTxns,
  encodeBatch,
  noProgress,
  type Progress,
  parseBatch,
  parseProgress,
} from '../../../src/batches/progress.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { windowOf } from '../../../src/plan/index.ts'

const { tables } = standardLakehouse

const minute = 60_000_000n
const delays = { silver: 10n, gold: 10n, merchant: 15n, user: 60n, country: 30n, hourly_summary: 60n }
const delaysMicros = Object.fromEntries(
  Object.entries(delays).map(([name, minutes]) => [name, minutes * minute]),
) as typeof delays

const settings = {
  delays: delaysMicros,
  parameters: { dedup_micros: 0n, high_risk_countries: ['A'] },
  recordsPerBatchMax: 100,
}
const rules = { settings, definitions: 'd', eventsWatermark: 'silver' }

const micros = fc.bigInt({ min: -(10n ** 16n), max: 10n ** 17n })
const progress = fc
  .record({
    batch: fc.bigInt({ min: 1n, max: 2n ** 60n }),
    timeMicros: micros,
    offsets: fc.array(
      fc.record({
        topic: fc.string({ minLength: 1 }),
        partition: fc.nat(),
        offset: fc.bigInt({ min: 0n, max: 2n ** 62n }),
      }),
    ),
    /** Of the topics whose name has an even number of characters. */
    topicId: fc.uuid(),
    readFrom: fc.constantFrom('input', 'bronze'),
    eventTimeMaxMicros: fc.option(micros),
    finalizedToMicros: fc.option(micros),
    watermarks: fc.record(
      Object.fromEntries(standardLakehouse.watermarks.map(({ name }) => [name, micros])),
      { requiredKeys: [] },
    ),
    partitions: fc.array(
      fc.record({
        topic: fc.string({ minLength: 1 }),
        partition: fc.nat(),
        eventTimeMaxMicros: fc.option(micros),
        recordsSinceValid: fc.nat(),
      }),
    ),
  })
  .map(
    ({ offsets, topicId, partitions, ...rest }) =>
      ({
        ...rest,
        partitions: new Map(partitions.map((one) => [partitionKey(one), one])),
        offsets: new Map(
          offsets.map((one) => [partitionKey(one), one.topic.length % 2 === 0 ? { ...one, topicId } : one]),
        ),
      }) as unknown as Progress,
  )

test('progress comes back from txn actions and from userMetadata as it was', () => {
  fc.assert(
    fc.property(progress, (one) => {
      const { txns, appId, version, userMetadata } = encodeBatch({ plan: null, progress: one, counts: null })
      const recorded = new Map(
        Object.entries({ ...txns, [appId]: version }).map(([id, number]) => [id, { version: number }]),
      )
      expect(decodeTxns(recorded)).toEqual(one)
      expect(parseProgress(userMetadata)).toEqual(one)
    }),
  )
})

test("another writer's userMetadata is no progress", () => {
  for (const text of [undefined, '', 'x', '5', 'null', '{}', '{"assay":2}'])
    expect(parseProgress(text)).toBeNull()
})

test('watermarks never go back, whatever the batches bring', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ seen: fc.option(micros), isFinal: fc.boolean() })), (batches) => {
      let before = noProgress
      for (const { seen, isFinal } of batches) {
        const plan = planBatch(before, [], 0n, rules, { isFinal })
        const after = progressAfter(before, plan, { eventTimeMaxMicros: seen, partitions: [] }, tables)
        for (const name of standardLakehouse.watermarks.map(({ name }) => name)) {
          const [was, is] = [before.watermarks[name], after.watermarks[name]]
          if (was !== undefined) expect(is! >= was).toBe(true)
        }
        expect(after.timeMicros > before.timeMicros).toBe(true)
        before = after
      }
    }),
  )
})

test('the end of finalizing is the greatest window end of any table', () => {
  const at = BigInt(Date.UTC(2026, 9, 31, 10, 59)) * 1000n
  // Merchant windows start every 5 minutes and last 15: the last that holds 10:59 ends at 11:10.
  expect(lastWindowEnd(tables, at)).toBe(BigInt(Date.UTC(2026, 9, 31, 11, 10)) * 1000n)
  expect(lastWindowEnd(tables, null)).toBeNull()
})

test('a window closes exactly when an end lies behind the old watermark and not behind the new', () => {
  const node = windowOf(tables.find((table) => table.path === 'aggregations/merchant')!.rows.node)!
  fc.assert(
    fc.property(fc.bigInt({ min: -1000n, max: 1000n }), fc.bigInt({ min: 0n, max: 30n }), (after, step) => {
      const [from, upTo] = [after * minute, (after + step) * minute]
      let expected = false
      for (let end = floorTo(from, 5n * minute); end <= upTo; end += 5n * minute)
        if (end > from) expected = true
      expect(closesWindow(node, from, upTo)).toBe(expected)
    }),
  )
  expect(closesWindow(node, null, 0n)).toBe(true)
  expect(closesWindow(node, null, null)).toBe(false)
})

test('a plan comes back from the text of a commit as it was', () => {
  const range = { topic: 't', partition: 1, start: 5n, end: 9n }
  const ranges = [range, { ...range, topicId: 'id' }, { ...range, isFile: true as const }]
  const more = { readFrom: 'bronze', isFinal: true, waiting: [{ topic: 't', partition: 2 }] } as const
  const plan = planBatch(
    { ...noProgress, watermarks: { ...noProgress.watermarks, silver: 3n } },
    ranges,
    7n,
    rules,
    more,
  )
  const counts = { records: 3, silver: 2, quarantined: 1 }
  const recorded = { plan, progress: { ...noProgress, batch: 1n }, counts }
  expect(parseBatch(batchJson(recorded))).toEqual(recorded)
})

/** After a batch that read the partitions, each up to that event time; null is one without a valid row. */
function afterReading(
  times: Readonly<Record<number, number | null>>,
  waiting: readonly number[],
  records = 1,
) {
  const partitions = Object.entries(times).map(([partition, time]) => ({
    topic: 't',
    partition: Number(partition),
    eventTimeMaxMicros: time === null ? null : BigInt(time) * minute,
    recordsSinceValid: time === null ? records : 0,
  }))
  const greatest = Math.max(...Object.values(times).map((time) => time ?? 0))
  const plan = planBatch(noProgress, [], 0n, rules, {
    waiting: waiting.map((partition) => ({ topic: 't', partition })),
  })
  const seen = { eventTimeMaxMicros: BigInt(greatest) * minute, partitions }
  return progressAfter(noProgress, plan, seen, tables).watermarks.silver ?? null
}

test('a partition that waits holds the watermark where its rows are', () => {
  expect(afterReading({ 0: 60, 1: 100 }, [])).toBe(90n * minute)
  expect(afterReading({ 0: 60, 1: 100 }, [0])).toBe(50n * minute)
  expect(afterReading({ 0: 60, 1: 100 }, [1])).toBe(90n * minute)
})

test('a partition that waits and was never read leaves the watermark where it is, one of garbage does not', () => {
  expect(afterReading({ 0: 60 }, [1])).toBeNull()
  expect(afterReading({ 0: 60, 1: null }, [1])).toBeNull()
  expect(afterReading({ 0: 60, 1: null }, [1], 100)).toBe(50n * minute)
})

test('the partition that holds the watermark most is read first', () => {
  const partitions = [30, 10, 20].map((time, partition) => {
    return { topic: 't', partition, eventTimeMaxMicros: BigInt(time), recordsSinceValid: 0 }
  })
  const progress = { ...noProgress, partitions: new Map(partitions.map((one) => [partitionKey(one), one])) }
  const order = byHold(progress, [
    { topic: 't', partition: 5 },
    { topic: 't', partition: 1 },
  ])
  expect(order.map(({ partition }) => partition)).toEqual([5, 1, 2, 0])
})
