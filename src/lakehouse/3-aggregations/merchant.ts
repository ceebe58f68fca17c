// What each merchant sold in the last quarter of an hour, every five minutes.
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

export const merchantAggregation = merchantsOf(seedSilver)

/** The table over the silver of a project. */
export function merchantsOf({ recent }: Silver) {
  const windows = window(recent, {
    eventTime: 'event_time',
    sizeMicros: minutes(15),
    slideMicros: minutes(5),
    keys: ['merchant'],
    aggregates: (row) => ({
      total_transactions: countRows(),
      total_revenue: sumMoney(row.amount),
      max_transaction: maxMoney(row.amount),
      min_transaction: minMoney(row.amount),
      fraud_count: countWhere(row.is_fraud),
      unique_customers: countDistinct(row.user_id),
      unique_devices: countDistinct(row.device_id),
      high_value_count: countWhere(row.is_high_value),
    }),
  })
  return defineTable({
    path: 'aggregations/merchant',
    meaning: 'Fifteen-minute totals of each merchant, sliding by five minutes.',
    stream: 'aggregations',
    partitionBy: null,
    watermark: 'merchant',
    rows: project(windows, (row) => ({
      window_start: row.window_start,
      window_end: row.window_end,
      merchant: row.merchant,
      total_transactions: row.total_transactions,
      total_revenue: row.total_revenue,
      avg_transaction_value: ratio(row.total_revenue, row.total_transactions),
      max_transaction: row.max_transaction,
      min_transaction: row.min_transaction,
      fraud_count: row.fraud_count,
      unique_customers: row.unique_customers,
      unique_devices: row.unique_devices,
      high_value_count: row.high_value_count,
      fraud_rate: percent(row.fraud_count, row.total_transactions),
      high_value_rate: percent(row.high_value_count, row.total_transactions),
      avg_devices_per_user: ratio(row.unique_devices, row.unique_customers),
      aggregation_time: processingTime,
    })),
  })
}
