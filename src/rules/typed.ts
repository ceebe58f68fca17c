// A part of a condition with its type.
import { and, type ColumnType, type Expr, isNull, not } from '../expr/index.ts'
import type { NumberLiteral } from './number-literal.ts'

/** What a value is to the person who writes a rule. A duration is a long of microseconds. */
export type Kind = 'text' | 'number' | 'truth' | 'time' | 'date' | 'duration'

export type Typed = {
  readonly kind: Kind
  readonly expr: Expr
  /** Of a truth value: true where `expr` is, and perhaps false where that is null. */
  readonly truth?: Expr<'boolean'>
  /** Of a number that is written down: what it becomes beside another is not known yet. */
  readonly number?: NumberLiteral
  /** Of a text that is written down. */
  readonly text?: string
  /** Whether the value is known never to be null. */
  readonly isPresent?: boolean
}

export const kindNames: Readonly<Record<Kind, string>> = {
  text: 'a text',
  number: 'a number',
  truth: 'true or false',
  time: 'a time',
  date: 'a date',
  duration: 'a duration',
}

/** null for types that a condition cannot ask. */
export function kindOfType(type: ColumnType): Kind | null {
  switch (type) {
    case 'string':
      return 'text'
    case 'int':
    case 'long':
    case 'double':
    case 'decimal(18,2)':
    case 'decimal(28,2)':
    case 'decimal(38,6)':
      return 'number'
    case 'boolean':
      return 'truth'
    case 'timestamp':
      return 'time'
    case 'date':
      return 'date'
    default:
      return null
  }
}

/** The type in the words of the completion data and of messages. */
export function typeName(type: ColumnType): string {
  switch (type) {
    case 'string':
      return 'text'
    case 'int':
    case 'long':
      return 'whole number'
    case 'double':
      return 'double'
    case 'boolean':
      return 'true or false'
    case 'timestamp':
      return 'time'
    case 'date':
      return 'date'
    case 'array<string>':
      return 'list of texts'
    default:
      return type.startsWith('decimal') ? 'decimal' : type
  }
}

export function truthOf(typed: Typed): Expr<'boolean'> {
  return typed.truth ?? exactTruth(typed)
}

export function exactTruth({ expr }: Typed): Expr<'boolean'> {
  return expr as Expr<'boolean'> // Whoever asks has seen that its kind is truth.
}

/** True where the result is null although none of what it is computed from is. */
export function lostWhere(result: Expr, operands: readonly Expr[]): Expr<'boolean'> {
  const present = operands.filter(({ kind }) => kind !== 'literal').map((operand) => not(isNull(operand)))
  return and(isNull(result), ...present)
}
