// A transaction before it becomes bytes, and how it becomes JSON. This is the generator's inner loop: text is
// put together from ready pieces, because JSON.stringify and Date.toISOString take most of the time of a row.
import type { Random } from './random.ts'
import type { City, Merchant, PaymentMethod } from './world.ts'

export type SyntheticTransaction = {
  readonly transactionId: string
  readonly userId: number
  readonly key: Uint8Array
  readonly amountCents: number
  readonly merchant: Merchant
  readonly paymentMethod: PaymentMethod
  readonly city: City
  readonly deviceId: string
  /** Microseconds since the epoch; a whole number, exact in a double until the year 2255. */
  readonly eventTimeMicros: number
  /** null leaves it out of the record. */
  readonly isFraud: boolean | null
}

const digits2 = Array.from({ length: 100 }, (_, value) => String(value).padStart(2, '0'))
const digits3 = Array.from({ length: 1000 }, (_, value) => String(value).padStart(3, '0'))
const hex2 = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'))

export function renderTransaction(of: SyntheticTransaction): string {
  return (
    `{"transaction_id":"${of.transactionId}","user_id":${of.userId},"amount":${renderCents(of.amountCents)},` +
    `"merchant":${of.merchant.nameJson},"payment_method":"${of.paymentMethod}",` +
    `"location":${of.city.locationJson},"device_id":"${of.deviceId}",` +
    `"timestamp":"${renderTime(of.eventTimeMicros)}"${of.isFraud === null ? '' : `,"is_fraud":${of.isFraud}`}}`
  )
}

function renderCents(cents: number): string {
  return `${Math.floor(cents / 100)}.${digits2[cents % 100]!}`
}

const MINUTE_MICROS = 60_000_000
const MINUTES_REMEMBERED = 1024
const minuteTexts = new Map<number, string>()

/** ISO-8601 in UTC with microseconds. The text up to the minute is remembered: rows share it. */
export function renderTime(micros: number): string {
  const minute = Math.floor(micros / MINUTE_MICROS)
  let prefix = minuteTexts.get(minute)
  if (prefix === undefined) {
    if (minuteTexts.size >= MINUTES_REMEMBERED) minuteTexts.clear()
    prefix = new Date(minute * 60_000).toISOString().slice(0, 17)
    minuteTexts.set(minute, prefix)
  }
  const within = micros - minute * MINUTE_MICROS
  const second = Math.floor(within / 1_000_000)
  const fraction = within - second * 1_000_000
  const thousands = Math.floor(fraction / 1000)
  return `${prefix}${digits2[second]!}.${digits3[thousands]!}${digits3[fraction - thousands * 1000]!}Z`
}

/** A version 4 UUID out of the seeded randomness. */
export function inventUuid(random: Random): string {
  const a = random.uint32()
  const b = (random.uint32() & 0xffff0fff) | 0x4000
  const c = (random.uint32() & 0x3fffffff) | 0x80000000
  const d = random.uint32()
  return `${hex4(a >>> 16)}${hex4(a)}-${hex4(b >>> 16)}-${hex4(b)}-${hex4(c >>> 16)}-${hex4(c)}${hex4(d >>> 16)}${hex4(d)}`
}

/** The lower 16 bits as four digits. */
export function hex4(value: number): string {
  return hex2[(value >>> 8) & 0xff]! + hex2[value & 0xff]!
}
