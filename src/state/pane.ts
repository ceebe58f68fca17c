// The groups of a stretch of event time, with what their aggregates have come to.
import type { Column, NumberColumn } from '../columns/column.ts'
import type { Whole } from '../columns/whole.ts'
import type { Accumulator, Value } from '../expr/index.ts'
import { turn } from '../steps/turn.ts'
import { IdSet } from './id-set.ts'
import { PairIndex } from './pair-index.ts'
import { SortedDoubles } from './sorted-doubles.ts'

/** So many values are counted without a look at the clock. */
const pairsAtOnce = 4096

type Fold = Extract<Accumulator, { kind: 'fold' }>

/** What objects of JavaScript take beside the values in them: a pane, an index, a list of figures. */
const [paneBytes, indexBytes, listBytes] = [300, 600, 200]

/** Group keys and values of `distinct` are ids of interned values; 0 is null. */
export type PaneShape = {
  readonly keyCount: number
  readonly folds: readonly Fold[]
  readonly distinctCount: number
  /** Of so many columns all values are kept: doubles. */
  readonly valuesCount: number
}

/** By row; an id of 0 is null. */
export type PaneRows = {
  readonly keys: readonly Int32Array[]
  /** The arguments of folds; null for one that has none. */
  readonly folds: readonly (Column | null)[]
  readonly distinct: readonly Int32Array[]
  readonly values: readonly NumberColumn[]
}

export class Pane {
  readonly startMicros: number
  readonly #shape: PaneShape
  /** Of the group of the keys before and the next key. */
  readonly #groups: readonly PairIndex[]
  /** By fold, then by group. */
  readonly folded: readonly (Whole | null)[][]
  /** By count, the group's number and the value's id; empty where all rows are of one group. */
  readonly #pairs: readonly PairIndex[]
  readonly #counts: readonly number[][]
  /** By count, the ids of the values, where all rows are of one group. */
  readonly #ids: readonly IdSet[]
  /** By column, then by group. */
  readonly #values: readonly SortedDoubles[][]
  #groupCount = 0

