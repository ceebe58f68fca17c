// fraud_detection: the rules that fire for one transaction, given the user's transactions that arrived before
// it.

import { decimalText } from '../../src/verify/money.ts'
import { isWeekend } from '../../src/verify/silver-cells.ts'
import { utcDate, utcHour } from '../../src/verify/timestamp.ts'
import type { Row } from './rows.ts'
import type { SilverTransaction } from './silver.ts'
import { day, floorTo, hour, minute } from './time.ts'

/** `earlierOfUser`: the user's rows in silver that arrived before this one. */
export function fraudRow(
  of: SilverTransaction,
  earlierOfUser: readonly SilverTransaction[],
  highRiskCountries: readonly string[],
): Row {
  const from = of.eventTime - 30n * minute
  const recent = earlierOfUser.filter((other) => other.eventTime >= from && other.eventTime <= of.eventTime)
  const count = recent.length + 1
  const timeOfDay = of.eventTime - floorTo(of.eventTime, day)
  const rules: [name: string, points: number, fires: boolean][] = [
    ['known_fraud', 50, of.isFraud],
    ['high_amount', 30, of.cents > 5_000_00n],
    ['crypto_payment', 20, of.paymentMethod === 'crypto'],
    ['high_risk_country', 15, of.country !== null && highRiskCountries.includes(of.country)],
    ['late_night', 10, timeOfDay >= 23n * hour || timeOfDay < 5n * hour],
    ['weekend', 5, isWeekend(of)],
    ['high_velocity', 25, count > 5],
  ]
  const fired = rules.filter(([, , fires]) => fires)
  const score = fired.reduce((sum, [, points]) => sum + points, 0)
  return {
    transaction_id: of.transactionId,
    user_id: of.userId,
    amount: decimalText(of.cents),
    merchant: of.merchant,
    payment_method: of.paymentMethod,
    location: of.location,
    country: of.country,
    device_id: of.deviceId,
    event_time: of.eventTime,
    transaction_date: utcDate(of.eventTime),
    transaction_hour: utcHour(of.eventTime),
    is_weekend: isWeekend(of),
    is_fraud: of.isFraud,
    fraud_score: BigInt(score),
    risk_level: riskLevel(score),
    requires_review: score >= 50,
    is_high_velocity: count > 5,
    tx_count_30min: BigInt(count),
    reasons: fired.map(([name]) => name),
    topic: of.record.topic,
    partition: BigInt(of.record.partition),
    offset: of.record.offset,
    processing_time: of.processingTime,
  }
}

function riskLevel(score: number): string {
  if (score >= 75) return 'CRITICAL'
  if (score >= 50) return 'HIGH'
  if (score >= 25) return 'MEDIUM'
  return score >= 10 ? 'LOW' : 'MINIMAL'
}
