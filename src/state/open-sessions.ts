// The sessions of keys that are not closed, as rows come in the order of their event times. What a row costs
// does not grow with the rows of its session, and a session is looked at again only when a watermark reaches
// the earliest time at which it could have closed.
import { addWhole, subtractWhole, type Whole } from '../columns/whole.ts'
import { assert } from '../errors/errors.ts'
import type { Accumulator } from '../expr/index.ts'
import { ClosingQueue } from './closing-queue.ts'
import { FirstIds, IdSets } from './session-values.ts'
import { flagOfNull, flagOfTrue, type RowColumns, type ValuesByPlace } from './waiting-rows.ts'

type Fold = Extract<Accumulator, { kind: 'fold' }>

/** What a session computes; numbers are places in the list of a row's values. */
export type OpenShape = {
  readonly gapMicros: Whole
  readonly lengthMaxMicros: Whole
  readonly folds: readonly { readonly fold: Fold; readonly value: number | null }[]
  readonly distinct: readonly number[]
  readonly changes: readonly { readonly value: number; readonly withinMicros: number | null }[]
  readonly preceded: readonly { readonly where: number; readonly by: number; readonly rowsMin: number }[]
  readonly firsts: readonly {
    readonly value: number
    readonly rowsMax: number
    readonly keepsNulls: boolean
  }[]
}

/** The number of a key's interned value. */
export type SessionKey = number

/** The place of a session in the columns of `OpenSessions`: another one's when this one is closed. */
export type SessionPlace = number

const capacityMin = 1_024
/** What a session takes beside its figures: key, times, rows, and its place among those that close. */
const sessionBytes = 4 + 16 + 4 + 24

/**
 * Sessions stand in columns that grow, and so do the rows that come: what is done with them are loops over
 * columns of numbers, which leave nothing to be collected.
 */
export class OpenSessions {
  readonly #shape: OpenShape
  /** The place of a key's session by the key, 0 for none, else one more. */
  #byKey = new Int32Array(capacityMin)
  readonly #closing: ClosingQueue
  readonly #free: SessionPlace[] = []
  #capacity = 0
  #used = 0
  #keys = new Int32Array(0)
  readonly #starts: Whole[] = []
  readonly #ends: Whole[] = []
  #rowCounts = new Int32Array(0)
  /** By fold; NaN is null. */
  readonly #folded: Whole[][]
  readonly #distinct: readonly IdSets[]
  /** By change how often there was one, and the value of the last row. */
  readonly #changes: { counts: Int32Array; lastIds: Int32Array }[]
  /** By such a figure whether there was one, and how many rows could precede one. */
  readonly #preceded: { found: Uint8Array; counts: Int32Array }[]
  readonly #firsts: readonly FirstIds[]
  /** Of rows that are added their sessions, how many rows these had, and how long ago the last one was. */
  #places = new Int32Array(0)
  #numbers = new Int32Array(0)
  #apart = new Float64Array(0)

  constructor(shape: OpenShape) {
    this.#shape = shape
    this.#closing = new ClosingQueue((place) => this.#closesAt(place))
    this.#folded = shape.folds.map(() => [])
    this.#distinct = shape.distinct.map(() => new IdSets())
    this.#changes = shape.changes.map(() => ({ counts: new Int32Array(0), lastIds: new Int32Array(0) }))
    this.#preceded = shape.preceded.map(() => ({ found: new Uint8Array(0), counts: new Int32Array(0) }))
    this.#firsts = shape.firsts.map(({ rowsMax, keepsNulls }) => new FirstIds(rowsMax, keepsNulls))
    this.#grow(capacityMin)
  }

  /** Sessions in memory. */
  get count(): number {
    return this.#closing.count
  }

