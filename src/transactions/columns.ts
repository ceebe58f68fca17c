// The columns that the transactions of every project have, whatever their records look like.
import type { ColumnType } from '../expr/index.ts'

/** What the column user_id can be. */
export type UserType = Extract<ColumnType, 'int' | 'long' | 'string'>

/** What a record by itself gives, in the order of silver's columns. */
export const fieldColumns = {
  transaction_id: 'string',
  user_id: 'int',
  amount: 'decimal(18,2)',
  amount_category: 'string',
  is_high_value: 'boolean',
  merchant: 'string',
  payment_method: 'string',
  location: 'string',
  city: 'string',
  country: 'string',
  device_id: 'string',
  is_fraud: 'boolean',
  event_time: 'timestamp',
  transaction_date: 'date',
  transaction_hour: 'int',
  transaction_day_of_week: 'int',
  is_weekend: 'boolean',
} as const

/** Where the record stood, and its batch. */
export const recordColumns = {
  topic: 'string',
  partition: 'int',
  offset: 'long',
  processing_time: 'timestamp',
  processing_date: 'date',
} as const

export type FieldColumns<U extends UserType = UserType> = Omit<typeof fieldColumns, 'user_id'> & {
  readonly user_id: U
}

/** Silver's columns; `X` are those that a project adds. */
export type SilverColumns<U extends UserType = UserType, X = unknown> = FieldColumns<U> &
  typeof recordColumns &
  X

/**
 * Names that a project's columns cannot have: those of other columns that stand beside them, in a table or on
 * the way to one, and the one that every object of JavaScript has.
 */
export const reservedColumns: ReadonlySet<string> = new Set([
  ...Object.keys(fieldColumns),
  ...Object.keys(recordColumns),
  ...['timestamp', 'kafka_key', 'value', 'headers', 'kafka_timestamp', 'is_document'],
  ...['invalid', 'is_late', 'is_candidate', 'is_duplicate', 'is_accepted', 'reasons'],
  ...['fraud_score', 'risk_level', 'requires_review', 'is_high_velocity', 'tx_count_30min'],
  ...['rules_version', 'variant', 'model_score'],
  ...['window_start', 'window_end', 'aggregation_time', 'batch', 'constructor'],
])
