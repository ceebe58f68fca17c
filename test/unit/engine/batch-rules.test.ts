// What both engines hold to: which windows a batch closes, and in which parts.
import { expect, test } from 'vitest'
import { closesWindow } from '../../../src/batches/planner.ts'
import { type Closing, eventTimesOf, inParts } from '../../../src/engines/batch-rules.ts'
import { merchantAggregation } from '../../../src/lakehouse/3-aggregations/merchant.ts'
import { type WindowNode, windowOf } from '../../../src/plan/index.ts'

const window = windowOf(merchantAggregation.rows.node) as WindowNode
const minute = 60_000_000n
const endsOf = ({ closedToMicros, upToMicros }: Closing): bigint[] => {
  const ends: bigint[] = []
  for (let end = -100n * minute; end <= upToMicros; end += window.slideMicros) {
    if (closedToMicros !== null && end > closedToMicros) ends.push(end)
  }
  return ends
}

test.each([
  { closedToMicros: 0n, upToMicros: 61n * minute },
  { closedToMicros: 3n * minute, upToMicros: 60n * minute },
  { closedToMicros: 5n * minute + 1n, upToMicros: 11n * minute },
  { closedToMicros: -17n * minute, upToMicros: 4n * minute },
])('windows that close from $closedToMicros to $upToMicros are each in one part', (bounds) => {
  const closing = { window, ...bounds }
  const all = endsOf(closing)
  for (const partsMax of [0, 1, 2, 3, 5, 100, Number.MAX_SAFE_INTEGER]) {
    const parts = inParts(closing, partsMax)
    expect(parts.length).toBe(Math.min(Math.max(partsMax, 1), all.length))
    expect(parts.flatMap(endsOf)).toEqual(all)
    for (const part of parts) expect(closesWindow(window, part.closedToMicros, part.upToMicros)).toBe(true)
    expect(eventTimesOf(parts[0]!).fromMicros).toBe(eventTimesOf(closing).fromMicros)
    expect(eventTimesOf(parts.at(-1)!).toMicros).toBe(eventTimesOf(closing).toMicros)
  }
})

test('where no window was closed before there is one part', () => {
  const closing = { window, closedToMicros: null, upToMicros: 60n * minute }
  expect(inParts(closing, 7)).toEqual([closing])
})
