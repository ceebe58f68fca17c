// Windows of tables as panes: which rows, keys and values go into panes, and what tables have of them. A pane
// is a stretch of event time that a window is a whole number of. Tables with the same keys over the same rows
// have panes in common, as long as the greatest stretch that divides their slides.
import { unreachable } from '../errors/errors.ts'
import type { Accumulator, ColumnType, Expr, Schema } from '../expr/index.ts'
import { aggregateNamed } from '../expr/index.ts'
import {
  belowFigures,
  columnType,
  inputsOf,
  type PlanNode,
  type Relation,
  storedText,
  type TableDefinition,
  type WindowNode,
  windowOf,
} from '../plan/index.ts'
import { type GivenColumns, givenColumns, typesOf } from './given-columns.ts'
import type { RowPath } from './row-batch.ts'
import { compileRowPath } from './row-path.ts'

export type PanePlan = {
  /** By the names of columns that are as the source has them their names there. */
  readonly given: GivenColumns['given']
  /** The output of `computed` that has the other columns; null where there are none. */
  readonly output: string | null
  /** The following names are of these columns; `time` is the event time. */
  readonly time: string
  readonly sliceMicros: number
  readonly keys: readonly string[]
  /** `argument` is null where the aggregate has none. */
  readonly folds: readonly { readonly fold: Fold; readonly argument: string | null }[]
  /** The columns whose different values are counted. */
  readonly distinct: readonly string[]
  /** The columns whose values are kept: doubles. */
  readonly values: readonly string[]
  readonly tables: readonly PanedTable[]
}

export type PanedTable = {
  readonly path: string
  readonly window: WindowNode
  readonly figures: readonly Figure[]
  /**
   * From rows with `window_start`, `window_end`, keys and aggregates the rows of the table, its only output; of
   * a table of figures those that the figures are taken from.
   */
  readonly rows: RowPath
}

/** By name of the aggregate, the index of its fold, of its count of different values, or of its values. */
export type Figure = { readonly name: string; readonly index: number } & (
  | { readonly kind: 'fold' | 'distinct' }
  | { readonly kind: 'values'; readonly of: (sorted: Float64Array) => number | null }
)

export type WindowPanePlans = {
  /** From rows of the source the columns of the plans that it does not have; null where it has all. */
  readonly computed: RowPath | null
  /** The types of all columns; columns of one name have the same values. */
  readonly types: Schema
  readonly plans: readonly PanePlan[]
}

type Fold = Extract<Accumulator, { kind: 'fold' }>

/** The output of a table's `rows`. */
export const tableRows = 'table_rows'

/**
 * Tables whose windows do not depend on rows of the source alone, one after another and without a value of
 * the batch, are left out.
 */
export function panePlans(tables: readonly TableDefinition[]): WindowPanePlans {
  const source = closingName(tables)
  const windows = tables.flatMap((table): TableWindow[] => {
    const window = windowBelow(table.rows.node)
    return window !== null && isPaned(window, source) ? [{ table, window }] : []
  })
  const shared = Map.groupBy(windows, ({ window: { input, eventTime, keys } }) =>
    storedText({ input, eventTime, keys }),
  )
  const names = new ColumnNames()
  const drafts = [...shared.values()].map((ofPlan, index) => new Draft(`pane_rows_${index}`, ofPlan, names))
  const outputs = drafts.flatMap(({ plan: { output }, computed }) => {
    return output === null ? [] : [[output, { relation: computed, into: 'columns' }]]
  })
  return {
    computed: outputs.length === 0 ? null : compileRowPath({ source, outputs: Object.fromEntries(outputs) }),
    types: Object.assign({}, ...drafts.map(({ types }) => types)) as Schema,
    plans: drafts.map(({ plan }) => plan),
  }
}

/** The name of the rows in windows that close. */
function closingName(tables: readonly TableDefinition[]): string {
  const windows = tables.filter(({ rows }) => windowOf(rows.node) !== null)
  const read = windows.flatMap(({ rows }) => inputsOf(rows.node))
  return read.find(({ reads }) => reads.of === 'closing')?.name ?? 'closing'
}

type TableWindow = { readonly table: TableDefinition; readonly window: WindowNode }

/** The window aggregate, where what is above it takes one row after another; else null. */
function windowBelow(node: PlanNode): WindowNode | null {
  switch (node.kind) {
    case 'window':
      return node
    case 'project':
    case 'filter':
    case 'shared':
    case 'unpivot':
    case 'baseline':
      return windowBelow(node.input)
    default:
      return null
  }
}

function isPaned({ input, eventTime, keys, aggregates, sizeMicros }: WindowNode, source: string): boolean {
  const types = keys.map((key) => columnType(input, key))
  const all = Object.values(aggregates)
  return (
    isRowByRow(input, source) &&
    columnType(input, eventTime) === 'timestamp' &&
    sizeMicros <= BigInt(Number.MAX_SAFE_INTEGER) &&
    all.every(({ args }) => args.length <= 1 && args.every(isOfRow)) &&
    [...types, ...all.flatMap(({ args }) => args.map(({ type }) => type))].every(isInterned)
  )
}

