// How many different values the rows of a key have in a range of time that is as long for each row. The rows
// of a value that follow each other within the range are a run. A range that ends at a row has a value where
// one of its runs begins before the end and is not over before the start: were there no row of the run
// between, two that follow each other would be further apart than the range is long. So the values in a range
// are the runs that begin up to its end, less those that are over before its start: two counts along the
// order of time.
import { subtractWhole, type Whole } from '../columns/whole.ts'
import { BalancedTrees } from './balanced-trees.ts'
import { Counts } from './over-columns.ts'
import type { TimeTrees } from './time-trees.ts'

const [firstBit, lastBit] = [1, 2]

export class DistinctValues {
  /** Whether a row is the first of a run, or the last; of a null neither. */
  readonly #first: Counts
  readonly #last: Counts
  readonly #rangeMicros: Whole
  #bits: Uint8Array<ArrayBuffer>
  readonly #trees: ValueTrees
  readonly #times: TimeTrees

  /** `times` are the trees that order the same rows by time: they keep two counts more. */
  constructor(times: TimeTrees, rangeMicros: Whole, capacity: number) {
    this.#times = times
    this.#rangeMicros = rangeMicros
    this.#bits = new Uint8Array(capacity)
    this.#first = new Counts(times, (row) => this.#bits[row]! & firstBit)
    this.#last = new Counts(times, (row) => this.#bits[row]! >> 1)
    times.addSums(this.#first)
    times.addSums(this.#last)
    this.#trees = new ValueTrees(times, capacity)
  }

  get bytes(): number {
    return this.#trees.treeBytes + this.#bits.byteLength
  }

  grow(capacity: number): void {
    const bits = new Uint8Array(capacity)
    bits.set(this.#bits)
    this.#bits = bits
    this.#trees.growTrees(capacity)
  }

  /**
   * Adds a row whose time is known, and which is not yet in the tree of time, by the digest of its value.
   * Takes the roots of both trees, and gives that of the values.
   */
  add(root: number, timeRoot: number, row: number, a: number, b: number): number {
    const trees = this.#trees
    const times = this.#times
    trees.setDigest(row, a, b)
    const made = trees.insert(root, row)
    const [before, after] = [trees.before, trees.after]
    const followsOne = this.#isRun(before, row)
    const isFollowed = this.#isRun(row, after)
    this.#bits[row] = (followsOne ? 0 : firstBit) | (isFollowed ? 0 : lastBit)
    const wasRun = this.#isRun(before, after)
    if (followsOne && !wasRun) {
      this.#bits[before]! &= ~lastBit
      times.changeCount(timeRoot, before, this.#last.word, -1)
    }
    if (isFollowed && !wasRun) {
      this.#bits[after]! &= ~firstBit
      times.changeCount(timeRoot, after, this.#first.word, -1)
    }
    return made
  }

  /** A row with null: it is in no tree of values. */
  addNull(row: number): void {
    this.#bits[row] = 0
  }

  /** The values of a range that ends at a time, of the rows in the tree of time. */
  countAt(timeRoot: number, to: Whole): number {
    const before = subtractWhole(subtractWhole(to, this.#rangeMicros), 1)
    const times = this.#times
    return (
      times.countUpTo(timeRoot, to, this.#first.word) - times.countUpTo(timeRoot, before, this.#last.word)
    )
  }

  list(root: number, rows: Int32Array): number {
    return this.#trees.list(root, rows)
  }

  copyDigest(from: DistinctValues, row: number, to: number): void {
    const { cells, words } = from.#trees
    this.#trees.setDigest(to, cells[row * words]!, cells[row * words + 1]!)
  }

  /** The root of the tree of so many rows in their order; their times and digests are known. */
  build(rows: Int32Array, count: number): number {
    for (let index = 0; index < count; index++) {
      const row = rows[index]!
      const followsOne = index > 0 && this.#isRun(rows[index - 1]!, row)
      const isFollowed = index + 1 < count && this.#isRun(row, rows[index + 1]!)
      this.#bits[row] = (followsOne ? 0 : firstBit) | (isFollowed ? 0 : lastBit)
    }
    return this.#trees.build(rows, 0, count)
  }

  /** Whether two rows, neither of which need be there, have one value and are within the range. */
  #isRun(first: number, second: number): boolean {
    if (first === 0 || second === 0 || !this.#trees.isSame(first, second)) return false
    const times = this.#times
    return subtractWhole(times.timeOf(second), times.timeOf(first)) <= this.#rangeMicros
  }
}

/** Rows in order of their values' digests, which are their first words, those of one value in order of time. */
class ValueTrees extends BalancedTrees {
  readonly #times: TimeTrees

  constructor(times: TimeTrees, capacity: number) {
    super(0, capacity)
    this.#times = times
  }

  setDigest(row: number, a: number, b: number): void {
    this.cells[row * this.words] = a
    this.cells[row * this.words + 1] = b
  }

  isSame(first: number, second: number): boolean {
    const { cells, words } = this
    const [one, other] = [first * words, second * words]
    return cells[one] === cells[other] && cells[one + 1] === cells[other + 1]
  }

  protected isBefore(first: number, second: number): boolean {
    const { cells, words } = this
    const [one, other] = [first * words, second * words]
    if (cells[one] !== cells[other]) return cells[one]! < cells[other]!
    if (cells[one + 1] !== cells[other + 1]) return cells[one + 1]! < cells[other + 1]!
    const [micros, otherMicros] = [this.#times.timeOf(first), this.#times.timeOf(second)]
    return micros === otherMicros ? first < second : micros < otherMicros
  }

  protected absorb(): void {
    // Nothing is asked of whole trees.
  }

  protected sum(): void {
    // As above.
  }
}
