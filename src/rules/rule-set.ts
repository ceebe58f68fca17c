// The rules of a lakehouse as a value: what rules.yaml becomes.
import type { Expr, LiteralValue } from '../expr/index.ts'
import type { RiskLevel } from '../fraud/score.ts'
import type { Sentence } from '../plan/index.ts'
import type { Mistake } from './mistake.ts'
import type { ScoringModel } from './model.ts'
import type { RuleList } from './scope.ts'

export type Rule = {
  readonly name: string
  readonly points: number
  /** What an analyst reads; where the file says nothing, the condition. */
  readonly meaning: string
  /** The condition as it stands in the file. */
  readonly when: string
  /** True where the rule fires; false and null do not fire. */
  readonly fires: Expr<'boolean'>
  /** The condition exactly: null where it is not known. */
  readonly value: Expr<'boolean'>
  /**
   * True where the condition is null because a calculation in it overflowed or divided by zero; null where
   * it calculates nothing. Batches count it.
   */
  readonly overflows: Expr<'boolean'> | null
  readonly says: Sentence
  readonly examples: readonly RuleExample[]
}

/** Values that are not given are null. */
export type RuleExample = {
  readonly given: Readonly<Record<string, LiteralValue>>
  readonly fires: boolean
  /** Where it stands in the file of rules, or in one of examples. */
  readonly line: number
  readonly isOfFile: boolean
}

export type RuleSet = {
  /** In the order in which a transaction's reasons are listed. */
  readonly rules: readonly Rule[]
  /** Highest first; a score below all of them is `levelLowest`. */
  readonly levels: readonly RiskLevel[]
  /** From this score on a transaction requires review. */
  readonly reviewFrom: number
  readonly lists: Readonly<Record<string, RuleList>>
  /** null: there is no model. */
  readonly model: ScoringModel | null
}

export type ParsedRules =
  | { readonly kind: 'rules'; readonly rules: RuleSet }
  | { readonly kind: 'mistakes'; readonly mistakes: readonly Mistake[] }