/** Values that can be told apart when they are remembered. */
function isInterned(type: ColumnType): boolean {
  return type !== 'json' && type !== 'headers'
}

function isRowByRow(node: PlanNode, source: string): boolean {
  switch (node.kind) {
    case 'input':
      return node.name === source
    case 'project':
      return Object.values(node.columns).every(isOfRow) && isRowByRow(node.input, source)
    case 'filter':
      return isOfRow(node.where) && isRowByRow(node.input, source)
    case 'shared':
      return isRowByRow(node.input, source)
    default:
      return false
  }
}

/** A value of the batch is that of the batch that closes the window, not of the one that brings the row. */
function isOfRow(expr: Expr): boolean {
  switch (expr.kind) {
    case 'parameter':
      return false
    case 'call':
      return expr.args.every(isOfRow)
    case 'case':
      return (
        expr.branches.every(({ when, then }) => isOfRow(when) && isOfRow(then)) && isOfRow(expr.otherwise)
      )
    default:
      return true
  }
}

/** One name for each value that is asked of a relation. */
class ColumnNames {
  readonly #known = new Map<string, string>()

  of(input: PlanNode, expr: Expr): string {
    const text = storedText([input, expr])
    const name = this.#known.get(text) ?? `value_${this.#known.size}`
    this.#known.set(text, name)
    return name
  }
}

class Draft {
  readonly plan: PanePlan
  readonly #columns: Record<string, Expr> = {}
  readonly #computed: Readonly<Record<string, Expr>>
  readonly #input: PlanNode
  readonly #names: ColumnNames
  readonly #folds: { readonly fold: Fold; readonly argument: string | null; readonly text: string }[] = []
  readonly #distinct: string[] = []
  readonly #values: string[] = []

  constructor(output: string, windows: readonly TableWindow[], names: ColumnNames) {
    const { input, eventTime, keys } = windows[0]!.window
    this.#input = input
    this.#names = names
    const column = (name: string): string =>
      this.#name({ kind: 'column', name, type: columnType(input, name) })
    const tables = windows.map((one) => this.#table(one))
    const [time, groupKeys] = [column(eventTime), keys.map(column)]
    const { given, others } = givenColumns(input, this.#columns)
    this.#computed = others
    this.plan = {
      given,
      output: Object.keys(others).length === 0 ? null : output,
      time,
      sliceMicros: Number(windows.map(({ window }) => window.slideMicros).reduce(greatestDivisor)),
      keys: groupKeys,
      folds: this.#folds,
      distinct: this.#distinct,
      values: this.#values,
      tables,
    }
  }

  get types(): Schema {
    return typesOf(this.#columns)
  }

  get computed(): Relation {
    const columns = this.#computed
    return { node: { kind: 'project', input: this.#input, columns }, schema: typesOf(columns) }
  }

  #name(expr: Expr): string {
    const name = this.#names.of(this.#input, expr)
    this.#columns[name] = expr
    return name
  }

  #table({ table, window }: TableWindow): PanedTable {
    const figures = Object.entries(window.aggregates).map(([name, aggregate]): Figure => {
      const { javascript } = aggregateNamed(aggregate.function)
      const [argument] = aggregate.args.map((arg) => this.#name(arg))
      switch (javascript.kind) {
        case 'fold': {
          const index = this.#fold(storedText(aggregate), javascript, argument ?? null)
          return { name, kind: javascript.kind, index }
        }
        case 'distinct':
          return { name, kind: javascript.kind, index: placeIn(this.#distinct, argument!) }
        case 'values':
          return { name, ...javascript, index: placeIn(this.#values, argument!) }
        default:
          return unreachable(javascript)
      }
    })
    const closed = 'closed_windows'
    const names = ['window_start', 'window_end', ...window.keys, ...Object.keys(window.aggregates)]
    const schema = Object.fromEntries(names.map((name) => [name, columnType(window, name)]))
    const wide = belowFigures(table.rows)
    const node = replaced(wide.node, { kind: 'input', name: closed, schema, reads: { of: 'records' } })
    const relation = { node, schema: wide.schema }
    const rows = compileRowPath({ source: closed, outputs: { [tableRows]: { relation, into: 'columns' } } })
    return { path: table.path, window, figures, rows }
  }

  #fold(text: string, fold: Fold, argument: string | null): number {
    const known = this.#folds.findIndex((one) => one.text === text)
    return known >= 0 ? known : this.#folds.push({ text, fold, argument }) - 1
  }
}

function placeIn(list: string[], name: string): number {
  const known = list.indexOf(name)
  return known >= 0 ? known : list.push(name) - 1
}

/** The plan with other rows in place of its window aggregate. */
function replaced(node: PlanNode, windows: PlanNode): PlanNode {
  if (node.kind === 'window') return windows
  return 'input' in node ? { ...node, input: replaced(node.input, windows) } : node
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestDivisor(b, a % b)
}