  get bytes(): number {
    const { folds, changes, preceded } = this.#shape
    const ofPlace = sessionBytes + folds.length * 8 + changes.length * 8 + preceded.length * 5
    const values = [...this.#distinct, ...this.#firsts].reduce((sum, { bytes }) => sum + bytes, 0)
    return this.#capacity * ofPlace + this.#byKey.byteLength + values
  }

  /** The rows at the first places of a list, which no later ones precede. */
  add(rows: RowColumns, taken: Int32Array, count: number): void {
    if (this.#places.length < count) {
      this.#places = new Int32Array(count)
      this.#numbers = new Int32Array(count)
      this.#apart = new Float64Array(count)
    }
    this.#place(rows, taken, count)
    const { folds, distinct, changes, preceded, firsts } = this.#shape
    const [places, { values }] = [this.#places, rows]
    for (const [index, { fold, value }] of folds.entries())
      foldAll(fold, this.#folded[index]!, places, value === null ? null : values[value]!, taken, count)
    for (const [index, value] of distinct.entries())
      this.#distinct[index]!.addAll(places, ids(values[value]!), taken, count)
    for (const [index, { value, withinMicros }] of changes.entries())
      this.#change(index, ids(values[value]!), withinMicros ?? Number.POSITIVE_INFINITY, taken, count)
    for (const [index, { where, by, rowsMin }] of preceded.entries())
      this.#precede(index, flags(values[where]!), flags(values[by]!), rowsMin, taken, count)
    for (const [index, { value }] of firsts.entries())
      this.#firsts[index]!.addAll(places, this.#numbers, ids(values[value]!), taken, count)
  }

  /** Takes those out that close where all rows before this instant are there: so many at most. */
  closed(toMicros: Whole, countMax: number): SessionPlace[] {
    const places: SessionPlace[] = []
    while (places.length < countMax) {
      const place = this.#closing.next(toMicros)
      if (place === null) break
      places.push(place)
      const key = this.#keys[place]!
      if (this.#byKey[key] === place + 1) this.#byKey[key] = 0
    }
    return places
  }

  /** Nobody looks at sessions any more that were closed. */
  release(places: readonly SessionPlace[]): void {
    for (const place of places) {
      for (const sets of this.#distinct) sets.clear(place)
      for (const firsts of this.#firsts) firsts.clear(place)
      this.#free.push(place)
    }
  }

  keyOf(place: SessionPlace): SessionKey {
    return this.#keys[place]!
  }

  startOf(place: SessionPlace): Whole {
    return this.#starts[place]!
  }

  endOf(place: SessionPlace): Whole {
    return this.#ends[place]!
  }

  folded(place: SessionPlace, index: number): Whole | null {
    const value = this.#folded[index]![place]!
    return Number.isNaN(value) ? null : value
  }

  distinctCount(place: SessionPlace, index: number): number {
    return this.#distinct[index]!.countOf(place)
  }

  changes(place: SessionPlace, index: number): number {
    return this.#changes[index]!.counts[place]!
  }

  isPreceded(place: SessionPlace, index: number): boolean {
    return this.#preceded[index]!.found[place] === 1
  }

  /** The first values, in their order, each by its number. */
  firsts<T>(place: SessionPlace, index: number, decode: (id: number) => T): T[] {
    return this.#firsts[index]!.of(place, decode)
  }

  /** Finds the session of each row, and notes what is asked for beside. */
  #place({ times, keys }: RowColumns, taken: Int32Array, count: number): void {
    const { gapMicros, lengthMaxMicros } = this.#shape
    const [places, numbers, apart] = [this.#places, this.#numbers, this.#apart]
    for (let at = 0; at < count; at++) {
      const row = taken[at]!
      const [key, micros] = [keys[row]!, times[row]!]
      let place = key < this.#byKey.length ? this.#byKey[key]! - 1 : -1
      let since = place < 0 ? Number.NaN : subtractWhole(micros, this.#ends[place]!)
      if (place < 0 || since > gapMicros || subtractWhole(micros, this.#starts[place]!) >= lengthMaxMicros) {
        place = this.#begin(key, micros)
        since = 0 // Before the first row there is none that it could differ from.
      }
      places[at] = place
      numbers[at] = this.#rowCounts[place]!
      apart[at] = Number(since)
      this.#rowCounts[place]!++
      this.#ends[place] = micros
    }
  }

  #begin(key: SessionKey, micros: Whole): SessionPlace {
    if (this.#free.length === 0 && this.#used === this.#capacity) this.#grow(this.#capacity * 2)
    const place = this.#free.pop() ?? this.#used++
    const { folds } = this.#shape
    this.#keys[place] = key
    this.#starts[place] = micros
    this.#ends[place] = micros
    this.#rowCounts[place] = 0
    for (let index = 0; index < folds.length; index++)
      this.#folded[index]![place] = folds[index]!.fold.empty ?? Number.NaN
    for (const { counts, lastIds } of this.#changes) {
      counts[place] = 0
      lastIds[place] = 0
    }
    for (const { found, counts } of this.#preceded) {
      found[place] = 0
      counts[place] = 0
    }
    if (key >= this.#byKey.length)
      this.#byKey = longer(this.#byKey, new Int32Array(Math.max(key + 1, this.#byKey.length * 2)))
    this.#byKey[key] = place + 1
    this.#closing.add(place)
    return place
  }

  #grow(capacity: number): void {
    this.#capacity = capacity
    this.#keys = longer(this.#keys, new Int32Array(capacity))
    this.#rowCounts = longer(this.#rowCounts, new Int32Array(capacity))
    for (const change of this.#changes) {
      change.counts = longer(change.counts, new Int32Array(capacity))
      change.lastIds = longer(change.lastIds, new Int32Array(capacity))
    }
    for (const one of this.#preceded) {
      one.found = longer(one.found, new Uint8Array(capacity))
      one.counts = longer(one.counts, new Int32Array(capacity))
    }
    for (const values of [...this.#distinct, ...this.#firsts]) values.grow(capacity)
    // A list that began with such a number holds numbers as they are, and no object for each.
    for (const times of [this.#starts, this.#ends, ...this.#folded])
      while (times.length < capacity) times.push(Number.NaN)
  }

  #closesAt(place: SessionPlace): Whole {
    const { gapMicros, lengthMaxMicros } = this.#shape
    const behindGap = addWhole(addWhole(this.#ends[place]!, gapMicros), 1)
    const atLength = addWhole(this.#starts[place]!, lengthMaxMicros)
    return behindGap < atLength ? behindGap : atLength
  }

  #change(index: number, values: Int32Array, within: number, taken: Int32Array, count: number): void {
    const { counts, lastIds } = this.#changes[index]!
    const [places, apart] = [this.#places, this.#apart]
    for (let at = 0; at < count; at++) {
      const [place, id] = [places[at]!, values[taken[at]!]!]
      const before = lastIds[place]!
      lastIds[place] = id
      if (id !== before && id !== 0 && before !== 0 && apart[at]! <= within) counts[place]!++
    }
  }

  #precede(
    index: number,
    where: Uint8Array,
    by: Uint8Array,
    rowsMin: number,
    taken: Int32Array,
    count: number,
  ): void {
    const { found, counts } = this.#preceded[index]!
    const places = this.#places
    for (let at = 0; at < count; at++) {
      const [place, row] = [places[at]!, taken[at]!]
      if (where[row] === flagOfTrue && counts[place]! >= rowsMin) found[place] = 1
      if (by[row] === flagOfTrue) counts[place]!++
    }
  }
}

function foldAll(
  { add }: Fold,
  folded: Whole[],
  places: Int32Array,
  values: ValuesByPlace | null,
  taken: Int32Array,
  count: number,
): void {
  if (Array.isArray(values)) {
    for (let at = 0; at < count; at++) {
      const [place, value] = [places[at]!, values[taken[at]!]!]
      const before = folded[place]!
      const added = add(Number.isNaN(before) ? null : before, Number.isNaN(value) ? null : value)
      folded[place] = added ?? Number.NaN
    }
    return
  }
  const isFlag = values instanceof Uint8Array
  for (let at = 0; at < count; at++) {
    const [place, value] = [places[at]!, values === null ? 0 : values[taken[at]!]!]
    const before = folded[place]!
    // Of values that are told apart alone it is asked whether they are null.
    const isNull = isFlag ? value === flagOfNull : value === 0
    const added = add(Number.isNaN(before) ? null : before, isNull ? null : value === flagOfTrue)
    folded[place] = added ?? Number.NaN
  }
}

function ids(values: ValuesByPlace): Int32Array {
  assert(values instanceof Int32Array, 'values that are compared are interned')
  return values
}

function flags(values: ValuesByPlace): Uint8Array {
  assert(values instanceof Uint8Array, 'conditions are true or not')
  return values
}

function longer<T extends Int32Array | Uint8Array>(values: T, made: T): T {
  made.set(values)
  return made
}
