// The ids of the rows that stay, each with its event time: what deduplicate asks for each candidate. Meaning:
// the operator `deduplicate` in src/plan/relation.ts. docs/decisions/state.md says how likely two ids are
// taken for one.
import { addWhole, subtractWhole, type Whole } from '../columns/whole.ts'
import { AdditionLog } from './addition-log.ts'
import { highWord, type KeyDigest, lowWord, shardBits, shardCount, wholeOfWords } from './key-hash.ts'
import { RecentTimes } from './recent-times.ts'
import { Sweep } from './sweep.ts'

/**
 * A shard is a table of its own that grows by itself, so that no call moves more than a 4096th of the rows. A
 * row is four words: two of the digest, the lower half of the time, and the upper half with five bits more of
 * the digest. The shard is twelve further bits of the digest. An empty place has 0 for the second word.
 */
const wordsOfRow = 4
const checkBits = 5
const checkMask = 31
const capacityMin = 8
const noRows = new Int32Array(wordsOfRow)
/** A row's place is searched from the one that its digest says; beyond this fill that takes too long. */
const fillMax = 0.8
const fillAfterGrowth = 0.62
/** From so many rows of one id on, the rest is kept in order of time: a search must not go over all. */
const sameIdMax = 16

export class RecentIds {
  /** Two rows of one key not further apart than this are repeats. It may change from batch to batch. */
  rangeMicros: Whole
  readonly #hash: KeyDigest
  /** By shard. One object for each that holds both would be one more place in memory to wait for. */
  readonly #shards: Int32Array[] = new Array<Int32Array>(shardCount).fill(noRows)
  readonly #counts = new Int32Array(shardCount)
  readonly #sweep = new Sweep(shardCount)
  readonly #log = new AdditionLog()
  #busy: RecentTimes | null = null
  #isMarked = false
  #rowCount = 0
  #slotBytes = 0

  constructor(options: { readonly hash: KeyDigest; readonly rangeMicros: Whole }) {
    this.#hash = options.hash
    this.rangeMicros = options.rangeMicros
  }

  get rowCount(): number {
    return this.#rowCount + (this.#busy?.rowCount ?? 0)
  }

  /** Of the tables; an object of JavaScript beside each shard is not in it. */
  get bytes(): number {
    return this.#slotBytes + this.#log.bytes + (this.#busy?.bytes ?? 0)
  }

  /** Makes room for about so many rows at once, which is faster than to grow row by row. */
  reserve(rowCount: number): void {
    const capacity = Math.ceil(rowCount / shardCount / fillAfterGrowth)
    if (capacity <= capacityMin) return
    for (let index = 0; index < shardCount; index++)
      if (this.#shards[index] === noRows) this.#rebuild(index, capacity)
  }

  /** Whether the candidate repeats a row that stays; else it stays from now on. */
  repeats(key: string, micros: Whole): boolean {
    this.#hash.ofText(key)
    return this.#judge(micros, true)
  }

  /** Of history: stays whatever else is there. */
  add(key: string, micros: Whole): void {
    this.#hash.ofText(key)
    this.#judge(micros, false)
  }

  /** As `add`, of the key whose digest the hash has. */
  addDigested(micros: Whole): void {
    this.#judge(micros, false)
  }

  /** Drops what is older, a part with each call; what is of use stays in any case. */
  forgetBefore(micros: Whole): void {
    this.#sweep.moveTo(micros, this.rangeMicros, (index) => this.#sweepShard(index))
    this.#busy?.forgetBefore(micros)
    if (this.#busy?.rowCount === 0 && !this.#isMarked) this.#busy = null
  }

  /** What is added from here on can be taken back, until the next mark or `commit`. */
  mark(): void {
    this.#isMarked = true
    this.#log.mark()
    this.#busy?.mark()
  }

  commit(): void {
    this.#isMarked = false
    this.#log.close()
    this.#busy?.commit()
  }

  /** Takes back what was added since the mark, which stays. What was forgotten meanwhile stays forgotten. */
  rollback(): void {
    this.#log.takeBack((a, b, c, low, high) => {
      const index = c >>> (32 - shardBits)
      if (!removeRow(this.#shards[index]!, a, b, low, upperWord(high, c))) return
      this.#counts[index]!--
      this.#rowCount--
    })
    this.#busy?.rollback()
  }

  /** Of the key whose digest the hash has. */
  #judge(micros: Whole, isCandidate: boolean): boolean {
    const hash = this.#hash
    const { a, c } = hash
    const b = hash.b === 0 ? 1 : hash.b
    const slots = this.#shards[c >>> (32 - shardBits)]!
    const end = slots.length
    let place = placeOf(a, end)
    let same = 0
    for (let word = slots[place + 1]!; word !== 0; word = slots[place + 1]!) {
      if (word === b && slots[place] === a && ((slots[place + 3]! ^ c) & checkMask) === 0) {
        if (isCandidate && this.#isNear(slots[place + 2]!, slots[place + 3]! >> checkBits, micros))
          return true
        same++
      }
      place += wordsOfRow
      if (place === end) place = 0
    }
    if (isCandidate && this.#busy !== null && this.#isNearBusy(micros)) return true
    if (same >= sameIdMax) this.#addBusy(micros)
    else this.#put(place, a, b, c, micros)
    return false
  }

  #put(place: number, a: number, b: number, c: number, micros: Whole): void {
    const low = lowWord(micros)
    const high = highWord(micros)
    if (high !== (high << checkBits) >> checkBits) throw new RangeError(`time ${micros} is out of all years`)
    const upper = upperWord(high, c)
    const index = c >>> (32 - shardBits)
    if (this.#shards[index] === noRows) {
      this.#rebuild(index)
      this.#put(placeOf(a, capacityMin * wordsOfRow), a, b, c, micros)
      return
    }
    const slots = this.#shards[index]!
    slots[place] = a
    slots[place + 1] = b
    slots[place + 2] = low
    slots[place + 3] = upper
    this.#rowCount++
    this.#log.note(a, b, c, low, high)
    const count = this.#counts[index]! + 1
    this.#counts[index] = count
    if (count * wordsOfRow > slots.length * fillMax) this.#rebuild(index)
  }

  #isNear(low: number, high: number, micros: Whole): boolean {
    const other = wholeOfWords(low, high)
    return other >= subtractWhole(micros, this.rangeMicros) && other <= addWhole(micros, this.rangeMicros)
  }

  #isNearBusy(micros: Whole): boolean {
    const from = subtractWhole(micros, this.rangeMicros)
    return this.#busy!.countDigested(from, addWhole(micros, this.rangeMicros)) > 0
  }

