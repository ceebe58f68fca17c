import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InternedValues } from '../../../src/state/interned-values.ts'
import { PairIndex } from '../../../src/state/pair-index.ts'

test('a value keeps its id as long as rows with it are remembered, and ids of others are used again', () => {
  const values = new InternedValues('string')
  const ids = Array.from({ length: 20_000 }, (_, index) => values.idOf(`value ${index}`, index))
  expect(new Set(ids).size).toBe(20_000)
  expect(values.idOf('value 7', 30_000)).toBe(ids[7])
  expect(values.idOf('value 7', 3)).toBe(ids[7])
  const { bytes } = values
  values.forgetBefore(15_000)
  expect(values.bytes).toBeLessThan(bytes / 3)
  expect(values.valueOf(ids[7]!)).toBe('value 7')
  expect(values.idOf('value 19999', 40_000)).toBe(ids[19_999])
  const again = Array.from({ length: 10_000 }, (_, index) => values.idOf(`other ${index}`, 40_000))
  expect(Math.max(...again)).toBeLessThanOrEqual(20_000)
  for (const [index, id] of again.entries()) expect(values.valueOf(id)).toBe(`other ${index}`)
  expect(values.valueOf(ids[7]!)).toBe('value 7')
})

test('long texts count as what they take', () => {
  const values = new InternedValues('string')
  for (let index = 0; index < 20_000; index++) values.idOf(`${index} ${'x'.repeat(500)}`, index)
  expect(values.bytes).toBeGreaterThan(10_000_000)
  values.sweep(20_000)
  expect(values.bytes).toBe(0)
})

test('null has an id of its own, and bytes and lists are told apart by what they hold', () => {
  const bytes = new InternedValues('binary')
  expect(bytes.idOf(null, 0)).toBe(0)
  expect(bytes.idOf(Uint8Array.of(1, 255), 0)).toBe(bytes.idOf(Uint8Array.of(1, 255), 1))
  expect(bytes.idOf(Uint8Array.of(1), 0)).not.toBe(bytes.idOf(Uint8Array.of(2), 0))
  const lists = new InternedValues('array<string>')
  expect(lists.idOf(['a', 'b'], 0)).toBe(lists.idOf(['a', 'b'], 0))
  expect(lists.idOf(['a,b'], 0)).not.toBe(lists.idOf(['a', 'b'], 0))
})

test('each pair has the place at which it came first', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.integer({ min: -9, max: 9 }),
          fc.nat(2 ** 31 - 1).map((b) => b % 50),
        ),
        { maxLength: 2_000 },
      ),
      (pairs) => {
        const index = new PairIndex()
        const known = new Map<string, number>()
        for (const [a, b] of pairs) {
          const place = known.get(`${a} ${b}`) ?? known.size
          known.set(`${a} ${b}`, place)
          expect(index.place(a, b)).toBe(place)
          expect([index.first(place), index.second(place)]).toEqual([a, b])
        }
        expect(index.count).toBe(known.size)
      },
    ),
  )
})
