// What each user spent in an hour, by country, and whether it looks suspicious.
import {
  bool,
  countDistinct,
  countRows,
  countWhere,
  greaterThan,
  long,
  maxMoney,
  or,
  ratio,
  sumMoney,
  when,
} from '../../expr/index.ts'
import { defineTable, project, window } from '../../plan/index.ts'
import { type Silver, seedSilver } from '../2-silver/transactions.ts'
import { minutes, processingTime } from '../batch.ts'

export const userAggregation = usersOf(seedSilver)

/** The table over the silver of a project. */
export function usersOf({ recent }: Silver) {
  const windows = window(recent, {
    eventTime: 'event_time',
    sizeMicros: minutes(60),
    keys: ['user_id', 'country'],
    aggregates: (row) => ({
      transaction_count: countRows(),
      total_spent: sumMoney(row.amount),
      unique_merchants: countDistinct(row.merchant),
      unique_payment_methods: countDistinct(row.payment_method),
      unique_devices_used: countDistinct(row.device_id),
      largest_transaction: maxMoney(row.amount),
      fraud_transactions: countWhere(row.is_fraud),
      weekend_transactions: countWhere(row.is_weekend),
    }),
  })
  return defineTable({
    path: 'aggregations/user',
    meaning: 'Hourly totals of each user and country.',
    stream: 'aggregations',
    partitionBy: null,
    watermark: 'user',
    rows: project(windows, (row) => ({
      window_start: row.window_start,
      window_end: row.window_end,
      user_id: row.user_id,
      country: row.country,
      transaction_count: row.transaction_count,
      total_spent: row.total_spent,
      avg_amount_per_transaction: ratio(row.total_spent, row.transaction_count),
      unique_merchants: row.unique_merchants,
      unique_payment_methods: row.unique_payment_methods,
      unique_devices_used: row.unique_devices_used,
      largest_transaction: row.largest_transaction,
      fraud_transactions: row.fraud_transactions,
      weekend_transactions: row.weekend_transactions,
      is_suspicious: when(
        [
          [
            or(
              greaterThan(row.unique_devices_used, long(3n)),
              greaterThan(row.fraud_transactions, long(0n)),
              greaterThan(row.transaction_count, long(20n)),
            ),
            bool(true),
          ],
        ],
        bool(false),
      ),
      weekend_ratio: ratio(row.weekend_transactions, row.transaction_count),
      aggregation_time: processingTime,
    })),
  })
}
