// A condition, typed and compiled to an expression that every engine runs.
//
// Null takes the place that an error has in CEL: a comparison with null is null, && and || are decided by
// what is known (false && null is false), and a rule fires only when its condition is true.
import { nearestName } from '../errors/nearest-name.ts'
import {
  and,
  bool,
  type ColumnType,
  column,
  type Expr,
  isNull,
  literal,
  not,
  nullOf,
  or,
  parameter,
  type Schema,
  when,
} from '../expr/index.ts'
import { sizeOf } from './expression-size.ts'
import {
  constants,
  exampleOfFunction,
  isFunctionName,
  type RuleFunction,
  ruleFunctions,
  unknownFunction,
} from './functions.ts'
import type { Tell } from './mistake.ts'
import { type NumberLiteral, negated, numberLiteralOf } from './number-literal.ts'
import {
  type Comparator,
  type Computed,
  comparators,
  compared,
  computed,
  type Impossible,
  inTexts,
  isImpossible,
  numberTyped,
  type Operator,
  operators,
  opposed,
  sameType,
} from './operators.ts'
import { type CelNode, parseCondition } from './syntax.ts'
import { exactTruth, kindNames, kindOfType, type Typed, truthOf, typeName } from './typed.ts'

/** A named list; all its elements are of one kind. */
export type RuleList =
  | { readonly kind: 'texts'; readonly elements: readonly string[] }
  | { readonly kind: 'numbers'; readonly elements: readonly NumberLiteral[] }

/** What the names in a condition are. */
export type Scope = {
  readonly columns: Schema
  readonly lists: Readonly<Record<string, RuleList>>
  /** Lists of texts that each batch brings, under their names; the others stand in the expression. */
  readonly parameters: ReadonlySet<string>
}

export type Condition = {
  /** True where the condition is; where it is null, null or false: a rule does not ask. */
  readonly fires: Expr<'boolean'>
  /** True, false or null, exactly as the condition is. */
  readonly value: Expr<'boolean'>
  /**
   * True where the condition is null and a calculation in it gave null although it was given values: an
   * overflow, or a division by zero. null where the condition calculates nothing.
   */
  readonly overflows: Expr<'boolean'> | null
}

/** Of parts of the compiled expression, as SQL has them: a calculation can stand there more than once. */
const sizeMax = 4_000
const distanceMax = 2

/** null where there are mistakes, which are told with their offsets in `source`. */
export function compileCondition(source: string, scope: Scope, tell: Tell): Condition | null {
  const node = parseCondition(source, tell)
  if (node === null) return null
  const compiler = new ConditionCompiler(source, scope, tell)
  const typed = compiler.compiled(node)
  if (typed === null) return null
  if (typed.kind !== 'truth') {
    const hint =
      typed.kind === 'text' ? 'compare it with a text: x == "crypto"' : 'compare it, as in amount > 5000'
    tell(node.start, `a condition is true or false, and this is ${kindNames[typed.kind]}: ${hint}`)
    return null
  }
  const value = exactTruth(typed)
  const overflows = compiler.lost.length === 0 ? null : and(isNull(value), or(...compiler.lost))
  if (sizeOf(value, sizeMax) > sizeMax) {
    tell(node.start, 'the condition calculates too much: make it two rules')
    return null
  }
  return { fires: truthOf(typed), value, overflows }
}

class ConditionCompiler {
  /** Of each calculation: where it gave null although it was given values. */
  readonly lost: Expr<'boolean'>[] = []
  readonly #source: string
  readonly #scope: Scope
  readonly #tell: Tell

  constructor(source: string, scope: Scope, tell: Tell) {
    this.#source = source
    this.#scope = scope
    this.#tell = tell
  }

  /** null where there was a mistake in it, which is told. */
  compiled(node: CelNode): Typed | null {
    switch (node.op) {
      case 'value':
        return this.#value(node)
      case 'id':
        return this.#name(node)
      case '&&':
      case '||':
        return this.#junction(node, node.op)
      case '!_':
        return this.#negation(node)
      case '-_':
        return this.#opposite(node)
      case '?:':
        return this.#choice(node)
      case 'in':
        return this.#membership(node)
      case 'call':
      case 'rcall':
        return this.#call(node)
      case '.':
        return this.#selection(node)
      case '[]':
        return this.#refuse(node, 'there are no elements to pick: write x in lists.name')
      case 'list':
        return this.#refuse(node, 'a list stands behind "in" only: country in ["Nigeria", "China"]')
      case 'map':
        return this.#refuse(node, 'conditions have no maps. In YAML, put the whole condition in quotes')
      case '%':
        return this.#refuse(node, '% is not offered: engines have it in different ways')
      case '.?':
      case '[?]':
        return this.#refuse(node, 'write has(x) to ask whether there is a value')
      default:
        return this.#binary(node)
    }
  }

