// Ten-minute totals by merchant, payment method and country.
import {
  countDistinct,
  countRows,
  countWhere,
  maxMoney,
  minMoney,
  percent,
  ratio,
  sumMoney,
} from '../../expr/index.ts'
import { defineTable, project, window } from '../../plan/index.ts'
import { type Silver, seedSilver } from '../2-silver/transactions.ts'
import { minutes, processingTime } from '../batch.ts'

export const goldTransactions = goldOf(seedSilver)

/** The table over the silver of a project. */
export function goldOf({ recent }: Silver) {
  const windows = window(recent, {
    eventTime: 'event_time',
    sizeMicros: minutes(10),
    keys: ['merchant', 'payment_method', 'country'],
    aggregates: (row) => ({
      transaction_count: countRows(),
      total_amount: sumMoney(row.amount),
      max_amount: maxMoney(row.amount),
      min_amount: minMoney(row.amount),
      fraud_count: countWhere(row.is_fraud),
      high_value_count: countWhere(row.is_high_value),
      unique_users: countDistinct(row.user_id),
      unique_devices: countDistinct(row.device_id),
    }),
  })
  return defineTable({
    path: 'gold/transactions',
    meaning: 'Ten-minute totals by merchant, payment method and country.',
    stream: 'kafka-to-delta',
    partitionBy: null,
    watermark: 'gold',
    rows: project(windows, (row) => ({
      window_start: row.window_start,
      window_end: row.window_end,
      merchant: row.merchant,
      payment_method: row.payment_method,
      country: row.country,
      transaction_count: row.transaction_count,
      total_amount: row.total_amount,
      avg_amount: ratio(row.total_amount, row.transaction_count),
      max_amount: row.max_amount,
      min_amount: row.min_amount,
      fraud_count: row.fraud_count,
      high_value_count: row.high_value_count,
      unique_users: row.unique_users,
      unique_devices: row.unique_devices,
      fraud_rate: percent(row.fraud_count, row.transaction_count),
      aggregation_time: processingTime,
    })),
  })
}
