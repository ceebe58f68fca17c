// The plan: relations as data. A table definition builds one with the functions below; the SQL compilers read
// it. Each operator's meaning stands at its type: that text, not an engine, decides what is right.
import { assert, LakehouseError, unreachable } from '../errors/errors.ts'
import { described, isTyped, shownType } from '../expr/argument-types.ts'
import type { Aggregate, Columns, ColumnType, Expr, Schema } from '../expr/index.ts'
import { columnsOf } from '../expr/index.ts'
import type { OverAggregate } from './over-aggregate.ts'
import type { SessionAggregate } from './session-aggregate.ts'

export type Relation<S extends Schema = Schema> = { readonly node: PlanNode; readonly schema: S }

/** Rows are a bag: no operator promises an order, and none but the last depends on one. */
export type PlanNode =
  | InputNode
  /** One row out for each row in: exactly the named columns, in this order. */
  | { readonly kind: 'project'; readonly input: PlanNode; readonly columns: Readonly<Record<string, Expr>> }
  /** The rows for which the condition is true; false and null drop the row. */
  | { readonly kind: 'filter'; readonly input: PlanNode; readonly where: Expr<'boolean'> }
  /**
   * All columns, the boolean `as`, and a column of type json for each field. `as` is true where the bytes in
   * the column `from` are one document: UTF-8 text of one JSON object, by RFC 8259 and nothing else, in which
   * no name stands twice at the top level or in an object on the way to a field, by whatever escapes it is
   * written. It is never null. A field is the value at its path, of whatever kind; null where a name of the
   * path is absent, where the path leads through something that is no object, or where there is no document.
   * Names are case-sensitive and matched as they are after JSON's unescaping. Whether what is nested more
   * than 100 levels deep is a document is left to the parser.
   */
  | {
      readonly kind: 'readJson'
      readonly input: PlanNode
      readonly from: string
      readonly fields: Readonly<Record<string, JsonPath>>
      readonly as: string
    }
  /**
   * All columns, the binary `as`, and the string `failure`. Where `from` is in the wire format of a schema
   * registry (a magic byte and the id of a schema before the value, or the schema's name in a header), `as` is
   * the JSON text that the value would be, by that schema; anything else is there as it is. `failure` says why a
   * value has none: `schema_unknown` where the batch does not know the schema, `undecodable` where the bytes
   * are not what it says; else it is null. Which schemas a batch knows stands in `ops/schemas`; SQL of the
   * operator knows no registry, and takes every value as it is: engines that know one bring the two columns
   * along, and leave the operator out.
   */
  | {
      readonly kind: 'decode'
      readonly input: PlanNode
      readonly from: string
      readonly headers: string
      readonly as: string
      readonly failure: string
    }
  /** Computed once for a batch and read by several tables; no meaning of its own. */
  | { readonly kind: 'shared'; readonly name: string; readonly input: PlanNode }
  /**
   * All columns, and the boolean `as`: true where a row that stays has the same key, an event time not more
   * than `rangeMicros` away (either side), and arrived earlier: in `history` (of which all rows stay), or
   * among the candidates of `input`, judged one after another in the order of `arrival`, which no two rows
   * share; the first stays. Rows that are no candidates get false and hide nothing. DuckDB's history has
   * digests of the keys (`keyDigestSql`).
   */
  | {
      readonly kind: 'deduplicate'
      readonly input: PlanNode
      readonly history: PlanNode
      readonly candidate: Expr<'boolean'>
      readonly key: string
      readonly eventTime: string
      readonly arrival: readonly string[]
      readonly rangeMicros: Expr<'long'>
      readonly as: string
    }
  | OverNode
  /**
   * One row for each group (window, keys) of the windows that close: closedAfter < window_end <= closedUpTo,
   * two parameters; a null closedAfter means that none has closed before, a null closedUpTo that none closes.
   * A row belongs to every window with window_start <= event time < window_end; windows are aligned to the
   * epoch and start every `slideMicros` (= `sizeMicros`: tumbling). Null keys form groups of their own.
   */
  | WindowNode
  | UnpivotNode
  | BaselineNode
  | SessionsNode
  | ExpandNode

