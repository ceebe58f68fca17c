// What a table of a lakehouse may not be, beyond what its role and what it reads ask for.
import { historiesOf } from './inputs.ts'
import { overColumns } from './over.ts'
import type { OverNode, PlanNode, WindowNode } from './relation.ts'
import { windowColumns } from './roles.ts'
import type { TableDefinition } from './table.ts'

/** A row of windows is told by its window: the table has it as it is. */
export function windowMistakes({ path, rows, watermark }: TableDefinition): string[] {
  const window = windowBelow(rows.node)
  if (window === null) return []
  const missing = Object.keys(windowColumns).filter((name) => {
    return !(name in rows.schema) || !isKept(rows.node, window, name)
  })
  return [
    ...(watermark === null ? [`table ${path}: no watermark says when its windows close`] : []),
    ...missing.map((name) => `table ${path}: as a table of windows it needs their ${name} as it is`),
  ]
}

/**
 * What operators look back at are the rows of the events, and nothing else is kept. So `over` is to meet the
 * rows of a batch as later batches will meet them: all of them, with the columns that they have there.
 */
export function lookBackMistakes(
  events: TableDefinition,
  tables: readonly TableDefinition[],
  { path, rows }: TableDefinition,
): string[] {
  return historiesOf(rows.node).flatMap(({ node, history: { reads } }) => {
    if (reads.of !== 'history' || reads.table !== events.path) {
      return [`table ${path}: only rows of ${events.path} can be looked back at`]
    }
    if (node.kind !== 'over' || givesEvents(events, tables, node.input, columnsMet(node))) return []
    const names = columnsMet(node).join(', ')
    return [
      `table ${path}: over(..) by ${node.key} is to have every row of ${events.path}, with ${names} as they are: filter behind it`,
    ]
  })
}

function columnsMet(node: OverNode): readonly string[] {
  return [...new Set([node.key, node.eventTime, ...overColumns(node), ...node.arrival])]
}

/** Whether the plan gives every row that the batch brings to the events, with these columns. */
function givesEvents(
  events: TableDefinition,
  tables: readonly TableDefinition[],
  node: PlanNode,
  names: readonly string[],
): boolean {
  switch (node.kind) {
    case 'input': {
      const { reads } = node
      if (reads.of !== 'batch') return false
      if (reads.table === events.path) return true
      const table = tables.find(({ path }) => path === reads.table)
      return table !== undefined && givesEvents(events, tables, table.rows.node, names)
    }
    case 'project':
      return names.every((name) => keeps(node, name)) && givesEvents(events, tables, node.input, names)
    case 'filter':
    case 'window':
      return false
    default:
      return givesEvents(events, tables, node.input, names)
  }
}

function windowBelow(node: PlanNode): WindowNode | null {
  if (node.kind === 'window') return node
  return 'input' in node ? windowBelow(node.input) : null
}

function isKept(node: PlanNode, below: PlanNode, name: string): boolean {
  if (node === below || !('input' in node)) return node === below
  return (node.kind !== 'project' || keeps(node, name)) && isKept(node.input, below, name)
}

function keeps({ columns }: Extract<PlanNode, { kind: 'project' }>, name: string): boolean {
  const expr = columns[name]
  return expr?.kind === 'column' && expr.name === name
}
