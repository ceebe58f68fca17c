// The rows of a column as the values of its leaves: nulls taken out, and levels that say where they stood.
import { type Codes, codesOf } from '../columns/codes.ts'
import { type Column, NumberColumn, type ValueColumn } from '../columns/column.ts'

/** Rows from `from` on, up to `to`: of the column, or of `indexes`, where that says which rows are meant. */
export type RowRange = {
  readonly from: number
  readonly to: number
  readonly indexes: Uint32Array | null
}

/** The values of one leaf. They are only good until the next column is taken apart. */
export type LeafValues = {
  /** Rows; for a list its elements, and a row each that is null or empty. */
  readonly levelCount: number
  /** null where every value is there. */
  readonly definitions: Uint8Array | null
  /** 0 where a row begins; null where every row has one value. */
  readonly repetitions: Uint8Array | null
  /** Those that are there stand from `first` on; an array of numbers where some are bigints. */
  readonly values: Float64Array | readonly unknown[]
  readonly first: number
  readonly valueCount: number
  /** Of texts, where they are known: then nobody looks at `values`. null where most are different ones. */
  readonly codes?: Codes<string> | null
}

/** A header of a record, as the type `headers` has it. */
type Header = { readonly key: string; readonly value: Uint8Array | null }

let numbersScratch = new Float64Array(0)

/** In the order of the column's leaves. */
export function leafValues(column: Column, range: RowRange): readonly LeafValues[] {
  if (column instanceof NumberColumn) return [numbersOf(column, range)]
  switch (column.type) {
    case 'array<string>':
      return [listOf(column, range, 2, (item) => item)]
    case 'headers':
      return [
        listOf(column, range, 3, (item) => (item as Header).key),
        listOf(column, range, 3, (item) => (item as Header).value),
      ]
    case 'string':
      return [textsOf(column, range)]
    default:
      return [objectsOf(column, range)]
  }
}

function numbersOf(column: NumberColumn, range: RowRange): LeafValues {
  const { from, to, indexes } = range
  const levelCount = to - from
  if (column.large !== null && column.large.size > 0) {
    return definedOf(levelCount, (at) => column.get(rowAt(range, at)))
  }
  const hasNulls = column.nullCount > 0
  if (indexes === null && !hasNulls) return allDefined(levelCount, column.values.subarray(from, to))
  if (numbersScratch.length < levelCount) numbersScratch = new Float64Array(levelCount)
  const [values, definitions] = [numbersScratch, new Uint8Array(hasNulls ? levelCount : 0)]
  let count = 0
  for (let at = 0; at < levelCount; at++) {
    const row = indexes === null ? from + at : indexes[from + at]!
    if (hasNulls) {
      if (column.nulls[row] === 1) continue
      definitions[at] = 1
    }
    values[count++] = column.values[row]!
  }
  const defined = allDefined(count, values.subarray(0, count))
  return count === levelCount ? defined : { ...defined, levelCount, definitions }
}

function textsOf(column: ValueColumn, range: RowRange): LeafValues {
  const codes = codesOf(column) as Codes<string> | null // As the column's type says.
  const { from, to, indexes } = range
  const isWhole = indexes === null && from === 0 && to === column.length
  if (codes === null) return { ...objectsOf(column, range), ...(isWhole ? { codes } : {}) }
  if (isWhole && column.nullCount === 0) return { ...allDefined(to, codes.values), codes }
  return codedOf(codes, range) ?? objectsOf(column, range)
}

/** The codes of some rows, without their nulls; null where most of these have different values. */
function codedOf({ values, places }: Codes<string>, range: RowRange): LeafValues | null {
  const levelCount = range.to - range.from
  const [definitions, own] = [new Uint8Array(levelCount), new Uint32Array(levelCount)]
  const distinct: string[] = []
  const placeOf = new Uint32Array(values.length) // From 1 on: 0 is none.
  let count = 0
  for (let at = 0; at < levelCount; at++) {
    const place = places[rowAt(range, at)]!
    if (place === values.length) continue
    definitions[at] = 1
    if (placeOf[place] === 0) placeOf[place] = distinct.push(values[place]!)
    own[count++] = placeOf[place]! - 1
  }
  if (distinct.length > count >> 1) return null
  const codes = { values: distinct, places: own.subarray(0, count) }
  const defined = { ...allDefined(count, distinct), codes }
  return count === levelCount ? defined : { ...defined, levelCount, definitions }
}

function objectsOf(column: ValueColumn, range: RowRange): LeafValues {
  const { from, to, indexes } = range
  if (column.nullCount > 0) return definedOf(to - from, (at) => column.values[rowAt(range, at)])
  if (indexes === null) return allDefined(to - from, column.values, from)
  const values = new Array<unknown>(to - from)
  for (let at = 0; at < values.length; at++) values[at] = column.values[indexes[from + at]!]
  return allDefined(values.length, values)
}

function allDefined(count: number, values: LeafValues['values'], first = 0): LeafValues {
  return { levelCount: count, definitions: null, repetitions: null, values, first, valueCount: count }
}

function definedOf(levelCount: number, get: (at: number) => unknown): LeafValues {
  const definitions = new Uint8Array(levelCount)
  const values: unknown[] = []
  for (let at = 0; at < levelCount; at++) {
    const value = get(at)
    if (value === null) continue
    definitions[at] = 1
    values.push(value)
  }
  return { levelCount, definitions, repetitions: null, values, first: 0, valueCount: values.length }
}

function rowAt({ from, indexes }: RowRange, at: number): number {
  return indexes === null ? from + at : indexes[from + at]!
}

function listAt({ values }: ValueColumn, range: RowRange, at: number): readonly unknown[] | null {
  return values[rowAt(range, at)] as readonly unknown[] | null
}

/**
 * A null list is at level 0 and an empty one at 1. An item that is null itself is at 2; one that is there but
 * has a null for its part is at `partNull`, and a part that is there is one above that.
 */
function listOf(
  column: ValueColumn,
  range: RowRange,
  partNull: number,
  part: (item: unknown) => unknown,
): LeafValues {
  const rowCount = range.to - range.from
  if (column.nullCount === column.length) {
    const none = new Uint8Array(rowCount)
    return { levelCount: rowCount, definitions: none, repetitions: none, values: [], first: 0, valueCount: 0 }
  }
  let levelCount = 0
  for (let row = 0; row < rowCount; row++) levelCount += Math.max(1, listAt(column, range, row)?.length ?? 0)
  const [definitions, repetitions] = [new Uint8Array(levelCount), new Uint8Array(levelCount)]
  const values: unknown[] = []
  let at = 0
  for (let row = 0; row < rowCount; row++) {
    const list = listAt(column, range, row)
    if (list === null || list.length === 0) definitions[at++] = list === null ? 0 : 1
    else {
      for (let place = 0; place < list.length; place++) {
        const item = list[place]
        const value = item === null ? null : part(item)
        if (value !== null) values.push(value)
        repetitions[at] = place === 0 ? 0 : 1
        definitions[at++] = item === null ? 2 : value === null ? partNull : partNull + 1
      }
    }
  }
  return { levelCount, definitions, repetitions, values, first: 0, valueCount: values.length }
}
