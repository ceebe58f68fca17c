// Examples of rules: what is given, whether the rule fires, and whether it does.
import { LakehouseError } from '../errors/errors.ts'
import { likelyName } from '../errors/nearest-name.ts'
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
      const meant = likelyName(name, Object.keys(columns))
      yaml.tellAt(at, `there is no ${name}${meant === null ? '' : `: did you mean ${meant}?`}`)
      continue
    }
    const scalar = yaml.scalar(value, 'a value')
    if (scalar === null) continue
    const written = scalar.value
    const found = givenValue(
      type,
      typeof written === 'number' ? new WrittenNumber(scalar.source ?? '') : written,
    )
    const kind = kindOfType(type)
    if (found === undefined)
      yaml.tell(value, `${name} is ${kind === null ? type : kindNames[kind]}: ${formOf(type)} is expected`)
    else given.push([name, found])
  }
  return { given: Object.fromEntries(given), fires, line: yaml.lineOf(node), isOfFile: true }
}

/** A number as it was written: some are more exact than a double. */
class WrittenNumber {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** The value as a literal of the type; undefined where it is none. */
function givenValue(type: ColumnType, written: unknown): LiteralValue | undefined {
  if (written === null) return null
  switch (kindOfType(type)) {
    case 'number': {
      if (!(written instanceof WrittenNumber)) return undefined
      const { text } = written
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

/** As it could stand in the file. */
export function givenText({ given }: RuleExample, columns: Schema): string {
  const values = Object.entries(given).map(([name, value]) => {
    const isNumber = kindOfType(columns[name]!) === 'number'
    const text = typeof value === 'string' && !isNumber ? JSON.stringify(value) : String(value)
    return `${name}: ${text}`
  })
  return values.length === 0 ? 'nothing' : `{ ${values.join(', ')} }`
}

/**
 * Examples of a file, by the rule: one JSON object a line, `{"rule": "..", "given": {..}, "fires": true}`.
 * Fails with RULES_INVALID, whose message names each line that is none.
 */
export function readExamples(
  text: string,
  { rules }: RuleSet,
  columns: Schema,
): ReadonlyMap<string, readonly RuleExample[]> {
  const examples = new Map<string, RuleExample[]>()
  const mistakes: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const found = exampleOfLine(line, rules, columns)
    if (typeof found === 'string') mistakes.push(`line ${index + 1}: ${found}`)
    else {
      const others = examples.get(found.rule) ?? []
      examples.set(found.rule, [...others, { ...found.example, line: index + 1, isOfFile: false }])
    }
  }
  if (mistakes.length === 0) return examples
  throw new LakehouseError('RULES_INVALID', ['the examples have mistakes:', ...mistakes].join('\n  '))
}

/** What is wrong, where the line is no example. */
function exampleOfLine(
  line: string,
  rules: readonly Rule[],
  columns: Schema,
): string | { readonly rule: string; readonly example: Pick<RuleExample, 'given' | 'fires'> } {
  let parsed: unknown
  try {
    // TypeScript does not know the third argument yet, which has the text of a value.
    const revive = (_: string, value: unknown, context?: { readonly source?: string }): unknown =>
      typeof value === 'number' ? new WrittenNumber(context?.source ?? String(value)) : value
    parsed = JSON.parse(line, revive)
  } catch {
    return 'one JSON object is expected'
  }
  const { rule, given, fires } = Object(parsed) as Readonly<Record<string, unknown>>
  if (typeof rule !== 'string' || !rules.some(({ name }) => name === rule)) {
    const names = rules.map(({ name }) => name)
    const meant = typeof rule === 'string' ? likelyName(rule, names) : null
    return meant === null
      ? `"rule" is one of ${names.join(', ')}`
      : `there is no rule ${rule}: did you mean ${meant}?`
  }
  if (typeof fires !== 'boolean') return '"fires" is true or false'
  if (typeof given !== 'object' || given === null || given instanceof WrittenNumber)
    return '"given" is an object: the values of the row'
  const values: [string, LiteralValue][] = []
  for (const [name, written] of Object.entries(given)) {
    const type = Object.hasOwn(columns, name) ? columns[name] : undefined
    if (type === undefined) {
      const meant = likelyName(name, Object.keys(columns))
      return `there is no ${name}${meant === null ? '' : `: did you mean ${meant}?`}`
    }
    const value = givenValue(type, written)
    if (value === undefined) return `${name}: ${formOf(type)} is expected`
    values.push([name, value])
  }
  return { rule, example: { given: Object.fromEntries(values), fires } }
}

function rowOf(given: RuleExample['given'], columns: Schema): Record<string, unknown> {
  const row = Object.keys(columnsOf(columns)).map((name) => [
    name,
    literalOf(columns[name]!, given[name] ?? null),
  ])
  return Object.fromEntries(row)
}
