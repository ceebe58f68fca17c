// Balanced trees of rows: a row is a place in arrays, and many trees share these. Weight-balanced (Hirai and
// Yamamoto, "Balancing weight-balanced trees"): neither side of a row has more than about three times the
// rows of the other, so whatever the order in which rows come, the way to one has a few steps for each
// doubling.
import { longerInts } from './whole-values.ts'

const [weightRatio, rotationRatio] = [3, 2]
/** A tree of 2^31 rows is less deep. */
export const depthMax = 96

/** Lent to one call at a time. */
const way = new Int32Array(depthMax)

export abstract class BalancedTrees {
  /** The root of what comes before a row, and of what comes behind it; 0 is no row. */
  left: Int32Array<ArrayBuffer>
  right: Int32Array<ArrayBuffer>
  /** The rows of the tree whose root a row is. */
  size: Int32Array<ArrayBuffer>
  /** The rows beside the one that was inserted last; 0 where there is none. */
  before = 0
  after = 0

  constructor(capacity: number) {
    this.left = new Int32Array(capacity)
    this.right = new Int32Array(capacity)
    this.size = new Int32Array(capacity)
  }

  get treeBytes(): number {
    return this.left.byteLength * 3
  }

  protected growTrees(capacity: number): void {
    this.left = longerInts(this.left, capacity)
    this.right = longerInts(this.right, capacity)
    this.size = longerInts(this.size, capacity)
  }

  /** The order of rows, which no two share. */
  protected abstract isBefore(a: number, b: number): boolean
  /** What a row says of the tree whose root it is, made anew from what the rows below it say. */
  protected abstract sum(row: number, left: number, right: number): void
  /** The same, where a row was added to the tree. */
  protected abstract absorb(root: number, added: number): void

  /** Inserts a row, and gives the root of the tree. */
  insert(root: number, row: number): number {
    const { left, right, size } = this
    this.before = 0
    this.after = 0
    let depth = 0
    for (let at = root; at !== 0; ) {
      size[at]!++
      this.absorb(at, row)
      if (this.isBefore(row, at)) {
        this.after = at
        way[depth++] = ~at // To its left.
        at = left[at]!
      } else {
        this.before = at
        way[depth++] = at
        at = right[at]!
      }
    }
    left[row] = 0
    right[row] = 0
    this.#pull(row)
    let child = row
    while (depth > 0) {
      const step = way[--depth]!
      const at = step < 0 ? ~step : step
      if (step < 0) left[at] = child
      else right[at] = child
      child = this.#balanced(at)
    }
    return child
  }

  /** A tree of the rows in this order, which is that of `isBefore`. */
  build(rows: ArrayLike<number>, from: number, to: number): number {
    if (from === to) return 0
    const middle = (from + to) >> 1
    const row = rows[middle]!
    this.left[row] = this.build(rows, from, middle)
    this.right[row] = this.build(rows, middle + 1, to)
    this.#pull(row)
    return row
  }

  /** Writes the rows of a tree in their order from a place on, and gives the place behind them. */
  list(root: number, rows: Int32Array, from = 0): number {
    if (root === 0) return from
    const place = this.list(this.left[root]!, rows, from)
    rows[place] = root
    return this.list(this.right[root]!, rows, place + 1)
  }

  #pull(row: number): void {
    const [left, right] = [this.left[row]!, this.right[row]!]
    this.size[row] = this.size[left]! + this.size[right]! + 1
    this.sum(row, left, right)
  }

  #balanced(row: number): number {
    const { left, right, size } = this
    const [before, behind] = [left[row]!, right[row]!]
    const [lighter, heavier] = [size[before]! + 1, size[behind]! + 1]
    if (heavier > weightRatio * lighter) {
      const isSingle = size[left[behind]!]! + 1 < rotationRatio * (size[right[behind]!]! + 1)
      if (!isSingle) right[row] = this.#raisedLeft(behind)
      return this.#raisedRight(row)
    }
    if (lighter > weightRatio * heavier) {
      const isSingle = size[right[before]!]! + 1 < rotationRatio * (size[left[before]!]! + 1)
      if (!isSingle) left[row] = this.#raisedRight(before)
      return this.#raisedLeft(row)
    }
    return row
  }

  /** The row behind becomes the root. */
  #raisedRight(row: number): number {
    const top = this.right[row]!
    this.right[row] = this.left[top]!
    this.left[top] = row
    this.#pull(row)
    this.#pull(top)
    return top
  }

  #raisedLeft(row: number): number {
    const top = this.left[row]!
    this.left[row] = this.right[top]!
    this.right[top] = row
    this.#pull(row)
    this.#pull(top)
    return top
  }
}
