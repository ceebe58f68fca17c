// The times of one busy key in order, in leaves of some hundred. A count is of whole leaves, by sums that are
// kept up to date, and of parts of the two leaves at the ends.
import { narrowBase, newValues, type TimeValues } from './time-values.ts'

/** All times of a leaf are at least its least, and none is greater than the least of the next leaf. */
type Leaf = { values: TimeValues; isNarrow: boolean; base: number; length: number }

const leafMax = 512
const leafMin = 32
const groupBits = 6
/** What objects of JavaScript take beside the values, for a key and for each of its leaves. */
const [objectBytes, leafBytes] = [400, 320]
const noLeaf: Leaf = { values: new Int32Array(0), isNarrow: true, base: 0, length: 0 }
/** Half of what 32 bits hold, so that differences have 32 bits too: 35 minutes. */
const leafRange = { valueMin: 0, valueMax: 0x7fff_ffff } as const

/** Times are numbers from 0 to 2^53 - 1. */
export class SortedTimes {
  readonly #leaves: Leaf[] = []
  readonly #least: number[] = []
  /** How many rows are in the leaves before each in its group, and in the groups before each group. */
  #beforeLeaf = new Int32Array(8)
  #beforeGroup = new Int32Array(1)
  /** Leaves before it are dropped, and removed many at a time. */
  #first = 0
  #rowCount = 0
  #bytes = objectBytes

  /** In any order; at least one. */
  constructor(times: Float64Array) {
    for (const time of times.toSorted()) this.add(time)
  }

  get rowCount(): number {
    return this.#rowCount
  }

  get bytes(): number {
    return this.#bytes
  }

  /** How many times lie from `from` to `to`, both included. */
  countBetween(from: number, to: number): number {
    return this.#rowsBelow(to + 1) - this.#rowsBelow(from)
  }

