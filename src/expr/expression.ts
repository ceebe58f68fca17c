// Expressions as data. An expression has a type that TypeScript checks and the SQL compilers read; it is
// built by `column`, `literal`, `parameter`, `when` and the functions in functions/.
import type { ColumnType, Schema } from '../columns/types.ts'
import { LakehouseError } from '../errors/errors.ts'
import { described, isTyped, shownType } from './argument-types.ts'

export type Expr<T extends ColumnType = ColumnType> =
  | { readonly kind: 'column'; readonly name: string; readonly type: T }
  | { readonly kind: 'literal'; readonly value: LiteralValue; readonly type: T }
  | { readonly kind: 'parameter'; readonly name: string; readonly type: T }
  | { readonly kind: 'call'; readonly function: string; readonly args: readonly Expr[]; readonly type: T }
  | {
      readonly kind: 'case'
      readonly branches: readonly Branch[]
      readonly otherwise: Expr
      readonly type: T
    }

/** Aggregates stand only where a window aggregate asks for them: they are a type of their own. */
export type Aggregate<T extends ColumnType = ColumnType> = {
  readonly kind: 'aggregate'
  readonly function: string
  readonly args: readonly Expr[]
  readonly type: T
}

type Branch = { readonly when: Expr<'boolean'>; readonly then: Expr }

/** Instants and dates are text (`2024-03-10 23:59:59.000001`, UTC), decimals are text, longs are bigint. */
export type LiteralValue = string | number | bigint | boolean | Uint8Array | readonly string[] | null

/** The columns of a relation, as expressions: what a table definition refers to. */
export type Columns<S extends Schema> = { readonly [K in keyof S]: Expr<S[K]> }

export function column<T extends ColumnType>(name: string, type: T): Expr<T> {
  return { kind: 'column', name, type }
}

/** Fails with LAKEHOUSE_INVALID where a column is asked for that is none: not everybody compiles first. */
export function columnsOf<S extends Schema>(schema: S): Columns<S> {
  const entries = Object.entries(schema).map(([name, type]) => [name, column(name, type)])
  return namedColumns(Object.fromEntries(entries)) as Columns<S> // fromEntries forgets the keys.
}

/** The same columns, of which none can be asked for that is none. */
export function namedColumns<C extends Readonly<Record<string, Expr>>>(given: C): C {
  return new Proxy(given, {
    get(columns, name) {
      if (typeof name === 'symbol' || name in columns || askedOfAll.has(name))
        return Reflect.get(columns, name)
      const message = `there is no column ${name}; there is ${Object.keys(columns).join(', ')}`
      throw new LakehouseError('LAKEHOUSE_INVALID', message)
    },
  })
}

/** What printing, comparing and awaiting ask any value for. */
const askedOfAll: ReadonlySet<string> = new Set(['then', 'toJSON', 'asymmetricMatch', 'nodeType', '$$typeof'])

/** Fails with LAKEHOUSE_INVALID for a value that is none of the type. */
export function literal<T extends ColumnType>(type: T, value: LiteralValue): Expr<T> {
  if (value !== null && !isOfType(type, value)) {
    const shown = typeof value === 'bigint' ? `${value}n` : JSON.stringify(value)
    throw new LakehouseError('LAKEHOUSE_INVALID', `${shown} is no ${type}`)
  }
  return { kind: 'literal', value, type }
}

export const text = (value: string): Expr<'string'> => literal('string', value)
export const int = (value: number): Expr<'int'> => literal('int', value)
export const long = (value: bigint): Expr<'long'> => literal('long', value)
export const bool = (value: boolean): Expr<'boolean'> => literal('boolean', value)
/** Money: `money('5000')`. */
export const money = (value: string): Expr<'decimal(18,2)'> => literal('decimal(18,2)', value)
export const nullOf = <T extends ColumnType>(type: T): Expr<T> => literal(type, null)

/** A value that each batch brings (its time, its watermark); bound by the engine, never spliced into SQL. */
export function parameter<T extends ColumnType>(name: string, type: T): Expr<T> {
  return { kind: 'parameter', name, type }
}

/** The `then` of the first branch whose condition is true (a null condition is not), else `otherwise`. */
export function when<T extends ColumnType>(
  branches: readonly (readonly [condition: Expr<'boolean'>, then: Expr<T>])[],
  otherwise: Expr<T>,
): Expr<T> {
  for (const [index, [condition, then]] of branches.entries()) {
    checkBranch(`the condition of branch ${index + 1}`, condition, 'boolean')
    checkBranch(`what branch ${index + 1} gives`, then, otherwise.type)
  }
  return {
    kind: 'case',
    branches: branches.map(([condition, then]) => ({ when: condition, then })),
    otherwise,
    type: otherwise.type,
  }
}

function checkBranch(what: string, given: unknown, type: ColumnType): void {
  if (isTyped(given) && given.type === type) return
  const found = isTyped(given) ? shownType(given) : described(given)
  throw new LakehouseError('LAKEHOUSE_INVALID', `when: ${what} must be of type ${type}, not ${found}`)
}

function isOfType(type: ColumnType, value: unknown): boolean {
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(type) ?? []
  if (precision !== undefined && scale !== undefined)
    return isDecimal(value, Number(precision), Number(scale))
  switch (type) {
    case 'int':
      return typeof value === 'number' && (value | 0) === value
    case 'long':
      return typeof value === 'bigint' && BigInt.asIntN(64, value) === value
    case 'double':
      return typeof value === 'number'
    case 'boolean':
      return typeof value === 'boolean'
    case 'array<string>':
      return Array.isArray(value) && value.every((one) => typeof one === 'string')
    case 'string':
    case 'date':
    case 'timestamp':
      return typeof value === 'string'
    default:
      return true
  }
}

function isDecimal(value: unknown, precision: number, scale: number): boolean {
  const [, whole, places = ''] = /^-?(?=\d)0*(\d*?)(?:\.(\d+?)0*)?$/.exec(String(value)) ?? []
  return (
    typeof value === 'string' &&
    whole !== undefined &&
    whole.length <= precision - scale &&
    places.length <= scale
  )
}
