// Comparisons and arithmetic of conditions: which function of the expression language each is, by the types
// of what it is between.
import {
  addDecimals,
  addDoubles,
  addLongs,
  and,
  asDecimal,
  asDouble,
  asLong,
  atLeast,
  type ColumnType,
  column,
  divideDecimals,
  divideDoubles,
  type Expr,
  equals,
  greaterThan,
  instantOfEpoch,
  isNull,
  isOneOf,
  joined,
  laterBy,
  lessThan,
  literal,
  long,
  microsBetween,
  multiplyDecimals,
  multiplyDoubles,
  multiplyLongs,
  not,
  nullOf,
  or,
  subtractDecimals,
  subtractDoubles,
  subtractLongs,
  when,
} from '../expr/index.ts'
import type { CountedTime } from '../plan/index.ts'
import { asLiteral, negated } from './number-literal.ts'
import { type Kind, kindNames, lostWhere, type Typed } from './typed.ts'

export type Comparator = '==' | '!=' | '<' | '<=' | '>' | '>='
export type Operator = '+' | '-' | '*' | '/'

export const comparators: readonly string[] = ['==', '!=', '<', '<=', '>', '>=']
export const operators: readonly string[] = ['+', '-', '*', '/']

/** What cannot be done, in words. */
export type Impossible = { readonly impossible: string }
/** `lost`: true where the result is null although its operands are not. */
export type Computed = { readonly typed: Typed; readonly lost?: Expr<'boolean'> }

export function isImpossible(found: object): found is Impossible {
  return 'impossible' in found
}

export function compared(operator: Comparator, left: Typed, right: Typed): Computed | Impossible {
  if (left.kind !== right.kind) return { impossible: unlike(left, right) }
  const isEquality = operator === '==' || operator === '!='
  if (left.kind === 'truth' && !isEquality) {
    return {
      impossible: `${operator} does not compare true with false. For a range write two comparisons: a > 1 && a < 3`,
    }
  }
  const pair = left.kind === 'number' ? alike(left, right) : ([left.expr, right.expr] as const)
  if (isImpossible(pair)) return pair
  const [a, b] = pair as readonly [Expr, Expr]
  return { typed: { kind: 'truth', expr: comparison(operator, a, b) } }
}

function comparison(operator: Comparator, a: Expr, b: Expr): Expr<'boolean'> {
  switch (operator) {
    case '==':
      return equals(a, b)
    case '!=':
      return not(equals(a, b))
    case '<':
      return lessThan(a, b)
    case '<=':
      return atLeast(b, a)
    case '>':
      return greaterThan(a, b)
    case '>=':
      return atLeast(a, b)
  }
}

function unlike(left: Typed, right: Typed): string {
  const kinds: readonly Kind[] = [left.kind, right.kind]
  const told = `${kindNames[left.kind]} is compared with ${kindNames[right.kind]}`
  if (kinds.includes('truth')) return `${told}. For a range write two comparisons: a > 1 && a < 3`
  if (kinds.includes('time') && kinds.includes('text'))
    return `${told}: write timestamp("2026-10-31T10:00:00Z")`
  if (kinds.includes('date') && kinds.includes('text')) return `${told}: write date("2026-10-31")`
  if (kinds.includes('time') && kinds.includes('date')) return `${told}: write date(..) of the time`
  if (kinds.includes('duration')) return `${told}: write a duration as duration("90s")`
  if (kinds.includes('text') && kinds.includes('number')) {
    return `${told}: a number stands without quotes, a text within`
  }
  return `${told}: both sides have to be of one kind`
}

/** Two numbers as values of one type that holds both; a double is compared with the other's nearest. */
function alike(left: Typed, right: Typed): readonly [Expr, Expr] | Impossible {
  if (left.number !== undefined && right.number !== undefined) {
    const [a, b] = [left.number, right.number].map((number) => asLiteral(number, 'decimal(38,6)'))
    return a && b ? [a, b] : tooFine
  }
  if (right.number !== undefined) return besideLiteral(left.expr, right)
  if (left.number !== undefined) {
    const pair = besideLiteral(right.expr, left)
    return isImpossible(pair) ? pair : [pair[1], pair[0]]
  }
  const [a, b] = [left.expr, right.expr]
  if (a.type === b.type) return [a, b]
  if (a.type === 'double' || b.type === 'double') return [doubleOf(a), doubleOf(b)]
  if (isWhole(a.type) && isWhole(b.type)) return [longOf(a), longOf(b)]
  return [decimalOf(a), decimalOf(b)]
}

