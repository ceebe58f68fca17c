// The rows of some keys, with what the operator `over` asks of them.
import { hundredthsAsDouble, subtractWhole, type Whole } from '../columns/whole.ts'
import type { ColumnType } from '../expr/index.ts'
import type { OverAggregate } from '../plan/index.ts'
import { depthMax } from './balanced-trees.ts'
import { DistinctValues } from './distinct-values.ts'
import { Counts, type Fold, Greatest, Least, Sums } from './over-columns.ts'
import { type RowsBetween, TimeTrees, type TreeSums } from './time-trees.ts'
import { WholeValues } from './whole-values.ts'

export type ValueUse = {
  readonly type: ColumnType
  /** Whether its values are computed with, or given back. */
  readonly isStored: boolean
  readonly isCounted: boolean
}

export type OverShape = {
  readonly rangeMicros: Whole
  readonly aggregates: readonly OverAggregate[]
  /** By column. */
  readonly values: ReadonlyMap<string, ValueUse>
}

/** A row's values in the order of the shape's; lent by the caller to one call at a time. */
export type GivenValues = {
  /** As numbers; null is null. */
  readonly stored: (Whole | null)[]
  /** Digests of those that are counted, two words each. */
  readonly digests: Int32Array
  readonly isNull: Uint8Array
}

type Measure = (asked: Asked) => Whole | null
type Asked = { root: number; before: number; micros: Whole }

/** Places begin at 1. */
const rowsMin = 8
const growth = 1.5
const keysMin = 4
const fillMax = 0.75
/** A key is two words of its digest, the root of its rows, and for each column that of its values. */
const rootWord = 2
/** What objects of JavaScript take beside the arrays, for each of them. */
const objectBytes = 120

/** Lent to one call at a time. */
const between: RowsBetween = { places: new Int32Array(4 * depthMax), count: 0 }
const asked: Asked = { root: 0, before: 0, micros: 0 }

export class OverShard {
  readonly #shape: OverShape
  readonly #times: TimeTrees
  readonly #sums: TreeSums[] = []
  readonly #stored: readonly (WholeValues | null)[]
  readonly #distinct: readonly (DistinctValues | null)[]
  readonly #measures: readonly Measure[]
  readonly #needsBetween: boolean
  readonly #wordsOfKey: number
  #capacity: number
  #used = 0
  #keys: Int32Array<ArrayBuffer>
  #keyCount = 0

