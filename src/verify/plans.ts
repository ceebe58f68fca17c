// Plans as the proof reads them: for the rows of many batches at once, each with the time of its own, and
// with relations of the proof's in place of operators that it judges by other means.

import { quoteIdentifier } from '../delta/sql.ts'
import { assert } from '../errors/errors.ts'
import { column, columnNames, type Expr, partsOf } from '../expr/index.ts'
import { timeParameter } from '../plan/batch-time.ts'
import {
  argumentsOf,
  historiesOf,
  judgedOf,
  overColumns,
  type PlanNode,
  type TableDefinition,
} from '../plan/index.ts'
import { boundDuckdb, compileTable, type Dialect, type ParameterValues } from '../sql/index.ts'

/** What a row of many batches has beside its columns: the time of its batch, and the watermark before it. */
export const batchTime = 'batch time'
export const lateBefore = 'late before'
const hidden = { [batchTime]: 'timestamp', [lateBefore]: 'timestamp' } as const
const watermarkParameter = 'watermark'

/** As an identifier of SQL. */
export const batchTimeSql = quoteIdentifier(batchTime)
export const lateBeforeSql = quoteIdentifier(lateBefore)

/** The name of the relation that an input of the plan is read from. */
export function inputRelation(name: string): string {
  return `input ${name}`
}

/** The parameters of a batch stand in its rows; the others have these values. */
export function dialectOfMany(parameters: ParameterValues): Dialect {
  const bound = boundDuckdb(parameters)
  return {
    ...bound,
    parameter: (name, type) => {
      if (name === timeParameter) return batchTimeSql
      return name === watermarkParameter ? lateBeforeSql : bound.parameter(name, type)
    },
  }
}

/**
 * The SELECT of a plan over rows of many batches. The inputs are relations of the name `inputRelation`;
 * `replace` gives what stands for an operator, null for the operator itself.
 */
export function selectOfMany(
  node: PlanNode,
  parameters: ParameterValues,
  replace: (node: PlanNode) => PlanNode | null = () => null,
): string {
  const plan = ofMany(node, replace)
  if (plan.kind === 'input') return `SELECT * FROM ${quoteIdentifier(plan.name)}`
  return compileTable(dialectOfMany(parameters), plan).sql
}

function ofMany(node: PlanNode, replace: (node: PlanNode) => PlanNode | null): PlanNode {
  const replaced = replace(node) ?? node
  switch (replaced.kind) {
    case 'input':
      return { ...replaced, name: inputRelation(replaced.name), schema: { ...replaced.schema, ...hidden } }
    case 'shared': // No meaning of its own.
      return ofMany(replaced.input, replace)
    case 'project': {
      const passed = Object.fromEntries(
        Object.entries(hidden).map(([name, type]): [string, Expr] => [name, column(name, type)]),
      )
      return {
        ...replaced,
        columns: { ...replaced.columns, ...passed },
        input: ofMany(replaced.input, replace),
      }
    }
    case 'unpivot':
    case 'expand': {
      const keep = [...replaced.keep, ...Object.keys(hidden)]
      return { ...replaced, keep, input: ofMany(replaced.input, replace) }
    }
    default:
      return { ...replaced, input: ofMany(replaced.input, replace) }
  }
}

/** A relation of the proof in place of an operator. */
export function standIn(name: string): PlanNode {
  return { kind: 'input', name, schema: {}, reads: { of: 'records' } }
}

/** How the records of a batch become events: the parts of the plan of the events. */
export type JudgedPlan = {
  /** What is split into events and refused records. */
  readonly judged: Extract<PlanNode, { kind: 'shared' }>
  /** What finds the repeats; null where nothing is a repeat. */
  readonly deduplicate: Extract<PlanNode, { kind: 'deduplicate' }> | null
  /** Every record, as its bytes and its batch alone say. */
  readonly parsed: PlanNode
}

