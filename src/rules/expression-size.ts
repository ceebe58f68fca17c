// How much an expression computes.
import type { Expr } from '../expr/index.ts'

/** How often Spark's SQL has an argument of these. */
const repeats: Readonly<Record<string, number>> = { divideDecimals: 3 }

/** How many parts the SQL of the expression has; stops counting beyond `most`. */
export function sizeOf(expr: Expr, most: number): number {
  const times = expr.kind === 'call' ? (repeats[expr.function] ?? 1) : 1
  let size = 1
  for (const part of partsOf(expr)) {
    size += times * sizeOf(part, most)
    if (size > most) return size
  }
  return size
}

function partsOf(expr: Expr): readonly Expr[] {
  if (expr.kind === 'call') return expr.args
  if (expr.kind === 'case')
    return [...expr.branches.flatMap((branch) => [branch.when, branch.then]), expr.otherwise]
  return []
}
