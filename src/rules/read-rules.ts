// rules.yaml read: what an analyst writes becomes a value, or a list of mistakes with their places.
import { LakehouseError } from '../errors/errors.ts'
import { levelLowest, type RiskLevel } from '../fraud/score.ts'
import type { ListEntry } from '../plan/index.ts'
import { compileCondition } from './condition.ts'
import { exampleOf } from './example.ts'
import { Mistakes } from './mistake.ts'
import { type BesideFile, ModelReader, type ScoringModel, withModelScore } from './model.ts'
import { type NumberLiteral, negated, numberLiteralOf } from './number-literal.ts'
import type { ParsedRules, Rule, RuleExample, RuleSet } from './rule-set.ts'
import type { RuleList, Scope } from './scope.ts'
import { parseTemplate } from './template.ts'
import { type Entry, type YamlNode, YamlReader } from './yaml-reader.ts'

export type RuleNames = Pick<Scope, 'columns'> & {
  /** Lists of texts that each batch brings, as parameters of their names; the file has their defaults. */
  readonly parameters?: readonly string[]
  /** Elements that are added to lists of texts; those of other lists, or of none, count for nothing. */
  readonly entries?: readonly ListEntry[]
  /** What lies beside the file of rules; absent: nothing does. */
  readonly beside?: (file: string) => BesideFile
}

/** Of a file of rules. */
const charactersMax = 1_000_000
const rulesMax = 1_000
const elementsMax = 10_000
/** Numbers of a list stand in the condition, one comparison each. */
const numbersMax = 200
const pointsMax = 10_000
const nameForm = /^[a-z][a-z0-9_]{0,63}$/
const levelForm = /^[A-Za-z][A-Za-z0-9_]{0,31}$/

/** The rules in the text, whose conditions ask for these names. */
export function parseRules(text: string, names: RuleNames): ParsedRules {
  const mistakes = new Mistakes(text)
  if (text.length > charactersMax) {
    mistakes.add(0, `the file has more than ${charactersMax} characters`)
    return { kind: 'mistakes', mistakes: mistakes.all() }
  }
  const reader = new RulesReader(new YamlReader(text, mistakes), names)
  const rules = reader.read()
  if (rules === null || !mistakes.isEmpty) return { kind: 'mistakes', mistakes: mistakes.all() }
  return { kind: 'rules', rules }
}

/**
 * The rules in the text of the file. Fails with RULES_INVALID, whose message has one line for each mistake:
 * `file:line:column: what`; its details name the files that are absent beside the rules.
 */
