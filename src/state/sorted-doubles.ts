// Doubles that come one by one, and are wanted in ascending order once all are there.
import { turn } from '../steps/turn.ts'

const capacityMin = 64
/** So many are sorted, or merged, without a look at the clock. */
const runLength = 2 ** 15

export class SortedDoubles {
  #values = new Float64Array(capacityMin)
  #count = 0
  #isSorted = true

  get bytes(): number {
    return this.#values.byteLength
  }

  add(value: number): void {
    if (this.#count === this.#values.length) this.#grow(this.#count * 2)
    this.#values[this.#count++] = value
    this.#isSorted = false
  }

  addAll(other: SortedDoubles): void {
    const count = this.#count + other.#count
    if (count > this.#values.length) this.#grow(Math.max(count, this.#values.length * 2))
    this.#values.set(other.#values.subarray(0, other.#count), this.#count)
    this.#count = count
    this.#isSorted = false
  }

  /** All of them in ascending order; NaN is the last. Nothing is added meanwhile. */
  async sorted(): Promise<Float64Array> {
    const values = this.#values.subarray(0, this.#count)
    if (this.#isSorted) return values
    for (let from = 0; from < values.length; from += runLength) {
      values.subarray(from, from + runLength).sort()
      await turn()
    }
    this.#values = await mergedRuns(values)
    this.#isSorted = true
    return this.#values
  }

  #grow(capacity: number): void {
    const values = new Float64Array(capacity)
    values.set(this.#values.subarray(0, this.#count))
    this.#values = values
  }
}

/** Runs next to each other become one, until there is one. */
async function mergedRuns(values: Float64Array<ArrayBuffer>): Promise<Float64Array<ArrayBuffer>> {
  let from = values
  for (let length = runLength; length < values.length; length *= 2) {
    const to = new Float64Array(values.length)
    for (let start = 0; start < from.length; start += length * 2) {
      const middle = Math.min(start + length, from.length)
      const end = Math.min(start + length * 2, from.length)
      let [left, right] = [start, middle]
      for (let at = start; at < end; at++) {
        // A comparison with NaN is false: it is taken when nothing else is left.
        const isLeft = right === end || (left < middle && !(from[right]! < from[left]!))
        to[at] = isLeft ? from[left++]! : from[right++]!
        if (at % runLength === 0) await turn()
      }
    }
    from = to
  }
  return from
}