/** Rows that the engine gives: `name` is theirs within a batch, `reads` says which they are. */
export type InputNode = {
  readonly kind: 'input'
  readonly name: string
  readonly schema: Schema
  readonly reads: Reads
}

/**
 * `records`: those of the batch as they arrive. `batch`: what the batch brings to a table. `history`: the
 * rows that a table had before the batch, as far back as an operator looks. `closing`: a table's rows in the
 * windows that close, those of the batch included. A history and closing rows have the columns of the schema.
 */
export type Reads =
  | { readonly of: 'records' }
  | { readonly of: 'batch' | 'history' | 'closing'; readonly table: string }

/**
 * The names on the way to a value, from the document inwards; all but the last lead to objects. Each is an
 * `isJsonName`.
 */
export type JsonPath = readonly [name: string, ...inner: string[]]

/**
 * Whether a name can be looked for on every engine: the languages of their paths have no way to write some
 * characters, and none for an empty name or one that begins with white space.
 */
export function isJsonName(name: string): boolean {
  return name !== '*' && name.isWellFormed() && /^(?!\s)[^"'?\\\p{Cc}]+$/u.test(name)
}

/**
 * All columns of `input`, and one for each aggregate: over the rows of `input` and `history` together that
 * have the row's key, an event time in [event time - rangeMicros, event time], and arrived no later than the
 * row, the row itself included. All of `history` arrived before all of `input`; within each the order is
 * `arrival`, which no two rows share. A row whose key or event time is null gets null in all of the columns,
 * and is none of the rows of another.
 *
 * - `count`: how many rows.
 * - `sum`, `mean`, `min`, `max`: of the values of a column, nulls left out; null where all are null. A mean is
 *   the exact sum as a double, divided by the count as a double.
 * - `distinct`: how many different values the column has, nulls left out.
 * - `previous`: the value, null or not, that the column has in the row before: that with the greatest event
 *   time, and among those of one time the last to arrive, the row itself left out. Null where there is none.
 * - `sincePrevious`: how many microseconds that row's event time is earlier; null where there is none.
 *
 * A history has the columns of key, event time and values; for `previous` those of `arrival` too.
 */
export type OverNode = {
  readonly kind: 'over'
  readonly input: PlanNode
  readonly history: PlanNode
  readonly key: string
  readonly eventTime: string
  readonly arrival: readonly string[]
  readonly rangeMicros: bigint
  /** By the column that is added. */
  readonly aggregates: Readonly<Record<string, OverAggregate>>
}

export type WindowNode = {
  readonly kind: 'window'
  readonly input: PlanNode
  readonly eventTime: string
  readonly sizeMicros: bigint
  readonly slideMicros: bigint
  readonly keys: readonly string[]
  readonly aggregates: Readonly<Record<string, Aggregate>>
  readonly closedAfter: string
  readonly closedUpTo: string
}

/**
 * A row for each row of `input` and each figure whose column `of` is not null there: the columns `keep` of the
 * row, the figure's labels, which are texts, and the figure as the double `value`. No two figures have the same
 * labels.
 */
export type UnpivotNode = {
  readonly kind: 'unpivot'
  readonly input: PlanNode
  readonly keep: readonly string[]
  readonly labels: readonly string[]
  readonly value: string
  readonly figures: readonly LabelledFigure[]
}

export type LabelledFigure = {
  readonly labels: Readonly<Record<string, string | null>>
  /** A column of the input: a double. */
  readonly of: string
}

/**
 * All columns of `input`, and two doubles: of the last `rowsMax` rows before the row `expected` is the median of
 * their `value`, `deviation` the median of the distances from it. Rows before it are those of this table and of
 * `input` that have the same `keys` (null is a key) and are smaller by `order`; both columns are null where
 * there are less than `rowsMin`. The table has `keys`, `order` and `value` as they are here, and no row of it is
 * behind one of `input`. SQL reads the table's rows by the name `earlierRows`.
 */
export type BaselineNode = {
  readonly kind: 'baseline'
  readonly input: PlanNode
  /** All columns of the input. */
  readonly columns: readonly string[]
  readonly keys: readonly string[]
  readonly order: string
  readonly value: string
  readonly rowsMin: number
  readonly rowsMax: number
  readonly expected: string
  readonly deviation: string
}

/**
 * One row for each session that closes. The rows of a key (nulls form one of their own) in the order of event
 * time and `arrival`, which no two rows share, form sessions, one after another: a row begins a new one where
 * it is the key's first, where it comes more than `gapMicros` after the row before it, or where it comes
 * `lengthMaxMicros` or more after the first row of the session. A session closes where `closedUpTo` is greater
 * than its last event time and `gapMicros`, or not smaller than its first one and `lengthMaxMicros`; those
 * that `closedAfter` closed are left out, a null one has closed none. No row before `closedUpTo` is still to
 * come. Two parameters, as for windows.
 *
 * `written` has the sessions that the table got before, as far back as its ends are later than
 * `closedAfter` less `lengthMaxMicros`: a row that is not later than the last of its key is a part of them. No
 * row of an open session is earlier than that.
 *
 * The row has the keys, `session_start` and `session_end` (the first and the last event time), and the
 * aggregates: those of windows, and what goes by the order of the rows.
 *
 * - `firstValues`: the values of a column in the first `rowsMax` rows, in their order; nulls are left out.
 * - `changes`: how many rows have another value than the row before them in the session, both known, and where
 *   `withinMicros` is given at most so much later.
 * - `isPreceded`: whether there is a row for which `where` is true and before which, adjacent or not, `rowsMin`
 *   rows of the session or more have a true `by`.
 */
export type SessionsNode = {
  readonly kind: 'sessions'
  readonly input: PlanNode
  readonly written: InputNode
  readonly eventTime: string
  readonly arrival: readonly string[]
  readonly keys: readonly string[]
  readonly gapMicros: bigint
  readonly lengthMaxMicros: bigint
  readonly aggregates: Readonly<Record<string, SessionAggregate>>
  readonly closedAfter: string
  readonly closedUpTo: string
}

/**
 * For each row of `input` one row of each of the copies: exactly the columns of `schema`, those of `keep` as the
 * row has them, the others as the copy says. In the column `by` each copy has a constant that no other has;
 * without copies there is no row. It is the last operator of a table, and the table has rows of those batches
 * alone whose definitions have it: nothing that is defined later is said of them.
 */
export type ExpandNode = {
  readonly kind: 'expand'
  readonly input: PlanNode
  readonly by: string
  readonly keep: readonly string[]
  readonly schema: Schema
  readonly copies: readonly Readonly<Record<string, Expr>>[]
}

type SchemaOf<E extends Readonly<Record<string, Expr>>> = { readonly [K in keyof E]: E[K]['type'] }
type AggregateSchema<A extends Readonly<Record<string, Aggregate>>> = {
  readonly [K in keyof A]: A[K]['type']
}
type NameOf<S extends Schema, T extends ColumnType> = {
  [K in keyof S]: S[K] extends T ? K : never
}[keyof S] &
  string

export function input<const S extends Schema>(
  name: string,
  schema: S,
  reads: Reads = { of: 'records' },
): Relation<S> {
  return { node: { kind: 'input', name, schema, reads }, schema }
}

export function project<S extends Schema, const E extends Readonly<Record<string, Expr>>>(
  of: Relation<S>,
  columns: (row: Columns<S>) => E,
): Relation<SchemaOf<E>> {
  const exprs = columns(columnsOf(of.schema))
  for (const [name, expr] of Object.entries(exprs)) checkExpression(`column ${name}`, expr, null)
  return { node: { kind: 'project', input: of.node, columns: exprs }, schema: schemaOf(exprs) }
}

/** All columns of the input, with the given ones added behind or put in place of those of the same name. */
export function extend<S extends Schema, const E extends Readonly<Record<string, Expr>>>(
  of: Relation<S>,
  columns: (row: Columns<S>) => E,
): Relation<Omit<S, keyof E> & SchemaOf<E>> {
  const extended = project(of, (row) => ({ ...row, ...columns(row) }))
  // A spread's type keeps both of two columns with one name; the later one stays.
  return extended as Relation<never>
}

export function filter<S extends Schema>(
  of: Relation<S>,
  where: (row: Columns<S>) => Expr<'boolean'>,
): Relation<S> {
  const condition = where(columnsOf(of.schema))
  checkExpression('the condition of a filter', condition, 'boolean')
  return { node: { kind: 'filter', input: of.node, where: condition }, schema: of.schema }
}

export function readJson<
  S extends Schema,
  const F extends Readonly<Record<string, JsonPath>>,
  const A extends string,
>(
  of: Relation<S>,
  options: { readonly from: NameOf<S, 'binary'>; readonly fields: F; readonly as: A },
): Relation<S & { readonly [K in A]: 'boolean' } & { readonly [K in keyof F]: 'json' }> {
  for (const path of Object.values(options.fields)) {
    assert(path.length > 0 && path.every(isJsonName), `no path of JSON names: ${JSON.stringify(path)}`)
  }
  const added = Object.fromEntries(Object.keys(options.fields).map((name) => [name, 'json']))
  return {
    node: { ...options, kind: 'readJson', input: of.node },
    // fromEntries forgets the keys; they are those of the fields.
    schema: { ...withColumn(of.schema, options.as, 'boolean'), ...added } as never,
  }
}

export function decode<S extends Schema, const A extends string, const F extends string>(
  of: Relation<S>,
  options: {
    readonly from: NameOf<S, 'binary'>
    readonly headers: NameOf<S, 'headers'>
    readonly as: A
    readonly failure: F
  },
): Relation<S & { readonly [K in A]: 'binary' } & { readonly [K in F]: 'string' }> {
  const node = { ...options, kind: 'decode', input: of.node } as const
  return { node, schema: withColumn(withColumn(of.schema, options.as, 'binary'), options.failure, 'string') }
}

/** The plan where its rows come with what the operators `decode` would add. */
export function alreadyDecoded(node: PlanNode): PlanNode {
  if (node.kind === 'input') return node
  const input = alreadyDecoded(node.input)
  return node.kind === 'decode' ? input : { ...node, input }
}

/** The operator of a plan that decodes values; null where it has none. */
export function decodeOf(node: PlanNode): Extract<PlanNode, { kind: 'decode' }> | null {
  if (node.kind === 'decode') return node
  return 'input' in node ? decodeOf(node.input) : null
}

export function shared<S extends Schema>(name: string, of: Relation<S>): Relation<S> {
  return { node: { kind: 'shared', name, input: of.node }, schema: of.schema }
}

export function deduplicate<S extends Schema, H extends Schema, const A extends string>(
  of: Relation<S>,
  options: {
    readonly history: Relation<H>
    readonly candidate: (row: Columns<S>) => Expr<'boolean'>
    readonly key: NameOf<S, 'string'> & NameOf<H, 'string'>
    readonly eventTime: NameOf<S, 'timestamp'> & NameOf<H, 'timestamp'>
    readonly arrival: readonly (keyof S & string)[]
    readonly rangeMicros: Expr<'long'>
    readonly as: A
  },
): Relation<S & { readonly [K in A]: 'boolean' }> {
  return {
    node: {
      ...options,
      kind: 'deduplicate',
      input: of.node,
      history: options.history.node,
      candidate: options.candidate(columnsOf(of.schema)),
    },
    schema: withColumn(of.schema, options.as, 'boolean'),
  }
}

export function window<
  S extends Schema,
  const K extends readonly (keyof S & string)[],
  const A extends Readonly<Record<string, Aggregate>>,
>(
  of: Relation<S>,
  options: {
    readonly eventTime: NameOf<S, 'timestamp'>
    readonly sizeMicros: bigint
    readonly slideMicros?: bigint
    readonly keys: K
    readonly aggregates: (row: Columns<S>) => A
  },
): Relation<
  { readonly window_start: 'timestamp'; readonly window_end: 'timestamp' } & Pick<S, K[number]> &
    AggregateSchema<A>
> {
  const aggregates = options.aggregates(columnsOf(of.schema))
  checkWindow(of.schema, options, aggregates)
  const keys = Object.fromEntries(options.keys.map((key) => [key, of.schema[key]]))
  const types = Object.fromEntries(
    Object.entries(aggregates).map(([name, aggregate]) => [name, aggregate.type]),
  )
  return {
    node: {
      kind: 'window',
      input: of.node,
      eventTime: options.eventTime,
      sizeMicros: options.sizeMicros,
      slideMicros: options.slideMicros ?? options.sizeMicros,
      keys: options.keys,
      aggregates,
      closedAfter: 'closed_after',
      closedUpTo: 'closed_up_to',
    },
    // fromEntries forgets the keys; they are those of the type.
    schema: { window_start: 'timestamp', window_end: 'timestamp', ...keys, ...types } as never,
  }
}

/** The type of a column of the relation. */
export function columnType(node: PlanNode, name: string): ColumnType {
  switch (node.kind) {
    case 'input':
      return present(node.schema[name], name)
    case 'project':
      return present(node.columns[name]?.type, name)
    case 'readJson':
      if (name === node.as) return 'boolean'
      return name in node.fields ? 'json' : columnType(node.input, name)
    case 'decode':
      if (name === node.as) return 'binary'
      return name === node.failure ? 'string' : columnType(node.input, name)
    case 'deduplicate':
      return name === node.as ? 'boolean' : columnType(node.input, name)
    case 'over':
      return node.aggregates[name]?.type ?? columnType(node.input, name)
    case 'window':
      if (name === 'window_start' || name === 'window_end') return 'timestamp'
      return node.aggregates[name]?.type ?? columnType(node.input, name)
    case 'unpivot':
      if (name === node.value) return 'double'
      return node.labels.includes(name) ? 'string' : columnType(node.input, name)
    case 'baseline':
      return name === node.expected || name === node.deviation ? 'double' : columnType(node.input, name)
    case 'sessions':
      if (name === 'session_start' || name === 'session_end') return 'timestamp'
      return node.aggregates[name]?.type ?? columnType(node.input, name)
    case 'expand':
      return present(node.schema[name], name)
    case 'filter':
    case 'shared':
      return columnType(node.input, name)
    default:
      return unreachable(node)
  }
}

/** Fails with LAKEHOUSE_INVALID for what is no expression, or of another type: not everybody compiles. */
export function checkExpression(what: string, given: unknown, type: ColumnType | null): void {
  if (isTyped(given) && (type === null || given.type === type)) return
  const found = isTyped(given) ? shownType(given) : described(given)
  const wanted = type === null ? 'an expression' : `of type ${type}`
  throw new LakehouseError('LAKEHOUSE_INVALID', `${what} must be ${wanted}, not ${found}`)
}

function checkWindow(
  schema: Schema,
  of: { eventTime: string; sizeMicros: bigint; slideMicros?: bigint; keys: readonly string[] },
  aggregates: Readonly<Record<string, unknown>>,
): void {
  const { eventTime, sizeMicros, slideMicros = sizeMicros, keys } = of
  const refuse = (what: string): never => {
    throw new LakehouseError('LAKEHOUSE_INVALID', `window: ${what}`)
  }
  for (const name of [eventTime, ...keys]) {
    if (schema[name] === undefined)
      refuse(`there is no column ${name}; there is ${Object.keys(schema).join(', ')}`)
  }
  if (schema[eventTime] !== 'timestamp')
    refuse(`eventTime must be a column of type timestamp, not ${schema[eventTime]}, which ${eventTime} is`)
  for (const micros of [sizeMicros, slideMicros]) {
    if (typeof micros !== 'bigint' || micros <= 0n)
      refuse('sizes and slides are microseconds, as minutes(10) gives them, and greater than 0')
  }
  if (sizeMicros % slideMicros !== 0n) refuse('sizeMicros must be a whole number of slides')
  for (const [name, one] of Object.entries(aggregates)) {
    const isOne = typeof one === 'object' && one !== null && 'kind' in one && one.kind === 'aggregate'
    if (!isOne)
      refuse(
        `${name} must be an aggregate, such as countRows(): what follows from it stands in the project behind`,
      )
  }
}

function present(type: ColumnType | undefined, name: string): ColumnType {
  assert(type !== undefined, `the relation has no column ${name}`)
  return type
}

function schemaOf<E extends Readonly<Record<string, Expr>>>(exprs: E): SchemaOf<E> {
  // As above.
  return Object.fromEntries(Object.entries(exprs).map(([name, expr]) => [name, expr.type])) as SchemaOf<E>
}

function withColumn<S extends Schema, const A extends string, const T extends ColumnType>(
  schema: S,
  name: A,
  type: T,
) {
  return { ...schema, [name]: type } as S & { readonly [K in A]: T } // A computed key loses its literal type.
}
