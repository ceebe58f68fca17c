// The reasons that a plan gives: columns that are a text where a condition is true, and null elsewhere. By
// them a changed judgement of records is told by its names.
import type { Expr } from '../expr/index.ts'
import type { PlanNode } from './relation.ts'
import { storedText } from './stored.ts'

export type ReasonDifference = {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
}

export function reasonDifference(was: PlanNode, is: PlanNode): ReasonDifference {
  const [before, after] = [conditionsOf(was), conditionsOf(is)]
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: [...after.keys()].filter((name) => before.has(name) && before.get(name) !== after.get(name)),
  }
}

/** By its reason, the text of each condition. */
function conditionsOf(node: PlanNode): ReadonlyMap<string, string> {
  const found = new Map<string, string>('input' in node ? conditionsOf(node.input) : [])
  if (node.kind !== 'project') return found
  for (const expr of Object.values(node.columns)) {
    for (const { reason, when } of reasonBranches(expr)) found.set(reason, storedText(when))
  }
  return found
}

function reasonBranches(expr: Expr): readonly { readonly reason: string; readonly when: Expr }[] {
  if (expr.kind !== 'case' || expr.type !== 'string' || !isNothing(expr.otherwise)) return []
  return expr.branches.flatMap(({ when, then }) => {
    return then.kind === 'literal' && then.value !== null ? [{ reason: String(then.value), when }] : []
  })
}

function isNothing(expr: Expr): boolean {
  return expr.kind === 'literal' && expr.value === null
}