  /** `like` is a pane that may have about as much. */
  constructor(shape: PaneShape, startMicros: number, like: Pane | null = null) {
    this.startMicros = startMicros
    this.#shape = shape
    this.#groups = indexesLike(shape.keyCount, like === null ? [] : like.#groups)
    this.folded = shape.folds.map(() => [])
    const isOneGroup = shape.keyCount === 0
    this.#pairs = indexesLike(isOneGroup ? 0 : shape.distinctCount, like === null ? [] : like.#pairs)
    const ids = like === null ? [] : like.#ids
    this.#ids = Array.from(
      { length: isOneGroup ? shape.distinctCount : 0 },
      (_, index) => new IdSet(ids[index]),
    )
    this.#counts = this.#pairs.map(() => [])
    this.#values = Array.from({ length: shape.valuesCount }, () => [])
  }

  get groupCount(): number {
    return this.#groupCount
  }

  /** Of objects, typed arrays, and eight for each figure. */
  get bytes(): number {
    const lists = this.folded.length + this.#counts.length
    let sum = paneBytes + lists * (listBytes + this.#groupCount * 8)
    for (const { bytes } of this.#groups) sum += indexBytes + bytes
    for (const { bytes } of this.#pairs) sum += indexBytes + bytes
    for (const { bytes } of this.#ids) sum += indexBytes + bytes
    for (const ofGroups of this.#values) for (const { bytes } of ofGroups) sum += listBytes + bytes
    return sum
  }

  /** Some of the rows, in their order. */
  add(rows: readonly number[], { keys, folds, distinct, values }: PaneRows): void {
    const groups = new Int32Array(rows.length)
    for (let at = 0; at < rows.length; at++) groups[at] = this.#groupOf(keys, rows[at]!)
    for (const [index, fold] of this.#shape.folds.entries())
      this.#fold(this.folded[index]!, fold, folds[index]!, rows, groups)
    for (const [index, set] of this.#ids.entries()) set.addRows(distinct[index]!, rows)
    for (const [index, pairs] of this.#pairs.entries()) {
      const [ids, counts] = [distinct[index]!, this.#counts[index]!]
      for (let at = 0; at < rows.length; at++) {
        const id = ids[rows[at]!]!
        if (id !== 0) countOnce(pairs, counts, groups[at]!, id)
      }
    }
    for (const [index, { values: numbers, nulls }] of values.entries()) {
      const ofGroups = this.#values[index]!
      for (let at = 0; at < rows.length; at++) {
        const row = rows[at]!
        if (nulls[row] === 0) ofGroups[groups[at]!]!.add(numbers[row]!)
      }
    }
  }

  #fold(
    folded: (Whole | null)[],
    { add, isOfNulls }: Fold,
    column: Column | null,
    rows: readonly number[],
    groups: Int32Array,
  ): void {
    if (isOfNulls === true && column?.nullCount === 0) return
    for (let at = 0; at < rows.length; at++) {
      const group = groups[at]!
      const value = column === null ? null : column.get(rows[at]!)
      folded[group] = add(folded[group]!, value as Value) // As the aggregate's argument says.
    }
  }

  /** The number of the group with these keys, by column and row, which is made where it is not there. */
  #groupOf(keys: readonly ArrayLike<number>[], row: number): number {
    let group = 0
    for (let key = 0; key < keys.length; key++) group = this.#groups[key]!.place(group, keys[key]![row]!)
    if (group === this.#groupCount) this.#addGroup()
    return group
  }

  /** Of the group, by key, into a list of the caller. */
  keyIds(group: number, ids: number[]): void {
    for (let key = this.#groups.length - 1, place = group; key >= 0; key--) {
      ids[key] = this.#groups[key]!.second(place)
      place = this.#groups[key]!.first(place)
    }
  }

  distinctCount(index: number, group: number): number {
    return this.#ids[index]?.count ?? this.#counts[index]![group]!
  }

  /** The values of a column that the group has, in ascending order. */
  sortedValues(index: number, group: number): Promise<Float64Array> {
    return this.#values[index]![group]!.sorted()
  }

  /** Adds all of another pane of this shape. Nothing else is added to either meanwhile. */
  async merge(other: Pane): Promise<void> {
    const groups = this.#groupsOf(other)
    for (const [index, { combine }] of this.#shape.folds.entries()) {
      const [own, others] = [this.folded[index]!, other.folded[index]!]
      for (let group = 0; group < groups.length; group++)
        own[groups[group]!] = combine(own[groups[group]!]!, others[group]!)
    }
    for (const [index, ofGroups] of this.#values.entries()) {
      const others = other.#values[index]!
      for (let group = 0; group < groups.length; group++) ofGroups[groups[group]!]!.addAll(others[group]!)
    }
    for (const [index, ids] of other.#ids.entries()) this.#ids[index]!.addAll(ids)
    for (const [index, pairs] of other.#pairs.entries()) {
      const [own, counts] = [this.#pairs[index]!, this.#counts[index]!]
      for (let place = 0; place < pairs.count; place++) {
        countOnce(own, counts, groups[pairs.first(place)]!, pairs.second(place))
        if (place % pairsAtOnce === pairsAtOnce - 1) await turn()
      }
    }
  }

  /** For each group of another pane the one with its keys here, which is made where it is not there. */
  #groupsOf(other: Pane): Int32Array {
    let groups = new Int32Array(Math.min(1, other.#groupCount))
    for (const [key, pairs] of other.#groups.entries()) {
      const ofKey = new Int32Array(pairs.count)
      for (let place = 0; place < pairs.count; place++)
        ofKey[place] = this.#groups[key]!.place(groups[pairs.first(place)]!, pairs.second(place))
      groups = ofKey
    }
    const groupCount = this.#groups.at(-1)?.count ?? groups.length
    while (this.#groupCount < groupCount) this.#addGroup()
    return groups
  }

  #addGroup(): void {
    this.#groupCount++
    for (const [index, { empty }] of this.#shape.folds.entries()) this.folded[index]!.push(empty)
    for (const counts of this.#counts) counts.push(0)
    for (const ofGroups of this.#values) ofGroups.push(new SortedDoubles())
  }
}

/** Counts a value of the group, unless it was counted before. */
function countOnce(pairs: PairIndex, counts: number[], group: number, id: number): void {
  const { count } = pairs
  if (pairs.place(group, id) === count) counts[group]!++
}

/** With room for what the others have. */
function indexesLike(count: number, others: readonly PairIndex[]): PairIndex[] {
  return Array.from({ length: count }, (_, index) => new PairIndex(others[index]?.count))
}
