// Values as DuckDB spells them: in figures of files and in the names of partition directories.
import { floorDivide, subtractWhole, type Whole } from '../columns/whole.ts'
import type { BoundedValue } from '../parquet/bounds.ts'
import type { LeafType } from '../parquet/leaf.ts'

const microsPerDay = 86_400_000_000
/** The calendar repeats itself, and a Date of JavaScript does not reach every day. */
const [daysPer400Years, msPerDay] = [146_097, 86_400_000]
/** From here on, and below the reciprocal's tenth, DuckDB has an exponent. */
const [exponentMin, exponentMax] = [-4, 15]

export function figureText(type: LeafType, value: BoundedValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  switch (type) {
    case 'date':
      return dateText(Number(value))
    case 'timestamp':
      return instantText(value, ' ', '+00')
    case 'decimal(18,2)':
    case 'decimal(28,2)':
    case 'decimal(38,2)':
      return hundredthsText(value)
    case 'double':
      return doubleText(Number(value))
    default:
      return String(value)
  }
}

/** As the protocol has it; DuckDB writes others as it spells values. */
export function partitionValueText(type: LeafType, value: BoundedValue): string {
  const isInstant = type === 'timestamp' && typeof value !== 'string' && typeof value !== 'boolean'
  return isInstant ? instantText(value, 'T', 'Z') : figureText(type, value)
}

function dateText(days: number): string {
  const cycles = Math.floor(days / daysPer400Years)
  const date = new Date((days - cycles * daysPer400Years) * msPerDay)
  const year = date.getUTCFullYear() + cycles * 400
  const monthAndDay = date.toISOString().slice(4, 10)
  const padded = (count: number) => String(count).padStart(4, '0')
  return year > 0 ? padded(year) + monthAndDay : `${padded(1 - year)}${monthAndDay} (BC)`
}

function instantText(micros: Whole, between: string, zone: string): string {
  const days = floorDivide(micros, microsPerDay)
  const ofDay = Number(subtractWhole(micros, BigInt(days) * BigInt(microsPerDay)))
  const time = new Date(Math.floor(ofDay / 1000)).toISOString().slice(11, 23)
  return `${dateText(days)}${between}${time}${String(ofDay % 1000).padStart(3, '0')}${zone}`
}

function hundredthsText(value: Whole): string {
  const digits = String(value < 0 ? -value : value).padStart(3, '0')
  return `${value < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

function doubleText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string]
  const power = Number(exponent)
  if (power < exponentMin || power > exponentMax) {
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
  }
  const text = Object.is(value, -0) ? '-0' : String(value)
  return text.includes('.') ? text : `${text}.0`
}
