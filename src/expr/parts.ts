// What an expression is made of.
import type { Expr } from './expression.ts'

/** The expressions that stand directly in it. */
export function partsOf(expr: Expr): readonly Expr[] {
  if (expr.kind === 'call') return expr.args
  if (expr.kind !== 'case') return []
  return [...expr.branches.flatMap((branch) => [branch.when, branch.then]), expr.otherwise]
}

/** The names of the columns that it asks, some more than once. */
export function columnNames(expr: Expr): string[] {
  return expr.kind === 'column' ? [expr.name] : partsOf(expr).flatMap(columnNames)
}
