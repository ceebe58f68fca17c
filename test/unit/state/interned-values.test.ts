import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codesOf } from '../../../src/columns/codes.ts'
import { NumberColumn, ValueColumn } from '../../../src/columns/column.ts'
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

test('the ids of a column are those of its values, also where some were forgotten between its rows', () => {
  const texts = fc.array(fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e', ''), { nil: null }), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(texts, fc.array(fc.nat(60), { maxLength: 4 }), fc.nat(60), (values, cuts, sweptAt) => {
      const column = new ValueColumn('string')
      for (const value of values) column.push(value)
      const times = Float64Array.from(values, (_, row) => row)
      const interned = new InternedValues('string')
      const ids = new Int32Array(values.length)
      let from = 0
      for (const to of [
        ...cuts.filter((cut) => cut <= values.length).toSorted((a, b) => a - b),
        values.length,
      ]) {
        interned.setIds(ids, column, times, from, to)
        for (let row = from; row < to; row++) expect(interned.valueOf(ids[row]!)).toBe(values[row])
        interned.sweep(Math.min(sweptAt, to))
        // What a later row has is remembered as before.
        const kept = values
          .slice(0, to)
          .filter((value, row) => value !== null && row >= Math.min(sweptAt, to))
        for (const value of kept) expect(interned.valueOf(interned.idOf(value, 0))).toBe(value)
        from = to
      }
    }),
    { numRuns: 300 },
  )
})

test('a column has its different values once, in the order of their rows, unless most are different', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(9), { nil: null }), { maxLength: 80 }), (numbers) => {
      const column = new NumberColumn('int', 0)
      const texts = new ValueColumn('string')
      for (const number of numbers) {
        column.push(number)
        texts.push(number === null ? null : String(number))
      }
      const different = [...new Set(numbers.filter((number) => number !== null))]
      const [codes, ofTexts] = [codesOf(column), codesOf(texts)]
      expect(codes === null).toBe(different.length > numbers.length >> 1)
      expect(codes?.values ?? different).toEqual(different)
      expect(ofTexts?.values ?? different.map(String)).toEqual(different.map(String))
      for (const [row, number] of numbers.entries()) {
        if (codes !== null) expect(codes.values[codes.places[row]!] ?? null).toBe(number)
        if (ofTexts !== null) expect(ofTexts.places[row]).toBe(codes?.places[row])
      }
      column.push(77) // A column that has grown is looked through again.
      const grown = codesOf(column)
      if (grown !== null) expect(grown.values[grown.places[numbers.length]!]).toBe(77)
    }),
  )
})
