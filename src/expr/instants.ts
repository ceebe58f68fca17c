// Instants and days written as text, in JavaScript.
import { type Whole, whole } from '../columns/whole.ts'

const yearFirstSecond = -62_135_596_800 // 0001-01-01 00:00:00
const yearLastSecond = 253_402_300_799 // 9999-12-31 23:59:59
/** Up to here a number holds the microseconds exactly. */
const exactSeconds = 9_007_199_254
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Microseconds since the epoch; null for what parseInstant does not take. */
export function instantOf(text: string): Whole | null {
  const day = dayOf(text)
  if (day === null) return null
  const between = text.charCodeAt(10)
  if (between !== 0x54 && between !== 0x20) return null // Neither T nor space.
  const [hour, minute, second] = [twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)]
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return null
  if (text.charCodeAt(13) !== 0x3a || text.charCodeAt(16) !== 0x3a) return null
  let at = 19
  let micros = 0
  if (text.charCodeAt(at) === 0x2e) {
    const start = ++at
    for (let size = 100_000; ; at++) {
      const digit = text.charCodeAt(at) - 0x30
      if (!(digit >= 0 && digit <= 9)) break
      micros += digit * size
      size = Math.floor(size / 10) // 0 from the seventh digit on, which is cut.
    }
    if (at === start || at - start > 9) return null
  }
  const offset = offsetMinutes(text, at)
  if (offset === null) return null
  const seconds = day * 86_400 + hour * 3_600 + minute * 60 + second - offset * 60
  if (seconds < yearFirstSecond || seconds > yearLastSecond) return null
  if (seconds < exactSeconds && seconds > -exactSeconds) return seconds * 1_000_000 + micros + 0
  return whole(BigInt(seconds) * 1_000_000n + BigInt(micros))
}

/** Days since the epoch of the `YYYY-MM-DD` that the text begins with; null where there is no such day. */
export function dayOf(text: string): number | null {
  const [century, rest, month, date] = [
    twoDigits(text, 0),
    twoDigits(text, 2),
    twoDigits(text, 5),
    twoDigits(text, 8),
  ]
  if (century < 0 || rest < 0 || month < 1 || month > 12 || date < 1) return null
  if (text.charCodeAt(4) !== 0x2d || text.charCodeAt(7) !== 0x2d) return null
  const year = century * 100 + rest
  if (year === 0) return null
  const isLeap = rest === 0 ? century % 4 === 0 : rest % 4 === 0
  if (date > monthDays[month - 1]! && !(isLeap && month === 2 && date === 29)) return null
  return daysSinceEpoch(year, month, date)
}

/** Of a day of the Gregorian calendar; its year begins in March, so that the leap day is its last. */
function daysSinceEpoch(year: number, month: number, date: number): number {
  const shifted = month > 2 ? year : year - 1
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + date - 1
  const leapDays = Math.floor(shifted / 4) - Math.floor(shifted / 100) + Math.floor(shifted / 400)
  return shifted * 365 + leapDays + dayOfYear - 719_468
}

/** Of `Z`, of an offset to 14:59, or of nothing, where the text ends with it; null for anything else. */
function offsetMinutes(text: string, at: number): number | null {
  if (at === text.length) return 0
  const sign = text.charCodeAt(at)
  if (sign === 0x5a) return at + 1 === text.length ? 0 : null
  if ((sign !== 0x2b && sign !== 0x2d) || at + 6 !== text.length) return null
  const [hours, minutes] = [twoDigits(text, at + 1), twoDigits(text, at + 4)]
  if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59 || text.charCodeAt(at + 3) !== 0x3a) return null
  const offset = hours * 60 + minutes
  return sign === 0x2b ? offset : -offset
}

/** The number of two digits; -1 where there are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 0x30
  const ones = text.charCodeAt(at + 1) - 0x30
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1
}
