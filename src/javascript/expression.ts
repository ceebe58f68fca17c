// Expression -> JavaScript. Numbers and truth values are written into the code; all else is bound as a value.
import { unreachable } from '../errors/errors.ts'
import { type ColumnType, type Expr, functionNamed, type Value } from '../expr/index.ts'
import {
  type Block,
  type Bound,
  Branch,
  type Code,
  type CodeWriter,
  isPlainName,
  type Names,
  type Resolve,
  unwrapped,
} from './block.ts'
import { inlineForms, toDecimal, toDouble, truthForms } from './inline.ts'
import { literalOf } from './literal.ts'

export type WriterOptions = {
  readonly names: Names
  readonly bound: Bound
  /** Where stands what is computed once for a batch. */
  readonly batch: Block
  readonly parameter: (name: string, type: ColumnType) => Code
}

export class ExpressionWriter implements CodeWriter {
  readonly names: Names
  readonly bound: Bound
  readonly batch: Block
  readonly #parameter: WriterOptions['parameter']

  constructor(options: WriterOptions) {
    this.names = options.names
    this.bound = options.bound
    this.batch = options.batch
    this.#parameter = options.parameter
  }

  value(expr: Expr, block: Block, resolve: Resolve, wish?: string): Code {
    switch (expr.kind) {
      case 'column':
        return resolve(expr.name, block)
      case 'literal':
        return this.#literal(literalOf(expr.type, expr.value))
      case 'parameter':
        return this.#parameter(expr.name, expr.type)
      case 'call':
        return this.#call(expr, block, resolve, wish ?? `${expr.function}_`)
      case 'case':
        return this.#case(expr, block, resolve, wish ?? 'chosen')
      default:
        return unreachable(expr)
    }
  }

  truth(expr: Expr, block: Block, resolve: Resolve): string {
    if (expr.kind === 'call') {
      const form = truthForms[expr.function]
      const text = form?.(this, expr.args, block, resolve)
      if (text !== undefined) return text
    }
    return this.value(expr, block, resolve).text
  }

  atom(expr: Expr, block: Block, resolve: Resolve, wish = 'value'): Code {
    return this.named(this.value(expr, block, resolve), block, wish)
  }

  named(code: Code, block: Block, wish: string): Code {
    if (isPlainName(code.text) || /^-?[0-9.]+$/.test(code.text)) return code
    const known = block.named(code.text)
    if (known !== undefined) return known
    const name = this.names.free(wish)
    const target = code.isOfBatch ? this.batch : block
    target.before(block, () => target.add(`const ${name} = ${unwrapped(code.text)}`))
    const named = { ...code, text: name }
    target.name(code.text, named)
    return named
  }

  #literal(value: Value): Code {
    const constant = { isNullable: value === null, isOfBatch: true }
    if (value === null || typeof value === 'boolean') return { ...constant, text: String(value) }
    if (typeof value === 'number' && Number.isFinite(value)) {
      const text = Object.is(value, -0) ? '-0' : String(value)
      return Number.isInteger(value) ? { ...constant, text, range: [value, value] } : { ...constant, text }
    }
    const wish = typeof value === 'string' ? `text_${value.replaceAll(/\W/g, '_')}` : 'constant'
    return { ...constant, text: this.bound.name(value, wish.slice(0, 40)) }
  }

  #call(expr: Extract<Expr, { kind: 'call' }>, block: Block, resolve: Resolve, wish: string): Code {
    const inline = inlineForms[expr.function]?.(this, expr.args, block, resolve)
    if (inline !== undefined) return inline
    const args = expr.args.map((arg, index) =>
      this.value(toDeclared(arg, expr.function, index), block, resolve),
    )
    const name = this.bound.name(functionNamed(expr.function).javascript, expr.function)
    const isOfBatch = args.every((arg) => arg.isOfBatch)
    const text = `${name}(${args.map((arg) => unwrapped(arg.text)).join(', ')})`
    return this.named({ text, isNullable: !neverNull.has(expr.function), isOfBatch }, block, wish)
  }

  /** `a ? b : c` where nothing has to be computed before; else statements, of which only those needed run. */
  #case(expr: Extract<Expr, { kind: 'case' }>, block: Block, resolve: Resolve, wish: string): Code {
    const [first, ...rest] = expr.branches
    if (first === undefined) return this.value(expr.otherwise, block, resolve)
    const when = this.truth(first.when, block, resolve)
    const thenBlock = new Branch(`if (${unwrapped(when)}) {`, block)
    const elseBlock = new Branch('else {', block)
    const then = this.value(first.then, thenBlock, resolve)
    const otherwise =
      rest.length === 0
        ? this.value(expr.otherwise, elseBlock, resolve)
        : this.#case({ ...expr, branches: rest }, elseBlock, resolve, wish)
    const isOfBatch = false // Of a parameter alone there is hardly any case.
    const code = {
      isNullable: then.isNullable || otherwise.isNullable,
      isOfBatch,
      ...rangeOf(then, otherwise),
    }
    if (thenBlock.isEmpty && elseBlock.isEmpty) {
      return { ...code, text: `(${when} ? ${then.text} : ${otherwise.text})` }
    }
    const name = this.names.free(wish)
    block.add(`let ${name}`)
    thenBlock.add(`${name} = ${unwrapped(then.text)}`)
    elseBlock.add(`${name} = ${unwrapped(otherwise.text)}`)
    block.add(thenBlock)
    block.add(elseBlock)
    return { ...code, text: name }
  }
}

/** Functions whose value is never null, whatever they are given. */
const neverNull: ReadonlySet<string> = new Set([
  'isNull',
  'isTrue',
  'isOneOf',
  'jsonIsAbsent',
  'presentNames',
])

function rangeOf(a: Code, b: Code): { readonly range?: readonly [number, number] } {
  if (a.range === undefined || b.range === undefined) return {}
  return { range: [Math.min(a.range[0], b.range[0]), Math.max(a.range[1], b.range[1])] }
}

/** Numbers that a function takes as doubles, or as decimals with six places. */
function toDeclared(arg: Expr, functionName: string, index: number): Expr {
  const { args } = functionNamed(functionName)
  const declared = args[Math.min(index, args.length - 1)]
  if (declared === arg.type || (declared !== 'double' && declared !== 'decimal(38,6)')) return arg
  const conversion = declared === 'double' ? toDouble : toDecimal
  return { kind: 'call', function: conversion, args: [arg], type: declared }
}
