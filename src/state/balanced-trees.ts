// Balanced trees of rows: a row is a place in an array, and many trees share it. Weight-balanced (Hirai and
// Yamamoto, "Balancing weight-balanced trees"): neither side of a row has more than about two and a half
// times the rows of the other, so whatever the order in which rows come, the way to one has a few steps for
// each doubling. All that a step looks at of a row stands in one place of memory.

const [weightRatio, rotationRatio] = [2.5, 1.5]
/** A tree of 2^31 rows is less deep. */
export const depthMax = 96
/** Words of a row: two by which rows are ordered, the roots on either side, the rows of its tree, counts. */
export const [leftWord, rightWord, sizeWord, countWord] = [2, 3, 4, 5] as const

/** Lent to one call at a time. */
const way = new Int32Array(depthMax)

export abstract class BalancedTrees {
  /** How many words a row has; an even number. */
  readonly words: number
  /** The words of rows, by place; 0 is no row. */
  cells: Int32Array<ArrayBuffer>
  /** The rows beside the one that was inserted last; 0 where there is none. */
  before = 0
  after = 0

  constructor(countWords: number, capacity: number) {
    this.words = countWord + countWords + ((countWord + countWords) % 2)
    this.cells = new Int32Array(capacity * this.words)
  }

  get treeBytes(): number {
    return this.cells.byteLength
  }

  growTrees(capacity: number): void {
    const longer = new Int32Array(capacity * this.words)
    longer.set(this.cells)
    this.cells = longer
  }

  sizeOf(row: number): number {
    return this.cells[row * this.words + sizeWord]!
  }

  /** The order of rows, which no two share. */
  protected abstract isBefore(a: number, b: number): boolean
  /** What a row says of the tree whose root it is, made anew from what the rows below it say. */
  protected abstract sum(row: number, left: number, right: number): void
  /** The same, where a row was added to the tree. */
  protected abstract absorb(root: number, added: number): void

  /** Inserts a row, and gives the root of the tree. */
  insert(root: number, row: number): number {
    const { cells, words } = this
    this.before = 0
    this.after = 0
    let depth = 0
    for (let at = root; at !== 0; ) {
      const cell = at * words
      cells[cell + sizeWord]!++
      this.absorb(at, row)
      if (this.isBefore(row, at)) {
        this.after = at
        way[depth++] = ~at // To its left.
        at = cells[cell + leftWord]!
      } else {
        this.before = at
        way[depth++] = at
        at = cells[cell + rightWord]!
      }
    }
    cells[row * words + leftWord] = 0
    cells[row * words + rightWord] = 0
    this.#pull(row)
    let child = row
    while (depth > 0) {
      const step = way[--depth]!
      const at = step < 0 ? ~step : step
      cells[at * words + (step < 0 ? leftWord : rightWord)] = child
      child = this.#balanced(at)
    }
    return child
  }

  /** A tree of the rows in this order, which is that of `isBefore`. */
  build(rows: ArrayLike<number>, from: number, to: number): number {
    if (from === to) return 0
    const middle = (from + to) >> 1
    const row = rows[middle]!
    this.cells[row * this.words + leftWord] = this.build(rows, from, middle)
    this.cells[row * this.words + rightWord] = this.build(rows, middle + 1, to)
    this.#pull(row)
    return row
  }

  /** Writes the rows of a tree in their order from a place on, and gives the place behind them. */
  list(root: number, rows: Int32Array, from = 0): number {
    if (root === 0) return from
    const place = this.list(this.cells[root * this.words + leftWord]!, rows, from)
    rows[place] = root
    return this.list(this.cells[root * this.words + rightWord]!, rows, place + 1)
  }

  #pull(row: number): void {
    const cell = row * this.words
    const [left, right] = [this.cells[cell + leftWord]!, this.cells[cell + rightWord]!]
    this.cells[cell + sizeWord] = this.sizeOf(left) + this.sizeOf(right) + 1
    this.sum(row, left, right)
  }

  #weightOf(row: number, side: number): number {
    return this.sizeOf(this.cells[row * this.words + side]!) + 1
  }

  #balanced(row: number): number {
    const cell = row * this.words
    const [before, behind] = [this.cells[cell + leftWord]!, this.cells[cell + rightWord]!]
    const [first, second] = [this.sizeOf(before) + 1, this.sizeOf(behind) + 1]
    if (second > weightRatio * first) {
      const isSingle = this.#weightOf(behind, leftWord) < rotationRatio * this.#weightOf(behind, rightWord)
      if (!isSingle) this.cells[cell + rightWord] = this.#raised(behind, leftWord, rightWord)
      return this.#raised(row, rightWord, leftWord)
    }
    if (first > weightRatio * second) {
      const isSingle = this.#weightOf(before, rightWord) < rotationRatio * this.#weightOf(before, leftWord)
      if (!isSingle) this.cells[cell + leftWord] = this.#raised(before, rightWord, leftWord)
      return this.#raised(row, leftWord, rightWord)
    }
    return row
  }

  /** The row on the side becomes the root, with this one on its other side. */
  #raised(row: number, side: number, other: number): number {
    const { cells, words } = this
    const top = cells[row * words + side]!
    cells[row * words + side] = cells[top * words + other]!
    cells[top * words + other] = row
    this.#pull(row)
    this.#pull(top)
    return top
  }
}
