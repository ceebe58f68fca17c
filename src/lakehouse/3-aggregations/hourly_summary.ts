// The platform as a whole, hour by hour.
import {
  countDistinct,
  countRows,
  countWhere,
  type Expr,
  equals,
  isTrue,
  not,
  or,
  percent,
  ratio,
  sumMoney,
  text,
} from '../../expr/index.ts'
import { defineTable, project, window } from '../../plan/index.ts'
import { type Silver, seedSilver } from '../2-silver/transactions.ts'
import { minutes, processingTime } from '../batch.ts'

const paidBy = (method: Expr<'string'>, name: string): Expr<'boolean'> => equals(method, text(name))

export const hourlySummary = hoursOf(seedSilver)

/** The table over the silver of a project. */
export function hoursOf({ recent }: Silver) {
  const windows = window(recent, {
    eventTime: 'event_time',
    sizeMicros: minutes(60),
    keys: [],
    aggregates: (row) => ({
      total_transactions: countRows(),
      total_volume: sumMoney(row.amount),
      total_users: countDistinct(row.user_id),
      total_merchants: countDistinct(row.merchant),
      total_devices: countDistinct(row.device_id),
      countries_active: countDistinct(row.country),
      fraud_transactions: countWhere(row.is_fraud),
      high_value_transactions: countWhere(row.is_high_value),
      credit_card_tx: countWhere(paidBy(row.payment_method, 'credit_card')),
      debit_card_tx: countWhere(paidBy(row.payment_method, 'debit_card')),
      crypto_tx: countWhere(paidBy(row.payment_method, 'crypto')),
      bank_transfer_tx: countWhere(paidBy(row.payment_method, 'bank_transfer')),
      other_tx: countWhere(
        not(
          isTrue(
            or(
              paidBy(row.payment_method, 'credit_card'),
              paidBy(row.payment_method, 'debit_card'),
              paidBy(row.payment_method, 'crypto'),
              paidBy(row.payment_method, 'bank_transfer'),
            ),
          ),
        ),
      ),
    }),
  })
  return defineTable({
    path: 'aggregations/hourly_summary',
    meaning: 'Hourly totals of the whole platform.',
    stream: 'aggregations',
    partitionBy: null,
    watermark: 'hourly_summary',
    rows: project(windows, (row) => ({
      window_start: row.window_start,
      window_end: row.window_end,
      total_transactions: row.total_transactions,
      total_volume: row.total_volume,
      avg_transaction_value: ratio(row.total_volume, row.total_transactions),
      total_users: row.total_users,
      total_merchants: row.total_merchants,
      total_devices: row.total_devices,
      countries_active: row.countries_active,
      fraud_transactions: row.fraud_transactions,
      high_value_transactions: row.high_value_transactions,
      credit_card_tx: row.credit_card_tx,
      debit_card_tx: row.debit_card_tx,
      crypto_tx: row.crypto_tx,
      bank_transfer_tx: row.bank_transfer_tx,
      other_tx: row.other_tx,
      platform_fraud_rate: percent(row.fraud_transactions, row.total_transactions),
      high_value_rate: percent(row.high_value_transactions, row.total_transactions),
      avg_transactions_per_user: ratio(row.total_transactions, row.total_users),
      credit_card_percentage: percent(row.credit_card_tx, row.total_transactions),
      aggregation_time: processingTime,
    })),
  })
}
