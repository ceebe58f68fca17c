// Whole numbers of any size, or null, by place: in a typed array, but for those that a double does not hold.
import type { Whole } from '../columns/whole.ts'

/** What stands in the array for null, and for a number that stands in the map. */
const nullMark = Number.NaN
export const largeMark = Number.POSITIVE_INFINITY
/** What an entry of the map takes, about. */
const largeBytes = 80

export class WholeValues {
  /** NaN is null; `largeMark` says that `at` has to be asked. */
  numbers: Float64Array<ArrayBuffer>
  readonly #large = new Map<number, bigint>()

  constructor(capacity: number) {
    this.numbers = new Float64Array(capacity).fill(nullMark)
  }

  get bytes(): number {
    return this.numbers.byteLength + this.#large.size * largeBytes
  }

  at(place: number): Whole | null {
    const value = this.numbers[place]!
    if (value === largeMark) return this.#large.get(place)!
    return Number.isNaN(value) ? null : value
  }

  set(place: number, value: Whole | null): void {
    if (typeof value === 'number') this.numbers[place] = value
    else if (value === null) this.numbers[place] = nullMark
    else {
      this.numbers[place] = largeMark
      this.#large.set(place, value)
    }
  }

  grow(capacity: number): void {
    const longer = new Float64Array(capacity).fill(nullMark, this.numbers.length)
    longer.set(this.numbers)
    this.numbers = longer
  }
}
