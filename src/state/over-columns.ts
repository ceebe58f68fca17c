// What is kept of the rows of a key beside their order: values, and what whole trees of rows come to. Each is
// an array by row, and a second one by the root of a tree.
import { addWhole, type Whole } from '../columns/whole.ts'
import type { RowsBetween, TimeTrees, TreeSums } from './time-trees.ts'
import { largeMark, WholeValues } from './whole-values.ts'

/** Of the values of a column, nulls left out. */
export abstract class Fold implements TreeSums {
  readonly #values: WholeValues
  readonly #trees: WholeValues

  constructor(values: WholeValues, capacity: number) {
    this.#values = values
    this.#trees = new WholeValues(capacity)
  }

  get bytes(): number {
    return this.#trees.bytes
  }

  /** Neither is null. */
  protected abstract exact(a: Whole, b: Whole): Whole
  /** The same of numbers as they stand in arrays: NaN is null, `largeMark` what only `exact` can tell. */
  protected abstract quick(a: number, b: number): number

  sum(row: number, left: number, right: number): void {
    const [values, trees] = [this.#values, this.#trees]
    const { numbers } = trees
    const quick = this.quick(this.quick(numbers[left]!, values.numbers[row]!), numbers[right]!)
    if (quick !== largeMark) numbers[row] = quick
    else trees.set(row, this.#both(this.#both(trees.at(left), values.at(row)), trees.at(right)))
  }

  absorb(root: number, added: number): void {
    const { numbers } = this.#trees
    const quick = this.quick(numbers[root]!, this.#values.numbers[added]!)
    if (quick !== largeMark) numbers[root] = quick
    else this.#trees.set(root, this.#both(this.#trees.at(root), this.#values.at(added)))
  }

  grow(capacity: number): void {
    this.#trees.grow(capacity)
  }

  of({ places, count }: RowsBetween): Whole | null {
    const [rows, trees] = [this.#values.numbers, this.#trees.numbers]
    let quick = Number.NaN
    for (let index = 0; index < count; index++) {
      const place = places[index]!
      quick = this.quick(quick, place < 0 ? rows[~place]! : trees[place]!)
    }
    if (quick !== largeMark) return Number.isNaN(quick) ? null : quick
    let exact: Whole | null = null
    for (let index = 0; index < count; index++) {
      const place = places[index]!
      exact = this.#both(exact, place < 0 ? this.#values.at(~place) : this.#trees.at(place))
    }
    return exact
  }

  #both(a: Whole | null, b: Whole | null): Whole | null {
    return a === null ? b : b === null ? a : this.exact(a, b)
  }
}

export class Sums extends Fold {
  protected exact(a: Whole, b: Whole): Whole {
    return addWhole(a, b)
  }

  protected quick(a: number, b: number): number {
    if (Number.isNaN(a)) return b
    if (Number.isNaN(b)) return a
    const sum = a + b
    return sum <= Number.MAX_SAFE_INTEGER && sum >= -Number.MAX_SAFE_INTEGER ? sum : largeMark
  }
}

export class Least extends Fold {
  protected exact(a: Whole, b: Whole): Whole {
    return a < b ? a : b
  }

  protected quick(a: number, b: number): number {
    if (Number.isNaN(a)) return b
    if (Number.isNaN(b)) return a
    return a === largeMark || b === largeMark ? largeMark : a < b ? a : b
  }
}

export class Greatest extends Fold {
  protected exact(a: Whole, b: Whole): Whole {
    return a > b ? a : b
  }

  protected quick(a: number, b: number): number {
    if (Number.isNaN(a)) return b
    if (Number.isNaN(b)) return a
    return a > b ? a : b // The mark is the greatest.
  }
}

/** How many rows of a tree have something; it stands beside what the tree needs of each row. */
export class Counts implements TreeSums {
  readonly word: number
  readonly bytes = 0
  readonly #times: TimeTrees
  readonly #has: (row: number) => number

  /** `has` gives 1 or 0. */
  constructor(times: TimeTrees, has: (row: number) => number) {
    this.#times = times
    this.#has = has
    this.word = times.takeCountWord()
  }

  absorb(root: number, added: number): void {
    this.#times.cells[root * this.#times.words + this.word]! += this.#has(added)
  }

  sum(row: number, left: number, right: number): void {
    const { cells, words } = this.#times
    const below = cells[left * words + this.word]! + cells[right * words + this.word]!
    cells[row * words + this.word] = below + this.#has(row)
  }

  grow(): void {
    // The tree grows.
  }

  of({ places, count }: RowsBetween): number {
    const { cells, words } = this.#times
    let sum = 0
    for (let index = 0; index < count; index++) {
      const place = places[index]!
      sum += place < 0 ? this.#has(~place) : cells[place * words + this.word]!
    }
    return sum
  }
}
