// Literals and parameters as the values that functions compute with.
import { type Whole, whole } from '../columns/whole.ts'
import { assert } from '../errors/errors.ts'
import { type ColumnType, dayOf, instantOf, type LiteralValue, type Value } from '../expr/index.ts'
import { jsonSliceOf } from '../json/scanner.ts'

export function literalOf(type: ColumnType, value: LiteralValue): Value {
  if (value === null) return null
  if (typeof value === 'bigint') return type === 'double' ? Number(value) : whole(value)
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return value as Value // TypeScript cannot tell a list of texts from bytes.
  switch (type) {
    case 'timestamp':
      return present(instantOf(value), type, value)
    case 'date':
      return present(value.length === 10 ? dayOf(value) : null, type, value)
    case 'decimal(18,2)':
    case 'decimal(28,2)':
    case 'decimal(38,2)':
      return scaled(value, 2)
    case 'decimal(38,6)':
      return scaled(value, 6)
    case 'decimal(38,0)':
      return whole(BigInt(value))
    case 'json':
      return jsonSliceOf(value)
    case 'binary':
      return new TextEncoder().encode(value)
    case 'string':
      return value
    default:
      throw new Error(`no ${type} is written as ${JSON.stringify(value)}`)
  }
}

function present<T>(value: T | null, type: ColumnType, text: string): T {
  assert(value !== null, `${JSON.stringify(text)} is no ${type}`)
  return value
}

/** The decimal as a whole number of its last place. */
function scaled(text: string, places: number): Whole {
  const found = /^(-?)([0-9]+)(?:\.([0-9]+))?$/.exec(text)
  const [, sign, units = '', fraction = ''] = found ?? []
  assert(
    found !== null && fraction.length <= places,
    `${JSON.stringify(text)} is no decimal of ${places} places`,
  )
  const value = BigInt(units + fraction.padEnd(places, '0'))
  return whole(sign === '-' ? -value : value)
}