  #value(node: CelNode & { readonly op: 'value' }): Typed | null {
    const { args: value } = node
    if (typeof value === 'string') {
      if (!value.isWellFormed() || value.includes('\0')) {
        return this.#refuse(
          node,
          'this text holds half of a surrogate pair, or U+0000, which no table stores',
        )
      }
      return { kind: 'text', expr: literal('string', value), text: value, isPresent: true }
    }
    if (typeof value === 'boolean') return { kind: 'truth', expr: bool(value), isPresent: true }
    if (value === null) {
      return this.#refuse(node, 'null is not compared: write has(x), or !has(x) for "there is none"')
    }
    if (typeof value === 'number' || typeof value === 'bigint') {
      const number = numberLiteralOf(this.#textOf(node))
      if (number === null) return this.#refuse(node, 'a number is expected, like 5000 or 0.1')
      const isDouble = typeof value === 'number'
      // One below the least is the opposite of no long; the opposite of it is one.
      if (!isDouble && number.units === 2n ** 63n) return { ...unsignedLimit, number }
      return this.#taken(node, numberTyped(number))
    }
    return this.#refuse(node, 'write a text as "..." and a number without a letter behind it')
  }

  #name(node: CelNode & { readonly op: 'id' }): Typed | null {
    const name = node.args
    const type = Object.hasOwn(this.#scope.columns, name) ? this.#scope.columns[name] : undefined
    if (type === undefined) {
      if (name === 'lists') return this.#refuse(node, 'a list has a name: lists.high_risk_countries')
      if (isFunctionName(name)) {
        return this.#refuse(node, `${name} is a function: write ${exampleOfFunction(name)}`)
      }
      return this.#refuse(node, this.#unknownName(name))
    }
    const kind = kindOfType(type)
    if (kind === null)
      return this.#refuse(node, `${name} is of type ${typeName(type)}, which no condition asks`)
    return { kind, expr: column(name, type) }
  }

  #unknownName(name: string): string {
    const names = Object.keys(this.#scope.columns)
    const meant = nearestName(name, names, distanceMax)
    if (meant !== null) return `there is no ${name}: did you mean ${meant}?`
    if (Object.hasOwn(this.#scope.lists, name)) return `there is no ${name}: did you mean lists.${name}?`
    return `there is no ${name}; a text stands in quotes. Names are ${names.join(', ')}`
  }

  #junction(node: CelNode, operator: '&&' | '||'): Typed | null {
    const parts = operandsOf(node, operator).map((part) => this.#truth(part, operator))
    if (parts.some((part) => part === null)) return null
    const all = parts as Typed[]
    const join = operator === '&&' ? and : or
    return {
      kind: 'truth',
      expr: join(...all.map(exactTruth)),
      truth: join(...all.map(truthOf)),
      isPresent: all.every(({ isPresent }) => isPresent === true),
    }
  }

  #truth(node: CelNode, operator: string): Typed | null {
    const typed = this.compiled(node)
    if (typed === null || typed.kind === 'truth') return typed
    return this.#refuse(node, `${operator} takes conditions, and this is ${kindNames[typed.kind]}`)
  }

  #negation(node: CelNode & { readonly op: '!_' }): Typed | null {
    const typed = this.#truth(node.args, '!')
    if (typed === null) return null
    const value = exactTruth(typed)
    // `!has(x)` is what it says.
    const isNegated = value.kind === 'call' && value.function === 'not' && typed.isPresent === true
    const expr = isNegated ? (value.args[0] as Expr<'boolean'>) : not(value)
    return { kind: 'truth', expr, ...(typed.isPresent ? { isPresent: true } : {}) }
  }

  #opposite(node: CelNode & { readonly op: '-_' }): Typed | null {
    const value = this.compiled(node.args)
    if (value === null) return null
    if (value.number !== undefined) return this.#taken(node, numberTyped(negated(value.number)))
    return this.#taken(node, opposed(value))
  }

  /** Null where the condition is: whoever asks does not know. */
  #choice(node: CelNode & { readonly op: '?:' }): Typed | null {
    const [asked, ifTrue, ifFalse] = node.args
    const condition = this.#truth(asked, '? :')
    const [then, otherwise] = [this.compiled(ifTrue), this.compiled(ifFalse)]
    if (condition === null || then === null || otherwise === null) return null
    if (then.kind !== otherwise.kind) {
      const told = `one side is ${kindNames[then.kind]}, the other ${kindNames[otherwise.kind]}`
      return this.#refuse(ifFalse, `${told}: both results of ? : have to be of one kind`)
    }
    const pair = sameType(then, otherwise)
    if (isImpossible(pair)) return this.#refuse(ifFalse, pair.impossible)
    const value = exactTruth(condition)
    const chosen = (a: Expr, b: Expr): Expr =>
      condition.isPresent
        ? when([[value, a]], b)
        : when<ColumnType>(
            [
              [value, a],
              [not(value), b],
            ],
            nullOf(a.type),
          )
    return {
      kind: then.kind,
      expr: chosen(...pair),
      ...(then.kind === 'truth'
        ? { truth: chosen(truthOf(then), truthOf(otherwise)) as Expr<'boolean'> }
        : {}),
    }
  }

  #membership(node: CelNode & { readonly op: 'in' }): Typed | null {
    const [asked, list] = node.args
    const value = this.compiled(asked)
    const named = this.#namedList(list)
    if (value === null || named === null) return null
    if (named !== undefined) return this.#inNamed(node, value, named.name, named.list)
    if (list.op === 'id') return this.#inColumn(list, value)
    if (list.op !== 'list') {
      return this.#refuse(list, 'a list is expected behind "in": lists.name, or ["Nigeria", "China"]')
    }
    if (list.args.length === 0) return this.#refuse(list, 'a list without elements holds nothing')
    const elements = list.args.map((element) => ({ element, typed: this.compiled(element) }))
    const typed: Typed[] = []
    for (const { element, typed: one } of elements) {
      if (one === null) return null
      if (one.kind !== value.kind) {
        const told = `${kindNames[value.kind]} is looked for, and this is ${kindNames[one.kind]}`
        return this.#refuse(element, `${told}: all elements have to be of its kind`)
      }
      typed.push(one)
    }
    const texts = typed.map(({ text }) => text)
    if (texts.every((text) => text !== undefined)) {
      return inTexts(value, literal('array<string>', texts as readonly string[]))
    }
    return this.#equalToOne(list, value, typed)
  }

  /** undefined where the node names no list; null where it names one that does not exist. */
  #namedList(node: CelNode): { readonly name: string; readonly list: RuleList } | undefined | null {
    if (node.op !== '.' || node.args[0].op !== 'id' || node.args[0].args !== 'lists') return undefined
    const name = node.args[1]
    const { lists } = this.#scope
    const list = Object.hasOwn(lists, name) ? lists[name] : undefined
    if (list !== undefined) return { name, list }
    const names = Object.keys(lists)
    const meant = nearestName(name, names, distanceMax)
    const known = names.length === 0 ? 'the file has no lists' : `lists are ${names.join(', ')}`
    this.#tell(
      node.end - name.length,
      `there is no list ${name}: ${meant === null ? known : `did you mean ${meant}?`}`,
    )
    return null
  }

  #inNamed(node: CelNode, value: Typed, name: string, list: RuleList): Typed | null {
    const kind = list.kind === 'texts' ? 'text' : 'number'
    if (value.kind !== kind) {
      return this.#refuse(
        node,
        `lists.${name} holds ${list.kind}, and ${kindNames[value.kind]} is looked for`,
      )
    }
    if (list.kind === 'texts') {
      const isBound = this.#scope.parameters.has(name)
      const type = 'array<string>'
      return inTexts(value, isBound ? parameter(name, type) : literal(type, list.elements))
    }
    const elements: Typed[] = []
    for (const number of list.elements) {
      const typed = this.#taken(node, numberTyped(number))
      if (typed === null) return null
      elements.push(typed)
    }
    return this.#equalToOne(node, value, elements)
  }

  #inColumn(list: CelNode & { readonly op: 'id' }, value: Typed): Typed | null {
    const name = list.args
    const type = Object.hasOwn(this.#scope.columns, name) ? this.#scope.columns[name] : undefined
    if (type === 'array<string>' && value.kind === 'text') return inTexts(value, column(name, type), true)
    if (type === undefined) return this.#name(list)
    return this.#refuse(list, `${name} is ${typeName(type)} and no list: write == to compare`)
  }

  #equalToOne(node: CelNode, value: Typed, elements: readonly Typed[]): Typed | null {
    const equalities: Typed[] = []
    for (const element of elements) {
      const typed = this.#taken(node, compared('==', value, element))
      if (typed === null) return null
      equalities.push(typed)
    }
    const [only, ...others] = equalities
    return others.length === 0 ? only! : { kind: 'truth', expr: or(...equalities.map(exactTruth)) }
  }

  #binary(node: CelNode): Typed | null {
    const [a, b] = node.args as readonly [CelNode, CelNode]
    const isNothing = (one: CelNode): boolean => one.op === 'value' && one.args === null
    if ((node.op === '==' || node.op === '!=') && isNothing(a) !== isNothing(b)) {
      const asked = this.#textOf(isNothing(a) ? b : a)
      const advice = node.op === '==' ? `!has(${asked})` : `has(${asked})`
      return this.#refuse(node, `nothing is equal to null: use ${advice}`)
    }
    const [left, right] = [this.compiled(a), this.compiled(b)]
    if (left === null || right === null) return null
    if (comparators.includes(node.op)) {
      return this.#taken(node, compared(node.op as Comparator, left, right))
    }
    if (operators.includes(node.op)) return this.#taken(node, computed(node.op as Operator, left, right))
    return this.#refuse(node, `${node.op} is not offered`)
  }

  #selection(node: CelNode & { readonly op: '.' }): Typed | null {
    if (this.#namedList(node) === null) return null
    const [target, name] = node.args
    if (target.op === 'id' && target.args === 'lists') {
      return this.#refuse(node, `a list stands behind "in" only: country in lists.${name}`)
    }
    return this.#refuse(
      node,
      `names have no parts here: ${this.#textOf(target)} is a value, and .${name} nothing`,
    )
  }

  #call(node: CelNode & { readonly op: 'call' | 'rcall' }): Typed | null {
    const [name, target, given] =
      node.op === 'call' ? [node.args[0], null, node.args[1]] : [node.args[0], node.args[1], node.args[2]]
    if (target === null && name === 'has') return this.#has(node, given)
    const constant = target === null ? constants.find((one) => one.name === name) : undefined
    if (constant !== undefined && given.length === 1) {
      const [first] = given as [CelNode]
      if (first.op === 'value' && typeof first.args === 'string') {
        const expr = constant.read(first.args)
        if (expr === null) return this.#refuse(first, `${constant.expected} is expected`)
        return { kind: constant.gives, expr, isPresent: true }
      }
      if (name !== 'date') return this.#refuse(first, `${constant.expected} is expected, in quotes`)
    }
    const found = ruleFunctions.find(
      (one) => one.name === name && one.form === (target === null ? 'call' : 'method'),
    )
    if (found === undefined) {
      const at = target === null ? node.start : this.#source.indexOf(name, target.end)
      this.#tell(at, unknownFunction(name, target !== null))
      return null
    }
    const nodes = target === null ? given : [target, ...given]
    const values = nodes.map((one) => this.compiled(one))
    if (values.some((value) => value === null)) return null
    return this.#applied(node, found, nodes, values as Typed[])
  }

  #applied(
    node: CelNode,
    found: RuleFunction,
    nodes: readonly CelNode[],
    values: readonly Typed[],
  ): Typed | null {
    if (nodes.length !== found.takes.length) {
      return this.#refuse(node, `${found.name} is called with another number of values: ${found.example}`)
    }
    for (const [index, kind] of found.takes.entries()) {
      const value = values[index]!
      if (value.kind === kind) continue
      const told = `${found.name} takes ${kindNames[kind]}, and this is ${kindNames[value.kind]}`
      return this.#refuse(nodes[index]!, `${told}: ${found.example}`)
    }
    const build = found.build as (...args: readonly Expr[]) => Expr // Their kinds were looked at.
    return { kind: found.gives, expr: build(...values.map(({ expr }) => expr)) }
  }

  #has(node: CelNode, given: readonly CelNode[]): Typed | null {
    const [asked] = given
    if (given.length !== 1 || asked === undefined || asked.op !== 'id') {
      return this.#refuse(node, 'has asks for one name: has(country)')
    }
    const typed = this.compiled(asked)
    return typed === null ? null : { kind: 'truth', expr: not(isNull(typed.expr)), isPresent: true }
  }

  #taken(node: CelNode, found: Computed | Impossible): Typed | null {
    if (isImpossible(found)) return this.#refuse(node, found.impossible)
    if (found.lost !== undefined) this.lost.push(found.lost)
    return found.typed
  }

  #refuse(node: CelNode, message: string): null {
    this.#tell(node.start, message)
    return null
  }

  #textOf(node: CelNode): string {
    return this.#source.slice(node.start, node.end)
  }
}

/** 2^63, which is a long only when a minus stands before it. */
const unsignedLimit: Typed = {
  kind: 'number',
  expr: literal('decimal(38,6)', '9223372036854775808'),
  isPresent: true,
}

/** `a && b && c` is one junction of three. */
function operandsOf(node: CelNode, operator: '&&' | '||'): CelNode[] {
  if (node.op !== operator) return [node]
  const [left, right] = node.args as readonly [CelNode, CelNode]
  return [...operandsOf(left, operator), ...operandsOf(right, operator)]
}
