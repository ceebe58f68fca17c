// The rows of a key in order of their times, and among those of one time in that of their arrival: a later
// row has a greater place.
import type { Whole } from '../columns/whole.ts'
import { BalancedTrees } from './balanced-trees.ts'
import type { Marks, RowsBetween, TreeSums } from './over-columns.ts'
import { largeMark, WholeValues } from './whole-values.ts'

export class TimeTrees extends BalancedTrees {
  readonly #times: WholeValues
  readonly #sums: readonly TreeSums[]

  constructor(sums: readonly TreeSums[], capacity: number) {
    super(capacity)
    this.#times = new WholeValues(capacity)
    this.#sums = sums
  }

  get bytes(): number {
    return this.treeBytes + this.#times.bytes
  }

  timeOf(row: number): Whole {
    const micros = this.#times.numbers[row]!
    return micros === largeMark ? this.#times.at(row)! : micros
  }

  setTime(row: number, micros: Whole): void {
    this.#times.set(row, micros)
  }

  grow(capacity: number): void {
    this.growTrees(capacity)
    this.#times.grow(capacity)
  }

  /** The rows of the tree from one time to another, both included. */
  between(root: number, from: Whole, to: Whole, into: RowsBetween): void {
    const { left, right } = this
    const { places } = into
    let count = 0
    let top = root
    for (; top !== 0; ) {
      const micros = this.timeOf(top)
      if (micros < from) top = right[top]!
      else if (micros > to) top = left[top]!
      else break
    }
    into.count = 0
    if (top === 0) return
    places[count++] = ~top
    for (let at = left[top]!; at !== 0; ) {
      if (this.timeOf(at) < from) at = right[at]!
      else {
        places[count++] = ~at
        if (right[at] !== 0) places[count++] = right[at]!
        at = left[at]!
      }
    }
    for (let at = right[top]!; at !== 0; ) {
      if (this.timeOf(at) > to) at = left[at]!
      else {
        places[count++] = ~at
        if (left[at] !== 0) places[count++] = left[at]!
        at = right[at]!
      }
    }
    into.count = count
  }

  rowCount({ places, count }: RowsBetween): number {
    let sum = 0
    for (let index = 0; index < count; index++) sum += places[index]! < 0 ? 1 : this.size[places[index]!]!
    return sum
  }

  rowsBefore(root: number, micros: Whole): number {
    let sum = 0
    for (let at = root; at !== 0; ) {
      if (this.timeOf(at) < micros) {
        sum += this.size[this.left[at]!]! + 1
        at = this.right[at]!
      } else at = this.left[at]!
    }
    return sum
  }

  /** How many rows of the tree up to a time have the mark. */
  markedUpTo(root: number, micros: Whole, marks: Marks): number {
    let sum = 0
    for (let at = root; at !== 0; ) {
      if (this.timeOf(at) <= micros) {
        sum += marks.trees[this.left[at]!]! + marks.own(at)
        at = this.right[at]!
      } else at = this.left[at]!
    }
    return sum
  }

  /** A row of the tree has got the mark, or lost it (-1). */
  changeMark(root: number, row: number, marks: Marks, by: 1 | -1): void {
    for (let at = root; ; at = this.isBefore(row, at) ? this.left[at]! : this.right[at]!) {
      marks.trees[at]! += by
      if (at === row) return
    }
  }

  protected isBefore(a: number, b: number): boolean {
    const [first, second] = [this.timeOf(a), this.timeOf(b)]
    return first === second ? a < b : first < second
  }

  protected absorb(root: number, added: number): void {
    const sums = this.#sums
    for (let index = 0; index < sums.length; index++) sums[index]!.absorb(root, added)
  }

  protected sum(row: number, left: number, right: number): void {
    for (const sums of this.#sums) sums.sum(row, left, right)
  }
}
