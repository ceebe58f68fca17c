// fraud_detection: the rules that fire for one transaction, given the user's transactions that arrived before
// it. Points, limits and levels are stated here anew, apart from rules.yaml: a rule that is changed there is
// changed here as well, or the tables differ.

import { assert } from '../../src/errors/errors.ts'
import { decimalText } from '../../src/verify/money.ts'
import { isWeekend } from '../../src/verify/silver-cells.ts'
import { utcDate, utcHour } from '../../src/verify/timestamp.ts'
import type { Row } from './rows.ts'
import type { SilverTransaction } from './silver.ts'
import { day, floorTo, hour, minute } from './time.ts'

export const highAmount = 5000n
/** The hours of late night, from the one to before the other. */
export const lateNight = { fromHour: 23, toHour: 5 } as const
export const velocityMax = 5
export const velocityRangeMinutes = 30
export const reviewScore = 50

/** In the order in which reasons are listed. */
export const points: Readonly<Record<string, number>> = {
  known_fraud: 50,
  high_amount: 30,
  crypto_payment: 20,
  high_risk_country: 15,
  late_night: 10,
  weekend: 5,
  high_velocity: 25,
}

/** The lowest score of each level, highest first. */
export const levels: readonly (readonly [level: string, scoreMin: number])[] = [
  ['CRITICAL', 75],
  ['HIGH', 50],
  ['MEDIUM', 25],
  ['LOW', 10],
]

/** `earlierOfUser`: the user's rows in silver that arrived before this one. */
export function fraudRow(
  of: SilverTransaction,
  earlierOfUser: readonly SilverTransaction[],
  highRiskCountries: readonly string[],
): Row {
  const from = of.eventTime - BigInt(velocityRangeMinutes) * minute
  const recent = earlierOfUser.filter((other) => other.eventTime >= from && other.eventTime <= of.eventTime)
  const count = recent.length + 1
  const timeOfDay = of.eventTime - floorTo(of.eventTime, day)
  const isLate = timeOfDay >= hours(lateNight.fromHour) || timeOfDay < hours(lateNight.toHour)
  const isFired: Readonly<Record<string, boolean>> = {
    known_fraud: of.isFraud,
    high_amount: of.cents > highAmount * 100n,
    crypto_payment: of.paymentMethod === 'crypto',
    high_risk_country: of.country !== null && highRiskCountries.includes(of.country),
    late_night: isLate,
    weekend: isWeekend(of),
    high_velocity: count > velocityMax,
  }
  const fired = Object.keys(points).filter((name) => {
    const fires = isFired[name]
    assert(fires !== undefined, `test/oracle/fraud.ts does not say when ${name} fires`)
    return fires
  })
  const score = scoreOf(fired)
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
    requires_review: score >= reviewScore,
    is_high_velocity: count > velocityMax,
    tx_count_30min: BigInt(count),
    reasons: fired,
    topic: of.record.topic,
    partition: BigInt(of.record.partition),
    offset: of.record.offset,
    processing_time: of.processingTime,
    rules_version: 1n,
    variant: null,
    model_score: null,
  }
}

export function scoreOf(fired: readonly string[]): number {
  return fired.reduce((sum, name) => sum + points[name]!, 0)
}

export function riskLevel(score: number): string {
  return levels.find(([, scoreMin]) => score >= scoreMin)?.[0] ?? 'MINIMAL'
}

function hours(count: number): bigint {
  return BigInt(count) * hour
}
