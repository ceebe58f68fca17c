// Sessions of a table as they grow in memory: which values of a row are needed, what is done with each, and
// the rows of the table that are made of sessions that close.
import { NumberColumn, newColumn } from '../columns/column.ts'
import { whole } from '../columns/whole.ts'
import { assert, unreachable } from '../errors/errors.ts'
import { aggregateNamed, type ColumnType, type Expr, type Schema } from '../expr/index.ts'
import {
  columnType,
  inputsOf,
  type PlanNode,
  type Relation,
  type SessionsNode,
  sessionsIn,
  storedText,
  type TableDefinition,
} from '../plan/index.ts'
import type { OpenShape } from '../state/open-sessions.ts'
import type { RowValueKind } from '../state/waiting-rows.ts'
import { type GivenColumns, givenColumns, typesOf } from './given-columns.ts'
import { tableRows } from './pane-plan.ts'
import type { RowPath } from './row-batch.ts'
import { compileRowPath } from './row-path.ts'

/** What becomes of an aggregate: by its place in the list of its kind. */
export type SessionFigure = {
  readonly name: string
  readonly kind: 'fold' | 'distinct' | 'changes' | 'preceded' | 'first'
  readonly index: number
  /** Of first values what stands there for null; null where nothing does. */
  readonly instead: string | null
}

export type SessionPlan = {
  readonly node: SessionsNode
  /** From rows of silver the output `sessionRows`: `time`, `key_0` .., `arrival_0` .. and `value_0` ... */
  readonly rows: RowPath
  /** From the same those columns alone that are not as silver has them; null where there are none. */
  readonly computed: RowPath | null
  /** By the names of the others the names that they have in silver. */
  readonly given: GivenColumns['given']
  readonly schema: Schema
  readonly keys: readonly string[]
  readonly arrival: readonly string[]
  readonly values: readonly string[]
  /** By value; what is an id is remembered as a number, equal ones as the same. */
  readonly kinds: readonly RowValueKind[]
  readonly shape: OpenShape
  readonly figures: readonly SessionFigure[]
  readonly closed: ClosedPlan
}

/** The rows of the table, from those of sessions: keys, `session_start`, `session_end` and the aggregates. */
export type ClosedPlan = {
  readonly schema: Schema
  /** The columns of sessions. */
  readonly columns: Schema
  /** The output `tableRows` with what is not as sessions have it; null where there is nothing. */
  readonly computed: RowPath | null
  /** By the names of the others the names that they have in sessions. */
  readonly given: GivenColumns['given']
}

/** The output of `rows`. */
export const sessionRows = 'session_rows'
export const sessionTime = 'time'
const closedSource = 'closed_sessions'

/** null for a table without sessions. */
export function sessionPlan(definition: TableDefinition): SessionPlan | null {
  const { rows } = definition
  const node = sessionsIn(rows.node)
  if (node === null) return null
  const values = new Values()
  const figures = new Figures(values)
  for (const [name, one] of Object.entries(node.aggregates)) figures.add(name, one)
  const { input } = node
  const named = (names: readonly string[], as: string): [string, Expr][] =>
    names.map((name, index) => [
      `${as}_${index}`,
      { kind: 'column', name, type: columnType(input, name) } as Expr,
    ])
  const [keys, arrival] = [named(node.keys, 'key'), named(node.arrival, 'arrival')]
  const computed = values.exprs.map((expr, index): [string, Expr] => [`value_${index}`, expr])
  const time = { kind: 'column', name: node.eventTime, type: 'timestamp' } as const
  const columns = Object.fromEntries([[sessionTime, time], ...keys, ...arrival, ...computed])
  const schema = typesOf(columns)
  const [source] = inputsOf(input)
  assert(source !== undefined, 'sessions read rows')
  const pathOf = (some: Readonly<Record<string, Expr>>): RowPath => {
    const relation = { node: { kind: 'project', input, columns: some } as PlanNode, schema: typesOf(some) }
    const outputs = { [sessionRows]: { relation, into: 'columns' } } as const
    return compileRowPath({ source: source.name, outputs })
  }
  const { given, others } = givenColumns(input, columns)
  return {
    node,
    rows: pathOf(columns),
    computed: Object.keys(others).length === 0 ? null : pathOf(others),
    given,
    schema,
    keys: keys.map(([name]) => name),
    arrival: arrival.map(([name]) => name),
    values: computed.map(([name]) => name),
    kinds: computed.map(([, { type }], index) => kindOf(type, figures.interned.has(index))),
    shape: { gapMicros: whole(node.gapMicros), lengthMaxMicros: whole(node.lengthMaxMicros), ...figures },
    figures: figures.figures,
    closed: closedPlan(definition, node),
  }
}

