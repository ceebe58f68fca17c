// The rows of a key in order of their times, and among those of one time in that of their arrival: a later
// row has a greater place.
import type { Whole } from '../columns/whole.ts'
import { BalancedTrees, countWord, leftWord, rightWord, sizeWord } from './balanced-trees.ts'
import { largeMark } from './whole-values.ts'

/**
 * The rows between two times: so many places of which each is the root of a tree of such rows, or, where it
 * is negative, the complement of one row.
 */
export type RowsBetween = { readonly places: Int32Array; count: number }

/** What an aggregate keeps for each tree. */
export type TreeSums = {
  /** For the tree whose root a row is, from those on either side of it. */
  sum(row: number, left: number, right: number): void
  /** For a tree that a row was added to. */
  absorb(root: number, added: number): void
  grow(capacity: number): void
  readonly bytes: number
}

/** What an entry of the map takes, about. */
const largeBytes = 80

export class TimeTrees extends BalancedTrees {
  /** The first two words of a row: its time, or `largeMark` where no double holds it. */
  #doubles: Float64Array<ArrayBuffer>
  readonly #large = new Map<number, bigint>()
  readonly #sums: TreeSums[] = []
  #counts = 0

  /** Of which so many of `sums` are counts. */
  constructor(counts: number, capacity: number) {
    super(counts, capacity)
    this.#doubles = new Float64Array(this.cells.buffer)
  }

  get bytes(): number {
    return this.treeBytes + this.#large.size * largeBytes
  }

  /** The word of a row where a count of its tree stands; another one with each call. */
  takeCountWord(): number {
    return countWord + this.#counts++
  }

  /** Kept of all trees from now on; to be called before the first row. */
  addSums(sums: TreeSums): void {
    this.#sums.push(sums)
  }

  timeOf(row: number): Whole {
    const micros = this.#doubles[(row * this.words) >> 1]!
    return micros === largeMark ? this.#large.get(row)! : micros
  }

  setTime(row: number, micros: Whole): void {
    const isLarge = typeof micros === 'bigint'
    if (isLarge) this.#large.set(row, micros)
    this.#doubles[(row * this.words) >> 1] = isLarge ? largeMark : micros
  }

  grow(capacity: number): void {
    this.growTrees(capacity)
    this.#doubles = new Float64Array(this.cells.buffer)
  }

  /** The rows of the tree from one time to another, both included; a null end is that of the tree. */
  between(root: number, from: Whole, to: Whole | null, into: RowsBetween): void {
    const { cells, words } = this
    const { places } = into
    let count = 0
    let top = root
    while (top !== 0) {
      const micros = this.timeOf(top)
      if (micros < from) top = cells[top * words + rightWord]!
      else if (to !== null && micros > to) top = cells[top * words + leftWord]!
      else break
    }
    into.count = 0
    if (top === 0) return
    places[count++] = ~top
    for (let at = cells[top * words + leftWord]!; at !== 0; ) {
      const behind = cells[at * words + rightWord]!
      if (this.timeOf(at) < from) at = behind
      else {
        places[count++] = ~at
        if (behind !== 0) places[count++] = behind
        at = cells[at * words + leftWord]!
      }
    }
    if (to === null && cells[top * words + rightWord] !== 0) places[count++] = cells[top * words + rightWord]!
    for (let at = to === null ? 0 : cells[top * words + rightWord]!; at !== 0; ) {
      const before = cells[at * words + leftWord]!
      if (this.timeOf(at) > to!) at = before
      else {
        places[count++] = ~at
        if (before !== 0) places[count++] = before
        at = cells[at * words + rightWord]!
      }
    }
    into.count = count
  }

  rowCount({ places, count }: RowsBetween): number {
    let sum = 0
    for (let index = 0; index < count; index++) sum += places[index]! < 0 ? 1 : this.sizeOf(places[index]!)
    return sum
  }

  rowsBefore(root: number, micros: Whole): number {
    const { cells, words } = this
    let sum = 0
    for (let at = root; at !== 0; ) {
      const left = cells[at * words + leftWord]!
      if (this.timeOf(at) < micros) {
        sum += cells[left * words + sizeWord]! + 1
        at = cells[at * words + rightWord]!
      } else at = left
    }
    return sum
  }

  /** A count of the rows of the tree up to a time, which stands at the word. */
  countUpTo(root: number, micros: Whole, word: number): number {
    const { cells, words } = this
    let sum = 0
    for (let at = root; at !== 0; ) {
      const cell = at * words
      const right = cells[cell + rightWord]!
      if (this.timeOf(at) <= micros) {
        sum += cells[cell + word]! - cells[right * words + word]!
        at = right
      } else at = cells[cell + leftWord]!
    }
    return sum
  }

  /** Changes the count of a row of the tree by so much. */
  changeCount(root: number, row: number, word: number, by: number): void {
    const { cells, words } = this
    for (let at = root; ; ) {
      const cell = at * words
      cells[cell + word]! += by
      if (at === row) return
      at = cells[cell + (this.isBefore(row, at) ? leftWord : rightWord)]!
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