export function validRules(
  text: string,
  { file, beside, ...names }: RuleNames & { readonly file: string },
): RuleSet {
  const absent: string[] = []
  const noted = (name: string): BesideFile => {
    const found = beside!(name)
    if (found.kind === 'absent' && found.path !== null) absent.push(found.path)
    return found
  }
  const parsed = parseRules(text, beside === undefined ? names : { ...names, beside: noted })
  if (parsed.kind === 'rules') return parsed.rules
  const lines = parsed.mistakes.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`)
  const message = ['the rules have mistakes:', ...lines].join('\n  ')
  throw new LakehouseError('RULES_INVALID', message, { details: { mistakes: parsed.mistakes, absent } })
}

class RulesReader {
  readonly #yaml: YamlReader
  readonly #names: RuleNames

  constructor(yaml: YamlReader, names: RuleNames) {
    this.#yaml = yaml
    this.#names = names
  }

  read(): RuleSet | null {
    const document = this.#yaml.document('levels, review_from and rules')
    if (document === null) return null
    const required = ['levels', 'review_from', 'rules'] as const
    const keys = this.#yaml.known(
      document,
      'a map with levels, review_from and rules',
      [...required, 'lists', 'model'],
      required,
    )
    if (keys === null) return null
    const lists = keys.lists === undefined ? {} : this.#lists(keys.lists.value)
    const levels = keys.levels === undefined ? [] : this.#levels(keys.levels.value)
    const reviewFrom =
      keys.review_from === undefined
        ? null
        : this.#yaml.wholeNumber(keys.review_from.value, 'a score', -pointsMax, pointsMax)
    const scope: Scope = {
      columns: this.#names.columns,
      lists,
      parameters: new Set(this.#names.parameters),
    }
    const { model: given } = keys
    const model = given === undefined ? null : this.#model(given.value, scope)
    // One with mistakes is there all the same: a rule that asks it has none of its own.
    const columns = given === undefined ? scope.columns : withModelScore(scope.columns)
    const rules = keys.rules === undefined ? [] : this.#rules(keys.rules.value, { ...scope, columns })
    return { levels, reviewFrom: reviewFrom ?? 0, lists, model, rules }
  }

  #model(node: YamlNode, scope: Scope): ScoringModel | null {
    const nothing = (file: string): BesideFile => ({
      kind: 'absent',
      path: null,
      reason: `no ${file} lies beside the rules`,
    })
    return new ModelReader(this.#yaml, scope, this.#names.beside ?? nothing).read(node)
  }

  #levels(node: YamlNode): readonly RiskLevel[] {
    const levels: RiskLevel[] = []
    for (const { name, at, value } of this.#yaml.entries(
      node,
      'levels with their lowest scores, as in HIGH: 50',
    ) ?? []) {
      if (!levelForm.test(name))
        this.#yaml.tellAt(at, 'a level has a name of letters, digits and _, as in HIGH')
      if (name === levelLowest) {
        this.#yaml.tellAt(
          at,
          `${levelLowest} is the level of every score below the others: it has no score of its own`,
        )
      }
      const scoreMin = this.#yaml.wholeNumber(value, 'the lowest score of the level', -pointsMax, pointsMax)
      if (scoreMin === null) continue
      const same = levels.find((level) => level.scoreMin === scoreMin)
      if (same !== undefined)
        this.#yaml.tell(value, `${same.name} begins with ${scoreMin} too: a score has one level`)
      levels.push({ name, scoreMin })
    }
    return levels.sort((a, b) => b.scoreMin - a.scoreMin)
  }

  #lists(node: YamlNode): Readonly<Record<string, RuleList>> {
    const lists: [string, RuleList][] = []
    for (const { name, at, value } of this.#yaml.entries(node, 'lists by their names') ?? []) {
      if (!nameForm.test(name)) this.#yaml.tellAt(at, nameAdvice('a list'))
      const items = this.#yaml.items(value, 'a list of texts or of numbers, as in [Nigeria, China],')
      if (items === null) continue
      const list = this.#list(items)
      if (list === null) continue
      const isBound = this.#names.parameters?.includes(name) === true
      if (isBound && list.kind === 'numbers') this.#yaml.tell(value, `${name} is a list of texts`)
      const entries = this.#names.entries?.filter((entry) => entry.list === name) ?? []
      lists.push([name, list.kind === 'texts' && entries.length > 0 ? { ...list, entries } : list])
    }
    return Object.fromEntries(lists)
  }

  #list(items: readonly YamlNode[]): RuleList | null {
    if (items.length > elementsMax)
      return this.#yaml.tell(items[elementsMax]!, `a list has at most ${elementsMax} elements`)
    const texts: string[] = []
    const numbers: NumberLiteral[] = []
    for (const item of items) {
      const scalar = this.#yaml.scalar(item, 'a text or a number')
      if (scalar === null) return null
      if (typeof scalar.value === 'number') {
        const number = numberOf(scalar.source ?? '')
        if (number === null) return this.#yaml.tell(item, 'a number like 5000 or 0.1 is expected')
        numbers.push(number)
      } else if (typeof scalar.value === 'string') {
        if (!scalar.value.isWellFormed() || scalar.value.includes('\0')) {
          return this.#yaml.tell(item, 'this text holds half of a surrogate pair, or U+0000')
        }
        texts.push(scalar.value)
      } else {
        return this.#yaml.tell(
          item,
          'a text or a number is expected: put a text like null, true or no in quotes',
        )
      }
      if (texts.length > 0 && numbers.length > 0) {
        return this.#yaml.tell(item, 'the elements of a list are of one kind: texts, or numbers')
      }
    }
    if (numbers.length === 0) return { kind: 'texts', elements: texts }
    if (numbers.length > numbersMax) {
      return this.#yaml.tell(items[numbersMax]!, `a list of numbers has at most ${numbersMax} elements`)
    }
    return { kind: 'numbers', elements: numbers }
  }

  #rules(node: YamlNode, scope: Scope): readonly Rule[] {
    const items = this.#yaml.items(node, 'a list of rules') ?? []
    if (items.length === 0) this.#yaml.tell(node, 'at least one rule is expected')
    if (items.length > rulesMax) this.#yaml.tell(items[rulesMax]!, `a file has at most ${rulesMax} rules`)
    const rules: Rule[] = []
    for (const item of items.slice(0, rulesMax)) {
      const rule = this.#rule(item, scope, rules)
      if (rule !== null) rules.push(rule)
    }
    return rules
  }

  /** As much as can be read of it, so that its name is known to the others. */
  #rule(node: YamlNode, scope: Scope, others: readonly Rule[]): Rule | null {
    const required = ['name', 'when', 'points', 'says'] as const
    const optional = ['meaning', 'examples'] as const
    const what = 'a rule with name, when, points and says'
    const keys = this.#yaml.known(node, what, [...required, ...optional], required)
    if (keys === null) return null
    const name = keys.name === undefined ? null : this.#name(keys.name, others)
    const points =
      keys.points &&
      this.#yaml.wholeNumber(keys.points.value, 'the points of the rule', -pointsMax, pointsMax)
    const when = keys.when && this.#yaml.text(keys.when.value, 'a condition')
    const condition = when && compileCondition(when.text, scope, when.tell)
    const said = keys.says && this.#yaml.text(keys.says.value, 'a sentence')
    const says = said && parseTemplate(said.text, scope.columns, said.tell)
    const meaning = keys.meaning && this.#yaml.text(keys.meaning.value, 'what the rule means, in a sentence')
    const examples = keys.examples === undefined ? [] : this.#examples(keys.examples, scope)
    if (name === null || points == null || !when || !condition || !says) return null
    return {
      name,
      points,
      meaning: meaning?.text ?? when.text,
      when: when.text,
      ...condition,
      says,
      examples,
    }
  }

  #name({ value }: Entry, others: readonly Rule[]): string | null {
    const name = this.#yaml.text(value, 'the name of the rule')
    if (name === null) return null
    if (!nameForm.test(name.text)) return this.#yaml.tell(value, nameAdvice('a rule'))
    if (others.some((other) => other.name === name.text)) {
      return this.#yaml.tell(value, `there are two rules ${name.text}: names tell rules apart`)
    }
    return name.text
  }

  #examples({ value }: Entry, scope: Scope): readonly RuleExample[] {
    const items = this.#yaml.items(value, 'a list of examples { given: { .. }, fires: true }') ?? []
    return items.flatMap((item) => {
      const example = exampleOf(item, this.#yaml, scope.columns)
      return example === null ? [] : [example]
    })
  }
}

function nameAdvice(what: string): string {
  return `${what} has a name of small letters, digits and _ that begins with a letter, as in high_amount`
}

/** As YAML writes numbers: with a sign. */
export function numberOf(source: string): NumberLiteral | null {
  const sign = /^[+-]/.exec(source)?.[0] ?? ''
  const number = numberLiteralOf(source.slice(sign.length))
  return number !== null && sign === '-' ? negated(number) : number
}
