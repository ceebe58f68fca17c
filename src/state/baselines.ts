// What is usual for a figure: the median of its last values, and the median of the distances from it.
import { quantileOf } from '../expr/index.ts'

export type Usual = { readonly expected: number; readonly deviation: number }

/** The last values of each key, the oldest first. */
export class Baselines {
  readonly #values = new Map<string, number[]>()
  readonly #rowsMin: number
  readonly #rowsMax: number

  constructor({ rowsMin, rowsMax }: { readonly rowsMin: number; readonly rowsMax: number }) {
    this.#rowsMin = rowsMin
    this.#rowsMax = rowsMax
  }

  /** What is usual as long as no more values come; null where there are too few. */
  usual(key: string): Usual | null {
    const values = this.#values.get(key) ?? []
    if (values.length < this.#rowsMin) return null
    const expected = medianOf(values)
    return { expected, deviation: medianOf(values.map((value) => Math.abs(value - expected))) }
  }

  add(key: string, value: number): void {
    const values = this.#values.get(key) ?? []
    this.#values.set(key, values)
    values.push(value)
    if (values.length > this.#rowsMax) values.shift()
  }
}

function medianOf(values: readonly number[]): number {
  return quantileOf(Float64Array.from(values).sort(), 0.5)!
}
