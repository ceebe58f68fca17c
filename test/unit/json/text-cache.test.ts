import { describe, expect, test, vi } from 'vitest'
import { JsonScanner } from '../../../src/json/scanner.ts'
import { TextCache } from '../../../src/json/text-cache.ts'

const scanner = new JsonScanner([['a']])
const [slice] = scanner.fields as [JsonScanner['fields'][number]]
const textBy = (cache: TextCache, text: string): string => {
  expect(scanner.scan(Buffer.from(`{"a":${JSON.stringify(text)}}`))).toBe(true)
  return cache.text(slice)
}

describe('the cache of texts', () => {
  test('gives the text of every value, few or many, of every length and kind', () => {
    const cache = new TextCache()
    const alphabet = ['a', 'b', 'é', '😀', '"', '\n']
    for (let round = 0; round < 3; round++) {
      for (let length = 0; length < 140; length++) {
        for (const [index, letter] of alphabet.entries()) {
          const text = alphabet[(index + length) % 6]! + letter.repeat(length) + alphabet[length % 6]!
          expect(textBy(cache, text)).toBe(text)
          // One byte apart from a value that is kept, at each place of it.
          const other = `${text.slice(0, length >> 1)}x${text.slice((length >> 1) + 1)}`.toWellFormed()
          expect(textBy(cache, other)).toBe(other)
        }
      }
    }
  })

  test('tells values apart that differ in length alone', () => {
    for (const letter of 'abcdefghijklmnopqrstuvwxyz') {
      const cache = new TextCache()
      for (const length of [...Array(70).keys(), ...[...Array(70).keys()].reverse()]) {
        expect(textBy(cache, letter.repeat(length))).toBe(letter.repeat(length))
      }
    }
  })

  test('keeps on being right through trials and pauses', () => {
    const cache = new TextCache()
    for (let index = 0; index < 300_000; index++) {
      const text = index % 100_000 < 50_000 ? `value ${index}` : `value ${index % 7}`
      scanner.scan(Buffer.from(`{"a":"${text}"}`))
      if (cache.text(slice) !== text) throw new Error(`${text} became ${cache.text(slice)}`)
    }
  })

  test('makes no text again that it has, and looks seldom where that does not pay', async () => {
    const { latin1Slice } = Buffer.prototype
    let madeCount = 0
    Buffer.prototype.latin1Slice = function (...range: [number?, number?]) {
      madeCount++
      return latin1Slice.apply(this, range)
    }
    try {
      vi.resetModules()
      const modules = [
        import('../../../src/json/scanner.ts'),
        import('../../../src/json/text-cache.ts'),
      ] as const
      const [{ JsonScanner: Scanner }, { TextCache: Cache }] = await Promise.all(modules)
      const fresh = new Scanner([['a']])
      const cache = new Cache()
      const madeOf = (count: number, textOf: (index: number) => string): number => {
        madeCount = 0
        for (let index = 0; index < count; index++) {
          fresh.scan(Buffer.from(`{"a":"${textOf(index)}"}`))
          cache.text(fresh.fields[0]!)
        }
        return madeCount
      }
      const few = (index: number): string => `a name of a merchant ${index % 7}`
      expect(madeOf(10_000, few)).toBe(7)
      expect(madeOf(300_000, (index) => `a name of its own ${index}`)).toBe(300_000)
      // The pauses have become long, and end.
      expect(madeOf(2_000, few)).toBe(2_000)
      expect(madeOf(300_000, few)).toBeLessThan(270_000)
      expect(madeOf(10_000, few)).toBeLessThan(8)
    } finally {
      Buffer.prototype.latin1Slice = latin1Slice
    }
  })
})
