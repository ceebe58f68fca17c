// A number as it is written in a condition: exact, until it is known what it is compared with.
import { type ColumnType, type Expr, literal } from '../expr/index.ts'

/** `units` times 10 to the power of -`places`, without needless zeros; `isWhole` where it has no point. */
export type NumberLiteral = { readonly units: bigint; readonly places: number; readonly isWhole: boolean }

/** Powers of ten beyond this are of no number that anybody compares with. */
const exponentMax = 400

/** null for what is no number of CEL, or far beyond every type. */
export function numberLiteralOf(source: string): NumberLiteral | null {
  if (/^0[xX][0-9a-fA-F]+$/.test(source)) return { units: BigInt(source), places: 0, isWhole: true }
  const found = /^(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/.exec(source)
  if (found === null) return null
  const [, whole = '', fraction = '', exponent = '0'] = found
  const isWhole = found[2] === undefined && found[3] === undefined
  let units = BigInt(whole + fraction)
  let places = fraction.length - Number(exponent)
  if (Math.abs(places) > exponentMax) return null
  if (places < 0) [units, places] = [units * 10n ** BigInt(-places), 0]
  while (places > 0 && units % 10n === 0n) [units, places] = [units / 10n, places - 1]
  return { units, places, isWhole }
}

export function negated({ units, places, isWhole }: NumberLiteral): NumberLiteral {
  return { units: -units, places, isWhole }
}

const wholeLimits: Readonly<Partial<Record<ColumnType, bigint>>> = { int: 2n ** 31n, long: 2n ** 63n }
const decimalForms: Readonly<Partial<Record<ColumnType, readonly [digits: bigint, places: number]>>> = {
  'decimal(18,2)': [18n, 2],
  'decimal(28,2)': [28n, 2],
  'decimal(38,6)': [38n, 6],
}

/** The number as a literal of the type; null where the type does not hold it exactly. Doubles are near. */
export function asLiteral(number: NumberLiteral, type: ColumnType): Expr | null {
  const { units, places } = number
  if (type === 'double') return literal('double', Number(writtenDecimal(number)))
  const wholeLimit = wholeLimits[type]
  if (wholeLimit !== undefined) {
    if (places > 0 || units >= wholeLimit || units < -wholeLimit) return null
    return type === 'int' ? literal('int', Number(units)) : literal('long', units)
  }
  const form = decimalForms[type]
  if (form === undefined || places > form[1]) return null
  const scaled = units * 10n ** BigInt(form[1] - places)
  const limit = 10n ** form[0]
  return scaled < limit && scaled > -limit ? literal(type, writtenDecimal(number)) : null
}

/** As short as it can be: `5000`, `-0.1`. */
export function writtenDecimal({ units, places }: NumberLiteral): string {
  const sign = units < 0n ? '-' : ''
  const digits = String(units < 0n ? -units : units).padStart(places + 1, '0')
  if (places === 0) return sign + digits
  return `${sign}${digits.slice(0, -places)}.${digits.slice(-places)}`
}
