// A condition, typed and compiled to an expression that every engine runs.
//
// Null takes the place that an error has in CEL: a comparison with null is null, && and || are decided by
// what is known (false && null is false), and a rule fires only when its condition is true.
import { likelyName } from '../errors/nearest-name.ts'
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
  when,
} from '../expr/index.ts'
import { callOf } from './call.ts'
import { sizeOf } from './expression-size.ts'
import { exampleOfFunction, isFunctionName } from './functions.ts'
import { membershipOf, namedList } from './membership.ts'
import type { Tell } from './mistake.ts'
import { negated, numberLiteralOf } from './number-literal.ts'
import {
  type Comparator,
  type Computed,
  comparators,
  compared,
  computed,
  type Impossible,
  isImpossible,
  numberTyped,
  type Operator,
  operators,
  opposed,
  sameType,
} from './operators.ts'
import type { Compiler, Scope } from './scope.ts'
import { type CelNode, parseCondition } from './syntax.ts'
import { exactTruth, kindNames, kindOfType, type Typed, truthOf, typeName } from './typed.ts'

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

/** Of a value that stands for itself, such as a feature of a model; null where there are mistakes. */
export function compileValue(source: string, scope: Scope, tell: Tell): Typed | null {
  const node = parseCondition(source, tell)
  const typed = node && new ConditionCompiler(source, scope, tell).compiled(node)
  if (node === null || typed === null || sizeOf(typed.expr, sizeMax) <= sizeMax) return typed
  tell(node.start, 'this calculates too much')
  return null
}

class ConditionCompiler implements Compiler {
  /** Of each calculation: where it gave null although it was given values. */
  readonly lost: Expr<'boolean'>[] = []
  readonly source: string
  readonly scope: Scope
  readonly tell: Tell

  constructor(source: string, scope: Scope, tell: Tell) {
    this.source = source
    this.scope = scope
    this.tell = tell
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
        return membershipOf(this, node)
      case 'call':
      case 'rcall':
        return callOf(this, node)
      case '.':
        return this.#selection(node)
      case '[]':
        return this.refuse(node, 'there are no elements to pick: write x in lists.name')
      case 'list':
        return this.refuse(node, 'a list stands behind "in" only: country in ["Nigeria", "China"]')
      case 'map':
        return this.refuse(node, 'conditions have no maps. In YAML, put the whole condition in quotes')
      case '%':
        return this.refuse(node, '% is not offered: engines have it in different ways')
      case '.?':
      case '[?]':
        return this.refuse(node, 'write has(x) to ask whether there is a value')
      default:
        return this.#binary(node)
    }
  }

  #value(node: CelNode & { readonly op: 'value' }): Typed | null {
    const { args: value } = node
    if (typeof value === 'string') {
      if (!value.isWellFormed() || value.includes('\0')) {
        return this.refuse(node, 'this text holds half of a surrogate pair, or U+0000, which no table stores')
      }
      return { kind: 'text', expr: literal('string', value), text: value, isPresent: true }
    }
    if (typeof value === 'boolean') return { kind: 'truth', expr: bool(value), isPresent: true }
    if (value === null) {
      return this.refuse(node, 'null is not compared: write has(x), or !has(x) for "there is none"')
    }
    if (typeof value === 'number' || typeof value === 'bigint') {
      const number = numberLiteralOf(this.textOf(node))
      if (number === null) return this.refuse(node, 'a number is expected, like 5000 or 0.1')
      const isDouble = typeof value === 'number'
      // One below the least is the opposite of no long; the opposite of it is one.
      if (!isDouble && number.units === 2n ** 63n) return { ...unsignedLimit, number }
      return this.taken(node, numberTyped(number))
    }
    return this.refuse(node, 'write a text as "..." and a number without a letter behind it')
  }

  #name(node: CelNode & { readonly op: 'id' }): Typed | null {
    const name = node.args
    const type = Object.hasOwn(this.scope.columns, name) ? this.scope.columns[name] : undefined
    if (type === undefined) {
      if (name === 'lists') return this.refuse(node, 'a list has a name: lists.high_risk_countries')
      if (isFunctionName(name)) {
        return this.refuse(node, `${name} is a function: write ${exampleOfFunction(name)}`)
      }
      return this.refuse(node, this.#unknownName(name))
    }
    const kind = kindOfType(type)
    if (kind === null)
      return this.refuse(node, `${name} is of type ${typeName(type)}, which no condition asks`)
    return { kind, expr: column(name, type) }
  }

  #unknownName(name: string): string {
    const names = Object.keys(this.scope.columns)
    const meant = likelyName(name, names)
    if (meant !== null) return `there is no ${name}: did you mean ${meant}?`
    if (Object.hasOwn(this.scope.lists, name)) return `there is no ${name}: did you mean lists.${name}?`
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
    return this.refuse(node, `${operator} takes conditions, and this is ${kindNames[typed.kind]}`)
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
    if (value.number !== undefined) return this.taken(node, numberTyped(negated(value.number)))
    return this.taken(node, opposed(value))
  }

  /** Null where the condition is: whoever asks does not know. */
  #choice(node: CelNode & { readonly op: '?:' }): Typed | null {
    const [asked, ifTrue, ifFalse] = node.args
    const condition = this.#truth(asked, '? :')
    const [then, otherwise] = [this.compiled(ifTrue), this.compiled(ifFalse)]
    if (condition === null || then === null || otherwise === null) return null
    if (then.kind !== otherwise.kind) {
      const told = `one side is ${kindNames[then.kind]}, the other ${kindNames[otherwise.kind]}`
      return this.refuse(ifFalse, `${told}: both results of ? : have to be of one kind`)
    }
    const pair = sameType(then, otherwise)
    if (isImpossible(pair)) return this.refuse(ifFalse, pair.impossible)
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

  #binary(node: CelNode): Typed | null {
    const [a, b] = node.args as readonly [CelNode, CelNode]
    const isNothing = (one: CelNode): boolean => one.op === 'value' && one.args === null
    if ((node.op === '==' || node.op === '!=') && isNothing(a) !== isNothing(b)) {
      const asked = this.textOf(isNothing(a) ? b : a)
      const advice = node.op === '==' ? `!has(${asked})` : `has(${asked})`
      return this.refuse(node, `nothing is equal to null: use ${advice}`)
    }
    const [left, right] = [this.compiled(a), this.compiled(b)]
    if (left === null || right === null) return null
    if (comparators.includes(node.op)) {
      return this.taken(node, compared(node.op as Comparator, left, right))
    }
    if (operators.includes(node.op)) return this.taken(node, computed(node.op as Operator, left, right))
    return this.refuse(node, `${node.op} is not offered`)
  }

  #selection(node: CelNode & { readonly op: '.' }): Typed | null {
    if (namedList(this, node) === null) return null
    const [target, name] = node.args
    if (target.op === 'id' && target.args === 'lists') {
      return this.refuse(node, `a list stands behind "in" only: country in lists.${name}`)
    }
    return this.refuse(
      node,
      `names have no parts here: ${this.textOf(target)} is a value, and .${name} nothing`,
    )
  }

  taken(node: CelNode, found: Computed | Impossible): Typed | null {
    if (isImpossible(found)) return this.refuse(node, found.impossible)
    if (found.lost !== undefined) this.lost.push(found.lost)
    return found.typed
  }

  refuse(node: CelNode, message: string): null {
    this.tell(node.start, message)
    return null
  }

  textOf(node: CelNode): string {
    return this.source.slice(node.start, node.end)
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