export function judgedPlanOf({ path, rows }: TableDefinition): JudgedPlan {
  const judged = judgedOf(rows.node)
  assert(judged !== null, `the rows of ${path} are a part of the judged records`)
  const found = historiesOf(judged.input).map(({ node }) => node)
  const deduplicate = found.find((node) => node.kind === 'deduplicate') ?? null
  return { judged, deduplicate, parsed: deduplicate?.input ?? judged.input }
}

/** Whether a plan asks which records are late. */
export function asksForWatermark(node: PlanNode): boolean {
  return parametersIn(node).has(watermarkParameter)
}

/** The parameters that stand in a plan. */
export function parametersIn(node: PlanNode): ReadonlySet<string> {
  const own = new Set(expressionsOf(node).flatMap(parametersOf))
  return 'input' in node ? own.union(parametersIn(node.input)) : own
}

function expressionsOf(node: PlanNode): readonly Expr[] {
  switch (node.kind) {
    case 'project':
      return Object.values(node.columns)
    case 'filter':
      return [node.where]
    case 'deduplicate':
      return [node.candidate, node.rangeMicros]
    case 'expand':
      return node.copies.flatMap((copy) => Object.values(copy))
    case 'window':
      return Object.values(node.aggregates).flatMap(({ args }) => args)
    case 'sessions':
      return Object.values(node.aggregates).flatMap(argumentsOf)
    default:
      return []
  }
}

function parametersOf(expr: Expr): string[] {
  return expr.kind === 'parameter' ? [expr.name] : partsOf(expr).flatMap(parametersOf)
}

/** The name that a column has in `of`, a part of the plan, where it comes from there as it is; else null. */
export function nameIn(of: PlanNode, node: PlanNode, name: string): string | null {
  if (node === of) return name
  if (node.kind !== 'project') return 'input' in node ? nameIn(of, node.input, name) : null
  const expr = node.columns[name]
  return expr?.kind === 'column' ? nameIn(of, node.input, expr.name) : null
}

/** The columns of `of`, a part of the plan, that the wanted columns of the plan are made of. */
export function columnsBehind(
  node: PlanNode,
  of: PlanNode,
  wanted: ReadonlySet<string>,
): ReadonlySet<string> {
  if (node === of || node.kind === 'input') return wanted
  return columnsBehind(node.input, of, columnsRead(node, wanted))
}

function columnsRead(
  node: Exclude<PlanNode, { kind: 'input' }>,
  wanted: ReadonlySet<string>,
): ReadonlySet<string> {
  switch (node.kind) {
    case 'project':
      return new Set([...wanted].flatMap((name) => columnNames(node.columns[name]!)))
    case 'filter':
      return wanted.union(new Set(columnNames(node.where)))
    case 'shared':
      return wanted
    case 'readJson':
      return wanted.union(new Set([node.from]))
    case 'decode':
      return wanted.union(new Set([node.from, node.headers])).difference(new Set([node.as, node.failure]))
    case 'deduplicate': {
      const read = [node.key, node.eventTime, ...node.arrival, ...columnNames(node.candidate)]
      return wanted.union(new Set(read)).difference(new Set([node.as]))
    }
    case 'over': {
      const read = [node.key, node.eventTime, ...node.arrival, ...overColumns(node)]
      return wanted.union(new Set(read)).difference(new Set(Object.keys(node.aggregates)))
    }
    case 'unpivot':
      return new Set([...wanted, ...node.figures.map(({ of }) => of)]).difference(
        new Set([...node.labels, node.value]),
      )
    case 'baseline':
      return new Set([...wanted, ...node.keys, node.order, node.value]).difference(
        new Set([node.expected, node.deviation]),
      )
    case 'expand': {
      const made = node.copies.flatMap((copy) => Object.values(copy).flatMap(columnNames))
      return new Set([...node.keep, ...made])
    }
    case 'window':
      return new Set([
        node.eventTime,
        ...node.keys,
        ...Object.values(node.aggregates).flatMap(({ args }) => args.flatMap(columnNames)),
      ])
    case 'sessions': {
      const read = Object.values(node.aggregates).flatMap((one) => argumentsOf(one).flatMap(columnNames))
      return new Set([node.eventTime, ...node.arrival, ...node.keys, ...read])
    }
  }
}
