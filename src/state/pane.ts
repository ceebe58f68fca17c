// The groups of a stretch of event time, with what their aggregates have come to.
import type { Whole } from '../columns/whole.ts'
import type { Accumulator } from '../expr/index.ts'
import { turn } from '../steps/turn.ts'
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

export class Pane {
  readonly startMicros: number
  readonly #shape: PaneShape
  /** Of the group of the keys before and the next key. */
  readonly #groups: readonly PairIndex[]
  /** By fold, then by group. */
  readonly folded: readonly (Whole | null)[][]
  /** By count, the group's number and the value's id. */
  readonly #pairs: readonly PairIndex[]
  readonly #counts: readonly number[][]
  /** By column, then by group. */
  readonly #values: readonly SortedDoubles[][]
  #groupCount = 0

  constructor(shape: PaneShape, startMicros: number) {
    this.startMicros = startMicros
    this.#shape = shape
    this.#groups = Array.from({ length: shape.keyCount }, () => new PairIndex())
    this.folded = shape.folds.map(() => [])
    this.#pairs = Array.from({ length: shape.distinctCount }, () => new PairIndex())
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
    for (const ofGroups of this.#values) for (const { bytes } of ofGroups) sum += listBytes + bytes
    return sum
  }

  /** The number of the group with these keys, by column and row, which is made where it is not there. */
  groupOf(keys: readonly ArrayLike<number>[], row: number): number {
    let group = 0
    for (let key = 0; key < keys.length; key++) group = this.#groups[key]!.place(group, keys[key]![row]!)
    if (group === this.#groupCount) this.#addGroup()
    return group
  }

  /** Of the group, by key. */
  keyIds(group: number): number[] {
    const ids: number[] = []
    for (let key = this.#groups.length - 1, place = group; key >= 0; key--) {
      ids.unshift(this.#groups[key]!.second(place))
      place = this.#groups[key]!.first(place)
    }
    return ids
  }

  /** Counts a value of the group that is not null, unless it was counted before. */
  addDistinct(index: number, group: number, id: number): void {
    const pairs = this.#pairs[index]!
    const { count } = pairs
    if (pairs.place(group, id) === count) this.#counts[index]![group]!++
  }

  distinctCount(index: number, group: number): number {
    return this.#counts[index]![group]!
  }

  addValue(index: number, group: number, value: number): void {
    this.#values[index]![group]!.add(value)
  }

  /** The values of a column that the group has, in ascending order. */
  sortedValues(index: number, group: number): Promise<Float64Array> {
    return this.#values[index]![group]!.sorted()
  }

  /** Adds all of another pane of this shape. Nothing else is added to either meanwhile. */
  async merge(other: Pane): Promise<void> {
    const { folds } = this.#shape
    const groups = new Int32Array(other.#groupCount)
    for (let group = 0; group < groups.length; group++) {
      const ids = other.keyIds(group).map((id) => [id])
      const own = this.groupOf(ids, 0)
      groups[group] = own
      for (const [index, { combine }] of folds.entries()) {
        const folded = this.folded[index]!
        folded[own] = combine(folded[own]!, other.folded[index]![group]!)
      }
      for (const [index, ofGroups] of this.#values.entries())
        ofGroups[own]!.addAll(other.#values[index]![group]!)
    }
    for (const [index, pairs] of other.#pairs.entries()) {
      for (let place = 0; place < pairs.count; place++) {
        this.addDistinct(index, groups[pairs.first(place)]!, pairs.second(place))
        if (place % pairsAtOnce === pairsAtOnce - 1) await turn()
      }
    }
  }

  #addGroup(): void {
    this.#groupCount++
    for (const [index, { empty }] of this.#shape.folds.entries()) this.folded[index]!.push(empty)
    for (const counts of this.#counts) counts.push(0)
    for (const ofGroups of this.#values) ofGroups.push(new SortedDoubles())
  }
}
