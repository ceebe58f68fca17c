// Examples of rules: what is given, whether the rule fires, and whether it does.
import { nearestName } from '../errors/nearest-name.ts'
import {
  type ColumnType,
  columnsOf,
  dayOf,
  instantOf,
  type LiteralValue,
  type Schema,
} from '../expr/index.ts'
import { compileRowPath, literalOf } from '../javascript/index.ts'
import { input, project } from '../plan/index.ts'
import { asLiteral, negated, numberLiteralOf } from './number-literal.ts'
import type { Rule, RuleExample, RuleSet } from './rule-set.ts'
import { kindNames, kindOfType } from './typed.ts'
import type { YamlNode, YamlReader } from './yaml-reader.ts'

const distanceMax = 2

/** null where it is none, which is told. */
export function exampleOf(node: YamlNode, yaml: YamlReader, columns: Schema): RuleExample | null {
  const keys = yaml.known(
    node,
    'an example { given: { .. }, fires: true }',
    ['given', 'fires'],
    ['given', 'fires'],
  )
  if (keys?.given === undefined || keys.fires === undefined) return null
  const fires = yaml.scalar(keys.fires.value, 'true or false')?.value
  if (typeof fires !== 'boolean') return yaml.tell(keys.fires.value, 'true or false is expected')
  const entries = yaml.entries(keys.given.value, 'the values of the row, as in { amount: 6000 },')
  if (entries === null) return null
  const given: [string, LiteralValue][] = []
  for (const { name, at, value } of entries) {
    const type = Object.hasOwn(columns, name) ? columns[name] : undefined
    if (type === undefined) {
      const meant = nearestName(name, Object.keys(columns), distanceMax)
      yaml.tellAt(at, `there is no ${name}${meant === null ? '' : `: did you mean ${meant}?`}`)
      continue
    }
    const scalar = yaml.scalar(value, 'a value')
    if (scalar === null) continue
    const written = scalar.value
    const found = givenValue(type, typeof written === 'number' ? { number: scalar.source ?? '' } : written)
    const kind = kindOfType(type)
    if (found === undefined)
      yaml.tell(value, `${name} is ${kind === null ? type : kindNames[kind]}: ${formOf(type)} is expected`)
    else given.push([name, found])
  }
  return { given: Object.fromEntries(given), fires, line: yaml.lineOf(node) }
}

/** The value as a literal of the type; undefined where it is none. A number is told as it was written. */
export function givenValue(type: ColumnType, written: unknown): LiteralValue | undefined {
  if (written === null) return null
  switch (kindOfType(type)) {
    case 'number': {
      if (typeof written !== 'object' || !('number' in written)) return undefined
      const text = String(written.number)
      const sign = /^[+-]/.exec(text)?.[0] ?? ''
      const size = numberLiteralOf(text.slice(sign.length))
      const literal = size === null ? null : asLiteral(sign === '-' ? negated(size) : size, type)
      return literal?.kind === 'literal' ? literal.value : undefined
    }
    case 'text':
      return typeof written === 'string' && written.isWellFormed() && !written.includes('\0')
        ? written
        : undefined
    case 'truth':
      return typeof written === 'boolean' ? written : undefined
    case 'time':
      return typeof written === 'string' && instantOf(written) !== null ? written : undefined
    case 'date':
      return typeof written === 'string' && written.length === 10 && dayOf(written) !== null
        ? written
        : undefined
    default:
      return undefined
  }
}

function formOf(type: ColumnType): string {
  switch (type) {
    case 'int':
    case 'long':
      return 'a whole number'
    case 'timestamp':
      return 'a time like "2026-12-24T18:00:00Z"'
    case 'date':
      return 'a day like "2026-12-24"'
    case 'string':
      return 'a text in quotes'
    case 'boolean':
      return 'true or false'
    case 'double':
      return 'a number'
    default:
      return 'a number with two places'
  }
}

export type ExampleResult = { readonly rule: Rule; readonly example: RuleExample; readonly fired: boolean }

/** Each example of each rule, and whether the rule fires for it. Lists are those of the file. */
export function runExamples(
  ruleSet: RuleSet,
  columns: Schema,
  examplesOf: (rule: Rule) => readonly RuleExample[] = (rule) => rule.examples,
): readonly ExampleResult[] {
  const lists = Object.entries(ruleSet.lists).flatMap(([name, list]) =>
    list.kind === 'texts' ? [[name, list.elements] as const] : [],
  )
  return ruleSet.rules.flatMap((rule) => {
    const examples = examplesOf(rule)
    if (examples.length === 0) return []
    const relation = project(input('given', columns), () => ({ fires: rule.fires }))
    const path = compileRowPath({ source: 'given', outputs: { found: { relation, into: 'columns' } } })
    const batch = path.start({ parameters: Object.fromEntries(lists) })
    for (const { given } of examples) batch.add(rowOf(given, columns))
    const { fires } = batch.rows('found').columns
    return examples.map((example, row) => ({ rule, example, fired: fires!.get(row) === true }))
  })
}

function rowOf(given: RuleExample['given'], columns: Schema): Record<string, unknown> {
  const row = Object.keys(columnsOf(columns)).map((name) => [
    name,
    literalOf(columns[name]!, given[name] ?? null),
  ])
  return Object.fromEntries(row)
}
