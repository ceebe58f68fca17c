// The score of a transaction from the rules that fire.
import {
  addInts,
  atLeast,
  type Columns,
  type Expr,
  int,
  nullOf,
  presentNames,
  text,
  when,
} from '../expr/index.ts'
import { type RuleInput, type RuleSettings, riskLevelLowest, riskLevels, rules } from './rules.ts'

/** The sum of the points of the rules that fire. */
export function fraudScore(row: Columns<RuleInput>, settings: RuleSettings): Expr<'int'> {
  return addInts(...rules.map((rule) => when([[rule.fires(row, settings), int(rule.points)]], int(0))))
}

/** The names of the rules that fire, in the order of the rules. */
export function firedRules(row: Columns<RuleInput>, settings: RuleSettings): Expr<'array<string>'> {
  return presentNames(
    ...rules.map((rule) => when([[rule.fires(row, settings), text(rule.name)]], nullOf('string'))),
  )
}

export function riskLevel(score: Expr<'int'>): Expr<'string'> {
  return when(
    riskLevels.map((level) => [atLeast(score, int(level.scoreMin)), text(level.name)]),
    text(riskLevelLowest),
  )
}