  /** Adds a row, and gives how many of those before it are not later. */
  add(at: number): number {
    this.#rowCount++
    const last = this.#leaves.length - 1
    if (last < this.#first) return this.#append(at)
    let index = Math.max(this.#first, indexBelow(this.#least, this.#first, at + 1))
    if (at < this.#least[index]!) this.#least[index] = at
    let leaf = this.#leaves[index]!
    if (leaf.length === leafMax) {
      if (index === last && at >= leaf.base + leaf.values[leafMax - 1]!) return this.#append(at)
      this.#split(index)
      if (at >= this.#least[index + 1]!) index++
      leaf = this.#leaves[index]!
    }
    if (leaf.length === leaf.values.length || !fits(leaf, at)) this.#makeRoom(leaf, at)
    const { values, length } = leaf
    const value = at - leaf.base
    const place = placeBelow(leaf, value + 1)
    if (length - place > 24) values.copyWithin(place + 1, place, length)
    else for (let to = length; to > place; to--) values[to] = values[to - 1]!
    values[place] = value
    leaf.length = length + 1
    const before = this.#sumBefore(index) + place
    this.#change(index, 1)
    return before
  }

  /** Adds the row, and gives how many of those before it lie from `from` to its time. */
  addAndCount(at: number, from: number): number {
    const below = this.#rowsBelow(from)
    return this.add(at) - below
  }

  /** Takes one row of this time away; false where there is none. */
  remove(at: number): boolean {
    for (let index = indexBelow(this.#least, this.#first, at + 1); index >= this.#first; index--) {
      const leaf = this.#leaves[index]!
      const value = at - leaf.base
      const place = placeBelow(leaf, value + 1) - 1
      if (place >= 0 && leaf.values[place] === value) {
        leaf.values.copyWithin(place, place + 1, leaf.length--)
        this.#change(index, -1)
        this.#rowCount--
        return true
      }
      if (this.#least[index]! < at) return false
    }
    return false
  }

  /** Drops leaves of which all is older, and half a leaf at the least. */
  forgetBefore(line: number): void {
    const end = this.#leaves.length
    while (this.#first < end && this.#lastOf(this.#first) < line) this.#dropFirst()
    if (this.#first < end) {
      const leaf = this.#leaves[this.#first]!
      const old = placeBelow(leaf, line - leaf.base)
      if (old * 2 > leaf.length) {
        leaf.values.copyWithin(0, old, leaf.length)
        leaf.length -= old
        this.#rowCount -= old
        this.#change(this.#first, -old)
      }
    }
    if (this.#first > 32 && this.#first * 2 > end) {
      this.#leaves.splice(0, this.#first)
      this.#least.splice(0, this.#first)
      this.#first = 0
      this.#sumFrom(0)
    }
  }

  /** Writes all times, and gives their number. */
  copyTo(times: Float64Array): number {
    let count = 0
    for (const leaf of this.#leaves)
      for (let place = 0; place < leaf.length; place++) times[count++] = leaf.base + leaf.values[place]!
    return count
  }

  #rowsBelow(at: number): number {
    const index = indexBelow(this.#least, this.#first, at)
    if (index < this.#first) return this.#first < this.#leaves.length ? this.#sumBefore(this.#first) : 0
    const leaf = this.#leaves[index]!
    return this.#sumBefore(index) + placeBelow(leaf, at - leaf.base)
  }

  #lastOf(index: number): number {
    const leaf = this.#leaves[index]!
    return leaf.length === 0 ? -1 : leaf.base + leaf.values[leaf.length - 1]!
  }

  #append(at: number): number {
    const base = narrowBase(at, at, leafRange)!
    const leaf = { values: newValues(true, leafMin), isNarrow: true, base, length: 1 }
    leaf.values[0] = at - base
    this.#leaves.push(leaf)
    this.#least.push(at)
    this.#bytes += leaf.values.byteLength + leafBytes
    this.#sumFrom(this.#leaves.length - 1)
    return this.#rowCount - 1
  }

  #split(index: number): void {
    const leaf = this.#leaves[index]!
    const half = leafMax >> 1
    const values = newValues(leaf.isNarrow, leafMax)
    for (let place = half; place < leafMax; place++) values[place - half] = leaf.values[place]!
    this.#leaves.splice(index + 1, 0, { values, isNarrow: leaf.isNarrow, base: leaf.base, length: half })
    this.#least.splice(index + 1, 0, leaf.base + values[0]!)
    leaf.length = half
    this.#bytes += values.byteLength + leafBytes
    this.#sumFrom(index)
  }

  #makeRoom(leaf: Leaf, at: number): void {
    const { values, length } = leaf
    const isNarrow = leaf.isNarrow && fits(leaf, at)
    const room = length < values.length ? values.length : Math.min(leafMax, length * 2)
    const made = newValues(isNarrow, room)
    if (isNarrow === leaf.isNarrow) made.set(values.subarray(0, length))
    else {
      for (let place = 0; place < length; place++) made[place] = leaf.base + values[place]!
      leaf.base = 0
      leaf.isNarrow = false
    }
    this.#bytes += made.byteLength - values.byteLength
    leaf.values = made
  }

  #dropFirst(): void {
    const leaf = this.#leaves[this.#first]!
    this.#rowCount -= leaf.length
    this.#bytes -= leaf.values.byteLength + leafBytes
    this.#change(this.#first, -leaf.length)
    this.#leaves[this.#first++] = noLeaf
  }

  #change(index: number, rows: number): void {
    const count = this.#leaves.length
    const group = index >> groupBits
    const end = Math.min((group + 1) << groupBits, count)
    const beforeLeaf = this.#beforeLeaf
    const beforeGroup = this.#beforeGroup
    for (let next = index + 1; next < end; next++) beforeLeaf[next]! += rows
    const groupCount = ((count - 1) >> groupBits) + 1
    for (let next = group + 1; next < groupCount; next++) beforeGroup[next]! += rows
  }

  #sumBefore(index: number): number {
    return this.#beforeGroup[index >> groupBits]! + this.#beforeLeaf[index]!
  }

  /** Makes the sums anew from leaf `index` on. */
  #sumFrom(index: number): void {
    const count = this.#leaves.length
    if (count > this.#beforeLeaf.length) {
      this.#bytes -= this.#beforeLeaf.byteLength + this.#beforeGroup.byteLength
      this.#beforeLeaf = longer(this.#beforeLeaf, count * 2)
      this.#beforeGroup = longer(this.#beforeGroup, ((count * 2) >> groupBits) + 1)
      this.#bytes += this.#beforeLeaf.byteLength + this.#beforeGroup.byteLength
    }
    for (let next = Math.max(index, 1); next < count; next++) {
      const rows = this.#leaves[next - 1]!.length
      const before = this.#beforeLeaf[next - 1]! + rows
      const group = next >> groupBits
      if (group << groupBits === next) this.#beforeGroup[group] = this.#beforeGroup[group - 1]! + before
      this.#beforeLeaf[next] = group << groupBits === next ? 0 : before
    }
    if (index === 0) this.#beforeLeaf[0] = 0
  }
}

function longer(values: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const made = new Int32Array(length)
  made.set(values)
  return made
}

function fits(leaf: Leaf, at: number): boolean {
  return !leaf.isNarrow || (at >= leaf.base && at - leaf.base <= leafRange.valueMax)
}

/**
 * The last index from `first` on whose value is less than `at`; `first - 1` where there is none. Here and
 * below a comparison is a number that is computed with: a processor cannot foresee its outcome where rows
 * come in disorder, and the jumps that it would foresee wrongly took longer than all else.
 */
function indexBelow(sorted: readonly number[], first: number, at: number): number {
  let count = sorted.length - first
  if (count === 0 || sorted[first]! >= at) return first - 1
  if (sorted[sorted.length - 1]! < at) return sorted.length - 1
  let low = first
  while (count > 1) {
    const half = count >> 1
    low += half & -+(sorted[low + half - 1]! < at)
    count -= half
  }
  return low + +(sorted[low]! < at) - 1
}

/** How many values of the leaf are less than `value`. */
function placeBelow(leaf: Leaf, value: number): number {
  const { values } = leaf
  let count = leaf.length
  if (count === 0) return 0
  let low = 0
  if (leaf.isNarrow) {
    if (value <= 0) return 0
    if (value > leafRange.valueMax) return count
    const whole = value | 0
    while (count > 1) {
      const half = count >> 1
      low += half & ((values[low + half - 1]! - whole) >> 31)
      count -= half
    }
    return low - ((values[low]! - whole) >> 31)
  }
  while (count > 1) {
    const half = count >> 1
    low += half & -+(values[low + half - 1]! < value)
    count -= half
  }
  return low + +(values[low]! < value)
}
