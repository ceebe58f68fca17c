// fraud_detection: the rules that fire for one transaction, given the user's transactions that arrived before
// it. Points and limits are those of the rules, so that an analyst changes them in one place; whether a rule
// fires is decided here anew.

import { assert } from '../../src/errors/errors.ts'
import {
  highAmount,
  lateNight,
  reviewScore,
  riskLevelLowest,
  riskLevels,
  rules,
  velocityMax,
  velocityRangeMinutes,
} from '../../src/fraud/rules.ts'
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
  const from = of.eventTime - BigInt(velocityRangeMinutes) * minute
  const recent = earlierOfUser.filter((other) => other.eventTime >= from && other.eventTime <= of.eventTime)
  const count = recent.length + 1
  const timeOfDay = of.eventTime - floorTo(of.eventTime, day)
  const isLate = timeOfDay >= hours(lateNight.fromHour) || timeOfDay < hours(lateNight.toHour)
  const isFired: Readonly<Record<string, boolean>> = {
    known_fraud: of.isFraud,
    high_amount: of.cents > BigInt(highAmount) * 100n,
    crypto_payment: of.paymentMethod === 'crypto',
    high_risk_country: of.country !== null && highRiskCountries.includes(of.country),
    late_night: isLate,
    weekend: isWeekend(of),
    high_velocity: count > velocityMax,
  }
  const fired = rules.filter(({ name }) => {
    const fires = isFired[name]
    assert(fires !== undefined, `test/oracle/fraud.ts does not know the rule ${name}: say when it fires`)
    return fires
  })
  const score = fired.reduce((sum, { points }) => sum + points, 0)
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
    reasons: fired.map(({ name }) => name),
    topic: of.record.topic,
    partition: BigInt(of.record.partition),
    offset: of.record.offset,
    processing_time: of.processingTime,
  }
}

function riskLevel(score: number): string {
  return riskLevels.find(({ scoreMin }) => score >= scoreMin)?.name ?? riskLevelLowest
}

function hours(count: number): bigint {
  return BigInt(count) * hour
}
