// What one record becomes, looked at alone: the fields of a silver row, or every reason why it is none. It
// goes by the mapping of the project and by nothing else that the engines go by.
import type { Mapping } from '../transactions/mapping.ts'
import { mappingOf } from '../transactions/mapping-of.ts'
import { centsOfDecimal, centsOfDouble } from './money.ts'
import { type JsonValue, parseStrictJson, valueAt } from './strict-json.ts'
import { instantOfUnits, parseTimestamp } from './timestamp.ts'

/** Of a further column: whole numbers, cents and instants are bigints, doubles numbers. */
export type ExtraCell = bigint | number | string | boolean | null

export type Transaction = {
  readonly transactionId: string
  /** A text where the project says so. */
  readonly userId: bigint | string
  readonly cents: bigint
  readonly merchant: string | null
  readonly paymentMethod: string | null
  readonly location: string | null
  readonly city: string | null
  readonly country: string | null
  readonly deviceId: string | null
  readonly isFraud: boolean
  readonly eventTime: bigint
  readonly extra: Readonly<Record<string, ExtraCell>>
}

export type Judged = (
  | { readonly kind: 'valid'; readonly transaction: Transaction }
  | { readonly kind: 'refused'; readonly reasons: readonly string[] }
) & {
  /** True where refusing the value as malformed is right as well. */
  readonly mayBeRefused: boolean
}

/** An event may be so many microseconds ahead of the clock that its record was stamped with. */
const futureMax = 3_600_000_000n
const seedMapping = mappingOf()

/** Checks of a project are not looked at: they are no part of its mapping. */
export function judge(
  value: Uint8Array | null,
  kafkaTimestamp: bigint | null,
  processingTime: bigint,
  mapping: Mapping = seedMapping,
): Judged {
  const parsed = value === null ? { kind: 'malformed' as const } : parseStrictJson(value)
  if (parsed.kind === 'malformed') return { kind: 'refused', reasons: ['malformed'], mayBeRefused: false }
  const { members, mayBeRefused } = parsed
  const fields = new FieldsOf(members)
  const reasons: string[] = []
  const keep = <T>(read: T | typeof invalid, reason: string): T | null => {
    if (read === invalid) reasons.push(reason)
    return read === invalid ? null : read
  }
  const transactionId = idOf(fields.of(mapping.transaction_id), mapping.transaction_id.as)
  if (transactionId === null) reasons.push('transaction_id_missing')
  const userId = userIdOf(fields.of(mapping.user_id), mapping.user_id.as)
  if (userId === null) reasons.push('user_id_invalid')
  const amount = amountOf(fields.of(mapping.amount), mapping.amount)
  if (typeof amount === 'string') reasons.push(amount)
  const eventTime = instantOf(fields.of(mapping.timestamp), mapping.timestamp.as)
  if (eventTime === null) reasons.push('timestamp_invalid')
  else if (eventTime > earlier(kafkaTimestamp, processingTime) + futureMax)
    reasons.push('timestamp_in_future')
  const isFraud = keep(booleanOf(fields.of(mapping.is_fraud)), 'is_fraud_invalid') ?? false
  const merchant = keep(textOf(fields.of(mapping.merchant)), 'merchant_invalid')
  const paymentMethod = keep(textOf(fields.of(mapping.payment_method)), 'payment_method_invalid')
  const place = placeOf(fields, mapping.location, keep)
  const deviceId = keep(textOf(fields.of(mapping.device_id)), 'device_id_invalid')
  const extra = Object.entries(mapping.extra).map(([name, source]) => {
    return [name, keep(extraCellOf(fields.of(source), source.as), `${name}_invalid`)] as const
  })
  if (fields.areMalformed) return { kind: 'refused', reasons: ['malformed'], mayBeRefused: false }
  if (reasons.length > 0) return { kind: 'refused', reasons, mayBeRefused }
  if (transactionId === null || userId === null || typeof amount === 'string' || eventTime === null) {
    throw new Error('a field without a value is a reason')
  }
  const own = { merchant, paymentMethod, ...place, deviceId, isFraud, eventTime }
  const transaction = { transactionId, userId, cents: amount, ...own, extra: Object.fromEntries(extra) }
  return { kind: 'valid', transaction, mayBeRefused }
}

const invalid = Symbol('there, and not what it has to be')

/** The values of a document by their places. */
class FieldsOf {
  readonly #members: ReadonlyMap<string, JsonValue>
  /** Whether a name stands twice on the way to a field that was asked for. */
  areMalformed = false

  constructor(members: ReadonlyMap<string, JsonValue>) {
    this.#members = members
  }

