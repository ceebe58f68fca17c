// Where decisions go on: no record is left out, none passes for decided.
import { expect, test } from 'vitest'
import { type Offsets, partitionKey } from '../../../src/batches/offsets.ts'
import { decidedBefore, refuseBeyondEnd } from '../../../src/decisions/group-offsets.ts'
import { LakehouseError } from '../../../src/errors/errors.ts'

const offsets = (all: readonly (readonly [string, number, bigint])[]): Offsets =>
  new Map(
    all.map(([topic, partition, offset]) => [
      ...([partitionKey({ topic, partition }), { topic, partition, offset }] as const),
    ]),
  )

test('where the group has nothing, decisions begin where the tables end', () => {
  const tables = offsets([
    ['a', 0, 7n],
    ['a', 1, 9n],
  ])
  expect(decidedBefore(new Map(), tables)).toEqual(tables)
})

test('what the group has counts, however far the tables are', () => {
  const group = offsets([['a', 0, 3n]])
  expect(decidedBefore(group, offsets([['a', 0, 7n]]))).toEqual(group)
  expect(decidedBefore(offsets([['a', 0, 9n]]), offsets([['a', 0, 7n]]))).toEqual(offsets([['a', 0, 9n]]))
})

test('a partition that is new in a topic of the group is decided from its begin, a topic that is new is not', () => {
  const tables = offsets([
    ['a', 0, 7n],
    ['a', 1, 9n],
    ['b', 0, 5n],
  ])
  const expected = offsets([
    ['a', 0, 3n],
    ['a', 1, 0n],
    ['b', 0, 5n],
  ])
  const found = decidedBefore(offsets([['a', 0, 3n]]), tables)
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected))
})

test('a group that is beyond the end of a partition is refused: its new records would pass for decided', () => {
  const ends = [{ topic: 'a', partition: 0, earliest: 0n, end: 10n }]
  refuseBeyondEnd(offsets([['a', 0, 10n]]), ends, 'g')
  refuseBeyondEnd(new Map(), ends, 'g')
  expect(() => refuseBeyondEnd(offsets([['a', 0, 11n]]), ends, 'g')).toThrow(LakehouseError)
})
