// What a table of a lakehouse may not be, beyond what its role and what it reads ask for.
import { baselineOf } from './figures.ts'
import { historiesOf, inputsOf, sessionsIn, windowOf } from './inputs.ts'
import { overColumns } from './over.ts'
import type { OverNode, PlanNode, SessionsNode } from './relation.ts'
import { sessionColumns, windowColumns } from './roles.ts'
import type { TableDefinition } from './table.ts'

/**
 * An input has its rows by its name: one name is of the same rows wherever it is read, and what a batch
 * brings to a table has one name.
 */
export function inputNameMistakes(tables: readonly TableDefinition[]): string[] {
  const byName = new Map<string, string>()
  const byRows = new Map<string, string>()
  return tables.flatMap(({ path, rows }) => {
    return inputsOf(rows.node).flatMap(({ name, reads }) => {
      const read = reads.of === 'records' ? 'the records' : `the ${reads.of} of ${reads.table}`
      const known = byName.get(name) ?? read
      byName.set(name, known)
      if (known !== read) return [`table ${path}: the input ${name} reads ${read}, and elsewhere ${known}`]
      if (reads.of === 'closing' || reads.of === 'history') return []
      const named = byRows.get(read) ?? name
      byRows.set(read, named)
      return named === name
        ? []
        : [`table ${path}: ${read} is the input ${named} elsewhere, and ${name} here`]
    })
  })
}

/** A row of windows is told by its window: the table has it as it is. */
export function windowMistakes(
  events: TableDefinition,
  { path, rows, watermark }: Pick<TableDefinition, 'path' | 'rows' | 'watermark'>,
): string[] {
  const window = windowOf(rows.node)
  const cut = sessionsIn(rows.node)
  if (cut !== null) return sessionMistakes(events, { path, rows, watermark }, cut)
  if (window === null) {
    const closing = inputsOf(rows.node).some(({ reads }) => reads.of === 'closing')
    return closing ? [`table ${path}: only windows read the rows that close`] : []
  }
  const others = inputsOf(rows.node).filter(({ reads }) => {
    return reads.of !== 'closing' || reads.table !== events.path
  })
  if (others.length > 0)
    return [`table ${path}: windows are of the rows of ${events.path} that close, and of no others`]
  const missing = Object.keys(windowColumns).filter((name) => {
    return !(name in rows.schema) || !isKept(rows.node, window, name)
  })
  return [
    ...(watermark === null ? [`table ${path}: no watermark says when its windows close`] : []),
    ...missing.map((name) => `table ${path}: as a table of windows it needs their ${name} as it is`),
    ...baselineMistakes(path, rows),
  ]
}

/** What is usual is asked of the table itself: it has what the operator looks at. */
function baselineMistakes(path: string, { node, schema }: TableDefinition['rows']): string[] {
  const found = baselineOf(node)
  if (found === null) return []
  const names = [...found.keys, found.order, found.value]
  const missing = names.filter((name) => !(name in schema) || !isKept(node, found, name))
  return [
    ...(found.input.kind === 'unpivot'
      ? []
      : [`table ${path}: a baseline is of figures, right behind unpivot(..)`]),
    ...missing.map((name) => `table ${path}: its baseline looks at ${name}, which it needs as it is`),
  ]
}

/** A start finds where sessions go on by those that the table has: their keys and ends stand there. */
function sessionMistakes(
  events: TableDefinition,
  { path, rows, watermark }: Pick<TableDefinition, 'path' | 'rows' | 'watermark'>,
  node: SessionsNode,
): string[] {
  const others = inputsOf(node.input).filter(({ reads }) => {
    return reads.of !== 'closing' || reads.table !== events.path
  })
  const { reads } = node.written
  const missing = [...Object.keys(sessionColumns), ...node.keys].filter((name) => {
    return !(name in rows.schema) || !isKept(rows.node, node, name)
  })
  return [
    ...(watermark === null ? [`table ${path}: no watermark says when its sessions close`] : []),
    ...(others.length > 0 || !isRowByRow(node.input)
      ? [`table ${path}: sessions are of the rows of ${events.path} that close, one by one, and of no others`]
      : []),
    ...(reads.of !== 'history' || reads.table !== path
      ? [`table ${path}: its sessions go on behind those of ${path}, and of no other table`]
      : []),
    ...(isAlone(rows.node) ? [] : [`table ${path}: what follows from sessions follows from each by itself`]),
    ...missing.map((name) => `table ${path}: as a table of sessions it needs their ${name} as it is`),
  ]
}

function isRowByRow(node: PlanNode): boolean {
  if (node.kind === 'input') return true
  return (node.kind === 'project' || node.kind === 'filter') && isRowByRow(node.input)
}

/** Whether what stands above sessions takes one after another. */
function isAlone(node: PlanNode): boolean {
  if (node.kind === 'sessions') return true
  return (node.kind === 'project' || node.kind === 'filter') && isAlone(node.input)
}

/**
 * What operators look back at are the rows of the events, and nothing else is kept. So `over` is to meet the
 * rows of a batch as later batches will meet them: all of them, with the columns that they have there.
 */
export function lookBackMistakes(
  events: TableDefinition,
  tables: readonly TableDefinition[],
  judges: readonly string[],
  { path, rows }: TableDefinition,
): string[] {
  return historiesOf(rows.node).flatMap(({ node, history: { reads } }) => {
    if (reads.of !== 'history' || reads.table !== events.path) {
      return [`table ${path}: only rows of ${events.path} can be looked back at`]
    }
    // What stays of a repeat is known of the events alone: a start would remember repeats of any other rows.
    if (node.kind === 'deduplicate' && !judges.includes(path)) {
      return [`table ${path}: repeats are found among the records of ${events.path} alone`]
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
    case 'unpivot':
    case 'baseline':
    case 'sessions':
    case 'expand':
      return false
    default:
      return givesEvents(events, tables, node.input, names)
  }
}

function isKept(node: PlanNode, below: PlanNode, name: string): boolean {
  if (node === below || !('input' in node)) return node === below
  return (node.kind !== 'project' || keeps(node, name)) && isKept(node.input, below, name)
}

function keeps({ columns }: Extract<PlanNode, { kind: 'project' }>, name: string): boolean {
  const expr = columns[name]
  return expr?.kind === 'column' && expr.name === name
}
