// Values of expressions in JavaScript: what a function of the language computes with. Null is SQL's null.
import type { ColumnValue } from '../columns/column.ts'
import type { ColumnType } from '../columns/types.ts'
import type { Whole } from '../columns/whole.ts'
import { assert } from '../errors/errors.ts'
import type { JsonSlice } from '../json/slice.ts'

/** A column's value, or a parsed JSON value; a slice of kind absent is null as well. */
export type Value = ColumnValue | JsonSlice

type ValueByType = {
  readonly string: string
  readonly int: number
  readonly long: Whole
  readonly double: number
  readonly boolean: boolean
  readonly timestamp: Whole
  readonly date: number
  readonly binary: Uint8Array
  readonly json: JsonSlice
  readonly 'decimal(18,2)': Whole
  readonly 'decimal(28,2)': Whole
  readonly 'decimal(38,6)': Whole
  readonly 'decimal(38,2)': Whole
  readonly 'decimal(38,0)': Whole
  readonly 'array<string>': readonly string[]
  readonly headers: readonly unknown[]
}

export type ValueOf<T extends ColumnType> = ValueByType[T] | null

/** The values of arguments of these types. */
export type ValuesOf<A extends readonly ColumnType[]> = { readonly [K in keyof A]: ValueOf<A[K]> }

/**
 * Less than 0, 0 or greater than 0, for two values of one type, neither of them null. Texts compare by code
 * points, which is how their UTF-8 bytes compare. NaN is the same as NaN and greater than any number.
 */
export function compareValues(a: Value, b: Value): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (typeof a === 'number' && typeof b === 'number') return compareNumbers(a, b)
  if (Array.isArray(a) && Array.isArray(b)) return compareLists(a, b, compareText)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareLists(a, b, compareNumbers)
  assert(isScalar(a) && isScalar(b), 'values of this type are not compared')
  return a < b ? -1 : a > b ? 1 : 0
}

/** JavaScript compares UTF-16, in which a surrogate is smaller than the characters from U+E000 to U+FFFF. */
export function compareText(a: string, b: string): number {
  const length = a.length < b.length ? a.length : b.length
  for (let at = 0; at < length; at++) {
    const [left, right] = [a.charCodeAt(at), b.charCodeAt(at)]
    if (left === right) continue
    const isLeftAbove = isSurrogate(left)
    if (isLeftAbove !== isSurrogate(right)) return isLeftAbove ? 1 : -1
    return left - right
  }
  return a.length - b.length
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff
}

export function compareNumbers(a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  if (a === b) return 0
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

function compareLists<T>(a: ArrayLike<T>, b: ArrayLike<T>, compare: (a: T, b: T) => number): number {
  for (let at = 0; at < a.length && at < b.length; at++) {
    const order = compare(a[at]!, b[at]!)
    if (order !== 0) return order
  }
  return a.length - b.length
}

function isScalar(value: Value): value is number | bigint | boolean {
  return typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean'
}
