// The rules of the shop: what rules.yaml beside this file says, and the names that its conditions ask for.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Schema } from '../expr/index.ts'
import type { Lakehouse, RulesVersion } from '../plan/index.ts'
import { type RuleSet, validRules } from '../rules/index.ts'
import { silverTransactions } from './2-silver/transactions.ts'

/** Every column of fraud_detection's rows before they are scored. */
export const ruleColumns: Schema = {
  ...silverTransactions.rows.schema,
  tx_count_30min: 'int',
  is_high_velocity: 'boolean',
}

export const rulesFile = fileURLToPath(new URL('rules.yaml', import.meta.url))

/** What conditions may ask. */
export const shopNames = { columns: ruleColumns, parameters: ['high_risk_countries'] }

export const shopRules = validRules(readFileSync(rulesFile, 'utf8'), { ...shopNames, file: rulesFile })

export type ScoringRules = Pick<RuleSet, 'rules' | 'levels' | 'reviewFrom' | 'model'> & {
  /** Their number among the versions of rules; absent: they are the first. */
  readonly version?: number
  /** Other rules decide for a share of those that the column `by` names. */
  readonly experiment?: {
    readonly name: string
    readonly share: number
    readonly by: string
    readonly candidate: Omit<ScoringRules, 'experiment'>
  }
}

/** A version of the rules that decides nothing. */
export type ShadowRules = Pick<RuleSet, 'rules' | 'levels' | 'reviewFrom' | 'model'> & {
  readonly version: number
}

/**
 * The names of lists that a version asks a batch for. Beside the version that decides, a list that no
 * variable sets is that of the version's own text.
 */
export function boundLists(names: readonly string[], { ownLists = [] }: RulesVersion): string[] {
  return names.filter((name) => !ownLists.includes(name))
}

/** Versions that run beside the one that decides; undefined where none ever did. */
export function shadowRules(
  { shadows }: Omit<RulesVersion, 'text'>,
  read: (of: RulesVersion) => RuleSet,
): readonly ShadowRules[] | undefined {
  return shadows?.map((shadow) => ({ ...read(shadow), version: shadow.version }))
}

/**
 * What scores rows, and the rules that a lakehouse has: those of an experiment's candidate stand beside `rules`,
 * which decide for the other customers.
 */
export function inArms(
  rules: RuleSet,
  { version, experiment }: Omit<RulesVersion, 'text'>,
  read: (of: RulesVersion) => RuleSet,
): {
  readonly scoring: ScoringRules
  readonly defined: Pick<Lakehouse, 'rules' | 'candidateRules'>
} {
  if (experiment === undefined) {
    return { scoring: { ...rules, version }, defined: { rules: rules.rules } }
  }
  const candidate = read(experiment.candidate)
  const names = new Set(rules.rules.map(({ name }) => name))
  const added = candidate.rules.filter(({ name }) => !names.has(name))
  const { name, share, by } = experiment
  const ofCandidate = { ...candidate, version: experiment.candidate.version }
  return {
    scoring: { ...rules, version, experiment: { name, share, by, candidate: ofCandidate } },
    defined: { rules: [...rules.rules, ...added], candidateRules: candidate.rules },
  }
}
