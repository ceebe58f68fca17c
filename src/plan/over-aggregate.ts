// What can be computed over the rows before a row, and of which type it is.
import { LakehouseError } from '../errors/errors.ts'
import type { ColumnType, Schema } from '../expr/index.ts'

/** An aggregate over a column, by what its name says; its meaning stands at the type `OverNode`. */
export type OverFunction = 'sum' | 'mean' | 'min' | 'max' | 'distinct' | 'previous'

export type OverAggregate<T extends ColumnType = ColumnType> =
  | { readonly function: 'count'; readonly type: 'int' }
  | { readonly function: 'sincePrevious'; readonly type: 'long' }
  | { readonly function: OverFunction; readonly of: string; readonly type: T }

/** As a definition asks for it: the type follows from the column. */
export type OverCall<C extends string = string> =
  | { readonly function: 'count' | 'sincePrevious' }
  | { readonly function: OverFunction; readonly of: C }

/**
 * The type of a sum: no sum of as many rows as there can be is too large for it. Sums of money are those of
 * windows.
 */
export const sumTypes = {
  int: 'long',
  long: 'decimal(38,0)',
  'decimal(18,2)': 'decimal(28,2)',
  'decimal(28,2)': 'decimal(38,2)',
} as const satisfies Partial<Record<ColumnType, ColumnType>>

export type SummedType = keyof typeof sumTypes

/** The types whose values are told apart equally on every engine: those of keys. */
export const keyTypes = [
  'string',
  'int',
  'long',
  'date',
  'boolean',
  'decimal(18,2)',
  'decimal(28,2)',
] as const satisfies readonly ColumnType[]

export type KeyType = (typeof keyTypes)[number]

export type OverCallType<S extends Schema, A extends OverCall> = A extends {
  readonly of: infer C extends keyof S
}
  ? A['function'] extends 'sum'
    ? S[C] extends SummedType
      ? (typeof sumTypes)[S[C]]
      : never
    : A['function'] extends 'mean'
      ? 'double'
      : A['function'] extends 'distinct'
        ? 'int'
        : S[C]
  : A['function'] extends 'count'
    ? 'int'
    : 'long'

/** The aggregate with its type; refuses a column that it is not defined for. `name` is for the message. */
export function overAggregate(schema: Schema, name: string, call: OverCall): OverAggregate {
  if (call.function === 'count') return { function: 'count', type: 'int' }
  if (call.function === 'sincePrevious') return { function: 'sincePrevious', type: 'long' }
  if (!('of' in call)) throw new Error(`no aggregate ${call.function}`)
  const { function: of, of: column } = call
  const type = columnOf(schema, `${name} is ${of}(${column})`, column)
  switch (of) {
    case 'sum':
    case 'mean':
    case 'min':
    case 'max':
      if (!isSummed(type)) throw refused(`${name} is ${of}(${column})`, column, type, Object.keys(sumTypes))
      return {
        function: of,
        of: column,
        type: of === 'sum' ? sumTypes[type] : of === 'mean' ? 'double' : type,
      }
    case 'distinct':
    case 'previous':
      if (!isKeyType(type)) throw refused(`${name} is ${of}(${column})`, column, type, keyTypes)
      return { function: of, of: column, type: of === 'distinct' ? 'int' : type }
  }
}

/** Refuses a key whose values are not told apart equally on every engine. */
export function checkKey(schema: Schema, key: string): void {
  const type = columnOf(schema, `the key is ${key}`, key)
  if (!isKeyType(type)) throw refused(`the key is ${key}`, key, type, keyTypes)
}

export function isSummed(type: ColumnType): type is SummedType {
  return type in sumTypes
}

export function isKeyType(type: ColumnType): type is KeyType {
  return keyTypes.some((one) => one === type)
}

function columnOf(schema: Schema, what: string, column: string): ColumnType {
  const type = schema[column]
  if (type !== undefined) return type
  const names = Object.keys(schema).join(', ')
  throw new LakehouseError(
    'LAKEHOUSE_INVALID',
    `over: ${what}, and the rows have no column ${column}: ${names}`,
  )
}

function refused(what: string, column: string, type: ColumnType, allowed: readonly string[]): LakehouseError {
  const why = type === 'double' ? 'No two engines agree on every digit of what is made of doubles. ' : ''
  const message = `over: ${what}, and ${column} is a ${type}. ${why}It takes ${allowed.join(', ')}.`
  return new LakehouseError('LAKEHOUSE_INVALID', message)
}
