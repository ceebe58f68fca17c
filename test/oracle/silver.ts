// A row of silver, and everything that is read off it.
import type { Transaction } from './judge.ts'
import { decimalText } from './money.ts'
import type { RawRecord, Row } from './rows.ts'
import { dateOf, dayOfWeekOf, hourOf } from './time.ts'

/** A transaction that was kept, with its record and the time of its batch. */
export type SilverTransaction = Transaction & { readonly record: RawRecord; readonly processingTime: bigint }

export function silverRow(of: SilverTransaction): Row {
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
    transaction_date: dateOf(of.eventTime),
    transaction_hour: hourOf(of.eventTime),
    transaction_day_of_week: dayOfWeekOf(of.eventTime),
    is_weekend: isWeekend(of),
    topic: of.record.topic,
    partition: BigInt(of.record.partition),
    offset: of.record.offset,
    processing_time: of.processingTime,
    processing_date: dateOf(of.processingTime),
  }
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
  const dayOfWeek = dayOfWeekOf(of.eventTime)
  return dayOfWeek === 1n || dayOfWeek === 7n
}
