// Rows that are added many at a time are there as if they had been added one by one.
import { expect, test } from 'vitest'
import type { Whole } from '../../../src/columns/whole.ts'
import { KeyHash } from '../../../src/state/key-hash.ts'
import { ManyRows } from '../../../src/state/many-rows.ts'
import { RecentIds } from '../../../src/state/recent-ids.ts'
import { RecentTimes } from '../../../src/state/recent-times.ts'

const rangeMicros = 1000
/** More than a block, of keys that have one row and of such that have hundreds; a few times are bigints. */
const rows = Array.from({ length: 70_000 }, (_, row): readonly [key: number, micros: Whole] => {
  const key = row % 7 === 0 ? row : row % 251
  return [key, row % 10_000 === 0 ? 2n ** 53n + BigInt(row) : (row * 7919) % 1_000_000]
})

test.each([0, rows.length, 10 * rows.length])('with room reserved for %i rows', (reserved) => {
  const hash = new KeyHash([1, 2, 3, 4])
  const [times, oneByOne] = [new RecentTimes({ hash, rangeMicros }), new RecentTimes({ hash, rangeMicros })]
  const [ids, otherIds] = [new RecentIds({ hash, rangeMicros }), new RecentIds({ hash, rangeMicros })]
  times.reserve(reserved)
  ids.reserve(reserved)
  const manyTimes = new ManyRows(hash, (micros) => times.addDigested(micros))
  const manyIds = new ManyRows(hash, (micros) => ids.addDigested(micros))
  for (const [key, micros] of rows) {
    manyTimes.addWhole(key, micros)
    manyIds.addText(`${key}`, micros)
    oneByOne.add(key, micros)
    otherIds.add(`${key}`, micros)
  }
  manyTimes.finish()
  manyIds.finish()
  expect([times.rowCount, ids.rowCount]).toEqual([rows.length, rows.length])
  for (let key = 0; key < 1000; key++) {
    const from = (key * 3571) % 900_000
    expect(times.countBetween(key, from, from + 50_000)).toBe(oneByOne.countBetween(key, from, from + 50_000))
    expect(times.countBetween(key, 0, 2n ** 60n)).toBe(oneByOne.countBetween(key, 0, 2n ** 60n))
    expect(ids.repeats(`${key}`, from)).toBe(otherIds.repeats(`${key}`, from))
  }
})
