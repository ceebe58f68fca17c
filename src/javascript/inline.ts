// Functions that are written into the code, because what they are called with decides how little there is to
// do: the type, what is never null, a list that is the same for the whole batch. What they give is what the
// function of the record gives; the tests run both.
import { hundredthsAsDouble, multiplyWhole, type Whole } from '../columns/whole.ts'
import type { ColumnType, Expr, Value } from '../expr/index.ts'
import { evaluatorOf } from '../model/index.ts'
import { type Block, type Code, type CodeWriter, type Resolve, unwrapped } from './block.ts'

type Form<Written> = (
  writer: CodeWriter,
  args: readonly Expr[],
  block: Block,
  resolve: Resolve,
) => Written | undefined

/** Types that JavaScript compares as SQL does. */
const comparedAsTheyAre: ReadonlySet<ColumnType> = new Set([
  'int',
  'long',
  'timestamp',
  'date',
  'decimal(18,2)',
  'decimal(28,2)',
  'decimal(38,6)',
  'decimal(38,2)',
  'decimal(38,0)',
])
const equalAsTheyAre: ReadonlySet<ColumnType> = new Set([...comparedAsTheyAre, 'string', 'boolean'])

/** For doubles NaN is the same as NaN, and greater than any number. */
const ofDoubles = {
  '===': (a: string, b: string) => `(${a} === ${b} || (${a} !== ${a} && ${b} !== ${b}))`,
  '<': (a: string, b: string) => `(${a} < ${b} || (${b} !== ${b} && ${a} === ${a}))`,
  '>': (a: string, b: string) => `(${a} > ${b} || (${a} !== ${a} && ${b} === ${b}))`,
  '>=': (a: string, b: string) => `(${a} >= ${b} || ${a} !== ${a})`,
}
/** And where the second is a number that is written down. */
const withNumber = {
  '===': (a: string, b: string) => `${a} === ${b}`,
  '<': (a: string, b: string) => `${a} < ${b}`,
  '>': (a: string, b: string) => `(${a} > ${b} || ${a} !== ${a})`,
  '>=': ofDoubles['>='],
}
type Operator = keyof typeof ofDoubles

/** The comparison of two values that are not null, and the conditions under which one is. */
function comparison(operator: Operator): Form<{ readonly test: string; readonly a: Code; readonly b: Code }> {
  return (writer, [left, right], block, resolve) => {
    const { type } = left!
    const isPlain = (operator === '===' ? equalAsTheyAre : comparedAsTheyAre).has(type)
    if (!isPlain && type !== 'double') return undefined
    const a = writer.atom(left!, block, resolve)
    const b = writer.atom(right!, block, resolve)
    const doubles = /^-?[0-9]/.test(b.text) ? withNumber : ofDoubles
    const test = isPlain ? `${a.text} ${operator} ${b.text}` : doubles[operator](a.text, b.text)
    return { test, a, b }
  }
}

function compared(operator: Operator): Form<Code> {
  const compare = comparison(operator)
  return (...call) => {
    const found = compare(...call)
    if (found === undefined) return undefined
    const { test, a, b } = found
    const isOfBatch = a.isOfBatch && b.isOfBatch
    const nulls = nullTests([a, b], '===', ' || ')
    if (nulls === '') return { text: `(${test})`, isNullable: false, isOfBatch }
    return { text: `(${nulls} ? null : ${test})`, isNullable: true, isOfBatch }
  }
}

/** In a condition null is as good as false. */
function comparedTruth(operator: Operator): Form<string> {
  const compare = comparison(operator)
  return (...call) => {
    const found = compare(...call)
    if (found === undefined) return undefined
    const { test, a, b } = found
    // Two values that are equal are both null or neither is.
    const asked = operator === '===' ? (a.isNullable && b.isNullable ? [a] : []) : [a, b]
    const nulls = nullTests(asked, '!==', ' && ')
    return nulls === '' ? `(${test})` : `(${nulls} && ${test})`
  }
}

function nullTests(codes: readonly Code[], operator: '===' | '!==', between: string): string {
  return codes
    .filter((code) => code.isNullable)
    .map((code) => `${code.text} ${operator} null`)
    .join(between)
}

/** `and` where `decisive` is false, `or` where it is true. */
function junction(decisive: boolean): Form<Code> {
  return (writer, args, block, resolve) => {
    const codes = args.map((arg) => writer.value(arg, block, resolve))
    const isOfBatch = codes.every((code) => code.isOfBatch)
    const texts = codes.map((code) => code.text)
    if (codes.every((code) => !code.isNullable)) {
      return { text: `(${texts.join(decisive ? ' || ' : ' && ')})`, isNullable: false, isOfBatch }
    }
    const atoms = codes.map((code) => writer.named(code, block, 'condition'))
    const decided = atoms.map(({ text, isNullable }) =>
      isNullable ? `${text} === ${decisive}` : decisive ? text : `!${text}`,
    )
    const nulls = nullTests(atoms, '===', ' || ')
    const text = `(${decided.join(' || ')} ? ${decisive} : ${nulls} ? null : ${!decisive})`
    return { text, isNullable: true, isOfBatch }
  }
}

