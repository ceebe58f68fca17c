// The lakehouse that ships, with something in it changed, as its author would change it.
import { countRows, sumMoney } from '../../../src/expr/index.ts'
import { processingTime } from '../../../src/lakehouse/batch.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import {
  defineLakehouse,
  defineTable,
  input,
  type Lakehouse,
  type LakehouseParts,
  type PlanNode,
  project,
  type TableDefinition,
  type WindowNode,
  window,
} from '../../../src/plan/index.ts'

/** The parts of the lakehouse that ships. */
const { tables: all, ...roles } = standardLakehouse
const parts: LakehouseParts = { ...roles, tables: all.slice(4) }

/** With one of its tables put in another's place; without `edit` it is left out. */
export function withTable(
  path: string,
  edit: ((table: TableDefinition) => TableDefinition) | null,
): Lakehouse {
  const place = (table: TableDefinition): TableDefinition =>
    table.path === path && edit !== null ? edit(table) : table
  const { records, events, refused, scored, tables } = parts
  const edited = {
    ...parts,
    records: place(records),
    events: place(events),
    refused: place(refused),
    scored: scored === null ? null : place(scored),
    tables: tables.filter((table) => edit !== null || table.path !== path).map(place),
  }
  // Of silver the others would have to follow, which matters to nobody who compares it alone.
  if (path !== events.path) return defineLakehouse(edited)
  return { ...standardLakehouse, ...edited, tables: all.map(place) }
}

export const withMore = (...more: TableDefinition[]): Lakehouse =>
  defineLakehouse({ ...parts, tables: [...parts.tables, ...more] })

export const withParts = (more: Partial<LakehouseParts>): Lakehouse => defineLakehouse({ ...parts, ...more })

/** The same table with other windows. */
export function editWindow(table: TableDefinition, edit: (node: WindowNode) => WindowNode): TableDefinition {
  const edited = (node: PlanNode): PlanNode => {
    if (node.kind === 'window') return edit(node)
    return 'input' in node ? ({ ...node, input: edited(node.input) } as PlanNode) : node
  }
  return { ...table, rows: { ...table.rows, node: edited(table.rows.node) } }
}

type Projected = Extract<PlanNode, { kind: 'project' }>['columns']

/** The same table with other columns, which the last node of its plan computes. */
export function editColumns(
  table: TableDefinition,
  edit: (columns: Projected) => Projected,
): TableDefinition {
  const edited = (node: PlanNode): PlanNode => {
    if (node.kind === 'project') return { ...node, columns: edit(node.columns) }
    return 'input' in node ? ({ ...node, input: edited(node.input) } as PlanNode) : node
  }
  const columnsOfNode = (node: PlanNode): Projected => {
    if (node.kind === 'project') return node.columns
    return 'input' in node ? columnsOfNode(node.input) : {}
  }
  const node = edited(table.rows.node)
  const schema = Object.fromEntries(
    Object.entries(columnsOfNode(node)).map(([name, { type }]) => [name, type]),
  )
  return { ...table, rows: { node, schema } }
}

const silverCards = input(
  'silver_cards',
  { event_time: 'timestamp', payment_method: 'string', amount: 'decimal(18,2)' },
  { of: 'closing', table: 'silver/transactions' },
)

/** A table that the lakehouse that ships has not: what each way of paying takes in ten minutes. */
export const paymentMethods = defineTable({
  path: 'aggregations/payment_method',
  meaning: 'What each way of paying takes.',
  stream: 'aggregations',
  partitionBy: null,
  watermark: 'merchant',
  rows: project(
    window(silverCards, {
      eventTime: 'event_time',
      sizeMicros: 600_000_000n,
      keys: ['payment_method'],
      aggregates: (row) => ({ payments: countRows(), total: sumMoney(row.amount) }),
    }),
    (row) => ({
      window_start: row.window_start,
      window_end: row.window_end,
      payment_method: row.payment_method,
      payments: row.payments,
      total: row.total,
      aggregation_time: processingTime,
    }),
  ),
})
