// What each user did in one go: the journey from merchant to merchant, and what looks like fraud in it.
import {
  asDouble,
  asLong,
  atLeast,
  coalesce,
  countDistinct,
  countRows,
  countWhere,
  dateOf,
  divideDoubles,
  type Expr,
  greaterThan,
  int,
  joined,
  lessThan,
  literal,
  long,
  maxMoney,
  microsBetween,
  money,
  sha256Hex,
  sumMoney,
  text,
  wholeText,
} from '../../expr/index.ts'
import { changes, defineTable, firstValues, isPreceded, project, sessions } from '../../plan/index.ts'
import { type Silver, seedSilver } from '../2-silver/transactions.ts'
import { minutes, processingTime } from '../batch.ts'

const path = 'aggregations/sessions'
const epoch = literal('timestamp', '1970-01-01 00:00:00')

/** What belongs to the definition of the table, and is configured. */
export const sessionLengths = [
  {
    table: path,
    part: 'gapMicros',
    variable: 'SESSION_GAP',
    group: 'Time',
    meaning: `After how long without a transaction a user begins a new session; changing it needs "assay rebuild ${path}"`,
    default: '30 minutes',
    example: '1 hour',
  },
  {
    table: path,
    part: 'lengthMaxMicros',
    variable: 'SESSION_MAX',
    group: 'Time',
    meaning: `How long after its first transaction a session ends at the latest; changing it needs "assay rebuild ${path}"`,
    default: '4 hours',
    example: '12 hours',
  },
] as const

export const userSessions = userSessionsOf(seedSilver)

/** The table over the silver of a project. */
export function userSessionsOf({ ordered, mapping }: Silver) {
  const cut = sessions(ordered, {
    table: path,
    eventTime: 'event_time',
    arrival: ['processing_time', 'topic', 'partition', 'offset'],
    keys: ['user_id'],
    gapMicros: minutes(30),
    lengthMaxMicros: minutes(240),
    aggregates: (row) => ({
      transaction_count: countRows(),
      total_amount: sumMoney(row.amount),
      max_amount: maxMoney(row.amount),
      unique_merchants: countDistinct(row.merchant),
      unique_devices: countDistinct(row.device_id),
      unique_countries: countDistinct(row.country),
      journey: firstValues(coalesce(row.merchant, text('?')), 100),
      country_changes: changes(row.country),
      device_changes: changes(row.device_id),
      fraud_count: countWhere(row.is_fraud),
      is_card_testing: isPreceded(atLeast(row.amount, money('500')), {
        rows: lessThan(row.amount, money('10')),
        rowsMin: 3,
      }),
      fast_country_changes: changes(row.country, minutes(10)),
    }),
  })
  return defineTable({
    path,
    meaning:
      'What each user did in one go, without a break of half an hour: where, in which order, with what signs of fraud.',
    stream: 'aggregations',
    partitionBy: 'session_date',
    watermark: 'sessions',
    rows: project(cut, (row) => {
      // Which of the two it is, is the project's affair.
      const user: Expr = row.user_id
      const name =
        mapping.user_id.as === 'string' ? (user as Expr<'string'>) : wholeText(asLong(user as Expr<'int'>))
      const begin = wholeText(microsBetween(epoch, row.session_start))
      return {
        session_id: sha256Hex(joined(joined(name, text('|')), begin), int(16)),
        user_id: row.user_id,
        session_start: row.session_start,
        session_end: row.session_end,
        duration_seconds: divideDoubles(
          asDouble(microsBetween(row.session_start, row.session_end)),
          literal('double', 1e6),
        ),
        transaction_count: row.transaction_count,
        total_amount: row.total_amount,
        max_amount: row.max_amount,
        unique_merchants: row.unique_merchants,
        unique_devices: row.unique_devices,
        unique_countries: row.unique_countries,
        journey: row.journey,
        country_changes: row.country_changes,
        device_changes: row.device_changes,
        fraud_count: row.fraud_count,
        is_card_testing: row.is_card_testing,
        is_impossible_travel: greaterThan(row.fast_country_changes, long(0n)),
        session_date: dateOf(row.session_start),
        aggregation_time: processingTime,
      }
    }),
  })
}
