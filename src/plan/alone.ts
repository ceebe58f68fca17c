// A table's plan by itself: what it reads of the batch of other derived tables is computed in it. A table that
// goes by another time's definitions than those before it reads what it was defined to read.

import { hasClosingRows } from './inputs.ts'
import { isOfInput, type Lakehouse } from './lakehouse.ts'
import type { PlanNode } from './relation.ts'
import type { TableDefinition } from './table.ts'

/** The table with the plans of the derived tables, of the same definitions, in place of their batch. */
export function tableAlone(
  lakehouse: Lakehouse,
  definitions: readonly TableDefinition[],
  table: TableDefinition,
): TableDefinition {
  const { schema, node } = table.rows
  return { ...table, rows: { schema, node: planAlone(lakehouse, definitions, node) } }
}

/**
 * The tables of a batch: as they were defined then, and those that came later as they are today, but for what
 * has rows of later batches alone.
 */
export function withLater(
  lakehouse: Lakehouse,
  ofBatch: readonly TableDefinition[],
  today: readonly TableDefinition[],
): readonly TableDefinition[] {
  const later = today.filter(({ path }) => !ofBatch.some((one) => one.path === path))
  return [...ofBatch, ...later.map((table) => tableAlone(lakehouse, today, withoutCopies(table)))]
}

/** The table as it is in batches that knew nothing of it; the table itself where it has rows of those. */
export function withoutCopies(table: TableDefinition): TableDefinition {
  const { node, schema } = table.rows
  return node.kind === 'expand' ? { ...table, rows: { node: { ...node, copies: [] }, schema } } : table
}

function planAlone(lakehouse: Lakehouse, definitions: readonly TableDefinition[], node: PlanNode): PlanNode {
  if (node.kind !== 'input') return { ...node, input: planAlone(lakehouse, definitions, node.input) }
  const { reads } = node
  if (reads.of !== 'batch' || isOfInput(lakehouse, reads.table)) return node
  const table = definitions.find(({ path }) => path === reads.table)
  if (table === undefined || hasClosingRows(table.rows.node)) return node
  return planAlone(lakehouse, definitions, table.rows.node)
}
