// Half-hourly totals by country and city.
import {
  countDistinct,
  countRows,
  countWhere,
  equals,
  percent,
  ratio,
  sumMoney,
  text,
} from '../../expr/index.ts'
import { defineTable, project, window } from '../../plan/index.ts'
import { type Silver, seedSilver } from '../2-silver/transactions.ts'
import { minutes, processingTime } from '../batch.ts'

export const countryAggregation = countriesOf(seedSilver)

/** The table over the silver of a project. */
export function countriesOf({ recent }: Silver) {
  const windows = window(recent, {
    eventTime: 'event_time',
    sizeMicros: minutes(30),
    keys: ['country', 'city'],
    aggregates: (row) => ({
      transaction_volume: countRows(),
      total_value: sumMoney(row.amount),
      active_users: countDistinct(row.user_id),
      active_merchants: countDistinct(row.merchant),
      fraud_count: countWhere(row.is_fraud),
      enterprise_transactions: countWhere(equals(row.amount_category, text('enterprise'))),
    }),
  })
  return defineTable({
    path: 'aggregations/country',
    meaning: 'Half-hourly totals by country and city.',
    stream: 'aggregations',
    partitionBy: null,
    watermark: 'country',
    rows: project(windows, (row) => ({
      window_start: row.window_start,
      window_end: row.window_end,
      country: row.country,
      city: row.city,
      transaction_volume: row.transaction_volume,
      total_value: row.total_value,
      avg_transaction_size: ratio(row.total_value, row.transaction_volume),
      active_users: row.active_users,
      active_merchants: row.active_merchants,
      fraud_count: row.fraud_count,
      enterprise_transactions: row.enterprise_transactions,
      fraud_percentage: percent(row.fraud_count, row.transaction_volume),
      enterprise_percentage: percent(row.enterprise_transactions, row.transaction_volume),
      avg_value_per_user: ratio(row.total_value, row.active_users),
      aggregation_time: processingTime,
    })),
  })
}
