// A part of the keys with their times. The times of a key stand side by side in order of arrival, in a run of
// one array for all keys of the shard; a count goes over them. A key with more rows than that is good for has
// its times sorted.
import { SortedTimes } from './sorted-times.ts'
import { narrowBase, newValues, type TimeValues } from './time-values.ts'

/** A key is four words: two of its digest, where its times are, and the class and length of its run. */
const wordsOfKey = 4
const keysMin = 4
const fillMax = 0.8
const fillAfterGrowth = 0.62
/** Runs have room for more rows than there are. */
const reservedForRow = 1.25
/** The lengths of runs. One that is full moves to the next class. */
const runLengths = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256] as const
const lastClass = runLengths.length - 1
const runMax = runLengths[lastClass]!
/** In place of class and length: the times are sorted. A key leaves that state with few rows only. */
const sortedMark = -1
const sortedMin = 32

/** 71 minutes. */
const shardRange = { valueMin: -0x8000_0000, valueMax: 0x7fff_ffff } as const

const classOfLength = new Uint8Array(runMax + 1)
for (let length = 1; length <= runMax; length++)
  classOfLength[length] = runLengths.findIndex((room) => room >= length)

/** Lent to one call at a time. */
const scratch = new Float64Array(runMax)

/** Times are numbers from 0 to 2^53 - 1; `line` is the time before which rows are of no use. */
export class TimesShard {
  #keys = new Int32Array(keysMin * wordsOfKey)
  #keyCapacity = keysMin
  #keyCount = 0
  #values: TimeValues = new Int32Array(0)
  #base = 0
  /** The values behind it have never been used since the shard was made anew. */
  #used = 0
  /** Of each class the first free run; a free run's first value is where the next one is, plus one. */
  #free = new Int32Array(runLengths.length).fill(-1)
  #freeLength = 0
  #hasGrown = false
  #sorted: SortedTimes[] = []
  #sortedBytes = 0
  #rowCount = 0
  /** Room for values that are still to come. */
  #reserved: number

  /** For about so many rows. */
  constructor(rowCount = 0) {
    this.#reserved = Math.ceil(rowCount * reservedForRow)
  }

  get rowCount(): number {
    return this.#rowCount
  }

  get bytes(): number {
    return this.#keys.byteLength + this.#values.byteLength + this.#free.byteLength + this.#sortedBytes
  }

  countBetween(a: number, b: number, from: number, to: number): number {
    const key = this.#find(a, b)
    return key < 0 ? 0 : this.#countOf(key, from, to)
  }

  /** Adds the row, and gives how many of the key's before it lie from `from` to its time. */
  addAndCount(a: number, b: number, at: number, from: number, line: number): number {
    const key = this.#find(a, b)
    if (key >= 0 && this.#keys[key + 3] === sortedMark) {
      this.#rowCount++
      return this.#addSorted(this.#sorted[this.#keys[key + 2]!]!, at, from)
    }
    const count = key < 0 ? 0 : this.#countOf(key, from, at)
    this.#add(key, a, b, at, line)
    return count
  }

  add(a: number, b: number, at: number, line: number): void {
    this.#add(this.#find(a, b), a, b, at, line)
  }

