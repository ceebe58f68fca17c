// The sessions of keys that are not closed, as rows come in the order of their event times. What a row costs
// does not grow with the rows of its session, and a session is looked at again only when a watermark reaches
// the earliest time at which it could have closed.
import { addWhole, subtractWhole, type Whole } from '../columns/whole.ts'
import type { Accumulator } from '../expr/index.ts'

type Fold = Extract<Accumulator, { kind: 'fold' }>

/** What a session computes; numbers are places in the list of a row's values. */
export type OpenShape = {
  readonly gapMicros: Whole
  readonly lengthMaxMicros: Whole
  readonly folds: readonly { readonly fold: Fold; readonly value: number | null }[]
  readonly distinct: readonly number[]
  readonly changes: readonly { readonly value: number; readonly withinMicros: Whole | null }[]
  readonly preceded: readonly { readonly where: number; readonly by: number; readonly rowsMin: number }[]
  readonly firsts: readonly { readonly value: number; readonly rowsMax: number }[]
}

/** Values of rows by place. Those that are counted or compared are numbers of interned values; 0 is null. */
export type RowValues = readonly { get(row: number): unknown }[]

/** The number of a key's interned value; of several keys theirs with spaces between. */
export type SessionKey = number | string

/** The place of a session in the columns of `OpenSessions`: another one's when this one is closed. */
export type SessionPlace = number

/** So many values of each kind have a place beside their session; more of them are lists of their own. */
const placesOf = { distinct: 4, first: 8 } as const
/** More different values than these are looked up in a set. */
const listedMax = 16
const capacityMin = 1_024
/** About what a value takes that stands in a list or a set of its own. */
const otherBytes = 16
/** What a key takes in a map, and a session beside its columns: its place among those that close. */
const [keyBytes, queueBytes] = [60, 24]

/**
 * Sessions are rows of columns that grow: as objects they would live just long enough that most work is to
 * collect them.
 */
export class OpenSessions {
  readonly #shape: OpenShape
  /** The place of a key's session: of numbers by the number, 0 for none, else one more. */
  #byNumber = new Int32Array(capacityMin)
  readonly #byText = new Map<string, SessionPlace>()
  readonly #closing: ClosingQueue
  readonly #free: SessionPlace[] = []
  #capacity = 0
  #used = 0
  readonly #keys: SessionKey[] = []
  readonly #starts: Whole[] = []
  readonly #ends: Whole[] = []
  #rowCounts = new Int32Array(0)
  /** By fold; NaN is null. */
  readonly #folded: Whole[][]
  /** By count of different values: how many, and the first of them. */
  readonly #distinctCounts: Int32Array[]
  readonly #distinct: Int32Array[]
  readonly #moreDistinct: Map<SessionPlace, number[] | Set<number>>[]
  /**
   * By change how often there was one, and the value of the last row; then by `preceded` whether there was
   * one (1) and how many rows could precede one.
   */
  #counts = new Int32Array(0)
  readonly #firstCounts: Int32Array[]
  readonly #firsts: Int32Array[]
  readonly #moreFirsts: Map<SessionPlace, number[]>[]
  #others = 0

  constructor(shape: OpenShape) {
    this.#shape = shape
    this.#closing = new ClosingQueue((place) => this.#closesAt(place))
    this.#folded = shape.folds.map(() => [])
    this.#distinctCounts = shape.distinct.map(() => new Int32Array(0))
    this.#distinct = shape.distinct.map(() => new Int32Array(0))
    this.#moreDistinct = shape.distinct.map(() => new Map())
    this.#firstCounts = shape.firsts.map(() => new Int32Array(0))
    this.#firsts = shape.firsts.map(() => new Int32Array(0))
    this.#moreFirsts = shape.firsts.map(() => new Map())
    this.#grow(capacityMin)
  }

  /** Sessions in memory. */
  get count(): number {
    return this.#closing.count
  }

  get bytes(): number {
    const { folds, distinct, changes, preceded, firsts } = this.#shape
    const numbers =
      1 +
      (changes.length + preceded.length) * 2 +
      distinct.length * (1 + placesOf.distinct) +
      firsts.length * (1 + placesOf.first)
    const ofPlace = numbers * 4 + (3 + folds.length) * 8 + queueBytes
    return (
      this.#capacity * ofPlace +
      this.#byNumber.byteLength +
      this.#byText.size * keyBytes +
      this.#others * otherBytes
    )
  }