const tooFine: Impossible = {
  impossible: 'a decimal has at most 6 digits behind the point, and 32 before',
}

function besideLiteral(value: Expr, { number }: Typed): readonly [Expr, Expr] | Impossible {
  const same = asLiteral(number!, value.type)
  if (same !== null) return [value, same]
  const asLongLiteral = value.type === 'int' ? asLiteral(number!, 'long') : null
  if (asLongLiteral !== null) return [longOf(value), asLongLiteral]
  const decimal = asLiteral(number!, 'decimal(38,6)')
  return decimal === null ? tooFine : [decimalOf(value), decimal]
}

const isWhole = (type: ColumnType): boolean => type === 'int' || type === 'long'
type OfType<T extends ColumnType> = Expr<T> // What the callers below have looked at.
const longOf = (expr: Expr): OfType<'long'> =>
  expr.type === 'long' ? (expr as OfType<'long'>) : asLong(expr as OfType<'int'>)
const decimalOf = (expr: Expr): Expr =>
  expr.type === 'decimal(38,6)' ? expr : asDecimal(expr as OfType<'int'>)
const doubleOf = (expr: Expr): Expr => (expr.type === 'double' ? expr : asDouble(expr as OfType<'int'>))

export function computed(operator: Operator, left: Typed, right: Typed): Computed | Impossible {
  const kinds = `${left.kind} ${operator} ${right.kind}`
  switch (kinds) {
    case 'number + number':
    case 'number - number':
    case 'number * number':
    case 'number / number':
      return ofNumbers(operator, left, right)
    case 'text + text':
      return {
        typed: {
          kind: 'text',
          expr: joined(left.expr as OfType<'string'>, right.expr as OfType<'string'>),
        },
      }
    case 'time + duration':
      return calculated('time', laterBy(left.expr as OfType<'timestamp'>, micros(right)), [left, right])
    case 'duration + time':
      return calculated('time', laterBy(right.expr as OfType<'timestamp'>, micros(left)), [left, right])
    case 'time - duration':
      return calculated('time', laterBy(left.expr as OfType<'timestamp'>, opposite(right)), [left, right])
    case 'time - time':
      return calculated(
        'duration',
        microsBetween(right.expr as OfType<'timestamp'>, left.expr as OfType<'timestamp'>),
        [left, right],
      )
    case 'duration + duration':
      return calculated('duration', addLongs(micros(left), micros(right)), [left, right])
    case 'duration - duration':
      return calculated('duration', subtractLongs(micros(left), micros(right)), [left, right])
    default: {
      const told = `${operator} does not take ${kindNames[left.kind]} and ${kindNames[right.kind]}`
      const isTime = /time|duration|date/.test(kinds)
      const hint = isTime ? 'write a duration as duration("30m")' : 'numbers stand without quotes'
      return { impossible: `${told}: ${hint}` }
    }
  }
}

export function opposed(value: Typed): Computed | Impossible {
  if (value.number !== undefined) return numberTyped(negated(value.number))
  if (value.kind === 'duration') return calculated('duration', opposite(value), [value])
  if (value.kind === 'number') return ofNumbers('-', zero, value)
  return { impossible: `- does not take ${kindNames[value.kind]}` }
}

function opposite(value: Typed): Expr<'long'> {
  const { expr } = value
  if (expr.kind === 'literal' && typeof expr.value === 'bigint') return long(-expr.value)
  return subtractLongs(long(0n), micros(value))
}

const micros = ({ expr }: Typed): OfType<'long'> => expr as OfType<'long'>

/** A number that stands for itself: a whole one is a long, any other a decimal. */
export function numberTyped(number: NonNullable<Typed['number']>): Computed | Impossible {
  const expr = (number.isWhole ? asLiteral(number, 'long') : null) ?? asLiteral(number, 'decimal(38,6)')
  if (number.isWhole && expr?.type !== 'long') {
    return { impossible: 'a whole number has 64 bits: it ends at 9223372036854775807. Beyond, write a point' }
  }
  // Beside a double also a number that no decimal holds is good.
  return { typed: { kind: 'number', expr: expr ?? asLiteral(number, 'double')!, number, isPresent: true } }
}

