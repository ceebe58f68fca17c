// rules/shadow: what versions of the rules say of a transaction, each rule stated twice: as the condition
// that the lakehouse compiles, and as what it means. A rule that divides by zero is `failed` and does not fire.
import type { Row } from './rows.ts'

type Said = boolean | 'failed'
export type StatedRule = { readonly name: string; readonly when: string; readonly means: (row: Row) => Said }

const hourOf = (row: Row): number => Number(row.transaction_hour)

/** Of a row of fraud_detection. */
export const statedRules: readonly StatedRule[] = [
  { name: 'large', when: 'amount > 1000', means: ({ amount }) => Number(amount) > 1000 },
  {
    name: 'per_hour',
    when: 'amount / (transaction_hour - 21) > 40',
    means: (row) => (hourOf(row) === 21 ? 'failed' : Number(row.amount) / (hourOf(row) - 21) > 40),
  },
  {
    name: 'crypto',
    when: 'payment_method == "crypto"',
    means: ({ payment_method: method }) => method === 'crypto',
  },
  {
    name: 'watched',
    when: 'country in lists.high_risk_countries',
    means: ({ country }) => country === 'France' || country === 'United States',
  },
  { name: 'again', when: 'tx_count_30min >= 2', means: (row) => (row.tx_count_30min as bigint) >= 2n },
  { name: 'weekend', when: 'is_weekend', means: ({ is_weekend: is }) => is === true },
]

/** A version: which of the rules it has, with what points, and from which scores on it says what. */
export type StatedVersion = {
  readonly points: Readonly<Record<string, number>>
  readonly highFrom: number
  readonly reviewFrom: number
}

const rulesOf = ({ points }: StatedVersion): StatedRule[] => statedRules.filter(({ name }) => name in points)

export function versionText(version: StatedVersion): string {
  const rules = rulesOf(version).map(({ name, when }) => {
    return `  - { name: ${name}, when: ${JSON.stringify(when)}, points: ${version.points[name]}, says: it is }`
  })
  return [
    `levels: { HIGH: ${version.highFrom} }`,
    `review_from: ${version.reviewFrom}`,
    'lists: { high_risk_countries: [France, United States] }',
    'rules:',
    ...rules,
    '',
  ].join('\n')
}

export function shadowRow(number: number, version: StatedVersion, row: Row): Row {
  const said = rulesOf(version).map(({ name, means }) => ({ name, is: means(row) }))
  const fired = said.filter(({ is }) => is === true).map(({ name }) => name)
  const score = fired.reduce((sum, name) => sum + version.points[name]!, 0)
  return {
    transaction_id: row.transaction_id!,
    transaction_date: row.transaction_date!,
    topic: row.topic!,
    partition: row.partition!,
    offset: row.offset!,
    rules_version: BigInt(number),
    fraud_score: BigInt(score),
    risk_level: score >= version.highFrom ? 'HIGH' : 'MINIMAL',
    requires_review: score >= version.reviewFrom,
    reasons: fired,
    failed_rules: said.filter(({ is }) => is === 'failed').map(({ name }) => name),
    processing_time: row.processing_time!,
  }
}
