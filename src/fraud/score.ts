// The score of a transaction from the rules that fire.
import { addInts, atLeast, type Expr, int, nullOf, presentNames, text, when } from '../expr/index.ts'
import type { DefinedRule } from '../plan/index.ts'

/** The sum of the points of the rules that fire. */
export function fraudScore(rules: readonly DefinedRule[]): Expr<'int'> {
  return addInts(...rules.map((rule) => when([[rule.fires, int(rule.points)]], int(0))))
}

/** The names of the rules that fire, in the order of the rules. */
export function firedRules(rules: readonly DefinedRule[]): Expr<'array<string>'> {
  return presentNames(...rules.map((rule) => when([[rule.fires, text(rule.name)]], nullOf('string'))))
}

export type RiskLevel = { readonly name: string; readonly scoreMin: number }

/** The level of a score that reaches no other. */
export const levelLowest = 'MINIMAL'

/** `levels` are in the order of their scores, highest first. */
export function riskLevel(levels: readonly RiskLevel[], score: Expr<'int'>): Expr<'string'> {
  return when(
    levels.map((level) => [atLeast(score, int(level.scoreMin)), text(level.name)]),
    text(levelLowest),
  )
}
