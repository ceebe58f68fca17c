// A record of the seed's form as a project's records look: what a demo shows, and what the generator sends.
import type { JsonPath } from '../plan/index.ts'
import { isPlaceApart, type Mapping } from './mapping.ts'

/** Values that columns of the project take in turn, by column. */
export type SampleValues = Readonly<Record<string, readonly unknown[]>>

export type SeedRecord = {
  readonly transaction_id: string
  readonly user_id: number
  readonly amount: number
  readonly timestamp: string
  readonly location: string
} & Readonly<Record<string, unknown>>

/** The record that the mapping reads the same transaction from; `index` chooses among sample values. */
export function shapedRecord(
  mapping: Mapping,
  samples: SampleValues,
  record: SeedRecord,
  index: number,
): object {
  const shaped: Record<string, unknown> = {}
  const put = (source: { readonly path: JsonPath } | null, value: unknown): void => {
    if (source !== null && value !== undefined) putAt(shaped, source.path, value)
  }
  const { transaction_id: id, user_id: user, amount, timestamp, location } = mapping
  put(id, id.as === 'whole' ? index + 1 : record.transaction_id)
  put(user, user.as === 'string' ? `user-${record.user_id}` : record.user_id)
  put(amount, amountAs(amount, record.amount))
  put(timestamp, timeAs(timestamp.as, record.timestamp))
  put(mapping.merchant, record.merchant)
  put(mapping.payment_method, record.payment_method)
  put(mapping.device_id, record.device_id)
  put(mapping.is_fraud, record.is_fraud)
  if (isPlaceApart(location)) {
    const at = record.location.lastIndexOf(', ')
    put(location.city, record.location.slice(0, at))
    put(location.country, record.location.slice(at + 2))
  } else put(location, record.location)
  for (const [name, source] of Object.entries(mapping.extra)) {
    const values = samples[name]
    put(source, values?.[index % values.length])
  }
  return shaped
}

function amountAs(source: Mapping['amount'], amount: number): unknown {
  if (source.as === 'minor_units') return Math.round(amount * 10 ** (source.digits ?? 2))
  return source.as === 'decimal_text' ? amount.toFixed(2) : amount
}

function timeAs(as: Mapping['timestamp']['as'], timestamp: string): unknown {
  const ms = Date.parse(timestamp)
  switch (as) {
    case 'iso':
      return timestamp
    case 'epoch_s':
      return Math.floor(ms / 1000)
    case 'epoch_ms':
      return ms
    case 'epoch_us':
      return ms * 1000
  }
}

function putAt(into: Record<string, unknown>, [name, ...inner]: readonly string[], value: unknown): void {
  if (name === undefined) return
  if (inner.length === 0) {
    into[name] = value
    return
  }
  const below = (into[name] ?? {}) as Record<string, unknown> // What was put there before, or nothing.
  into[name] = below
  putAt(below, inner, value)
}