  /** A row that no later one precedes. */
  add(key: SessionKey, micros: Whole, values: RowValues, row: number): void {
    let place = this.#placeOf(key)
    if (
      place < 0 ||
      subtractWhole(micros, this.#ends[place]!) > this.#shape.gapMicros ||
      subtractWhole(micros, this.#starts[place]!) >= this.#shape.lengthMaxMicros
    ) {
      place = this.#begin(key, micros)
      this.#closing.add(place)
    }
    this.#count(place, micros, values, row)
    this.#ends[place] = micros
    this.#rowCounts[place]!++
  }

  /** One that closes where all rows before this instant are there; null where there is none. */
  nextClosed(toMicros: Whole): SessionPlace | null {
    const place = this.#closing.next(toMicros)
    if (place === null) return null
    const key = this.#keys[place]!
    if (this.#placeOf(key) === place) {
      if (typeof key === 'number') this.#byNumber[key] = 0
      else this.#byText.delete(key)
    }
    return place
  }

  /** Nobody looks at a session any more that was closed. */
  release(place: SessionPlace): void {
    for (const more of this.#moreDistinct) {
      const values = more.get(place)
      if (values === undefined) continue
      this.#others -= Array.isArray(values) ? values.length : values.size
      more.delete(place)
    }
    for (const more of this.#moreFirsts) {
      this.#others -= more.get(place)?.length ?? 0
      more.delete(place)
    }
    this.#free.push(place)
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
    return this.#distinctCounts[index]![place]!
  }

  changes(place: SessionPlace, index: number): number {
    return this.#counts[place * this.#countsOfPlace + index * 2]!
  }

  isPreceded(place: SessionPlace, index: number): boolean {
    return this.#counts[place * this.#countsOfPlace + (this.#shape.changes.length + index) * 2] === 1
  }

  /** The first values, in their order, each by its number. */
  firsts<T>(place: SessionPlace, index: number, decode: (id: number) => T): T[] {
    const firsts = this.#firsts[index]!
    const from = place * placesOf.first
    const to = from + Math.min(this.#firstCounts[index]![place]!, placesOf.first)
    const values: T[] = []
    for (let at = from; at < to; at++) values.push(decode(firsts[at]!))
    for (const id of this.#moreFirsts[index]!.get(place) ?? []) values.push(decode(id))
    return values
  }

  get #countsOfPlace(): number {
    return (this.#shape.changes.length + this.#shape.preceded.length) * 2
  }

  /** Below 0 for none. */
  #placeOf(key: SessionKey): SessionPlace {
    if (typeof key === 'number') return (this.#byNumber[key] ?? 0) - 1
    return this.#byText.get(key) ?? -1
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
    for (const counts of this.#distinctCounts) counts[place] = 0
    for (const counts of this.#firstCounts) counts[place] = 0
    const width = this.#countsOfPlace
    this.#counts.fill(0, place * width, (place + 1) * width)
    this.#keep(key, place)
    return place
  }

  #keep(key: SessionKey, place: SessionPlace): void {
    if (typeof key !== 'number') {
      this.#byText.set(key, place)
      return
    }
    if (key >= this.#byNumber.length)
      this.#byNumber = longer(this.#byNumber, Math.max(key + 1, this.#byNumber.length * 2))
    this.#byNumber[key] = place + 1
  }

  #grow(capacity: number): void {
    this.#capacity = capacity
    this.#rowCounts = longer(this.#rowCounts, capacity)
    this.#counts = longer(this.#counts, capacity * this.#countsOfPlace)
    for (const [index, counts] of this.#distinctCounts.entries()) {
      this.#distinctCounts[index] = longer(counts, capacity)
      this.#distinct[index] = longer(this.#distinct[index]!, capacity * placesOf.distinct)
    }
    for (const [index, counts] of this.#firstCounts.entries()) {
      this.#firstCounts[index] = longer(counts, capacity)
      this.#firsts[index] = longer(this.#firsts[index]!, capacity * placesOf.first)
    }
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

  #count(place: SessionPlace, micros: Whole, values: RowValues, row: number): void {
    const { folds, distinct, changes, preceded, firsts } = this.#shape
    for (let index = 0; index < folds.length; index++) {
      const { fold, value } = folds[index]!
      const folded = this.#folded[index]!
      const before = folded[place]!
      const added = fold.add(
        Number.isNaN(before) ? null : before,
        value === null ? null : (values[value]!.get(row) as never),
      )
      folded[place] = added ?? Number.NaN
    }
    for (let index = 0; index < distinct.length; index++) {
      const id = values[distinct[index]!]!.get(row) as number
      if (id !== 0) this.#addDistinct(place, index, id)
    }
    const counts = this.#counts
    let at = place * this.#countsOfPlace
    for (let index = 0; index < changes.length; index++, at += 2) {
      const { value, withinMicros } = changes[index]!
      const [id, before] = [values[value]!.get(row) as number, counts[at + 1]!]
      counts[at + 1] = id
      if (id === 0 || before === 0 || id === before) continue
      const isNear = withinMicros === null || subtractWhole(micros, this.#ends[place]!) <= withinMicros
      if (isNear) counts[at]!++
    }
    for (let index = 0; index < preceded.length; index++, at += 2) {
      const { where, by, rowsMin } = preceded[index]!
      if (counts[at + 1]! >= rowsMin && values[where]!.get(row) === true) counts[at] = 1
      if (values[by]!.get(row) === true) counts[at + 1]!++
    }
    for (let index = 0; index < firsts.length; index++) {
      const { value, rowsMax } = firsts[index]!
      if (this.#rowCounts[place]! >= rowsMax) continue
      const id = values[value]!.get(row) as number
      if (id !== 0) this.#addFirst(place, index, id)
    }
  }

  #addDistinct(place: SessionPlace, index: number, id: number): void {
    const counts = this.#distinctCounts[index]!
    const values = this.#distinct[index]!
    const from = place * placesOf.distinct
    const count = counts[place]!
    const beside = count < placesOf.distinct ? count : placesOf.distinct
    for (let at = from; at < from + beside; at++) if (values[at] === id) return
    if (count < placesOf.distinct) values[from + count] = id
    else if (!this.#addMore(this.#moreDistinct[index]!, place, id)) return
    counts[place] = count + 1
  }

  /** False where the value is there already. */
  #addMore(more: Map<SessionPlace, number[] | Set<number>>, place: SessionPlace, id: number): boolean {
    const others = more.get(place)
    if (others === undefined) more.set(place, [id])
    else if (Array.isArray(others)) {
      if (others.includes(id)) return false
      others.push(id)
      if (others.length > listedMax) more.set(place, new Set(others))
    } else {
      if (others.has(id)) return false
      others.add(id)
    }
    this.#others++
    return true
  }

  #addFirst(place: SessionPlace, index: number, id: number): void {
    const counts = this.#firstCounts[index]!
    const count = counts[place]!
    counts[place] = count + 1
    if (count < placesOf.first) {
      this.#firsts[index]![place * placesOf.first + count] = id
      return
    }
    const more = this.#moreFirsts[index]!
    const others = more.get(place)
    if (others === undefined) more.set(place, [id])
    else others.push(id)
    this.#others++
  }
}

function longer(values: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const made = new Int32Array(length)
  made.set(values)
  return made
}

/**
 * Sessions by the time at which each could close when it was last looked at: that is later by now where rows
 * came since. A heap: the least time stands first, and none is greater than those at twice its place.
 */
class ClosingQueue {
  readonly #sessions: SessionPlace[] = []
  readonly #times: Whole[] = []
  readonly #closesAt: (place: SessionPlace) => Whole

  constructor(closesAt: (place: SessionPlace) => Whole) {
    this.#closesAt = closesAt
  }

  get count(): number {
    return this.#sessions.length
  }

  add(session: SessionPlace): void {
    const [sessions, times] = [this.#sessions, this.#times]
    const micros = this.#closesAt(session)
    let place = sessions.length
    sessions.push(session)
    times.push(micros)
    while (place > 0) {
      const above = (place - 1) >> 1
      if (!(micros < times[above]!)) break
      sessions[place] = sessions[above]!
      times[place] = times[above]!
      place = above
    }
    sessions[place] = session
    times[place] = micros
  }

  /** Takes out one that closes up to an instant; null where there is none. */
  next(toMicros: Whole): SessionPlace | null {
    const [sessions, times] = [this.#sessions, this.#times]
    while (sessions.length > 0 && times[0]! <= toMicros) {
      const first = sessions[0]!
      const micros = this.#closesAt(first)
      if (micros > toMicros) {
        this.#sink(first, micros)
        continue
      }
      const last = sessions.pop()!
      const lastMicros = times.pop()!
      if (sessions.length > 0) this.#sink(last, lastMicros)
      return first
    }
    return null
  }

  /** Puts a session in the first place, and from there to where it belongs. */
  #sink(session: SessionPlace, micros: Whole): void {
    const [sessions, times] = [this.#sessions, this.#times]
    let place = 0
    for (;;) {
      let below = place * 2 + 1
      if (below >= times.length) break
      if (below + 1 < times.length && times[below + 1]! < times[below]!) below++
      if (!(times[below]! < micros)) break
      sessions[place] = sessions[below]!
      times[place] = times[below]!
      place = below
    }
    sessions[place] = session
    times[place] = micros
  }
}
