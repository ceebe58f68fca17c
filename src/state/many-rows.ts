// Adds many rows to a state, by blocks that are sorted by shard: the rows of a shard find in the processor's
// caches what the one before them brought there.
import type { Whole } from '../columns/whole.ts'
import { type KeyDigest, shardBits, shardCount } from './key-hash.ts'

const rowsOfBlock = 65_536
const wordsOfRow = 3

export class ManyRows {
  readonly #hash: KeyDigest
  readonly #add: (micros: Whole) => void
  readonly #digests = new Int32Array(rowsOfBlock * wordsOfRow)
  readonly #micros = new Float64Array(rowsOfBlock)
  readonly #order = new Int32Array(rowsOfBlock)
  readonly #ends = new Int32Array(shardCount)
  #rowCount = 0

  /** `add` takes the row of the key whose digest the hash has; rows come in another order than here. */
  constructor(hash: KeyDigest, add: (micros: Whole) => void) {
    this.#hash = hash
    this.#add = add
  }

  addText(key: string, micros: Whole): void {
    this.#hash.ofText(key)
    this.#addDigested(micros)
  }

  /** As `addText`, of a text of so many characters of ASCII that stand in words, four in each. */
  addAscii(words: Int32Array, length: number, micros: Whole): void {
    this.#hash.ofAscii(words, length)
    this.#addDigested(micros)
  }

  addWhole(key: Whole, micros: Whole): void {
    this.#hash.ofWhole(key)
    this.#addDigested(micros)
  }

  /** To be called at the end: until then rows may be missing. */
  finish(): void {
    this.#sortByShard()
    const hash = this.#hash
    for (let index = 0; index < this.#rowCount; index++) {
      const row = this.#order[index]!
      hash.a = this.#digests[row * wordsOfRow]!
      hash.b = this.#digests[row * wordsOfRow + 1]!
      hash.c = this.#digests[row * wordsOfRow + 2]!
      this.#add(this.#micros[row]!)
    }
    this.#rowCount = 0
  }

  #addDigested(micros: Whole): void {
    if (typeof micros === 'bigint') {
      this.#add(micros)
      return
    }
    const { a, b, c } = this.#hash
    const row = this.#rowCount++
    this.#digests[row * wordsOfRow] = a
    this.#digests[row * wordsOfRow + 1] = b
    this.#digests[row * wordsOfRow + 2] = c
    this.#micros[row] = micros
    if (this.#rowCount === rowsOfBlock) this.finish()
  }

  #sortByShard(): void {
    const ends = this.#ends.fill(0)
    const count = this.#rowCount
    for (let row = 0; row < count; row++) ends[shardOf(this.#digests, row)]!++
    for (let shard = 1; shard < shardCount; shard++) ends[shard]! += ends[shard - 1]!
    for (let row = count - 1; row >= 0; row--) this.#order[--ends[shardOf(this.#digests, row)]!] = row
  }
}

/** The shard is the upper bits of the digest's third word. */
function shardOf(digests: Int32Array, row: number): number {
  return digests[row * wordsOfRow + 2]! >>> (32 - shardBits)
}
