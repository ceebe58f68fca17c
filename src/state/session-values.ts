// Interned values of sessions, by the places of these: the different ones, and the first ones. A few stand in
// columns beside their session, as most sessions have no more; others are lists and sets of their own.

/** So many values have a place beside their session. */
const idsBeside = { distinct: 4, first: 8 } as const
/** More different values than these are looked up in a set. */
const listedMax = 16
/** About what a value takes that stands in a list or a set of its own, and such a list. */
const [otherBytes, listBytes] = [20, 120]

export class IdSets {
  #counts = new Int32Array(0)
  #beside = new Int32Array(0)
  readonly #others = new Map<number, number[] | Set<number>>()
  #otherCount = 0

  get bytes(): number {
    const beside = this.#counts.byteLength + this.#beside.byteLength
    return beside + this.#otherCount * otherBytes + this.#others.size * listBytes
  }

  grow(capacity: number): void {
    this.#counts = longer(this.#counts, capacity)
    this.#beside = longer(this.#beside, capacity * idsBeside.distinct)
  }

  /** The values of the rows at the first places of `taken`; the session of each is that of `places`. */
  addAll(places: Int32Array, ids: Int32Array, taken: Int32Array, count: number): void {
    const [counts, beside] = [this.#counts, this.#beside]
    for (let at = 0; at < count; at++) {
      const id = ids[taken[at]!]!
      if (id === 0) continue
      const place = places[at]!
      const known = counts[place]!
      const from = place * idsBeside.distinct
      const to = from + (known < idsBeside.distinct ? known : idsBeside.distinct)
      let found = from
      while (found < to && beside[found] !== id) found++
      if (found < to) continue
      if (known < idsBeside.distinct) beside[to] = id
      else if (!this.#addOther(place, id)) continue
      counts[place] = known + 1
    }
  }

  countOf(place: number): number {
    return this.#counts[place]!
  }

  clear(place: number): void {
    if (this.#counts[place]! > idsBeside.distinct) {
      this.#otherCount -= this.#counts[place]! - idsBeside.distinct
      this.#others.delete(place)
    }
    this.#counts[place] = 0
  }

  /** False where the value is there already. */
  #addOther(place: number, id: number): boolean {
    const others = this.#others.get(place)
    if (others === undefined) this.#others.set(place, [id])
    else if (Array.isArray(others)) {
      if (others.includes(id)) return false
      others.push(id)
      if (others.length > listedMax) this.#others.set(place, new Set(others))
    } else {
      if (others.has(id)) return false
      others.add(id)
    }
    this.#otherCount++
    return true
  }
}

export class FirstIds {
  readonly #rowsMax: number
  readonly #keepsNulls: boolean
  #counts = new Int32Array(0)
  #beside = new Int32Array(0)
  readonly #others = new Map<number, number[]>()
  #otherCount = 0

  /** Of so many rows of a session; nulls are left out, or stand there as 0. */
  constructor(rowsMax: number, keepsNulls: boolean) {
    this.#rowsMax = rowsMax
    this.#keepsNulls = keepsNulls
  }

  get bytes(): number {
    const beside = this.#counts.byteLength + this.#beside.byteLength
    return beside + this.#otherCount * otherBytes + this.#others.size * listBytes
  }

  grow(capacity: number): void {
    this.#counts = longer(this.#counts, capacity)
    this.#beside = longer(this.#beside, capacity * idsBeside.first)
  }

  /** As `IdSets.addAll`; `numbers` says how many rows the session of each had. */
  addAll(places: Int32Array, numbers: Int32Array, ids: Int32Array, taken: Int32Array, count: number): void {
    const [counts, beside, rowsMax, keepsNulls] = [
      this.#counts,
      this.#beside,
      this.#rowsMax,
      this.#keepsNulls,
    ]
    for (let at = 0; at < count; at++) {
      if (numbers[at]! >= rowsMax) continue
      const id = ids[taken[at]!]!
      if (id === 0 && !keepsNulls) continue
      const place = places[at]!
      const known = counts[place]!
      counts[place] = known + 1
      if (known < idsBeside.first) beside[place * idsBeside.first + known] = id
      else this.#addOther(place, id)
    }
  }

  of<T>(place: number, decode: (id: number) => T): T[] {
    const count = this.#counts[place]!
    const values = new Array<T>(count)
    const from = place * idsBeside.first
    const beside = Math.min(count, idsBeside.first)
    for (let at = 0; at < beside; at++) values[at] = decode(this.#beside[from + at]!)
    if (count > beside) {
      const others = this.#others.get(place)!
      for (let at = beside; at < count; at++) values[at] = decode(others[at - beside]!)
    }
    return values
  }

  clear(place: number): void {
    if (this.#counts[place]! > idsBeside.first) {
      this.#otherCount -= this.#counts[place]! - idsBeside.first
      this.#others.delete(place)
    }
    this.#counts[place] = 0
  }

  #addOther(place: number, id: number): void {
    const others = this.#others.get(place)
    if (others === undefined) this.#others.set(place, [id])
    else others.push(id)
    this.#otherCount++
  }
}

function longer(values: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const made = new Int32Array(length)
  made.set(values)
  return made
}
