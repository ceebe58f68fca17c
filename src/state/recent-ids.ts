// The ids of the rows that stay, each with its event time: what deduplicate asks for each candidate. Meaning:
// the operator `deduplicate` in src/plan/relation.ts. docs/decisions/state.md says how likely two ids are
// taken for one.
import { addWhole, subtractWhole, type Whole } from '../columns/whole.ts'
import { AdditionLog } from './addition-log.ts'
import { highWord, type KeyDigest, lowWord, wholeOfWords } from './key-hash.ts'
import { RecentTimes } from './recent-times.ts'
import { Sweep } from './sweep.ts'

/**
 * A shard is a table of its own that grows by itself, so that no call moves more than a 4096th of the rows. A
 * row is four words: two of the digest, the lower half of the time, and the upper half with five bits more of
 * the digest. The shard is twelve further bits of the digest. An empty place has 0 for the second word.
 */
const shardBits = 12
const wordsOfRow = 4
const checkBits = 5
const checkMask = 31
const capacityMin = 8
/** A row's place is searched from the one that its digest says; beyond this fill that takes too long. */
const fillMax = 0.8
const fillAfterGrowth = 0.62
/** From so many rows of one id on, the rest is kept in order of time: a search must not go over all of them. */
const sameIdMax = 16

type Shard = { slots: Int32Array; capacity: number; rowCount: number }

export class RecentIds {
  /** Two rows of one key not further apart than this are repeats. It may change from batch to batch. */
  rangeMicros: Whole
  readonly #hash: KeyDigest
  readonly #shards: (Shard | null)[] = new Array<Shard | null>(1 << shardBits).fill(null)
  readonly #sweep = new Sweep(1 << shardBits)
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

  /** Whether the candidate repeats a row that stays; else it stays from now on. */
  repeats(key: string, micros: Whole): boolean {
    return this.#judge(key, micros, true)
  }

  /** Of history: stays whatever else is there. */
  add(key: string, micros: Whole): void {
    this.#judge(key, micros, false)
  }

