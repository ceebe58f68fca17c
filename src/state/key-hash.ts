// Digests of keys, computed without an allocation. They are seeded, so that nobody who does not know the seed
// can make two keys of one digest, or many keys that crowd in one place of a table.
import type { Whole } from '../columns/whole.ts'

/** Four random numbers of 32 bits, others for each run of the program. */
export type HashSeed = readonly [number, number, number, number]

/** What a table asks of a hash. A call leaves the digest of the key in three words of 32 bits. */
export interface KeyDigest {
  a: number
  b: number
  c: number
  ofText(key: string): void
  /** As `ofText` of the text of so many characters of ASCII that stand in the words, four in each. */
  ofAscii(words: Int32Array, length: number): void
  ofWhole(key: Whole): void
}

/** A value of a key, or one that is told apart as keys are; never null. */
export type KeyValue = string | Whole | boolean

const [longMin, longMax] = [-(2n ** 63n), 2n ** 63n - 1n]

/** Leaves the digest of a value of any type in the hash; the values of one type have one each. */
export function digestKey(hash: KeyDigest, key: KeyValue): void {
  if (typeof key === 'string') hash.ofText(key)
  else if (typeof key === 'number') hash.ofWhole(key)
  else if (typeof key === 'boolean') hash.ofWhole(key ? 1 : 0)
  else if (key >= longMin && key <= longMax) hash.ofWhole(key)
  else hash.ofText(String(key)) // Of a decimal with more digits than a long has.
}

/** State is kept in shards, which are tables of their own: the first bits of `c` say which one a key is in. */
export const shardBits = 12
export const shardCount = 1 << shardBits

const finalRounds = 3

export class KeyHash implements KeyDigest {
  a = 0
  b = 0
  c = 0
  readonly #seed0: number
  readonly #seed1: number
  readonly #seed2: number
  readonly #seed3: number

  constructor(seed: HashSeed) {
    this.#seed0 = seed[0] | 0
    this.#seed1 = seed[1] | 0
    this.#seed2 = seed[2] | 0
    this.#seed3 = seed[3] | 0
  }

  /**
   * HalfSipHash-1-3, the hash that Linux has for its tables of keys that strangers choose, with all of its
   * state seeded; the digest is three words of the state, as nobody sees it. The bytes are those of ISO
   * 8859-1, or of UTF-16 where the text has other characters, from another start.
   */
  ofText(key: string): void {
    if (!this.#hashText(key, 4)) this.#hashText(key, 2)
  }

  /** False where a character does not fit its part of a word. */
  #hashText(key: string, charsOfWord: 2 | 4): boolean {
    const { length } = key
    const words = Math.floor(length / charsOfWord)
    let v0 = this.#seed0
    let v1 = this.#seed1
    let v2 = this.#seed2
    let v3 = this.#seed3 ^ charsOfWord
    for (let step = 0, at = 0; step < words + 1 + finalRounds; step++) {
      let word = 0
      if (step < words && charsOfWord === 4) {
        const first = key.charCodeAt(at)
        const second = key.charCodeAt(at + 1)
        const third = key.charCodeAt(at + 2)
        const fourth = key.charCodeAt(at + 3)
        if ((first | second | third | fourth) > 0xff) return false
        word = first | (second << 8) | (third << 16) | (fourth << 24)
        at += 4
      } else if (step < words) {
        word = key.charCodeAt(at) | (key.charCodeAt(at + 1) << 16)
        at += 2
      } else if (step === words) {
        for (let rest = 0; at < length; rest += 32 / charsOfWord, at++) {
          const char = key.charCodeAt(at)
          if (charsOfWord === 4 && char > 0xff) return false
          word |= char << rest
        }
        word |= (length * (4 / charsOfWord)) << 24
      } else if (step === words + 1) v2 ^= 0xee
      v3 ^= word
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      v0 ^= word
    }
    this.a = v1 ^ v3
    this.b = v0
    this.c = v2
    return true
  }

  ofAscii(words: Int32Array, length: number): void {
    const wholeWords = length >> 2
    let v0 = this.#seed0
    let v1 = this.#seed1
    let v2 = this.#seed2
    let v3 = this.#seed3 ^ 4
    for (let step = 0; step < wholeWords + 1 + finalRounds; step++) {
      let word = 0
      if (step < wholeWords) word = words[step]!
      else if (step === wholeWords) {
        word = length << 24
        if ((length & 3) !== 0) word |= words[step]! & ((1 << ((length & 3) << 3)) - 1)
      } else if (step === wholeWords + 1) v2 ^= 0xee
      v3 ^= word
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      v0 ^= word
    }
    this.a = v1 ^ v3
    this.b = v0
    this.c = v2
  }

  /** Of a long: `a` and `b` together are different for different keys, as each of four rounds can be undone. */
  ofWhole(key: Whole): void {
    let low = lowWord(key)
    let high = highWord(key)
    low ^= mixed(high, this.#seed0)
    high ^= mixed(low, this.#seed1)
    low ^= mixed(high, this.#seed2)
    high ^= mixed(low, this.#seed3)
    this.a = low
    this.b = high
    this.c = mixed(low, high)
  }
}

/** The final mix of MurmurHash3. */
function mixed(word: number, seed: number): number {
  let mix = word ^ seed
  mix = Math.imul(mix ^ (mix >>> 16), 0x85ebca6b)
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35)
  return mix ^ (mix >>> 16)
}

const wordSize = 4_294_967_296

/** The lower 32 bits of a whole number of 64 bits. */
export function lowWord(value: Whole): number {
  return typeof value === 'number' ? value | 0 : Number(BigInt.asIntN(32, value))
}

/** The upper bits of a whole number, with its sign. */
export function highWord(value: Whole): number {
  return typeof value === 'number' ? Math.floor(value / wordSize) | 0 : Number(value >> 32n)
}

/** The whole number of the two words. */
export function wholeOfWords(low: number, high: number): Whole {
  if (high >= -0x20_0000 && high < 0x20_0000) {
    const value = high * wordSize + (low >>> 0)
    if (Number.isSafeInteger(value)) return value
  }
  return (BigInt(high) << 32n) | BigInt(low >>> 0)
}
