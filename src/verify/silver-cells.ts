// The cells of a silver row that its record alone gives.
import type { ExtraCell, Transaction } from './judge.ts'
import { decimalText } from './money.ts'
import { utcDate, utcDayOfWeek, utcHour } from './timestamp.ts'

/**
 * bigint: every integer, and instants as microseconds since the epoch. string: text, dates as YYYY-MM-DD,
 * decimals with their scale. number: a double. Those of a project's own decimals are cents.
 */
export type SilverCells = Readonly<Record<string, ExtraCell>>

export function silverCells(of: Transaction) {
  return {
    transaction_id: of.transactionId,
    user_id: of.userId,
    amount: decimalText(of.cents),
    amount_category: amountCategory(of),
    is_high_value: isHighValue(of),
    merchant: of.merchant,
    payment_method: of.paymentMethod,
    location: of.location,
    city: of.city,
    country: of.country,
    device_id: of.deviceId,
    is_fraud: of.isFraud,
    event_time: of.eventTime,
    transaction_date: utcDate(of.eventTime),
    transaction_hour: utcHour(of.eventTime),
    transaction_day_of_week: utcDayOfWeek(of.eventTime),
    is_weekend: isWeekend(of),
    ...of.extra,
  } satisfies SilverCells
}

export function amountCategory(of: Transaction): string {
  if (of.cents < 10_00n) return 'micro'
  if (of.cents < 100_00n) return 'small'
  if (of.cents < 1_000_00n) return 'medium'
  if (of.cents < 10_000_00n) return 'large'
  return 'enterprise'
}

export function isHighValue(of: Transaction): boolean {
  return of.cents > 1_000_00n
}

export function isWeekend(of: Transaction): boolean {
  const dayOfWeek = utcDayOfWeek(of.eventTime)
  return dayOfWeek === 1n || dayOfWeek === 7n
}
