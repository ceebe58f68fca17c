// The different values of a column as small numbers, the same ones wherever the values are remembered. A
// number is free again when no row that anybody remembers can have its value.
import { codesOf } from '../columns/codes.ts'
import type { Column } from '../columns/column.ts'
import type { ColumnType } from '../columns/types.ts'

/** What an entry takes, about: in the map, in the arrays, and a short text of its own. */
const entryBytes = 120
/** So many characters a short text has at most; one more takes up to so many bytes. */
const shortLength = 32
const characterBytes = 2
/** The values are looked through when they have become so many times more. */
const growthToSweep = 2
const sweptMin = 4096

export class InternedValues {
  readonly #keyOf: (value: unknown) => unknown
  readonly #ids = new Map<unknown, number>()
  /** By id; 0 is null. */
  readonly #values: unknown[] = [null]
  /** By id, the latest event time of a row with the value. */
  #lastMicros = new Float64Array(sweptMin)
  readonly #free: number[] = []
  #sweptCount = sweptMin
  /** What texts take beyond short ones. */
  #longBytes = 0
  /** Of the column whose rows came last: its different values, and their ids, 0 where they are not known. */
  #lastColumn: { readonly values: readonly unknown[]; readonly ids: Int32Array } | null = null

  /** Not for parsed JSON, nor for headers. */
  constructor(type: ColumnType) {
    this.#keyOf = keys[type] ?? ((value) => value)
  }

  get bytes(): number {
    return this.#ids.size * entryBytes + this.#longBytes
  }

  /** The id of the value of a row of this time; of null 0. */
  idOf(value: unknown, micros: number): number {
    if (value === null) return 0
    const key = this.#keyOf(value)
    const known = this.#ids.get(key)
    if (known === undefined) return this.#add(key, value, micros)
    if (micros > this.#lastMicros[known]!) this.#lastMicros[known] = micros
    return known
  }

  /** The ids of a column's rows from one on, up to before another, by row; these are the times of all. */
  setIds(ids: Int32Array, column: Column, times: Float64Array, from: number, to: number): void {
    const codes = codesOf(column)
    if (codes === null) {
      for (let row = from; row < to; row++) ids[row] = this.idOf(column.get(row), times[row]!)
      return
    }
    const { values, places } = codes
    const idOfPlace = this.#idsOfValues(values)
    for (let row = from; row < to; row++) {
      const place = places[row]!
      let id = idOfPlace[place]!
      if (id === 0 && place < values.length) {
        id = this.idOf(values[place], times[row]!)
        idOfPlace[place] = id
      } else if (times[row]! > this.#lastMicros[id]!) this.#lastMicros[id] = times[row]!
      ids[row] = id
    }
  }

  valueOf(id: number): unknown {
    return this.#values[id]
  }

  /** No row before this time is remembered any more: a sweep, where that is worth the work. */
  forgetBefore(micros: number): void {
    if (this.#ids.size >= this.#sweptCount * growthToSweep) this.sweep(micros)
  }

  /** Looks through all values, and forgets those that no row from this time on has. */
  sweep(micros: number): void {
    this.#lastColumn = null
    for (const [key, id] of this.#ids) {
      if (this.#lastMicros[id]! >= micros) continue
      this.#ids.delete(key)
      this.#longBytes -= longBytesOf(key)
      this.#values[id] = null
      this.#free.push(id)
    }
    this.#sweptCount = Math.max(sweptMin, this.#ids.size)
  }

  /** By place; that of null is behind all values. */
  #idsOfValues(values: readonly unknown[]): Int32Array {
    if (this.#lastColumn?.values !== values)
      this.#lastColumn = { values, ids: new Int32Array(values.length + 1) }
    return this.#lastColumn.ids
  }

  #add(key: unknown, value: unknown, micros: number): number {
    const id = this.#free.pop() ?? this.#values.length
    this.#values[id] = value
    this.#ids.set(key, id)
    this.#longBytes += longBytesOf(key)
    if (id >= this.#lastMicros.length) {
      const longer = new Float64Array(this.#lastMicros.length * 2)
      longer.set(this.#lastMicros)
      this.#lastMicros = longer
    }
    this.#lastMicros[id] = micros
    return id
  }
}

function longBytesOf(key: unknown): number {
  return typeof key === 'string' ? Math.max(0, key.length - shortLength) * characterBytes : 0
}

/** What a Map tells values of these types apart by. */
const keys: Partial<Record<ColumnType, (value: unknown) => unknown>> = {
  binary: (value) => Buffer.from(value as Uint8Array).toString('latin1'),
  'array<string>': (value) => JSON.stringify(value),
}
