// What "risky" means: the rules, in the order in which a transaction's reasons are listed. An analyst reads
// and tunes this file; the score of a transaction is the sum of the points of the rules that fire.
import {
  atLeast,
  type Columns,
  type Expr,
  equals,
  greaterThan,
  int,
  isOneOf,
  lessThan,
  money,
  or,
  type Schema,
  text,
} from '../expr/index.ts'

/** The columns that rules may look at. */
export const ruleInput = {
  amount: 'decimal(18,2)',
  payment_method: 'string',
  country: 'string',
  is_fraud: 'boolean',
  transaction_hour: 'int',
  is_weekend: 'boolean',
  is_high_velocity: 'boolean',
} as const satisfies Schema

export type RuleInput = typeof ruleInput

export type FraudRule = {
  readonly name: string
  readonly points: number
  /** What an analyst reads. */
  readonly meaning: string
  /** Fires when true; null does not fire. */
  readonly fires: (row: Columns<RuleInput>, settings: RuleSettings) => Expr<'boolean'>
}

export type RuleSettings = { readonly highRiskCountries: Expr<'array<string>'> }

/** More transactions of one user than this in 30 minutes are a high velocity. */
export const velocityMax = 5
export const velocityRangeMinutes = 30

/** An amount above this is a high one. */
export const highAmount = '5000'

/** The hours of late night, from the one to before the other. */
export const lateNight = { fromHour: 23, toHour: 5 } as const

/** From this score on a transaction requires review. */
export const reviewScore = 50

export const rules: readonly FraudRule[] = [
  {
    name: 'known_fraud',
    points: 50,
    meaning: 'The record itself says that it is fraud.',
    fires: (row) => row.is_fraud,
  },
  {
    name: 'high_amount',
    points: 30,
    meaning: `An amount above ${highAmount}.`,
    fires: (row) => greaterThan(row.amount, money(highAmount)),
  },
  {
    name: 'crypto_payment',
    points: 20,
    meaning: 'Paid in a crypto currency.',
    fires: (row) => equals(row.payment_method, text('crypto')),
  },
  {
    name: 'high_risk_country',
    points: 15,
    meaning: 'The country is one of HIGH_RISK_COUNTRIES.',
    fires: (row, settings) => isOneOf(row.country, settings.highRiskCountries),
  },
  {
    name: 'late_night',
    points: 10,
    meaning: `Between ${clock(lateNight.fromHour)} and ${clock(lateNight.toHour)} UTC.`,
    fires: ({ transaction_hour: hour }) =>
      or(atLeast(hour, int(lateNight.fromHour)), lessThan(hour, int(lateNight.toHour))),
  },
  { name: 'weekend', points: 5, meaning: 'On a Saturday or Sunday, UTC.', fires: (row) => row.is_weekend },
  {
    name: 'high_velocity',
    points: 25,
    meaning: `More than ${velocityMax} transactions of the user in ${velocityRangeMinutes} minutes.`,
    fires: (row) => row.is_high_velocity,
  },
]

/** The lowest score of each level, highest first; anything below is MINIMAL. */
export const riskLevels = [
  { name: 'CRITICAL', scoreMin: 75 },
  { name: 'HIGH', scoreMin: 50 },
  { name: 'MEDIUM', scoreMin: 25 },
  { name: 'LOW', scoreMin: 10 },
] as const

export const riskLevelLowest = 'MINIMAL'

function clock(hour: number): string {
  return `${String(hour).padStart(2, '0')}:00`
}