  /** Drops what is older, a part with each call; what is of use stays in any case. */
  forgetBefore(micros: Whole): void {
    this.#sweep.moveTo(micros, this.rangeMicros, (index) => {
      const shard = this.#shards[index]
      if (shard != null) this.#sweepShard(shard)
    })
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
      const shard = this.#shards[c >>> (32 - shardBits)]!
      if (removeRow(shard, a, b, low, upperWord(high, c))) this.#rowCount--
    })
    this.#busy?.rollback()
  }

  #judge(key: string, micros: Whole, isCandidate: boolean): boolean {
    const hash = this.#hash
    hash.ofText(key)
    const { a, c } = hash
    const b = hash.b === 0 ? 1 : hash.b
    const shard = this.#shardOf(c)
    const { slots } = shard
    const end = slots.length
    let place = placeOf(a, shard.capacity)
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
    if (isCandidate && this.#busy !== null && this.#isNearBusy(key, micros)) return true
    if (same >= sameIdMax) this.#addBusy(key, micros)
    else this.#put(shard, place, a, b, c, micros)
    return false
  }

  #put(shard: Shard, place: number, a: number, b: number, c: number, micros: Whole): void {
    const low = lowWord(micros)
    const high = highWord(micros)
    if (high !== (high << checkBits) >> checkBits) throw new RangeError(`time ${micros} is out of all years`)
    const upper = upperWord(high, c)
    const { slots } = shard
    slots[place] = a
    slots[place + 1] = b
    slots[place + 2] = low
    slots[place + 3] = upper
    shard.rowCount++
    this.#rowCount++
    this.#log.note(a, b, c, low, high)
    if (shard.rowCount > shard.capacity * fillMax) this.#rebuild(shard)
  }

  #isNear(low: number, high: number, micros: Whole): boolean {
    const other = wholeOfWords(low, high)
    return other >= subtractWhole(micros, this.rangeMicros) && other <= addWhole(micros, this.rangeMicros)
  }

  #isNearBusy(key: string, micros: Whole): boolean {
    const from = subtractWhole(micros, this.rangeMicros)
    return this.#busy!.countBetween(key, from, addWhole(micros, this.rangeMicros)) > 0
  }

  #addBusy(key: string, micros: Whole): void {
    if (this.#busy === null) {
      this.#busy = new RecentTimes({ hash: this.#hash, rangeMicros: this.rangeMicros })
      if (this.#isMarked) this.#busy.mark()
    }
    this.#busy.add(key, micros)
  }

  #shardOf(c: number): Shard {
    const index = c >>> (32 - shardBits)
    const shard = this.#shards[index]!
    if (shard !== null) return shard
    const made = { slots: new Int32Array(capacityMin * wordsOfRow), capacity: capacityMin, rowCount: 0 }
    this.#slotBytes += made.slots.byteLength
    this.#shards[index] = made
    return made
  }

  #sweepShard(shard: Shard): void {
    const { slots } = shard
    const isOld = olderThan(this.#sweep.line)
    let old = 0
    for (let place = 0; place < slots.length; place += wordsOfRow)
      if (slots[place + 1] !== 0 && isOld(slots[place + 2]!, slots[place + 3]! >> checkBits)) old++
    const rows = shard.rowCount - old
    const isTooLarge = rows < shard.capacity * fillMax * 0.5 && shard.capacity > capacityMin
    if (old * 16 > shard.rowCount || isTooLarge) this.#rebuild(shard)
  }

  /** Makes the shard anew without what is too old, in as much room as the rest needs. */
  #rebuild(shard: Shard): void {
    const { slots } = shard
    const { line } = this.#sweep
    const isOld = olderThan(line)
    let rows = shard.rowCount
    if (line !== null)
      for (let place = 0; place < slots.length; place += wordsOfRow)
        if (slots[place + 1] !== 0 && isOld(slots[place + 2]!, slots[place + 3]! >> checkBits)) rows--
    const capacity = Math.max(capacityMin, Math.ceil(rows / fillAfterGrowth))
    const made = new Int32Array(capacity * wordsOfRow)
    for (let place = 0; place < slots.length; place += wordsOfRow) {
      if (slots[place + 1] === 0) continue
      if (line !== null && isOld(slots[place + 2]!, slots[place + 3]! >> checkBits)) continue
      let free = placeOf(slots[place]!, capacity)
      while (made[free + 1] !== 0) free = free + wordsOfRow === made.length ? 0 : free + wordsOfRow
      made[free] = slots[place]!
      made[free + 1] = slots[place + 1]!
      made[free + 2] = slots[place + 2]!
      made[free + 3] = slots[place + 3]!
    }
    this.#slotBytes += made.byteLength - slots.byteLength
    this.#rowCount += rows - shard.rowCount
    shard.slots = made
    shard.capacity = capacity
    shard.rowCount = rows
  }
}

/** The upper half of a time, and the bits of the digest's third word that are compared. */
function upperWord(high: number, c: number): number {
  return (high << checkBits) | (c & checkMask)
}

function placeOf(a: number, capacity: number): number {
  return Math.floor(((a >>> 0) * capacity) / 4_294_967_296) * wordsOfRow
}

function olderThan(line: Whole | null): (low: number, high: number) => boolean {
  if (line === null) return () => false
  const [lineLow, lineHigh] = [lowWord(line) >>> 0, highWord(line)]
  return (low, high) => high < lineHigh || (high === lineHigh && low >>> 0 < lineLow)
}

/** Rows behind the gap move up, where the place that their digest says is not behind it. */
function removeRow(shard: Shard, a: number, b: number, low: number, upper: number): boolean {
  const { slots, capacity } = shard
  const end = slots.length
  let gap = placeOf(a, capacity)
  while (slots[gap] !== a || slots[gap + 1] !== b || slots[gap + 2] !== low || slots[gap + 3] !== upper) {
    if (slots[gap + 1] === 0) return false
    gap = gap + wordsOfRow === end ? 0 : gap + wordsOfRow
  }
  let place = gap
  for (;;) {
    place = place + wordsOfRow === end ? 0 : place + wordsOfRow
    if (slots[place + 1] === 0) break
    const wanted = placeOf(slots[place]!, capacity)
    const isBehindGap = gap <= place ? gap < wanted && wanted <= place : gap < wanted || wanted <= place
    if (isBehindGap) continue
    slots.copyWithin(gap, place, place + wordsOfRow)
    gap = place
  }
  slots.fill(0, gap, gap + wordsOfRow)
  shard.rowCount--
  return true
}
