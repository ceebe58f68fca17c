// What an editor offers while a rule is written, as data.
import type { Schema } from '../expr/index.ts'
import { constants, ruleFunctions } from './functions.ts'
import type { RuleList } from './scope.ts'
import { kindNames, kindOfType, typeName } from './typed.ts'

export type CompletionData = {
  readonly names: readonly { readonly name: string; readonly type: string }[]
  readonly lists: readonly { readonly name: string; readonly type: string; readonly elements: number }[]
  readonly functions: readonly {
    readonly name: string
    /** `method`: behind its first argument. */
    readonly form: 'call' | 'method'
    readonly takes: readonly string[]
    readonly gives: string
    readonly meaning: string
    readonly example: string
  }[]
  readonly operators: readonly { readonly operator: string; readonly meaning: string }[]
}

const operators: CompletionData['operators'] = [
  { operator: '&&', meaning: 'both are true; false && null is false' },
  { operator: '||', meaning: 'one is true; true || null is true' },
  { operator: '!', meaning: 'is not true; null stays null' },
  { operator: '==', meaning: 'are equal; null where one is null' },
  { operator: '!=', meaning: 'are not equal; null where one is null' },
  { operator: '<', meaning: 'is smaller, or earlier' },
  { operator: '<=', meaning: 'is smaller or equal' },
  { operator: '>', meaning: 'is greater, or later' },
  { operator: '>=', meaning: 'is greater or equal' },
  { operator: 'in', meaning: 'is one of a list; null where the value is null' },
  { operator: '+', meaning: 'sum of numbers or durations, a later time, texts one behind the other' },
  { operator: '-', meaning: 'difference of numbers, durations or times' },
  { operator: '*', meaning: 'product; null where it overflows' },
  { operator: '/', meaning: 'quotient with 6 places; null where the divisor is 0' },
  { operator: '? :', meaning: 'the one or the other, as the condition is; null where it is null' },
]

export function completionData(columns: Schema, lists: Readonly<Record<string, RuleList>>): CompletionData {
  const has = {
    name: 'has',
    form: 'call',
    takes: ['a name'],
    gives: kindNames.truth,
    meaning: 'Whether there is a value.',
    example: 'has(country)',
  } as const
  return {
    names: Object.entries(columns)
      .filter(([, type]) => kindOfType(type) !== null || type === 'array<string>')
      .map(([name, type]) => ({ name, type: typeName(type) })),
    lists: Object.entries(lists).map(([name, { kind, elements }]) => ({
      ...{ name: `lists.${name}`, type: `list of ${kind}`, elements: elements.length },
    })),
    functions: [
      has,
      ...ruleFunctions.map(({ name, form, takes, gives, meaning, example }) => ({
        ...{ name, form, meaning, example, gives: kindNames[gives] },
        takes: takes.map((kind) => kindNames[kind]),
      })),
      ...constants.map(({ name, gives, meaning, example }) => ({
        ...{ name, form: 'call' as const, meaning, example, gives: kindNames[gives] },
        takes: ['a text in quotes'],
      })),
    ],
    operators,
  }
}
