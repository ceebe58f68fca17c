// What is usual for a figure: the median of its last values, and the median of the distances from it.
import { quantileOf } from '../expr/index.ts'

export type Usual = { readonly expected: number; readonly deviation: number }

export class Baselines {
  readonly #last = new Map<string, LastValues>()
  readonly #rowsMin: number
  readonly #rowsMax: number

  constructor({ rowsMin, rowsMax }: { readonly rowsMin: number; readonly rowsMax: number }) {
    this.#rowsMin = rowsMin
    this.#rowsMax = rowsMax
  }

  /** What is usual as long as no more values come; null where there are too few. */
  usual(key: string): Usual | null {
    const last = this.#last.get(key)
    return last === undefined || last.count < this.#rowsMin ? null : usualOf(last.sorted)
  }

  add(key: string, value: number): void {
    let last = this.#last.get(key)
    if (last === undefined) {
      last = new LastValues(this.#rowsMax)
      this.#last.set(key, last)
    }
    last.add(value)
  }
}

/** The last values of a key, as they came and in ascending order. */
class LastValues {
  count = 0
  readonly #came: Float64Array
  readonly #sorted: Float64Array
  #oldest = 0

  constructor(countMax: number) {
    this.#came = new Float64Array(countMax)
    this.#sorted = new Float64Array(countMax)
  }

  get sorted(): Float64Array {
    return this.#sorted.subarray(0, this.count)
  }

  add(value: number): void {
    const [came, sorted] = [this.#came, this.#sorted]
    let free = this.count
    if (this.count === came.length) {
      free = placeOf(sorted, this.count, came[this.#oldest]!)
      came[this.#oldest] = value
      this.#oldest = (this.#oldest + 1) % came.length
    } else {
      came[this.count++] = value
    }
    // The values between the free place and that of the new one move by one.
    while (free > 0 && isBefore(value, sorted[free - 1]!)) sorted[free] = sorted[--free]!
    while (free + 1 < this.count && isBefore(sorted[free + 1]!, value)) sorted[free] = sorted[++free]!
    sorted[free] = value
  }
}

/** NaN is the last, as where doubles are sorted. */
function isBefore(a: number, b: number): boolean {
  return a < b || (Number.isNaN(b) && !Number.isNaN(a))
}

/** Where the value stands, which is there. */
function placeOf(sorted: Float64Array, count: number, value: number): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(sorted[middle]!, value)) low = middle + 1
    else high = middle
  }
  return low
}

function usualOf(sorted: Float64Array): Usual {
  const expected = quantileOf(sorted, 0.5)!
  const distances = new Float64Array(sorted.length)
  let right = placeOf(sorted, sorted.length, expected)
  let left = right - 1
  // On either side of the median the distances grow: so far as they are asked for they are put in order.
  const wanted = Math.floor(sorted.length / 2) + 1
  for (let at = 0; at < wanted; at++) {
    const below = left < 0 ? Number.POSITIVE_INFINITY : expected - sorted[left]!
    const above = right === sorted.length ? Number.POSITIVE_INFINITY : sorted[right]! - expected
    if (Number.isNaN(below) || Number.isNaN(above))
      return { expected, deviation: sortedMedian(sorted, expected) }
    if (below <= above) left--
    else right++
    distances[at] = Math.min(below, above)
  }
  return { expected, deviation: quantileOf(distances, 0.5)! }
}

/** What is infinite has no order by its distance. */
function sortedMedian(values: Float64Array, expected: number): number {
  return quantileOf(values.map((value) => Math.abs(value - expected)).sort(), 0.5)!
}
