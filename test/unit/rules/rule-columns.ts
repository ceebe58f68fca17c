// The names that the rules of these tests ask for.
import type { Schema } from '../../../src/expr/index.ts'

export const ruleColumns = {
  amount: 'decimal(18,2)',
  user_id: 'int',
  merchant: 'string',
  country: 'string',
  is_fraud: 'boolean',
  is_weekend: 'boolean',
  event_time: 'timestamp',
  transaction_date: 'date',
  headers: 'headers',
} as const satisfies Schema
