// Where a table has the time of the batch that wrote a row: by it rows are taken slice by slice.
import { type Lakehouse, roleOf } from './lakehouse.ts'
import type { PlanNode } from './relation.ts'
import type { TableDefinition } from './table.ts'

/** The parameter that is the batch's time. */
export const timeParameter = 'processing_time'

/** The name of the column; null where the table has none. */
export function batchTimeColumn(lakehouse: Lakehouse, { path, rows }: TableDefinition): string | null {
  // The column of that name is what the role asks for.
  if (roleOf(lakehouse, path) !== null) return 'processing_time'
  return Object.keys(rows.schema).find((name) => isBatchTime(lakehouse, rows.node, name)) ?? null
}

function isBatchTime(lakehouse: Lakehouse, node: PlanNode, name: string): boolean {
  switch (node.kind) {
    case 'input': {
      const { reads } = node
      const table = reads.of === 'batch' && lakehouse.tables.find(({ path }) => path === reads.table)
      return table ? batchTimeColumn(lakehouse, table) === name : false
    }
    case 'project': {
      const expr = node.columns[name]
      if (expr?.kind === 'parameter') return expr.name === timeParameter
      return expr?.kind === 'column' && isBatchTime(lakehouse, node.input, expr.name)
    }
    case 'expand':
      return node.keep.includes(name) && isBatchTime(lakehouse, node.input, name)
    case 'window':
    case 'unpivot':
    case 'sessions':
      return false
    default:
      return isBatchTime(lakehouse, node.input, name)
  }
}
