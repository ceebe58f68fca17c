// Rows that wait until no earlier one can come, and then are taken in the order of their event times, those
// of one time in the order in which they were added. A row stands at a place in columns, which is another
// row's when it was taken. A list has the order of rows that came together; of all such lists the one with
// the earliest row comes next.
import type { Whole } from '../columns/whole.ts'

/** How a value stands in its column: the number of an interned one, a flag, or a number, NaN for null. */
export type RowValueKind = 'id' | 'flag' | 'whole'

/** A flag that is neither is false. */
export const [flagOfTrue, flagOfNull] = [1, 2]

/** Rows by place. */
export type RowColumns = {
  readonly times: Whole[]
  /** The numbers of interned keys. */
  readonly keys: Int32Array
  readonly values: readonly ValuesByPlace[]
}

export type ValuesByPlace = Int32Array | Uint8Array | Whole[]

const capacityMin = 1_024
/** What a value takes, a row's time and key, its place in a list, and a list beside its rows. */
const valueBytes = { id: 4, flag: 1, whole: 8 } as const
const [timeBytes, keyBytes, placeBytes, runBytes] = [8, 4, 8, 200]

type Run = {
  /** The places of the rows in order. */
  readonly order: Int32Array
  /** How many lists were added before. */
  readonly number: number
  /** How many rows were taken, and the time of the next one. */
  taken: number
  nextMicros: Whole
}

export class WaitingRows implements RowColumns {
  readonly times: Whole[] = []
  keys = new Int32Array(0)
  readonly values: ValuesByPlace[]
  readonly #kinds: readonly RowValueKind[]
  readonly #rowBytes: number
  readonly #free: number[] = []
  #used = 0
  /** A heap: no run comes before those at half its place. */
  readonly #runs: Run[] = []
  #added = 0
  #rowCount = 0

  constructor(kinds: readonly RowValueKind[]) {
    this.#kinds = kinds
    this.values = kinds.map(emptyValues)
    this.#rowBytes = kinds.reduce((sum, kind) => sum + valueBytes[kind], timeBytes + keyBytes + placeBytes)
  }

  /** How many wait. */
  get rowCount(): number {
    return this.#rowCount
  }

  get bytes(): number {
    return this.#bytesOf(this.keys.length)
  }

  /** What all would take with so many rows more. */
  bytesWith(rowCount: number): number {
    return this.#bytesOf(this.#capacityFor(this.#used + Math.max(0, rowCount - this.#free.length)))
  }

  /** Places for so many rows, to be filled by the caller before anything else comes. */
  reserve(rowCount: number): Int32Array {
    const places = new Int32Array(rowCount)
    const freed = Math.min(rowCount, this.#free.length)
    for (let row = 0; row < freed; row++) places[row] = this.#free.pop()!
    for (let row = freed; row < rowCount; row++) places[row] = this.#used++
    const capacity = this.#capacityFor(this.#used)
    if (capacity > this.keys.length) this.#grow(capacity)
    return places
  }

  /** Rows whose columns are filled, as they arrived. */
  add(places: Int32Array): void {
    if (places.length === 0) return
    const order = this.#inOrder(places)
    const run = { order, number: this.#added++, taken: 0, nextMicros: this.times[order[0]!]! }
    this.#rowCount += order.length
    const runs = this.#runs
    let at = runs.length
    runs.push(run)
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!isBefore(run, runs[above]!)) break
      runs[at] = runs[above]!
      at = above
    }
    runs[at] = run
  }

  /**
   * Takes rows before an instant in their order, as many as there is room for, and says how many. Their
   * columns stay as they are until their places are given back.
   */
  take(toMicros: Whole, into: Int32Array): number {
    let count = 0
    for (let run = this.#runs[0]; run !== undefined && run.nextMicros < toMicros; run = this.#runs[0]) {
      if (count === into.length) break
      // The run of the row that comes after all that this one has before it.
      const [one, other] = [this.#runs[1], this.#runs[2]]
      const next = one === undefined || (other !== undefined && isBefore(other, one)) ? other : one
      const { order } = run
      while (run.nextMicros < toMicros && count < into.length) {
        if (next !== undefined && isBefore(next, run)) break
        into[count++] = order[run.taken]!
        if (++run.taken === order.length) break
        run.nextMicros = this.times[order[run.taken]!]!
      }
      this.#settleFirst()
    }
    this.#rowCount -= count
    return count
  }

  /** The first places of a list are for other rows. */
  giveBack(places: Int32Array, count: number): void {
    for (let at = count - 1; at >= 0; at--) this.#free.push(places[at]!)
  }

  clear(): void {
    this.#runs.length = 0
    this.#rowCount = 0
    this.#used = 0
    this.#free.length = 0
    this.times.length = 0
    this.keys = new Int32Array(0)
    for (const [index, kind] of this.#kinds.entries()) this.values[index] = emptyValues(kind)
  }

  #bytesOf(capacity: number): number {
    return capacity * this.#rowBytes + this.#runs.length * runBytes
  }

  #capacityFor(rowCount: number): number {
    let capacity = Math.max(capacityMin, this.keys.length)
    while (capacity < rowCount) capacity *= 2
    return capacity
  }

  #grow(capacity: number): void {
    this.keys = longer(this.keys, new Int32Array(capacity))
    // A list that began with such a number holds numbers as they are, and no object for each.
    while (this.times.length < capacity) this.times.push(Number.NaN)
    for (const [index, values] of this.values.entries()) {
      if (values instanceof Int32Array) this.values[index] = longer(values, new Int32Array(capacity))
      else if (values instanceof Uint8Array) this.values[index] = longer(values, new Uint8Array(capacity))
      else while (values.length < capacity) values.push(Number.NaN)
    }
  }

  /** By their times; those of one time as they arrived. */
  #inOrder(places: Int32Array): Int32Array {
    const { times } = this
    let index = 1
    while (index < places.length && times[places[index - 1]!]! <= times[places[index]!]!) index++
    if (index >= places.length) return places
    // A stable sort, and a fast one where most rows stand in order.
    const sorted = Array.from(places).sort((a, b) => {
      const [one, other] = [times[a]!, times[b]!]
      return one === other ? 0 : one < other ? -1 : 1
    })
    return Int32Array.from(sorted)
  }

  /** Puts the first run where it belongs by now; one without rows is gone. */
  #settleFirst(): void {
    const runs = this.#runs
    let run = runs[0]!
    if (run.taken === run.order.length) {
      run = runs.pop()!
      if (runs.length === 0) return
    }
    let at = 0
    for (;;) {
      let below = at * 2 + 1
      if (below >= runs.length) break
      if (below + 1 < runs.length && isBefore(runs[below + 1]!, runs[below]!)) below++
      if (!isBefore(runs[below]!, run)) break
      runs[at] = runs[below]!
      at = below
    }
    runs[at] = run
  }
}

function emptyValues(kind: RowValueKind): ValuesByPlace {
  return kind === 'id' ? new Int32Array(0) : kind === 'flag' ? new Uint8Array(0) : []
}

function longer<T extends Int32Array | Uint8Array>(values: T, made: T): T {
  made.set(values)
  return made
}

function isBefore(one: Run, other: Run): boolean {
  return one.nextMicros === other.nextMicros ? one.number < other.number : one.nextMicros < other.nextMicros
}
