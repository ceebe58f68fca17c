// The fraud score of every transaction with its reasons, at once: it waits for no window to close.
import {
  atLeast,
  type ColumnType,
  columnsOf,
  type Expr,
  equals,
  greaterThan,
  int,
  nullOf,
  text,
  when,
} from '../expr/index.ts'
import { armOf, customerKey } from '../fraud/arms.ts'
import { firedRules, fraudScore, riskLevel } from '../fraud/score.ts'
import { velocityMax, velocityRangeMinutes } from '../fraud/velocity.ts'
import { defineTable, extend, firstRulesVersion, over, project, type Relation } from '../plan/index.ts'
import { ownSchema } from '../transactions/mapping.ts'
import { type Silver, seedSilver } from './2-silver/transactions.ts'
import { minutes } from './batch.ts'
import { type ScoringRules, shopRules } from './rules.ts'

export const fraudDetection = fraudOf(seedSilver, shopRules)

/** Silver's rows with how many rows of the same user there were. */
function countedOf({ batch, users }: Silver) {
  return over(batch, {
    history: users,
    key: 'user_id',
    eventTime: 'event_time',
    arrival: ['topic', 'partition', 'offset'],
    rangeMicros: minutes(velocityRangeMinutes),
    aggregates: { tx_count_30min: { function: 'count' } },
  })
}

/** All columns that rules ask for, but for what a model says. */
export function withVelocity(silver: Silver, withFeatures: (rows: Relation) => Relation): Relation {
  return extend(withFeatures(countedOf(silver) as Relation) as ReturnType<typeof countedOf>, (row) => ({
    is_high_velocity: isHighVelocity(row.tx_count_30min),
  }))
}

function isHighVelocity(count: Expr<'int'>): Expr<'boolean'> {
  return greaterThan(count, int(velocityMax))
}

/** The table over the silver of a project, by its rules: its own columns and features stand in it too. */
export function fraudOf(
  silver: Silver,
  rules: ScoringRules,
  withFeatures: (rows: Relation) => Relation = (rows) => rows,
) {
  const { mapping } = silver
  const counted = countedOf(silver)
  // Which features there are is the project's affair: they keep all other columns.
  const featured = withFeatures(counted as Relation) as typeof counted
  const features = Object.entries<ColumnType>(featured.schema).filter(([name]) => !(name in counted.schema))
  const ownFeatures: Readonly<Record<never, ColumnType>> = Object.fromEntries(features)

  const { experiment } = rules
  const ready = extend(featured, (row) => ({
    is_high_velocity: isHighVelocity(row.tx_count_30min),
    variant: experiment === undefined ? nullOf('string') : armOf(experiment, customerKey(row, experiment.by)),
  }))
  // The column is there without a model too: a set of rules can be taken back, and a column cannot.
  const judged = extend(ready, (row) => ({
    model_score: byArm(rules, row.variant, ({ model }) => model?.score ?? nullOf('double')),
  }))
  const scored = extend(judged, (row) => ({
    fraud_score: byArm(rules, row.variant, (of) => fraudScore(of.rules)),
    reasons: byArm(rules, row.variant, (of) => firedRules(of.rules)),
  }))

  return defineTable({
    path: 'fraud_detection',
    meaning: 'The fraud score, risk level and fired rules of every transaction of silver.',
    stream: 'fraud-detection',
    partitionBy: 'transaction_date',
    watermark: null,
    rows: project(scored, (row) => ({
      transaction_id: row.transaction_id,
      user_id: row.user_id,
      amount: row.amount,
      merchant: row.merchant,
      payment_method: row.payment_method,
      location: row.location,
      country: row.country,
      device_id: row.device_id,
      event_time: row.event_time,
      transaction_date: row.transaction_date,
      transaction_hour: row.transaction_hour,
      is_weekend: row.is_weekend,
      is_fraud: row.is_fraud,
      fraud_score: row.fraud_score,
      risk_level: byArm(rules, row.variant, (of) => riskLevel(of.levels, row.fraud_score)),
      requires_review: byArm(rules, row.variant, (of) => atLeast(row.fraud_score, int(of.reviewFrom))),
      is_high_velocity: row.is_high_velocity,
      tx_count_30min: row.tx_count_30min,
      reasons: row.reasons,
      topic: row.topic,
      partition: row.partition,
      offset: row.offset,
      processing_time: row.processing_time,
      rules_version: byArm(rules, row.variant, ({ version = firstRulesVersion }) => int(version)),
      variant: experiment === undefined ? nullOf('string') : row.variant,
      model_score: row.model_score,
      // Behind all others: there a table gets them that is older than they are.
      ...columnsOf(ownSchema(mapping)),
      ...columnsOf(ownFeatures),
    })),
  })
}

/** A value by the rules of the arm in which the customer is. */
function byArm<T extends ColumnType>(
  { experiment, ...control }: ScoringRules,
  variant: Expr<'string'>,
  value: (rules: ScoringRules) => Expr<T>,
): Expr<T> {
  if (experiment === undefined) return value(control)
  return when([[equals(variant, text('candidate')), value(experiment.candidate)]], value(control))
}