function junctionTruth(operator: '&&' | '||'): Form<string> {
  return (writer, args, block, resolve) =>
    `(${args.map((arg) => writer.truth(arg, block, resolve)).join(` ${operator} `)})`
}

const isOneOf: Form<Code> = (writer, [value, list], block, resolve) => {
  const names = writer.value(list!, block, resolve)
  if (!names.isOfBatch || names.isNullable) return undefined
  // A null text is in no set of texts.
  const set = writer.named({ ...names, text: `new Set(${names.text})` }, block, 'one_of')
  const text = writer.value(value!, block, resolve)
  return { text: `${set.text}.has(${unwrapped(text.text)})`, isNullable: false, isOfBatch: text.isOfBatch }
}

/** Hardly any row has a name to tell: they share one list that is empty. */
const presentNames: Form<Code> = (writer, args, block, resolve) => {
  const conditional = conditionalNames(args)
  if (conditional !== null) {
    const bits = conditional.map(
      ({ when }, index) => `(${writer.truth(when, block, resolve)} ? ${2 ** index} : 0)`,
    )
    const lists = new NameLists(conditional.map(({ name }) => name))
    const text = `${writer.bound.name(lists, 'names')}.of(${bits.join(' | ')})`
    return { text, isNullable: false, isOfBatch: false }
  }
  const codes = args.map((arg) => writer.atom(arg, block, resolve, 'name'))
  const isOfBatch = codes.every((code) => code.isOfBatch)
  const none = writer.bound.name(noNames, 'none')
  const never = codes.length > 0 && codes.every((code) => code.text === 'null')
  if (never) return { text: none, isNullable: false, isOfBatch }
  const all = codes.map((code) => code.text).join(', ')
  const text = codes.every((code) => !code.isNullable)
    ? `[${all}]`
    : `(${codes.map((code) => `${code.text} === null`).join(' && ')} ? ${none} : ${present(writer)}(${all}))`
  return { text, isNullable: false, isOfBatch }
}

type ConditionalName = { readonly when: Expr<'boolean'>; readonly name: string }
/** As many as the bits of a number that is added to no other. */
const conditionalNamesMax = 30
const nameListsMax = 10_000

/** Names that are written down, each told where a condition is true; null for any others. */
function conditionalNames(args: readonly Expr[]): readonly ConditionalName[] | null {
  const found = args.flatMap((arg): ConditionalName[] => {
    const [branch, ...others] = arg.kind === 'case' ? arg.branches : []
    const isOne = arg.kind === 'case' && others.length === 0 && isLiteral(arg.otherwise, null)
    if (!isOne || branch?.then.kind !== 'literal' || typeof branch.then.value !== 'string') return []
    return [{ when: branch.when, name: branch.then.value }]
  })
  return found.length === args.length && found.length > 1 && found.length <= conditionalNamesMax
    ? found
    : null
}

function isLiteral(expr: Expr, value: unknown): boolean {
  return expr.kind === 'literal' && expr.value === value
}

/** Rows of which the same names are told share one list. */
class NameLists {
  readonly #names: readonly string[]
  readonly #lists = new Map<number, readonly string[]>()

  constructor(names: readonly string[]) {
    this.#names = names
  }