  #addBusy(micros: Whole): void {
    if (this.#busy === null) {
      this.#busy = new RecentTimes({ hash: this.#hash, rangeMicros: this.rangeMicros })
      if (this.#isMarked) this.#busy.mark()
    }
    this.#busy.addDigested(micros)
  }

  #sweepShard(index: number): void {
    const slots = this.#shards[index]!
    const count = this.#counts[index]!
    const rows = rowsFrom(slots, this.#sweep.line)
    const isTooLarge = rows * wordsOfRow < slots.length * fillMax * 0.5
    if (rows === 0 && slots !== noRows) {
      this.#shards[index] = noRows
      this.#counts[index] = 0
      this.#rowCount -= count
      this.#slotBytes -= slots.byteLength
    } else if ((count - rows) * 16 > count || (isTooLarge && slots.length > capacityMin * wordsOfRow)) {
      this.#rebuild(index)
    }
  }

  /** Makes the shard anew without what is too old, in as much room as the rest needs. */
  #rebuild(index: number, capacityLeast = capacityMin): void {
    const slots = this.#shards[index]!
    const { line } = this.#sweep
    const isOld = olderThan(line)
    const rows = line === null ? this.#counts[index]! : rowsFrom(slots, line)
    const capacity = Math.max(capacityLeast, Math.ceil(rows / fillAfterGrowth))
    const made = new Int32Array(capacity * wordsOfRow)
    for (let place = 0; place < slots.length; place += wordsOfRow) {
      if (slots[place + 1] === 0) continue
      if (line !== null && isOld(slots[place + 2]!, slots[place + 3]! >> checkBits)) continue
      let free = placeOf(slots[place]!, made.length)
      while (made[free + 1] !== 0) free = free + wordsOfRow === made.length ? 0 : free + wordsOfRow
      made[free] = slots[place]!
      made[free + 1] = slots[place + 1]!
      made[free + 2] = slots[place + 2]!
      made[free + 3] = slots[place + 3]!
    }
    this.#slotBytes += made.byteLength - (slots === noRows ? 0 : slots.byteLength)
    this.#rowCount += rows - this.#counts[index]!
    this.#shards[index] = made
    this.#counts[index] = rows
  }
}

/** The upper half of a time, and the bits of the digest's third word that are compared. */
function upperWord(high: number, c: number): number {
  return (high << checkBits) | (c & checkMask)
}

/** The shard's length in words; a place is the word that a row begins at. */
function placeOf(a: number, length: number): number {
  return Math.floor(((a >>> 0) * (length / wordsOfRow)) / 4_294_967_296) * wordsOfRow
}

function rowsFrom(slots: Int32Array, line: Whole | null): number {
  const isOld = olderThan(line)
  let rows = 0
  for (let place = 0; place < slots.length; place += wordsOfRow)
    if (slots[place + 1] !== 0 && !isOld(slots[place + 2]!, slots[place + 3]! >> checkBits)) rows++
  return rows
}

function olderThan(line: Whole | null): (low: number, high: number) => boolean {
  if (line === null) return () => false
  const [lineLow, lineHigh] = [lowWord(line) >>> 0, highWord(line)]
  return (low, high) => high < lineHigh || (high === lineHigh && low >>> 0 < lineLow)
}

/** Rows behind the gap move up, where the place that their digest says is not behind it. */
function removeRow(slots: Int32Array, a: number, b: number, low: number, upper: number): boolean {
  const end = slots.length
  let gap = placeOf(a, end)
  while (slots[gap] !== a || slots[gap + 1] !== b || slots[gap + 2] !== low || slots[gap + 3] !== upper) {
    if (slots[gap + 1] === 0) return false
    gap = gap + wordsOfRow === end ? 0 : gap + wordsOfRow
  }
  let place = gap
  for (;;) {
    place = place + wordsOfRow === end ? 0 : place + wordsOfRow
    if (slots[place + 1] === 0) break
    const wanted = placeOf(slots[place]!, end)
    const isBehindGap = gap <= place ? gap < wanted && wanted <= place : gap < wanted || wanted <= place
    if (isBehindGap) continue
    slots.copyWithin(gap, place, place + wordsOfRow)
    gap = place
  }
  slots.fill(0, gap, gap + wordsOfRow)
  return true
}
