// Why a record is in quarantine: the names that stand in `reasons`, with what an analyst reads.
import { pathText } from '../plan/text.ts'
import type { Check } from './fields.ts'
import { isPlaceApart, type Mapping, type Source } from './mapping.ts'

/** What is there and is not what its column wants. */
const wrongly: Readonly<Record<string, string>> = {
  text: 'no string',
  boolean: 'neither true nor false',
  number: 'no number that a double holds',
  cents: 'no number below 10^16',
  whole: 'no whole number of 64 bits',
  iso: 'not a real date and time',
  epoch_s: 'no whole number of seconds in the years 1 to 9999',
  epoch_ms: 'no whole number of milliseconds in the years 1 to 9999',
  epoch_us: 'no whole number of microseconds in the years 1 to 9999',
}

const ids = { text: 'absent, empty or no string', whole: 'absent or no whole number of 64 bits' } as const
const users = {
  int: 'absent or not a whole 32-bit number',
  long: 'absent or no whole number of 64 bits',
  string: 'absent, empty or no string',
} as const
const amounts = {
  number: 'absent or no number',
  decimal_text: 'absent or no text of digits such as 12.50',
  minor_units: 'absent or no whole number of 64 bits',
} as const

/** The reasons of records that are read by the mapping, in the order in which a row lists them. */
export function reasonMeaningsOf(mapping: Mapping, checks: readonly Check<never, never>[] = []) {
  const { transaction_id: id, user_id: user, amount, timestamp, location } = mapping
  const twice = isFlat(mapping)
    ? 'in which no name stands twice'
    : 'in which no name stands twice on the way to a field'
  const texts = { merchant: mapping.merchant, payment_method: mapping.payment_method }
  const places = isPlaceApart(location) ? { city: location.city, country: location.country } : { location }
  const optional = {
    is_fraud: mapping.is_fraud,
    ...texts,
    ...places,
    device_id: mapping.device_id,
    ...mapping.extra,
  }
  const meanings: Record<string, string> = {
    schema_unknown: 'the value goes by a schema that the registry does not have',
    undecodable: 'the bytes of the value are not what its schema says, or the schema cannot be read',
    malformed: `the value is not one JSON object in UTF-8 ${twice}`,
    transaction_id_missing: `${pathText(id.path)} is ${ids[id.as]}`,
    user_id_invalid: `${pathText(user.path)} is ${users[user.as]}`,
    amount_invalid: `${pathText(amount.path)} is ${amounts[amount.as]}`,
    amount_out_of_range: `${pathText(amount.path)} is ${amount.as === 'minor_units' ? `10^${12 + (amount.digits ?? 2)}` : '10^12'} or more`,
    amount_not_positive: `${pathText(amount.path)}, rounded to cents, is not greater than zero`,
    timestamp_invalid: `${pathText(timestamp.path)} is absent or ${wrongly[timestamp.as]}`,
    timestamp_in_future: `${pathText(timestamp.path)} is more than 1 h ahead of when the record came`,
  }
  for (const [column, source] of Object.entries<Source | null>(optional)) {
    if (source !== null)
      meanings[`${column}_invalid`] = `${pathText(source.path)} is there and ${wrongly[source.as]}`
  }
  for (const { reason, meaning } of checks) meanings[reason] = meaning ?? 'a check of the project refuses it'
  meanings.late = 'its event time was behind the watermark of the batch (WATERMARK_SILVER)'
  meanings.duplicate = 'a transaction with this id was accepted before (DEDUP_WINDOW)'
  return meanings
}

/** The reasons that a record can have beside those of checks. */
export function builtInReasons(mapping: Mapping): readonly string[] {
  return Object.keys(reasonMeaningsOf(mapping))
}

function isFlat({ extra, location, ...fields }: Mapping): boolean {
  const places = isPlaceApart(location) ? [location.city, location.country] : [location]
  const sources = [...Object.values(fields), ...places, ...Object.values(extra)]
  return sources.every((source) => source === null || source.path.length === 1)
}