  /** Takes one row of the key and time away; false where there is none. */
  remove(a: number, b: number, at: number): boolean {
    const key = this.#find(a, b)
    if (key < 0) return false
    const run = this.#keys[key + 2]!
    const size = this.#keys[key + 3]!
    if (size === sortedMark) {
      if (!this.#sorted[run]!.remove(at)) return false
    } else {
      const end = run + (size & 0xffff)
      const place = this.#values.subarray(run, end).lastIndexOf(at - this.#base)
      if (place < 0) return false
      this.#values.copyWithin(run + place, run + place + 1, end)
      this.#keys[key + 3] = size - 1
    }
    this.#rowCount--
    return true
  }

  /** Drops what is older than the line, if that is worth the work. */
  sweep(line: number): void {
    this.#reserved = 0
    let rows = 0
    let emptyKeys = 0
    for (let key = 0; key < this.#keys.length; key += wordsOfKey) {
      if (this.#keys[key + 3] === 0) continue
      const count = this.#rowsFrom(key, line)
      if (count === 0) emptyKeys++
      rows += count
    }
    const isOld = (this.#rowCount - rows) * 16 > this.#rowCount || emptyKeys * 8 > this.#keyCount
    if (isOld || this.#freeLength * 4 > this.#used) this.#rebuild(line, -1)
  }

  /** Where the key stands; where it is absent, the complement of the place where it belongs. */
  #find(a: number, b: number): number {
    const keys = this.#keys
    const end = keys.length
    let key = placeOf(a, this.#keyCapacity)
    while (keys[key + 3] !== 0) {
      if (keys[key] === a && keys[key + 1] === b) return key
      key += wordsOfKey
      if (key === end) key = 0
    }
    return ~key
  }

  #countOf(key: number, from: number, to: number): number {
    const run = this.#keys[key + 2]!
    const size = this.#keys[key + 3]!
    if (size === sortedMark) return this.#sorted[run]!.countBetween(from, to)
    const values = this.#values
    const end = run + (size & 0xffff)
    const least = from - this.#base
    const most = to - this.#base
    let count = 0
    for (let place = run; place < end; place++) {
      const value = values[place]!
      if (value >= least && value <= most) count++
    }
    return count
  }

  #add(found: number, a: number, b: number, at: number, line: number): void {
    let key = found
    const isFull = key < 0 && this.#keyCount + 1 > this.#keyCapacity * fillMax
    if (isFull || !this.#fits(at) || this.#values.length === 0) {
      this.#rebuild(line, at)
      key = this.#find(a, b)
    }
    if (key < 0) {
      key = ~key
      this.#keys[key] = a
      this.#keys[key + 1] = b
      this.#keys[key + 2] = this.#allocate(0)
      this.#keys[key + 3] = 1 << 16
      this.#keyCount++
    }
    if (this.#keys[key + 3] !== sortedMark) this.#makeRoom(key, line)
    const run = this.#keys[key + 2]!
    const size = this.#keys[key + 3]!
    if (size === sortedMark) {
      this.#addSorted(this.#sorted[run]!, at, at)
    } else {
      this.#values[run + (size & 0xffff)] = at - this.#base
      this.#keys[key + 3] = size + 1
    }
    this.#rowCount++
    if (this.#hasGrown && this.#freeLength * 4 > this.#used) this.#rebuild(line, -1)
    this.#hasGrown = false
  }

  #addSorted(sorted: SortedTimes, at: number, from: number): number {
    const { bytes } = sorted
    const count = sorted.addAndCount(at, from)
    this.#sortedBytes += sorted.bytes - bytes
    return count
  }

  #fits(at: number): boolean {
    const value = at - this.#base
    const isNarrow = this.#values instanceof Int32Array
    return !isNarrow || (value >= shardRange.valueMin && value <= shardRange.valueMax)
  }

  /** Room for one more time in the key's run: by dropping what is too old, or else in a longer one. */
  #makeRoom(key: number, line: number): void {
    const run = this.#keys[key + 2]!
    const size = this.#keys[key + 3]!
    const runClass = (size >> 16) - 1
    const length = size & 0xffff
    if (length < runLengths[runClass]!) return
    const values = this.#values
    const least = line - this.#base
    let stays = 0
    for (let place = run; place < run + length; place++) {
      const value = values[place]!
      if (value >= least) values[run + stays++] = value
    }
    this.#rowCount -= length - stays
    if (stays * 4 <= length * 3) {
      this.#keys[key + 3] = ((runClass + 1) << 16) | stays
      return
    }
    if (runClass === lastClass) {
      for (let place = 0; place < stays; place++) scratch[place] = this.#base + values[run + place]!
      const sorted = new SortedTimes(scratch.subarray(0, stays))
      this.#sortedBytes += sorted.bytes
      this.#keys[key + 2] = this.#sorted.push(sorted) - 1
      this.#keys[key + 3] = sortedMark
    } else {
      const moved = this.#allocate(runClass + 1)
      this.#values.copyWithin(moved, run, run + stays)
      this.#keys[key + 2] = moved
      this.#keys[key + 3] = ((runClass + 2) << 16) | stays
    }
    this.#values[run] = this.#free[runClass]! + 1
    this.#free[runClass] = run
    this.#freeLength += runLengths[runClass]!
  }

  #allocate(runClass: number): number {
    const free = this.#free[runClass]!
    const length = runLengths[runClass]!
    if (free >= 0) {
      this.#free[runClass] = this.#values[free]! - 1
      this.#freeLength -= length
      return free
    }
    const run = this.#used
    this.#used += length
    if (this.#used > this.#values.length) {
      const isNarrow = this.#values instanceof Int32Array
      const values = newValues(isNarrow, Math.ceil(this.#used * 1.2) + 4)
      values.set(this.#values)
      this.#values = values
      this.#hasGrown = true
    }
    return run
  }

  #rowsFrom(key: number, line: number): number {
    const run = this.#keys[key + 2]!
    const size = this.#keys[key + 3]!
    if (size === sortedMark) {
      const sorted = this.#sorted[run]!
      const [rows, bytes] = [sorted.rowCount, sorted.bytes]
      sorted.forgetBefore(line)
      this.#rowCount -= rows - sorted.rowCount
      this.#sortedBytes -= bytes - sorted.bytes
      return sorted.rowCount
    }
    const values = this.#values
    const end = run + (size & 0xffff)
    const least = line - this.#base
    let count = 0
    for (let place = run; place < end; place++) if (values[place]! >= least) count++
    return count
  }

  /** The times of the key that stay, in `scratch`; their number, or `sortedMark` where they stay sorted. */
  #stays(key: number, line: number): number {
    const run = this.#keys[key + 2]!
    const size = this.#keys[key + 3]!
    if (size === sortedMark) {
      const sorted = this.#sorted[run]!
      sorted.forgetBefore(line)
      return sorted.rowCount > sortedMin ? sortedMark : sorted.copyTo(scratch)
    }
    const end = run + (size & 0xffff)
    let count = 0
    for (let place = run; place < end; place++) {
      const time = this.#base + this.#values[place]!
      if (time >= line) scratch[count++] = time
    }
    return count
  }

  /** Makes the shard anew without what is too old, so that `at` (unless it is -1) and one more key fit. */
  #rebuild(line: number, at: number): void {
    let least = at < 0 ? Number.POSITIVE_INFINITY : at
    let most = at
    let [keys, length] = [0, 0]
    for (let key = 0; key < this.#keys.length; key += wordsOfKey) {
      if (this.#keys[key + 3] === 0) continue
      const count = this.#stays(key, line)
      if (count !== 0) keys++
      if (count > 0) length += runLengths[classOfLength[count]!]!
      for (let index = 0; index < count; index++) {
        least = Math.min(least, scratch[index]!)
        most = Math.max(most, scratch[index]!)
      }
    }
    const base = most < 0 ? 0 : narrowBase(least, most, shardRange)
    const values = newValues(base !== null, Math.max(Math.ceil(length * 1.1) + 4, this.#reserved))
    this.#moveTo(values, base ?? 0, Math.max(keysMin, Math.ceil((keys + 1) / fillAfterGrowth)), line)
  }

  #moveTo(values: TimeValues, base: number, keyCapacity: number, line: number): void {
    const made = new Int32Array(keyCapacity * wordsOfKey)
    const sorted: SortedTimes[] = []
    let [used, rows, keys, sortedBytes] = [0, 0, 0, 0]
    for (let key = 0; key < this.#keys.length; key += wordsOfKey) {
      if (this.#keys[key + 3] === 0) continue
      const count = this.#stays(key, line)
      if (count === 0) continue
      const a = this.#keys[key]!
      let place = placeOf(a, keyCapacity)
      while (made[place + 3] !== 0) place = place + wordsOfKey === made.length ? 0 : place + wordsOfKey
      made[place] = a
      made[place + 1] = this.#keys[key + 1]!
      keys++
      if (count === sortedMark) {
        const one = this.#sorted[this.#keys[key + 2]!]!
        made[place + 2] = sorted.push(one) - 1
        made[place + 3] = sortedMark
        rows += one.rowCount
        sortedBytes += one.bytes
        continue
      }
      made[place + 2] = used
      made[place + 3] = ((classOfLength[count]! + 1) << 16) | count
      for (let index = 0; index < count; index++) values[used + index] = scratch[index]! - base
      used += runLengths[classOfLength[count]!]!
      rows += count
    }
    this.#keys = made
    this.#keyCapacity = keyCapacity
    this.#keyCount = keys
    this.#values = values
    this.#base = base
    this.#used = used
    this.#free.fill(-1)
    this.#freeLength = 0
    this.#sorted = sorted
    this.#sortedBytes = sortedBytes
    this.#rowCount = rows
  }
}

function placeOf(a: number, capacity: number): number {
  return Math.floor(((a >>> 0) * capacity) / 4_294_967_296) * wordsOfKey
}