  constructor(shape: OverShape, rowCount = 0) {
    this.#shape = shape
    this.#capacity = Math.max(rowsMin, Math.ceil(rowCount * 1.1) + 1)
    const uses = [...shape.values.values()]
    const capacity = this.#capacity
    const distinctCount = uses.filter(({ isCounted }) => isCounted).length
    const meanCount = shape.aggregates.filter(({ function: of }) => of === 'mean').length
    this.#times = new TimeTrees(2 * distinctCount + meanCount, capacity)
    this.#stored = uses.map(({ isStored }) => (isStored ? new WholeValues(capacity) : null))
    this.#distinct = uses.map(({ isCounted }) =>
      isCounted ? new DistinctValues(this.#times, shape.rangeMicros, capacity) : null,
    )
    const names = [...shape.values.keys()]
    this.#measures = shape.aggregates.map((one) => {
      const column = 'of' in one ? names.indexOf(one.of) : -1
      return this.#measure(one, uses[column]?.type ?? 'int', column)
    })
    this.#needsBetween = shape.aggregates.some(({ function: of }) => isOverRange.has(of))
    this.#wordsOfKey = rootWord + 1 + uses.length
    this.#keys = new Int32Array(keysMin * this.#wordsOfKey)
  }

  get rowCount(): number {
    return this.#used
  }

  get bytes(): number {
    let sum = this.#times.bytes + this.#keys.byteLength + 10 * objectBytes
    for (const one of [...this.#sums, ...this.#stored, ...this.#distinct]) {
      if (one !== null) sum += one.bytes + objectBytes
    }
    return sum
  }

  /** Adds a row of the key of that digest; with `results`, also what the aggregates come to. */
  add(a: number, b: number, micros: Whole, given: GivenValues, results: (Whole | null)[] | null): void {
    if (this.#used + 1 >= this.#capacity) this.#grow()
    const row = ++this.#used
    const key = this.#keyOf(a, b)
    const keys = this.#keys
    const root = keys[key + rootWord]!
    const times = this.#times
    times.setTime(row, micros)
    for (let column = 0; column < this.#stored.length; column++) {
      this.#stored[column]?.set(row, given.stored[column]!)
      const distinct = this.#distinct[column]
      if (distinct === null || distinct === undefined) continue
      const at = key + rootWord + 1 + column
      if (given.isNull[column] === 1) distinct.addNull(row)
      else {
        const [first, second] = [given.digests[2 * column]!, given.digests[2 * column + 1]!]
        keys[at] = distinct.add(keys[at]!, root, row, first, second)
      }
    }
    const made = times.insert(root, row)
    keys[key + rootWord] = made
    if (results === null) return
    const from = subtractWhole(micros, this.#shape.rangeMicros)
    // Mostly no row of the key is later.
    if (this.#needsBetween) times.between(made, from, times.after === 0 ? null : micros, between)
    const { before } = times
    asked.root = made
    asked.micros = micros
    asked.before = before !== 0 && times.timeOf(before) >= from ? before : 0
    for (let index = 0; index < this.#measures.length; index++) results[index] = this.#measures[index]!(asked)
  }

  /** How many rows are earlier. */
  rowsBefore(micros: Whole): number {
    let sum = 0
    for (let key = 0; key < this.#keys.length; key += this.#wordsOfKey) {
      const root = this.#keys[key + rootWord]!
      if (root !== 0) sum += this.#times.rowsBefore(root, micros)
    }
    return sum
  }

  /** A shard of the rows that are not earlier than `line`, of those that came before so many were there. */
  kept(line: Whole | null, rowCount = this.#used): OverShard {
    const count = line === null ? rowCount : this.#used - this.rowsBefore(line)
    const made = new OverShard(this.#shape, count)
    const rows = new Int32Array(this.#used)
    const places = new Int32Array(this.#used + 1)
    for (let key = 0; key < this.#keys.length; key += this.#wordsOfKey) {
      const root = this.#keys[key + rootWord]!
      if (root === 0) continue
      const all = this.#times.list(root, rows)
      let stays = 0
      for (let index = 0; index < all; index++) {
        const row = rows[index]!
        if (row > rowCount || (line !== null && this.#times.timeOf(row) < line)) continue
        rows[stays++] = row
      }
      if (stays > 0) made.#take(this, key, rows, stays, places)
    }
    return made
  }

  /** Takes the rows of a key of another shard, in order of time; `places` gets where they are here. */
  #take(from: OverShard, fromKey: number, rows: Int32Array, count: number, places: Int32Array): void {
    while (this.#used + count >= this.#capacity) this.#grow()
    const key = this.#keyOf(from.#keys[fromKey]!, from.#keys[fromKey + 1]!)
    const first = this.#used + 1
    for (let index = 0; index < count; index++) {
      const row = rows[index]!
      const place = ++this.#used
      places[row] = place
      this.#times.setTime(place, from.#times.timeOf(row))
      for (const [column, stored] of this.#stored.entries()) stored?.set(place, from.#stored[column]!.at(row))
      for (const [column, distinct] of this.#distinct.entries()) {
        distinct?.copyDigest(from.#distinct[column]!, row, place)
      }
      rows[index] = place
    }
    for (const [column, distinct] of this.#distinct.entries()) {
      if (distinct === null) continue
      const values = new Int32Array(from.#times.sizeOf(from.#keys[fromKey + rootWord]!))
      const all = from.#distinct[column]!.list(from.#keys[fromKey + rootWord + 1 + column]!, values)
      let stays = 0
      for (let index = 0; index < all; index++) {
        const place = places[values[index]!]!
        if (place >= first) values[stays++] = place
      }
      this.#keys[key + rootWord + 1 + column] = distinct.build(values, stays)
    }
    this.#keys[key + rootWord] = this.#times.build(rows, 0, count)
  }

  #grow(): void {
    this.#capacity = Math.ceil(this.#capacity * growth) + 1
    this.#times.grow(this.#capacity)
    for (const one of [...this.#sums, ...this.#stored, ...this.#distinct]) one?.grow(this.#capacity)
  }

  /** Where the key stands, which is made where it is absent. */
  #keyOf(a: number, b: number): number {
    const place = this.#find(a, b)
    if (this.#keys[place + rootWord] !== 0) return place
    const words = this.#wordsOfKey
    if ((this.#keyCount + 1) * words > this.#keys.length * fillMax) {
      const old = this.#keys
      this.#keys = new Int32Array((Math.ceil((old.length / words) * growth) + 1) * words)
      for (let key = 0; key < old.length; key += words) {
        if (old[key + rootWord] === 0) continue
        this.#keys.set(old.subarray(key, key + words), this.#find(old[key]!, old[key + 1]!))
      }
      return this.#keyOf(a, b)
    }
    this.#keyCount++
    this.#keys[place] = a
    this.#keys[place + 1] = b
    return place
  }

  /** A key without a root is a free place. */
  #find(a: number, b: number): number {
    const [keys, words] = [this.#keys, this.#wordsOfKey]
    let key = Math.floor(((a >>> 0) * (keys.length / words)) / 4_294_967_296) * words
    while (keys[key + rootWord] !== 0 && (keys[key] !== a || keys[key + 1] !== b)) {
      key += words
      if (key === keys.length) key = 0
    }
    return key
  }

  #measure(aggregate: OverAggregate, type: ColumnType, column: number): Measure {
    // What it needs of whole trees.
    const added = <T extends TreeSums>(one: T): T => {
      this.#sums.push(one)
      this.#times.addSums(one)
      return one
    }
    switch (aggregate.function) {
      case 'count':
        return () => this.#times.rowCount(between)
      case 'sincePrevious':
        return ({ before, micros }) =>
          before === 0 ? null : subtractWhole(micros, this.#times.timeOf(before))
      case 'previous': {
        const stored = this.#stored[column]!
        return ({ before }) => (before === 0 ? null : stored.at(before))
      }
      case 'distinct': {
        const distinct = this.#distinct[column]!
        return ({ root, micros }) => distinct.countAt(root, micros)
      }
      case 'mean': {
        const sum: Fold = added(new Sums(this.#stored[column]!, this.#capacity))
        const stored = this.#stored[column]!
        const count = added(new Counts(this.#times, (row) => (Number.isNaN(stored.numbers[row]!) ? 0 : 1)))
        return () => meanOf(type, sum.of(between), count.of(between))
      }
      default: {
        const fold = added(new folds[aggregate.function](this.#stored[column]!, this.#capacity))
        return () => fold.of(between)
      }
    }
  }
}

const folds = { sum: Sums, min: Least, max: Greatest } as const
const isOverRange: ReadonlySet<OverAggregate['function']> = new Set(['count', 'sum', 'mean', 'min', 'max'])

/** As SQL divides: both as doubles. */
function meanOf(type: ColumnType, sum: Whole | null, count: number): number | null {
  if (sum === null) return null
  return (type === 'int' || type === 'long' ? Number(sum) : hundredthsAsDouble(sum)) / count
}
