// A function is one record: the compilers to SQL and to JavaScript, the reference page and the tests on
// every engine read it.

import type { ColumnType } from '../columns/types.ts'
import type { Whole } from '../columns/whole.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { argumentMistake } from './argument-types.ts'
import type { Aggregate, Expr, LiteralValue } from './expression.ts'
import type { Value, ValueOf, ValuesOf } from './values.ts'

export type Engine = 'duckdb' | 'spark'

/** What a function gives for given arguments; executed on every engine by the tests. */
export type Example = { readonly in: readonly LiteralValue[]; readonly out: LiteralValue }

/** What is known of functions and aggregates alike. */
export type CallRecord = {
  readonly name: string
  /** `T` stands for one type that the call chooses, `T*` for any number of arguments of it. */
  readonly args: readonly (ColumnType | 'T' | `${ColumnType}*` | 'T*')[]
  readonly returns: ColumnType | 'T'
  /** What each argument may be, where it need not be of the type that it is computed as. */
  readonly accepts?: readonly ColumnType[]
  /** What nulls do. */
  readonly nulls: string
  /** One sentence for the reference page. */
  readonly meaning: string
  readonly duckdb: (...args: string[]) => string
  readonly spark: (...args: string[]) => string
  readonly examples: readonly Example[]
  /** The type that stands for T in the examples. */
  readonly exampleType?: ColumnType
  /** Engines that cannot do it as written, with the reason; a test fails when the gap has closed. */
  readonly gaps?: Partial<Record<Engine, string>>
}

export type FunctionRecord = CallRecord & {
  /** Over values; pure. A list that it returns may be one that it was given. */
  readonly javascript: (...args: never[]) => Value
}

/**
 * How JavaScript computes an aggregate of at most one argument, row by row. `fold`: from `empty` on, `add` for
 * each row; `combine` makes of what two sets of rows gave what all of them give. `distinct`: how many
 * different values there are, nulls left out; whoever computes it keeps the values. `values`: of the doubles in
 * ascending order, nulls left out.
 */
export type Accumulator =
  | {
      readonly kind: 'fold'
      readonly empty: Whole | null
      readonly add: (folded: Whole | null, value: Value) => Whole | null
      readonly combine: (a: Whole | null, b: Whole | null) => Whole | null
      /** Only nulls count: `add` leaves it as it is for any other value. */
      readonly isOfNulls?: true
    }
  | { readonly kind: 'distinct' }
  | { readonly kind: 'values'; readonly of: (sorted: Float64Array) => number | null }

/**
 * An aggregate can also be computed from panes: `partial` over the rows of a pane, `combine` over the panes
 * of a window.
 */
export type AggregateRecord = CallRecord & {
  readonly javascript: Accumulator
  readonly panes: Readonly<
    Record<
      Engine,
      { readonly partial: (...args: string[]) => string; readonly combine: (pane: string) => string }
    >
  >
}

const functions = new Map<string, FunctionRecord>()
const aggregates = new Map<string, AggregateRecord>()

type Args<A extends readonly ColumnType[]> = { readonly [K in keyof A]: Expr<A[K]> }

/** Declares a function whose types are fixed, and returns what builds a call of it. */
export function defineFunction<const A extends readonly ColumnType[], const R extends ColumnType>(
  record: Omit<FunctionRecord, 'javascript'> & {
    readonly args: A
    readonly returns: R
    readonly javascript: (...args: ValuesOf<A>) => ValueOf<R>
  },
): (...args: Args<A>) => Expr<R> {
  // TypeScript cannot see that the values of any argument types are a list of arguments.
  register(functions, record as unknown as FunctionRecord)
  return (...args) => {
    checkArguments(record as unknown as CallRecord, args)
    return { kind: 'call', function: record.name, args, type: record.returns }
  }
}

/**
 * Declares a function whose result type follows from its arguments; `F` is the signature that callers see.
 */
export function defineGeneric<F>(record: FunctionRecord): F {
  register(functions, record)
  const build = (...args: Expr[]): Expr => {
    checkArguments(record, args)
    const type = record.returns === 'T' ? args[0]!.type : record.returns
    return { kind: 'call', function: record.name, args, type }
  }
  return build as F // The signature says more than the record can: which argument types go together.
}

/** Declares an aggregate: it ranges over the rows of one group. */
export function defineAggregate<F>(record: AggregateRecord): F {
  register(aggregates, record)
  const build = (...args: Expr[]): Aggregate => {
    checkArguments(record, args, () => otherAggregates(args[0]?.type))
    const type = record.returns === 'T' ? args[0]!.type : record.returns
    return { kind: 'aggregate', function: record.name, args, type }
  }
  return build as F // As in defineGeneric.
}

export function functionNamed(name: string): FunctionRecord {
  const record = functions.get(name)
  assert(record, `no function ${name}`)
  return record
}

export function aggregateNamed(name: string): AggregateRecord {
  const record = aggregates.get(name)
  assert(record, `no aggregate ${name}`)
  return record
}

/** All records in the order of their declaration: for the reference page and the tests. */
export function allFunctions(): readonly FunctionRecord[] {
  return [...functions.values()]
}

export function allAggregates(): readonly AggregateRecord[] {
  return [...aggregates.values()]
}

/** Not everybody compiles first: fails with LAKEHOUSE_INVALID where arguments are others than the record's. */
function checkArguments(
  record: CallRecord,
  given: readonly unknown[],
  advice: () => string = () => '',
): void {
  const mistake = argumentMistake(record, given)
  if (mistake !== null) throw new LakehouseError('LAKEHOUSE_INVALID', `${mistake}${advice()}`)
}

/** The other aggregates of such a column. */
function otherAggregates(type: ColumnType | undefined): string {
  const others = [...aggregates.values()].filter(({ args: [wanted, ...more] }) => {
    return more.length === 0 && wanted !== undefined && (wanted === 'T' || wanted === type)
  })
  return type === undefined || others.length === 0
    ? ''
    : `; of ${type} there is ${others.map(({ name }) => name).join(', ')}`
}

function register<R extends CallRecord>(into: Map<string, R>, record: R): void {
  assert(!into.has(record.name), `function ${record.name} is declared twice`)
  into.set(record.name, record)
}