  /** `bits`: of each name, in their order, whether it is told. */
  of(bits: number): readonly string[] {
    const known = this.#lists.get(bits)
    if (known !== undefined) return known
    const list = this.#names.filter((_, index) => (bits & (2 ** index)) !== 0)
    if (this.#lists.size < nameListsMax) this.#lists.set(bits, list)
    return list
  }
}

const noNames: readonly string[] = []
const present = (writer: CodeWriter): string => writer.bound.name(presentOf, 'presentNames')
const presentOf = (...names: (string | null)[]): readonly string[] => names.filter((name) => name !== null)

/** Sums whose bounds are known, as points have them; others are checked for overflow. */
const addInts: Form<Code> = (writer, args, block, resolve) => {
  const codes = args.map((arg) => writer.value(arg, block, resolve))
  const ranges = codes.map((code) => code.range)
  if (codes.some((code) => code.isNullable)) return undefined
  let [min, max] = [0, 0]
  for (const range of ranges) {
    if (range === undefined)
      return undefined
      // Each sum on the way must fit too.
    ;[min, max] = [min + range[0], max + range[1]]
    if (min < -(2 ** 31) || max >= 2 ** 31) return undefined
  }
  const text = `(${codes.map((code) => code.text).join(' + ')})`
  return { text, isNullable: false, isOfBatch: codes.every((code) => code.isOfBatch), range: [min, max] }
}

const ofComparisons: Readonly<Record<string, Form<string>>> = {
  equals: comparedTruth('==='),
  lessThan: comparedTruth('<'),
  greaterThan: comparedTruth('>'),
  atLeast: comparedTruth('>='),
}

const isNull: Form<Code> = (writer, [value], block, resolve) => {
  if (value!.type === 'json') return undefined
  const { text, isNullable, isOfBatch } = writer.value(value!, block, resolve)
  return { text: isNullable ? `(${text} === null)` : 'false', isNullable: false, isOfBatch }
}

const isTrue: Form<Code> = (writer, [value], block, resolve) => {
  // The condition of a comparison is true or false, and never null.
  const condition = value!.kind === 'call' && value!.function in ofComparisons
  if (condition) {
    const text = ofComparisons[value!.function]!(writer, value!.args, block, resolve)
    if (text !== undefined) return { text, isNullable: false, isOfBatch: false }
  }
  const { text, isNullable, isOfBatch } = writer.value(value!, block, resolve)
  return { text: isNullable ? `(${text} === true)` : text, isNullable: false, isOfBatch }
}

const not: Form<Code> = (writer, [value], block, resolve) => {
  const code = writer.value(value!, block, resolve)
  if (!code.isNullable) return { ...code, text: `!${code.text}` }
  const atom = writer.named(code, block, 'condition')
  return { ...code, text: `(${atom.text} === null ? null : !${atom.text})` }
}

const isEmpty: Form<Code> = (writer, [list], block, resolve) => {
  const code = writer.atom(list!, block, resolve, 'list')
  const { text, isOfBatch } = code
  if (!code.isNullable) return { text: `(${text}.length === 0)`, isNullable: false, isOfBatch }
  return { text: `(${text} === null ? null : ${text}.length === 0)`, isNullable: true, isOfBatch }
}

const coalesce: Form<Code> = (writer, args, block, resolve) => {
  if (args[0]!.type === 'json') return undefined
  const codes = args.map((arg) => writer.value(arg, block, resolve))
  return {
    text: `(${codes.map((code) => code.text).join(' ?? ')})`,
    isNullable: codes.every((code) => code.isNullable),
    isOfBatch: codes.every((code) => code.isOfBatch),
  }
}

/** The conversion that SQL makes by itself where a double is asked for; no function of the language. */
export const toDouble = 'toDouble'

const asDouble: Form<Code> = (writer, [value], block, resolve) => {
  const code = writer.value(value!, block, resolve)
  if (value!.type === 'int') return code
  const convert =
    value!.type === 'long' || value!.type === 'decimal(38,0)'
      ? longAsDouble
      : value!.type === 'decimal(38,6)'
        ? millionthsAsDouble
        : moneyAsDouble
  const text = `${writer.bound.name(convert, convert.name)}(${unwrapped(code.text)})`
  return { text, isNullable: code.isNullable, isOfBatch: code.isOfBatch }
}

function longAsDouble(value: Value): number | null {
  return value === null ? null : Number(value)
}

function moneyAsDouble(value: Value): number | null {
  return value === null ? null : hundredthsAsDouble(value as Whole)
}

function millionthsAsDouble(value: Value): number | null {
  if (value === null) return null
  return typeof value === 'number' ? value / 1_000_000 : Number(`${value}e-6`)
}

/** As `toDouble`, where six places are asked for. */
export const toDecimal = 'toDecimal'

const asDecimal: Form<Code> = (writer, [value], block, resolve) => {
  const code = writer.value(value!, block, resolve)
  const convert = value!.type.endsWith(',2)') ? moneyAsMillionths : wholeAsMillionths
  const text = `${writer.bound.name(convert, convert.name)}(${unwrapped(code.text)})`
  return { text, isNullable: code.isNullable, isOfBatch: code.isOfBatch }
}

function moneyAsMillionths(value: Value): Whole | null {
  return value === null ? null : multiplyWhole(value as Whole, 10_000)
}

function wholeAsMillionths(value: Value): Whole | null {
  return value === null ? null : multiplyWhole(value as Whole, 1_000_000)
}

/** The text of a model that is written down is read once. */
const modelScore: Form<Code> = (writer, [model, ...features], block, resolve) => {
  const text = model!.kind === 'literal' ? model!.value : null
  const evaluator = typeof text === 'string' ? evaluatorOf(text) : null
  if (evaluator === null) return undefined
  const codes = features.map((feature) => writer.value(feature, block, resolve))
  const name = writer.bound.name(evaluator, 'model')
  const values = codes.map((code) => unwrapped(code.text)).join(', ')
  return {
    text: `${name}.scoreOf([${values}])`,
    isNullable: false,
    isOfBatch: codes.every((code) => code.isOfBatch),
  }
}

export const inlineForms: Readonly<Record<string, Form<Code>>> = {
  equals: compared('==='),
  lessThan: compared('<'),
  greaterThan: compared('>'),
  atLeast: compared('>='),
  isOneOf,
  and: junction(false),
  or: junction(true),
  not,
  isNull,
  isTrue,
  isEmpty,
  coalesce,
  presentNames,
  addInts,
  modelScore,
  [toDouble]: asDouble,
  [toDecimal]: asDecimal,
}

export const truthForms: Readonly<Record<string, Form<string>>> = {
  ...ofComparisons,
  and: junctionTruth('&&'),
  or: junctionTruth('||'),
  isTrue: (writer, [value], block, resolve) => writer.truth(value!, block, resolve),
  // Null is not false.
  not: (writer, [value], block, resolve) => {
    const { text, isNullable } = writer.value(value!, block, resolve)
    return isNullable ? `(${text} === false)` : `!${text}`
  },
}
