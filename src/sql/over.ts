// The operator `over` as SQL; its meaning stands at `OverNode` (plan/relation.ts).
import { countsAlone, historyColumns, type OverNode, type PlanNode } from '../plan/index.ts'
import { indentRest, joinArrival } from './arrival.ts'
import type { Dialect } from './dialect.ts'
import { overCountSql } from './over-count.ts'
import { overValuesSql } from './over-values.ts'
import { sparkOverCount } from './spark-over-count.ts'

/**
 * Operators one above the other of which none reads what another adds, the lowest first: all of them look at
 * the rows `below`.
 */
export type OverLayer = { readonly nodes: readonly OverNode[]; readonly below: PlanNode }

export function overLayer(top: OverNode): OverLayer {
  const nodes = [top]
  let below = top.input
  while (below.kind === 'over' && !readsAny(nodes, below)) {
    nodes.unshift(below)
    below = below.input
  }
  return { nodes, below }
}

function readsAny(nodes: readonly OverNode[], { aggregates }: OverNode): boolean {
  return nodes.some((node) => columnsRead(node).some((column) => column in aggregates))
}

function columnsRead(node: OverNode): readonly string[] {
  return [...new Set([...historyColumns(node), ...node.arrival])]
}

/**
 * Statements within one another would grow with the product of how often each of them reads the one below it;
 * operators beside one another, joined to their rows by arrival, grow with the sum. `hold` names a relation
 * that is computed before; where it is null all is one statement.
 */
export function overSql(
  dialect: Dialect,
  { nodes }: OverLayer,
  input: string,
  historyOf: (node: OverNode) => string,
  hold: ((select: () => string) => string) | null,
): string {
  const [only, ...others] = nodes
  if (only !== undefined && others.length === 0 && carries(dialect, only)) {
    return sparkCountSql(dialect, only, input, historyOf(only))
  }
  const isHeld = hold !== null && others.length > 0
  const rows = isHeld ? input : 'layer_rows'
  const added = nodes.map((node, index) => {
    const read = columnsRead(node).map((column) => dialect.name(column))
    const narrow = `(SELECT ${read.join(', ')} FROM ${indentRest(rows)})`
    const select = () => foundSql(dialect, node, narrow, historyOf(node))
    const found = isHeld ? hold(select) : `(\n  ${indentRest(select())}\n)`
    return {
      columns: Object.keys(node.aggregates).map((as) => `added_${index}.${dialect.name(as)}`),
      join: `LEFT JOIN ${found} AS added_${index}\n  ON ${joinArrival(dialect, node, `added_${index}`)}`,
    }
  })
  const named = isHeld ? '' : `WITH layer_rows AS (SELECT * FROM ${indentRest(input)})\n`
  return `${named}SELECT batch_rows.*, ${added.flatMap(({ columns }) => columns).join(', ')}
FROM ${indentRest(rows)} AS batch_rows
${added.map(({ join }) => join).join('\n')}`
}

/** What an operator adds, by the arrival of the rows. */
function foundSql(dialect: Dialect, node: OverNode, input: string, history: string): string {
  if (!countsAlone(node)) return overValuesSql(dialect, node, input, history)
  if (dialect.engine === 'duckdb') return overCountSql(node, input, history)
  return sparkCountSql(dialect, node, input, history)
}

/** Whether the rows go through the operator whole, which saves a join. */
function carries(dialect: Dialect, node: OverNode): boolean {
  return dialect.engine === 'spark' && countsAlone(node)
}

function sparkCountSql(dialect: Dialect, node: OverNode, input: string, history: string): string {
  return sparkOverCount(node, input, history, dialect.busyKeys?.get(node))
}
