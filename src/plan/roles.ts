// The columns that a table has by its role, whatever else it has: by them batches are counted, carried on
// after a crash, and proved.
import type { ColumnType } from '../expr/index.ts'

export type Role = 'records' | 'events' | 'refused' | 'scored'

/** Where a record stood; no two records stand at the same place. */
export const placeColumns = { topic: 'string', partition: 'int', offset: 'long' } as const

export const roleColumns = {
  records: {
    ...placeColumns,
    kafka_key: 'binary',
    value: 'binary',
    headers: 'headers',
    kafka_timestamp: 'timestamp',
    processing_time: 'timestamp',
    processing_date: 'date',
  },
  events: { event_time: 'timestamp', ...placeColumns, processing_time: 'timestamp' },
  refused: {
    ...placeColumns,
    kafka_key: 'binary', // It may name a person, whatever the value is.
    value: 'binary',
    reasons: 'array<string>',
    processing_time: 'timestamp',
  },
  scored: {
    event_time: 'timestamp',
    fraud_score: 'int',
    risk_level: 'string',
    requires_review: 'boolean',
    reasons: 'array<string>',
    ...placeColumns,
    processing_time: 'timestamp',
  },
} as const satisfies Readonly<Record<Role, Readonly<Record<string, ColumnType>>>>

/** The columns of what versions of the rules say that decide nothing, whatever else such a table has. */
export const shadowColumns = {
  ...placeColumns,
  rules_version: 'int',
  fraud_score: 'int',
  risk_level: 'string',
  requires_review: 'boolean',
  reasons: 'array<string>',
  failed_rules: 'array<string>',
  processing_time: 'timestamp',
} as const

/** The columns of a table of windows, whatever else it has. */
export const windowColumns = { window_start: 'timestamp', window_end: 'timestamp' } as const

/** The columns of a table of sessions, whatever else it has. */
export const sessionColumns = { session_start: 'timestamp', session_end: 'timestamp' } as const

/**
 * The columns of judged records: what `quarantineSplit` splits. `invalid` has what is wrong with the record
 * itself, `is_accepted` whether it becomes an event.
 */
export const judgedColumns = {
  ...placeColumns,
  event_time: 'timestamp',
  invalid: 'array<string>',
  is_accepted: 'boolean',
} as const
