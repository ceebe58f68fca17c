// The least and the greatest value of a leaf, in the order that readers of Parquet and Delta skip by.
import type { Whole } from '../columns/whole.ts'
import { ByteWriter } from './byte-writer.ts'
import { type Leaf, physicalTypes } from './leaf.ts'
import { numberBytes, writeNumbers } from './plain.ts'

export type BoundedValue = Whole | string | boolean
export type ValueBounds<T extends BoundedValue = BoundedValue> = { readonly min: T; readonly max: T }

/** A footer repeats its bounds for every row group: long texts are left out. */
const footerTextBytesMax = 256

/** null where there is no value, or one that is no number: NaN has no place in the order. */
export function numberBounds(values: Float64Array | readonly Whole[]): ValueBounds<Whole> | null {
  return values instanceof Float64Array ? doubleBounds(values) : wholeBounds(values)
}

function doubleBounds(values: Float64Array): ValueBounds<number> | null {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (let at = 0; at < values.length; at++) {
    const value = values[at]!
    if (value < min) min = value
    if (value > max) max = value
    if (Number.isNaN(value)) return null
  }
  return values.length === 0 ? null : { min, max }
}

function wholeBounds(values: readonly Whole[]): ValueBounds<Whole> | null {
  let [min, max] = [values[0], values[0]]
  if (min === undefined || max === undefined) return null
  for (const value of values) {
    if (value < min) min = value
    if (value > max) max = value
  }
  return { min, max }
}

/** Text is ordered by its UTF-8 bytes; of ASCII alone JavaScript's own order is the same, and faster. */
export function textBounds(
  values: readonly string[],
  from: number,
  to: number,
  isAscii: boolean,
): ValueBounds<string> | null {
  if (from === to) return null
  let [min, max] = [values[from]!, values[from]!]
  for (let at = from + 1; at < to; at++) {
    const value = values[at]!
    if (isAscii ? value < min : isBefore(value, min)) min = value
    else if (isAscii ? value > max : isBefore(max, value)) max = value
  }
  return { min, max }
}

/** By code points, as UTF-8 orders them: JavaScript has the surrogates before U+E000 to U+FFFF. */
function isBefore(a: string, b: string): boolean {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const [left, right] = [a.charCodeAt(at), b.charCodeAt(at)]
    if (left === right) continue
    const [leftIsPair, rightIsPair] = [isSurrogate(left), isSurrogate(right)]
    return leftIsPair === rightIsPair ? left < right : rightIsPair
  }
  return a.length < b.length
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff
}

/** Of two row groups of one leaf. */
export function widerBounds(a: ValueBounds, b: ValueBounds): ValueBounds {
  const before = (left: BoundedValue, right: BoundedValue) =>
    typeof left === 'string' && typeof right === 'string' ? isBefore(left, right) : left < right
  return { min: before(b.min, a.min) ? b.min : a.min, max: before(a.max, b.max) ? b.max : a.max }
}

/** As the footer has them; null where they are too long for it. */
export function footerBounds(
  leaf: Leaf,
  { min, max }: ValueBounds,
): { readonly min: Buffer; readonly max: Buffer } | null {
  // A zero may be of either sign, which readers need not tell apart: the bounds hold both.
  const bytes = { min: footerValue(leaf, min === 0 ? -0 : min), max: footerValue(leaf, max === 0 ? 0 : max) }
  return Math.max(bytes.min.length, bytes.max.length) > footerTextBytesMax ? null : bytes
}

function footerValue(leaf: Leaf, value: BoundedValue): Buffer {
  if (typeof value === 'string') return Buffer.from(value)
  const physical = physicalTypes[leaf.type]
  if (typeof value === 'boolean' || physical === 'BOOLEAN' || physical === 'BYTE_ARRAY') {
    return Buffer.from([value ? 1 : 0])
  }
  const out = new ByteWriter(numberBytes[physical])
  writeNumbers(out, physical, typeof value === 'number' ? Float64Array.of(value) : [value])
  return out.written()
}