/** What is no whole number can only be told apart. */
function kindOf(type: ColumnType, isInterned: boolean): RowValueKind {
  if (isInterned) return 'id'
  if (type === 'boolean') return 'flag'
  return type !== 'double' && newColumn(type) instanceof NumberColumn ? 'whole' : 'id'
}

function closedPlan({ rows }: TableDefinition, node: SessionsNode): ClosedPlan {
  const names = [...node.keys, 'session_start', 'session_end', ...Object.keys(node.aggregates)]
  const columns = Object.fromEntries(names.map((name) => [name, columnType(node, name)]))
  const input: PlanNode = { kind: 'input', name: closedSource, schema: columns, reads: { of: 'records' } }
  const replaced = (one: PlanNode): PlanNode => {
    if (one === node) return input
    return 'input' in one ? { ...one, input: replaced(one.input) } : one
  }
  const pathOf = (relation: Relation): RowPath => {
    return compileRowPath({
      source: closedSource,
      outputs: { [tableRows]: { relation, into: 'columns' } },
    })
  }
  const { schema } = rows
  const top = replaced(rows.node)
  // Where rows are left out, no column is as sessions have it.
  if (top.kind !== 'project') return { schema, columns, computed: pathOf({ node: top, schema }), given: {} }
  const { given, others } = givenColumns(top.input, top.columns)
  const ofOthers = { node: { ...top, columns: others }, schema: typesOf(others) }
  return { schema, columns, computed: Object.keys(others).length === 0 ? null : pathOf(ofOthers), given }
}

/** Each value that is asked for once. */
class Values {
  readonly exprs: Expr[] = []
  readonly #known = new Map<string, number>()

  of(expr: Expr): number {
    const text = storedText(expr)
    const index = this.#known.get(text) ?? this.exprs.push(expr) - 1
    this.#known.set(text, index)
    return index
  }
}

class Figures {
  readonly folds: OpenShape['folds'][number][] = []
  readonly distinct: number[] = []
  readonly changes: OpenShape['changes'][number][] = []
  readonly preceded: OpenShape['preceded'][number][] = []
  readonly firsts: OpenShape['firsts'][number][] = []
  readonly figures: SessionFigure[] = []
  readonly interned = new Set<number>()
  readonly #values: Values

  constructor(values: Values) {
    this.#values = values
  }

  add(name: string, one: SessionsNode['aggregates'][string]): void {
    if (one.kind === 'aggregate') {
      const { javascript } = aggregateNamed(one.function)
      const [value] = one.args.map((arg) => this.#values.of(arg))
      assert(javascript.kind !== 'values', 'sessions do not keep all values')
      if (javascript.kind === 'fold')
        this.#figure(name, 'fold', this.folds.push({ fold: javascript, value: value ?? null }))
      else this.#figure(name, 'distinct', this.distinct.push(this.#remembered(one.args[0]!)))
      return
    }
    switch (one.function) {
      case 'changes': {
        const within = one.withinMicros === null ? null : Number(one.withinMicros)
        const change = { value: this.#remembered(one.of), withinMicros: within }
        this.#figure(name, 'changes', this.changes.push(change))
        break
      }
      case 'firstValues': {
        const { of, instead } = withoutDefault(one.of)
        const first = { value: this.#remembered(of), rowsMax: one.rowsMax, keepsNulls: instead !== null }
        this.#figure(name, 'first', this.firsts.push(first), instead)
        break
      }
      case 'isPreceded': {
        const [where, by] = [this.#values.of(one.where), this.#values.of(one.by)]
        this.#figure(name, 'preceded', this.preceded.push({ where, by, rowsMin: one.rowsMin }))
        break
      }
      default:
        unreachable(one)
    }
  }

  #figure(name: string, kind: SessionFigure['kind'], count: number, instead: string | null = null): void {
    this.figures.push({ name, kind, index: count - 1, instead })
  }

  #remembered(expr: Expr): number {
    const index = this.#values.of(expr)
    this.interned.add(index)
    return index
  }
}

/** A value that is another one where that is null: the other one is remembered for other figures too. */
function withoutDefault(expr: Expr): { readonly of: Expr; readonly instead: string | null } {
  if (expr.kind === 'call' && expr.function === 'coalesce' && expr.args.length === 2) {
    const [of, otherwise] = expr.args as readonly [Expr, Expr]
    if (otherwise.kind === 'literal' && typeof otherwise.value === 'string')
      return { of, instead: otherwise.value }
  }
  return { of: expr, instead: null }
}
