// What is wrong with the arguments of a call. TypeScript says it to who has a compiler; a config is run
// without one, and an engine would tell it with the first batch.
import type { ColumnType } from '../columns/types.ts'

/** What a function takes, as its record says. */
type Signature = {
  readonly name: string
  readonly args: readonly string[]
  readonly accepts?: readonly ColumnType[]
}

type Typed = { readonly kind: string; readonly type: ColumnType }

/** null where nothing is. `T` is the type of the first argument that it stands for. */
export function argumentMistake(record: Signature, given: readonly unknown[]): string | null {
  const { name, args, accepts } = record
  const last = args.at(-1)
  const isMany = last?.endsWith('*') === true
  if (isMany ? given.length === 0 : given.length !== args.length) {
    const count = isMany ? 'one argument or more' : `${args.length} argument${args.length === 1 ? '' : 's'}`
    return `${name} takes ${count}, not ${given.length}`
  }
  let chosen: ColumnType | null = null
  for (const [index, value] of given.entries()) {
    const wanted = (args[index] ?? last)!.replace('*', '')
    const at = `${name}: argument ${index + 1}`
    if (!isTyped(value)) {
      const type = wanted === 'T' ? (chosen ?? 'any type') : wanted
      return `${at} must be of type ${type}, not ${described(value)}`
    }
    const types: readonly string[] =
      accepts ?? (wanted === 'T' ? (chosen === null ? [] : [chosen]) : [wanted])
    if (wanted === 'T') chosen ??= value.type
    if (types.length > 0 && !types.includes(value.type))
      return `${at} must be of type ${types.join(', ')}, not ${shownType(value)}`
  }
  return null
}

/** Whether it is an expression; an aggregate is none. */
export function isTyped(value: unknown): value is Typed {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('type' in value)) return false
  return value.kind !== 'aggregate' && typeof value.type === 'string'
}

/** The type of an expression, with the column that has it. */
export function shownType(value: Typed): string {
  return 'name' in value ? `${value.type}, which ${String(value.name)} is` : value.type
}

/** What stands where an expression was asked for. */
export function described(value: unknown): string {
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value)} (a column is row.name, a text textLiteral('..'))`
  if (typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'aggregate')
    return 'an aggregate: those stand in the aggregates of a window alone'
  const isPlain = ['number', 'bigint', 'boolean'].includes(typeof value)
  return isPlain
    ? `${String(value)} (write int(..), long(..), money('..') or boolLiteral(..))`
    : 'no expression'
}
