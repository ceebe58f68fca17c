// The value of a JSON number, as a double and as money.
import { isDigit, minus, point } from './bytes.ts'
import { type JsonSlice, sliceSource } from './slice.ts'

/** Powers of ten that a double holds exactly. */
const exactPowers = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
const exactPowerMax = exactPowers.length - 1
/** A decimal of so many digits is the shortest text of the double next to it. */
const shortestMantissaMax = 1e15
/** decimal(18,2) holds less than that many hundredths. */
const centsMax = 10n ** 18n

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
 * A number as hundredths: its nearest double, as the shortest decimal text of that, rounded half up (away
 * from zero). Null where 16 digits before the point do not hold it. What a double does not hold exactly is a
 * bigint.
 */
export function sliceCents(slice: JsonSlice): number | bigint | null {
  readDecimal(slice.bytes, slice.start, slice.end)
  const { isNegative, digits, exponent } = read
  if (digits >= shortestMantissaMax) return centsOf(numberOfText(slice))
  const places = exponent + 2
  if (places >= 0) {
    if (digits === 0) return 0
    if (places > exactPowerMax) return null
    const cents = digits * exactPowers[places]!
    if (cents <= Number.MAX_SAFE_INTEGER) return isNegative ? -cents : cents
    return largeCents(BigInt(digits) * 10n ** BigInt(places), isNegative)
  }
  // Less than 10^15 hundredths by 10^16 and more: nothing is left.
  if (places < -15) return 0
  const divisor = exactPowers[-places]!
  const rest = digits % divisor
  const cents = (digits - rest) / divisor + (rest * 2 >= divisor ? 1 : 0)
  return isNegative && cents !== 0 ? -cents : cents
}

/** The hundredths of a double by its shortest decimal text. */
function centsOf(value: number): number | bigint | null {
  if (!Number.isFinite(value)) return null
  const [mantissa, exponent] = Math.abs(value).toExponential().split('e') as [string, string]
  const [whole, fraction = ''] = mantissa.split('.') as [string, string?]
  const digits = BigInt(whole + fraction)
  const places = Number(exponent) - fraction.length + 2
  if (places > exactPowerMax) return digits === 0n ? 0 : null
  if (places >= 0) return largeCents(digits * 10n ** BigInt(places), value < 0)
  const divisor = 10n ** BigInt(-places)
  return largeCents((digits * 2n + divisor) / (divisor * 2n), value < 0)
}

function largeCents(cents: bigint, isNegative: boolean): number | bigint | null {
  if (cents >= centsMax) return null
  const signed = isNegative ? -cents : cents
  return cents <= Number.MAX_SAFE_INTEGER ? Number(signed) : signed
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
