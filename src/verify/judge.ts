// What one record becomes, looked at alone: the fields of a silver row, or every reason why it is none.
import { centsOfDouble } from './money.ts'
import { type JsonValue, parseStrictJson } from './strict-json.ts'
import { parseTimestamp } from './timestamp.ts'

export type Transaction = {
  readonly transactionId: string
  readonly userId: bigint
  readonly cents: bigint
  readonly merchant: string | null
  readonly paymentMethod: string | null
  readonly location: string | null
  readonly city: string | null
  readonly country: string | null
  readonly deviceId: string | null
  readonly isFraud: boolean
  readonly eventTime: bigint
}

export type Judged = (
  | { readonly kind: 'valid'; readonly transaction: Transaction }
  | { readonly kind: 'refused'; readonly reasons: readonly string[] }
) & {
  /** True where refusing the value as malformed is right as well. */
  readonly mayBeRefused: boolean
}

const textFields = ['merchant', 'payment_method', 'location', 'device_id'] as const
/** An event may be so many microseconds ahead of the clock that its record was stamped with. */
const futureMax = 3_600_000_000n

export function judge(
  value: Uint8Array | null,
  kafkaTimestamp: bigint | null,
  processingTime: bigint,
): Judged {
  const parsed = value === null ? { kind: 'malformed' as const } : parseStrictJson(value)
  if (parsed.kind === 'malformed') return { kind: 'refused', reasons: ['malformed'], mayBeRefused: false }
  const { members, mayBeRefused } = parsed
  const reasons: string[] = []
  const transactionId = textOf(members.get('transaction_id'))
  if (typeof transactionId !== 'string') reasons.push('transaction_id_missing')
  const userId = userIdOf(members.get('user_id'))
  if (userId === null) reasons.push('user_id_invalid')
  const amount = amountOf(members.get('amount'))
  if (typeof amount === 'string') reasons.push(amount)
  const eventTime = instantOf(members.get('timestamp'))
  if (eventTime === null) reasons.push('timestamp_invalid')
  else if (eventTime > earlier(kafkaTimestamp, processingTime) + futureMax)
    reasons.push('timestamp_in_future')
  const isFraud = isFraudOf(members.get('is_fraud'))
  if (isFraud === 'invalid') reasons.push('is_fraud_invalid')
  const texts = textFields.map((name) => textOf(members.get(name)))
  for (const [index, name] of textFields.entries()) {
    if (texts[index] === invalid) reasons.push(`${name}_invalid`)
  }
  if (reasons.length > 0) return { kind: 'refused', reasons, mayBeRefused }
  if (
    typeof transactionId !== 'string' ||
    userId === null ||
    typeof amount === 'string' ||
    eventTime === null ||
    isFraud === 'invalid'
  ) {
    throw new Error('a field without a value is a reason')
  }
  const [merchant, paymentMethod, location, deviceId] = texts.map((text) => (text === invalid ? null : text))
  const transaction = {
    transactionId,
    userId,
    cents: amount,
    merchant: merchant!,
    paymentMethod: paymentMethod!,
    location: location!,
    ...cityAndCountry(location!),
    deviceId: deviceId!,
    isFraud,
    eventTime,
  }
  return { kind: 'valid', transaction, mayBeRefused }
}

const invalid = Symbol('neither text, absent nor null')

function textOf(value: JsonValue | undefined): string | null | typeof invalid {
  if (value === undefined || value.kind === 'null') return null
  if (value.kind !== 'string') return invalid
  return trimmed(value.value)
}

/** Only space, tab, LF and CR go: other white space is part of a name. Nothing left is null. */
function trimmed(text: string): string | null {
  const rest = text.replace(/^[ \t\n\r]+/, '').replace(/[ \t\n\r]+$/, '')
  return rest === '' ? null : rest
}

function userIdOf(value: JsonValue | undefined): bigint | null {
  if (value?.kind !== 'number') return null
  const number = Number(value.text)
  if (!Number.isInteger(number) || number < -(2 ** 31) || number > 2 ** 31 - 1) return null
  return BigInt(number)
}

/** Cents, or the reason why there are none. */
function amountOf(value: JsonValue | undefined): bigint | string {
  if (value?.kind !== 'number') return 'amount_invalid'
  const number = Number(value.text)
  if (number === Number.POSITIVE_INFINITY) return 'amount_out_of_range'
  if (number === Number.NEGATIVE_INFINITY) return 'amount_not_positive'
  const cents = centsOfDouble(number)
  if (cents >= 10n ** 14n) return 'amount_out_of_range'
  return cents > 0n ? cents : 'amount_not_positive'
}

function instantOf(value: JsonValue | undefined): bigint | null {
  return value?.kind === 'string' ? parseTimestamp(value.value) : null
}

function isFraudOf(value: JsonValue | undefined): boolean | 'invalid' {
  if (value === undefined || value.kind === 'null') return false
  return value.kind === 'boolean' ? value.value : 'invalid'
}

function earlier(kafkaTimestamp: bigint | null, processingTime: bigint): bigint {
  return kafkaTimestamp !== null && kafkaTimestamp < processingTime ? kafkaTimestamp : processingTime
}

function cityAndCountry(location: string | null): { city: string | null; country: string | null } {
  if (location === null) return { city: null, country: null }
  const comma = location.lastIndexOf(', ')
  if (comma < 0) return { city: location, country: null }
  return { city: trimmed(location.slice(0, comma)), country: trimmed(location.slice(comma + 2)) }
}
