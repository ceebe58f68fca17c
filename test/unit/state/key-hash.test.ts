import fc from 'fast-check'
import { expect, test } from 'vitest'
import { highWord, KeyHash, lowWord, wholeOfWords } from '../../../src/state/key-hash.ts'

type Words = [number, number, number, number]

/** HalfSipHash by its definition. */
function round(v: Words): void {
  const turned = (word: number, by: number) => ((word << by) | (word >>> (32 - by))) >>> 0
  v[0] = (v[0] + v[1]) >>> 0
  v[1] = (turned(v[1], 5) ^ v[0]) >>> 0
  v[0] = turned(v[0], 16)
  v[2] = (v[2] + v[3]) >>> 0
  v[3] = (turned(v[3], 8) ^ v[2]) >>> 0
  v[0] = (v[0] + v[3]) >>> 0
  v[3] = (turned(v[3], 7) ^ v[0]) >>> 0
  v[2] = (v[2] + v[1]) >>> 0
  v[1] = (turned(v[1], 13) ^ v[2]) >>> 0
  v[2] = turned(v[2], 16)
}

function absorbed(bytes: Uint8Array, v: Words, rounds: number): Words {
  const padded = new Uint8Array((Math.floor(bytes.length / 4) + 1) * 4)
  padded.set(bytes)
  padded[padded.length - 1] = bytes.length & 0xff
  const view = new DataView(padded.buffer)
  for (let at = 0; at < padded.length; at += 4) {
    const word = view.getUint32(at, true)
    v[3] = (v[3] ^ word) >>> 0
    for (let done = 0; done < rounds; done++) round(v)
    v[0] = (v[0] ^ word) >>> 0
  }
  return v
}

function finished(v: Words, mark: number, place: 1 | 2, rounds: number): Words {
  v[place] = (v[place] ^ mark) >>> 0
  for (let done = 0; done < rounds; done++) round(v)
  return v
}

test('the naive hash of this test is HalfSipHash-2-4 by its published vectors', () => {
  const hashed = [0, 1].map((length) => {
    const keyed: Words = [0x03020100, 0x07060504, 0x6c796765 ^ 0x03020100, 0x74656462 ^ 0x07060504]
    keyed[1] ^= 0xee
    const v = finished(
      absorbed(
        Uint8Array.from({ length }, (_, index) => index),
        keyed,
        2,
      ),
      0xee,
      2,
      4,
    )
    const first = (v[1] ^ v[3]) >>> 0
    finished(v, 0xdd, 1, 4)
    return [first, (v[1] ^ v[3]) >>> 0]
  })
  expect(hashed).toEqual([
    [0x591f8d21, 0xc83cb8b9],
    [0x122455be, 0x157338f8],
  ])
})

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.uuid())

test('a text is hashed by HalfSipHash-1-3 of its bytes', () => {
  fc.assert(
    fc.property(text, word, word, word, word, (key, s0, s1, s2, s3) => {
      const hash = new KeyHash([s0, s1, s2, s3])
      hash.ofText(key)
      const isLatin = /^[\0-\xff]*$/.test(key)
      const bytes = Buffer.from(key, isLatin ? 'latin1' : 'utf16le')
      const seeded: Words = [s0 >>> 0, s1 >>> 0, s2 >>> 0, (s3 ^ (isLatin ? 4 : 2)) >>> 0]
      const v = finished(absorbed(bytes, seeded, 1), 0xee, 2, 3)
      expect([hash.a >>> 0, hash.b >>> 0, hash.c >>> 0]).toEqual([(v[1] ^ v[3]) >>> 0, v[0], v[2]])
    }),
    { numRuns: 1000 },
  )
})

test('a text of ASCII in words has the digest of the text, whatever stands behind it', () => {
  const ascii = fc.string({ unit: 'binary-ascii', maxLength: 50 })
  fc.assert(
    fc.property(ascii, fc.nat(255), (key, behind) => {
      const [ofText, ofWords] = [new KeyHash([1, 2, 3, 4]), new KeyHash([1, 2, 3, 4])]
      const bytes = new Uint8Array(64).fill(behind)
      bytes.set(Buffer.from(key))
      ofText.ofText(key)
      ofWords.ofAscii(new Int32Array(bytes.buffer), key.length)
      expect([ofWords.a, ofWords.b, ofWords.c]).toEqual([ofText.a, ofText.b, ofText.c])
    }),
    { numRuns: 1000 },
  )
})

test('other seeds give other digests', () => {
  const digest = (seed: Words) => {
    const hash = new KeyHash(seed)
    hash.ofText('a')
    return [hash.a, hash.b, hash.c]
  }
  const base: Words = [1, 2, 3, 4]
  for (const place of [0, 1, 2, 3]) {
    const other = base.with(place, 9) as Words
    expect(digest(other)).not.toEqual(digest(base))
  }
})

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const wholeOf = (value: bigint) => {
  const isSafe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
  return isSafe ? Number(value) : value
}
const near = fc.constantFrom(
  0n,
  -1n,
  1n,
  2n ** 32n,
  -(2n ** 32n),
  2n ** 53n,
  -(2n ** 53n),
  2n ** 31n,
  2n ** 58n,
)
const whole = fc
  .oneof(
    long,
    fc.tuple(near, fc.integer({ min: -2, max: 2 })).map(([base, off]) => base + BigInt(off)),
  )
  .map(wholeOf)

test('a whole number is the number of its two words', () => {
  fc.assert(
    fc.property(whole, (value) => {
      expect(wholeOfWords(lowWord(value), highWord(value))).toBe(value)
    }),
    { numRuns: 2000 },
  )
})

test('different longs have different digests', () => {
  const hash = new KeyHash([1, 2, 3, 4])
  const seen = new Map<string, unknown>()
  fc.assert(
    fc.property(whole, (value) => {
      hash.ofWhole(value)
      const digest = `${hash.a} ${hash.b}`
      expect(seen.get(digest) ?? value).toBe(value)
      seen.set(digest, value)
    }),
    { numRuns: 5000 },
  )
  for (let value = 0; value < 300_000; value++) {
    hash.ofWhole(value)
    seen.set(`${hash.a} ${hash.b}`, value)
  }
  expect(seen.size).toBeGreaterThanOrEqual(300_000)
})
