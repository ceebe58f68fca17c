// Columns as codes: the different values of a column, and for each row the place of its own among them. They
// are found once, for files and for what is remembered of rows alike.
import { type Column, NumberColumn } from './column.ts'

export type Codes<T = unknown> = {
  /** In the order of their first rows; null is not among them. */
  readonly values: readonly T[]
  /** For each row; of a null the place behind all values. */
  readonly places: Uint32Array
}

const valuesMax = 2 ** 16
/** After so many rows, and four times as many each time, the share of different values is looked at. */
const sampledRows = 256
const shareMax = 0.97
const nullMark = 2 ** 32 - 1

/** By column; with how many rows it had when it was looked through. */
const known = new WeakMap<Column, { readonly length: number; readonly codes: Codes | null }>()

/** null where most of the values are different ones, or not such as a Map tells apart. */
export function codesOf(column: Column): Codes | null {
  const before = known.get(column)
  if (before?.length === column.length) return before.codes
  const codes = isCodable(column) ? codesOfColumn(column) : null
  known.set(column, { length: column.length, codes })
  return codes
}

function isCodable(column: Column): boolean {
  if (column instanceof NumberColumn) return column.large === null
  return column.type === 'string'
}

function codesOfColumn(column: Column): Codes | null {
  const { length, nullCount } = column
  if (nullCount === length) return { values: [], places: new Uint32Array(length) }
  if (!(column instanceof NumberColumn)) return codesOfValues(column.values, 0, length)
  return codesOfValues(column.values, 0, length, nullCount > 0 ? column.nulls : null)
}

/** The same of so many values from one on; null is a null, and what `nulls` has a 1 for. */
export function codesOfValues<T>(
  given: ArrayLike<T | null>,
  first: number,
  count: number,
  nulls: Uint8Array | null = null,
): Codes<T> | null {
  const places = new Uint32Array(count)
  const placeOf = new Map<T, number>()
  const values: T[] = []
  const countMax = Math.min(count >> 1, valuesMax)
  let [last, place, sampledAt, hasNulls]: [T | null, number, number, boolean] = [null, 0, sampledRows, false]
  for (let at = 0; at < count; at++) {
    const value = given[first + at]!
    if (value === null || (nulls !== null && nulls[first + at] === 1)) {
      places[at] = nullMark
      hasNulls = true
      continue
    }
    if (value !== last) {
      last = value
      const knownPlace = placeOf.get(value)
      if (knownPlace === undefined) {
        place = values.length
        if (place === countMax) return null
        placeOf.set(value, place)
        values.push(value)
      } else place = knownPlace
    }
    places[at] = place
    if (at === sampledAt) {
      if (values.length > at * shareMax) return null
      sampledAt *= 4
    }
  }
  if (hasNulls) for (let at = 0; at < count; at++) if (places[at] === nullMark) places[at] = values.length
  return { values, places }
}
