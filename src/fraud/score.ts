// The score of a transaction from the rules that fire.
import { addInts, atLeast, type Expr, int, nullOf, presentNames, text, when } from '../expr/index.ts'
import type { DefinedRule, Lakehouse } from '../plan/index.ts'

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

/** The levels that a lakehouse gives, highest first; those of an expression that says no names are none. */
export function levelNames({ scored }: Pick<Lakehouse, 'scored'>): readonly string[] {
  const node = scored?.rows.node
  const level = node?.kind === 'project' ? node.columns.risk_level : undefined
  return level?.kind === 'case' ? [...new Set(textsOf(level))] : []
}

/** What a text can be, where the expression says it: that of an experiment has a case for each arm. */
function textsOf(text: Expr): string[] {
  if (text.kind === 'literal') return [String(text.value)]
  return text.kind === 'case'
    ? [...text.branches.map(({ then }) => then), text.otherwise].flatMap(textsOf)
    : []
}

/** `levels` are in the order of their scores, highest first. */
export function riskLevel(levels: readonly RiskLevel[], score: Expr<'int'>): Expr<'string'> {
  return when(
    levels.map((level) => [atLeast(score, int(level.scoreMin)), text(level.name)]),
    text(levelLowest),
  )
}
