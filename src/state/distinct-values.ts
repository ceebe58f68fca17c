// How many different values the rows of a key have in a range of time that is as long for each row. The rows
// of a value that follow each other within the range are a run. A range that ends at a row has a value where
// one of its runs begins before the end and is not over before the start: were there no row of the run
// between, two that follow each other would be further apart than the range is long. So the values in a range
// are the runs that begin up to its end, less those that are over before its start: two counts along the
// order of time.
import { subtractWhole, type Whole } from '../columns/whole.ts'
import { BalancedTrees } from './balanced-trees.ts'
import { Marks, type TreeSums } from './over-columns.ts'
import type { TimeTrees } from './time-trees.ts'
import { longerInts } from './whole-values.ts'

const [firstBit, lastBit] = [1, 2]

export class DistinctValues {
  /** Whether a row is the first of a run, or the last; of a null neither. */
  readonly #first: Marks
  readonly #last: Marks
  readonly #rangeMicros: Whole
  #bits: Uint8Array<ArrayBuffer>
  readonly #trees: ValueTrees
  #times: TimeTrees | null = null

  constructor(rangeMicros: Whole, capacity: number) {
    this.#rangeMicros = rangeMicros
    this.#bits = new Uint8Array(capacity)
    this.#first = new Marks((row) => this.#bits[row]! & firstBit, capacity)
    this.#last = new Marks((row) => this.#bits[row]! >> 1, capacity)
    this.#trees = new ValueTrees(capacity, (row) => this.#times!.timeOf(row))
  }

  /** To be kept by the trees that order the rows by time. */
  get sums(): readonly TreeSums[] {
    return [this.#first, this.#last]
  }

  /** The trees that order the same rows by time. */
  set times(times: TimeTrees) {
    this.#times = times
  }

  get bytes(): number {
    return this.#trees.bytes + this.#bits.byteLength
  }

  grow(capacity: number): void {
    const bits = new Uint8Array(capacity)
    bits.set(this.#bits)
    this.#bits = bits
    this.#trees.grow(capacity)
  }

  /**
   * Adds a row whose time is known, and which is not yet in the tree of time, by the digest of its value.
   * Takes the roots of both trees, and gives that of the values.
   */
  add(root: number, timeRoot: number, row: number, a: number, b: number): number {
    const trees = this.#trees
    const times = this.#times!
    trees.setDigest(row, a, b)
    const made = trees.insert(root, row)
    const [before, after] = [trees.before, trees.after]
    const followsOne = this.#isRun(before, row)
    const isFollowed = this.#isRun(row, after)
    this.#bits[row] = (followsOne ? 0 : firstBit) | (isFollowed ? 0 : lastBit)
    const wasRun = this.#isRun(before, after)
    if (followsOne && !wasRun) {
      this.#bits[before]! &= ~lastBit
      times.changeMark(timeRoot, before, this.#last, -1)
    }
    if (isFollowed && !wasRun) {
      this.#bits[after]! &= ~firstBit
      times.changeMark(timeRoot, after, this.#first, -1)
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
    const times = this.#times!
    return times.markedUpTo(timeRoot, to, this.#first) - times.markedUpTo(timeRoot, before, this.#last)
  }

  list(root: number, rows: Int32Array): number {
    return this.#trees.list(root, rows)
  }

  copyDigest(from: DistinctValues, row: number, to: number): void {
    this.#trees.setDigest(to, from.#trees.a[row]!, from.#trees.b[row]!)
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
    const times = this.#times!
    return subtractWhole(times.timeOf(second), times.timeOf(first)) <= this.#rangeMicros
  }
}

/** Rows in order of their values' digests, those of one value in order of time. */
class ValueTrees extends BalancedTrees {
  a: Int32Array<ArrayBuffer>
  b: Int32Array<ArrayBuffer>
  readonly #timeOf: (row: number) => Whole

  constructor(capacity: number, timeOf: (row: number) => Whole) {
    super(capacity)
    this.a = new Int32Array(capacity)
    this.b = new Int32Array(capacity)
    this.#timeOf = timeOf
  }

  get bytes(): number {
    return this.treeBytes + this.a.byteLength * 2
  }

  grow(capacity: number): void {
    this.growTrees(capacity)
    this.a = longerInts(this.a, capacity)
    this.b = longerInts(this.b, capacity)
  }

  setDigest(row: number, a: number, b: number): void {
    this.a[row] = a
    this.b[row] = b
  }

  isSame(first: number, second: number): boolean {
    return this.a[first] === this.a[second] && this.b[first] === this.b[second]
  }

  protected isBefore(first: number, second: number): boolean {
    const { a, b } = this
    if (a[first] !== a[second]) return a[first]! < a[second]!
    if (b[first] !== b[second]) return b[first]! < b[second]!
    const [one, other] = [this.#timeOf(first), this.#timeOf(second)]
    return one === other ? first < second : one < other
  }

  protected absorb(): void {
    // Nothing is asked of whole trees.
  }

  protected sum(): void {
    // As above.
  }
}