const zero: Typed = {
  kind: 'number',
  expr: long(0n),
  number: { units: 0n, places: 0, isWhole: true },
  isPresent: true,
}

const ofLongs = { '+': addLongs, '-': subtractLongs, '*': multiplyLongs } as const
const ofDecimals = { '+': addDecimals, '-': subtractDecimals, '*': multiplyDecimals, '/': divideDecimals }
const ofDoubles = { '+': addDoubles, '-': subtractDoubles, '*': multiplyDoubles, '/': divideDoubles }

function ofNumbers(operator: Operator, left: Typed, right: Typed): Computed | Impossible {
  const all = [left, right]
  if (all.some(({ number, expr }) => number === undefined && expr.type === 'double')) {
    const [a, b] = all.map(({ number, expr }) => (number ? asLiteral(number, 'double')! : doubleOf(expr)))
    return calculated('number', ofDoubles[operator](a as OfType<'double'>, b as OfType<'double'>), all)
  }
  if (operator !== '/' && all.every(({ number, expr }) => number?.isWhole ?? isWhole(expr.type))) {
    return calculated('number', ofLongs[operator](longOf(left.expr), longOf(right.expr)), all)
  }
  const decimals = all.map(({ number, expr }) =>
    number ? asLiteral(number, 'decimal(38,6)') : decimalOf(expr),
  )
  const [a, b] = decimals as (OfType<'decimal(38,6)'> | null)[]
  if (!a || !b) return tooFine
  return calculated('number', ofDecimals[operator](a, b), all)
}

function calculated(kind: Kind, expr: Expr, operands: readonly Typed[]): Computed {
  return {
    typed: { kind, expr },
    lost: lostWhere(
      expr,
      operands.map((operand) => operand.expr),
    ),
  }
}

export type AddedTexts = CountedTime & { readonly texts: readonly string[] }

export type TextList = {
  readonly isListNullable?: boolean
  /** Texts that count beside those of the list, each in its batches. */
  readonly isAlsoIn?: readonly AddedTexts[]
}

/** Null in no list is null; a rule that only fires when it is true need not know. */
export function inTexts(
  value: Typed,
  list: Expr<'array<string>'>,
  { isListNullable = false, isAlsoIn = [] }: TextList = {},
): Typed {
  const text = value.expr as Expr<'string'> // Its kind was looked at.
  const added = isAlsoIn.map(({ texts, ...times }) =>
    during(times, isOneOf(text, literal('array<string>', texts))),
  )
  const truth = added.length === 0 ? isOneOf(text, list) : or(isOneOf(text, list), ...added)
  const unknown = [...(value.isPresent ? [] : [isNull(text)]), ...(isListNullable ? [isNull(list)] : [])]
  if (unknown.length === 0) return { kind: 'truth', expr: truth }
  const [only, ...others] = unknown
  const isUnknown = others.length === 0 ? only! : or(...unknown)
  return { kind: 'truth', expr: when([[isUnknown, nullOf('boolean')]], truth), truth }
}

/** A condition that is true in these batches alone. */
export function during(
  { sinceMicros, untilMicros }: CountedTime,
  condition: Expr<'boolean'>,
): Expr<'boolean'> {
  const time = column(batchTime, 'timestamp')
  const instant = (micros: bigint) => instantOfEpoch(long(micros), long(1n))
  const bounds = [
    ...(sinceMicros === undefined ? [] : [atLeast(time, instant(sinceMicros))]),
    ...(untilMicros === null ? [] : [lessThan(time, instant(untilMicros))]),
  ]
  return bounds.length === 0 ? condition : and(condition, ...bounds)
}

/** The column with the time of a row's batch. */
const batchTime = 'processing_time'

/** Both as values of one type: what `? :` chooses between. */
export function sameType(a: Typed, b: Typed): readonly [Expr, Expr] | Impossible {
  if (a.kind !== 'number') return [a.expr, b.expr]
  const found = compared('==', a, b)
  if (isImpossible(found)) return found
  const { expr } = found.typed
  // An equality has the two values, made alike.
  return expr.kind === 'call' ? [expr.args[0]!, expr.args[1]!] : [a.expr, b.expr]
}
