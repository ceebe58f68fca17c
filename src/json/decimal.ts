// The value of a JSON number: as a double, and as a whole number.
import { isDigit, minus, point } from './bytes.ts'
import { type JsonSlice, sliceSource } from './slice.ts'

/** Powers of ten that a double holds exactly. */
const exactPowers = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
const exactPowerMax = exactPowers.length - 1

/** The number that was read last: digits * 10^exponent; digits from 2^53 on are rounded. */
const read = { isNegative: false, digits: 0, exponent: 0 }

/** The nearest double of a number; infinite beyond the range. */
export function sliceNumber(slice: JsonSlice): number {
  readDecimal(slice.bytes, slice.start, slice.end)
  const { digits, exponent } = read
  let value: number
  // Both operands are exact and the one operation rounds correctly: the result is the nearest double.
  if (digits > Number.MAX_SAFE_INTEGER) return numberOfText(slice)
  if (exponent === 0) value = digits
  else if (exponent < 0 && exponent >= -exactPowerMax) value = digits / exactPowers[-exponent]!
  else if (exponent > 0 && exponent <= exactPowerMax) value = digits * exactPowers[exponent]!
  else return numberOfText(slice)
  return read.isNegative ? -value : value
}

/**
 * The whole number of 64 bits that a number is, null where it is none. Digits alone are taken as they stand;
 * with a point or an exponent it is the nearest double, which tells whole numbers apart below 2^53 only. A
 * bigint from there on, a number before.
 */
export function sliceWhole(slice: JsonSlice): number | bigint | null {
  const { bytes, start, end } = slice
  let at = bytes[start] === minus ? start + 1 : start
  while (at < end && isDigit(bytes[at]!)) at++
  if (at === end && end - start > exactDigits) return wholeOfDigits(sliceSource(slice))
  const value = sliceNumber(slice)
  return Number.isSafeInteger(value) ? value + 0 : null // A sum with 0 is never -0.
}

/** So many digits, or one less and a sign, are below 2^53. */
const exactDigits = 15
/** The digits, and a sign, of the longest number of 64 bits. */
const longDigits = 20

function wholeOfDigits(digits: string): number | bigint | null {
  if (digits.length > longDigits) return null
  const value = BigInt(digits)
  if (BigInt.asIntN(64, value) !== value) return null
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

function readDecimal(bytes: Uint8Array, start: number, end: number): void {
  let at = start
  read.isNegative = bytes[at] === minus
  if (read.isNegative) at++
  let digits = 0
  let exponent = 0
  for (; at < end && isDigit(bytes[at]!); at++) digits = digits * 10 + (bytes[at]! - 0x30)
  if (at < end && bytes[at] === point) {
    const behindPoint = ++at
    for (; at < end && isDigit(bytes[at]!); at++) digits = digits * 10 + (bytes[at]! - 0x30)
    exponent = behindPoint - at
  }
  if (at < end) exponent += exponentOf(bytes, at + 1, end)
  read.digits = digits
  read.exponent = exponent
}

/** What stands behind the E; of more digits than a double holds, what is near enough. */
function exponentOf(bytes: Uint8Array, start: number, end: number): number {
  let exponent = 0
  for (let at = isDigit(bytes[start]!) ? start : start + 1; at < end; at++) {
    exponent = exponent * 10 + (bytes[at]! - 0x30)
  }
  return bytes[start] === minus ? -exponent : exponent
}

function numberOfText(slice: JsonSlice): number {
  return Number(sliceSource(slice))
}
