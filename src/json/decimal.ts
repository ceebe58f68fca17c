// The value of a JSON number, as a double.
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
