// What versions of the rules say of every transaction, beside the one that decides.
import {
  atLeast,
  type Columns,
  type Expr,
  int,
  literal,
  nullOf,
  presentNames,
  text,
  when,
} from '../../expr/index.ts'
import { firedRules, fraudScore, riskLevel } from '../../fraud/score.ts'
import {
  defineTable,
  expand,
  extend,
  type Relation,
  shadowColumns,
  type TableDefinition,
} from '../../plan/index.ts'
import type { Silver } from '../2-silver/transactions.ts'
import { withVelocity } from '../3-fraud_detection.ts'
import type { ShadowRules } from '../rules.ts'

const columns = { transaction_id: 'string', transaction_date: 'date', ...shadowColumns } as const

const kept = [
  'transaction_id',
  'transaction_date',
  'topic',
  'partition',
  'offset',
  'processing_time',
] as const

/** The table over the silver of a project, and over the features that its rules ask for. */
export function shadowOf(
  silver: Silver,
  shadows: readonly ShadowRules[],
  withFeatures: (rows: Relation) => Relation = (rows) => rows,
): TableDefinition {
  let rows: Relation<typeof columns> = withVelocity(silver, withFeatures) as Relation<never>
  for (const shadow of shadows) rows = withScore(rows, shadow)
  return defineTable({
    path: 'rules/shadow',
    meaning:
      'What versions of the rules that run as shadows say of every transaction; they decide nothing, and what they said stays.',
    stream: 'fraud-detection',
    partitionBy: 'transaction_date',
    watermark: null,
    rows: expand(rows, {
      by: 'rules_version',
      keep: kept,
      schema: columns,
      copies: (row) => shadows.map((shadow) => copyOf(row, shadow)),
    }),
  })
}

// Columns of one shadow among those of others: none of a project's has a space in its name.
const nameIn = ({ version }: ShadowRules, column: string): string => `${column} ${version}`

/** The columns of one shadow. What its model gives, its rules ask for by the name that every model has. */
function withScore<S extends Relation>(of: S, shadow: ShadowRules): S {
  const { rules, model } = shadow
  const asked: Relation = model === null ? of : extend(of, () => ({ model_score: model.score }))
  return extend(asked, () => ({
    [nameIn(shadow, 'fraud_score')]: fraudScore(rules),
    [nameIn(shadow, 'reasons')]: firedRules(rules),
    [nameIn(shadow, 'failed_rules')]: failedRules(rules),
  })) as Relation as S
}

// One for all: equal columns are written once.
const noNames = literal('array<string>', [])

/** The names of the rules of which a calculation overflowed or divided by zero: they do not fire. */
function failedRules(rules: ShadowRules['rules']): Expr<'array<string>'> {
  const calculating = rules.flatMap(({ name, overflows }) => {
    return overflows === null ? [] : [when([[overflows, text(name)]], nullOf('string'))]
  })
  return calculating.length === 0 ? noNames : presentNames(...calculating)
}

function copyOf(row: Columns<typeof columns>, shadow: ShadowRules) {
  const cells = row as unknown as Readonly<Record<string, Expr>>
  const score = cells[nameIn(shadow, 'fraud_score')] as Expr<'int'>
  const namesOf = (column: string) => cells[nameIn(shadow, column)] as Expr<'array<string>'>
  return {
    rules_version: int(shadow.version),
    fraud_score: score,
    risk_level: riskLevel(shadow.levels, score),
    requires_review: atLeast(score, int(shadow.reviewFrom)),
    reasons: namesOf('reasons'),
    failed_rules: namesOf('failed_rules'),
  }
}
