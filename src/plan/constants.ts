// Columns that stand in every row alike, such as the version of the rules: no row says what they are.
import type { TableDefinition } from './table.ts'

/** Whether the column is a constant of the table's definition. */
export function isConstant({ rows: { node } }: TableDefinition, name: string): boolean {
  return node.kind === 'project' && node.columns[name]?.kind === 'literal'
}

/** The table but for its constants: what rows have of them another definition cannot tell. */
export function withoutConstants(table: TableDefinition): TableDefinition {
  const { node, schema } = table.rows
  if (node.kind !== 'project') return table
  const kept = (name: string): boolean => !isConstant(table, name)
  const only = <T>(of: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
    Object.fromEntries(Object.entries(of).filter(([name]) => kept(name)))
  return { ...table, rows: { schema: only(schema), node: { ...node, columns: only(node.columns) } } }
}