  /** Absent and null are one. */
  of(source: { readonly path: readonly string[] } | null): JsonValue | undefined {
    const value = source === null ? undefined : valueAt(this.#members, source.path)
    if (value === 'malformed') this.areMalformed = true
    return value === 'malformed' || value?.kind === 'null' ? undefined : value
  }
}

function textOf(value: JsonValue | undefined): string | null | typeof invalid {
  if (value === undefined) return null
  if (value.kind !== 'string') return invalid
  return trimmed(value.value)
}

/** Only space, tab, LF and CR go: other white space is part of a name. Nothing left is null. */
function trimmed(text: string): string | null {
  const rest = text.replace(/^[ \t\n\r]+/, '').replace(/[ \t\n\r]+$/, '')
  return rest === '' ? null : rest
}

function idOf(value: JsonValue | undefined, as: Mapping['transaction_id']['as']): string | null {
  if (as === 'whole') return wholeOf(value)?.toString() ?? null
  const text = textOf(value)
  return text === invalid ? null : text
}

function userIdOf(value: JsonValue | undefined, as: Mapping['user_id']['as']): bigint | string | null {
  if (as === 'long') return wholeOf(value)
  if (as === 'string') return idOf(value, 'text')
  if (value?.kind !== 'number') return null
  const number = Number(value.text)
  if (!Number.isInteger(number) || number < -(2 ** 31) || number > 2 ** 31 - 1) return null
  return BigInt(number)
}

/** Of 64 bits. Only digits say more than a double holds; with a point or an exponent it is the double. */
function wholeOf(value: JsonValue | undefined): bigint | null {
  if (value?.kind !== 'number') return null
  if (/[.eE]/.test(value.text)) {
    const double = Number(value.text)
    return Number.isSafeInteger(double) ? BigInt(double) : null
  }
  const whole = BigInt(value.text)
  return whole >= -(2n ** 63n) && whole < 2n ** 63n ? whole : null
}

/** Cents, or the reason why there are none. */
function amountOf(value: JsonValue | undefined, source: Mapping['amount']): bigint | string {
  const { as } = source
  const cents =
    as === 'number'
      ? centsOfNumber(value)
      : as === 'minor_units'
        ? centsOfMinor(wholeOf(value), source.digits ?? 2)
        : centsOfDigits(value)
  if (cents === null) return 'amount_invalid'
  if (cents === 'boundless' || cents >= 10n ** 14n) return 'amount_out_of_range'
  return cents > 0n ? cents : 'amount_not_positive'
}

function centsOfMinor(units: bigint | null, digits: number): bigint | null {
  if (units === null) return null
  const shown = (units < 0n ? -units : units).toString().padStart(digits + 1, '0')
  const at = shown.length - digits
  return centsOfDecimal(`${units < 0n ? '-' : ''}${shown.slice(0, at)}.${shown.slice(at)}0`)
}

function centsOfNumber(value: JsonValue | undefined): bigint | 'boundless' | null {
  if (value?.kind !== 'number') return null
  const number = Number(value.text)
  if (Number.isFinite(number)) return centsOfDouble(number)
  return number > 0 ? 'boundless' : -1n
}

function centsOfDigits(value: JsonValue | undefined): bigint | null {
  const text = textOf(value)
  return typeof text === 'string' ? centsOfDecimal(text) : null
}

function instantOf(value: JsonValue | undefined, as: Mapping['timestamp']['as']): bigint | null {
  if (as === 'iso') return value?.kind === 'string' ? parseTimestamp(value.value) : null
  const units = wholeOf(value)
  return units === null ? null : instantOfUnits(units, as)
}

function booleanOf(value: JsonValue | undefined): boolean | null | typeof invalid {
  if (value === undefined) return null
  return value.kind === 'boolean' ? value.value : invalid
}

function extraCellOf(
  value: JsonValue | undefined,
  as: Mapping['extra'][string]['as'],
): ExtraCell | typeof invalid {
  if (value === undefined) return null
  if (as === 'text') return textOf(value)
  if (as === 'boolean') return booleanOf(value)
  if (as === 'whole') return wholeOf(value) ?? invalid
  if (as === 'number' || as === 'cents') {
    const number = value.kind === 'number' ? Number(value.text) : Number.NaN
    if (!Number.isFinite(number)) return invalid
    if (as === 'number') return number
    const cents = centsOfDouble(number)
    return cents < 10n ** 18n && cents > -(10n ** 18n) ? cents : invalid
  }
  return instantOf(value, as) ?? invalid
}

function earlier(kafkaTimestamp: bigint | null, processingTime: bigint): bigint {
  return kafkaTimestamp !== null && kafkaTimestamp < processingTime ? kafkaTimestamp : processingTime
}

type Place = Pick<Transaction, 'location' | 'city' | 'country'>
type Keep = (read: string | null | typeof invalid, reason: string) => string | null

function placeOf(fields: FieldsOf, location: Mapping['location'], keep: Keep): Place {
  if (location === null) return { location: null, city: null, country: null }
  if ('path' in location) return cityAndCountry(keep(textOf(fields.of(location)), 'location_invalid'))
  const city = keep(textOf(fields.of(location.city)), 'city_invalid')
  const country = keep(textOf(fields.of(location.country)), 'country_invalid')
  const parts = [city, country].filter((part) => part !== null)
  return { location: parts.length === 0 ? null : parts.join(', '), city, country }
}

function cityAndCountry(location: string | null): Place {
  if (location === null) return { location, city: null, country: null }
  const comma = location.lastIndexOf(', ')
  if (comma < 0) return { location, city: location, country: null }
  return { location, city: trimmed(location.slice(0, comma)), country: trimmed(location.slice(comma + 2)) }
}
