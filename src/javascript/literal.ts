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
      return hundredths(value)
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

function hundredths(text: string): Whole {
  const found = /^(-?)([0-9]+)(?:\.([0-9]{1,2}))?$/.exec(text)
  assert(found !== null, `${JSON.stringify(text)} is no decimal of two places`)
  const [, sign, units, fraction = ''] = found
  const value = BigInt(units + fraction.padEnd(2, '0'))
  return whole(sign === '-' ? -value : value)
}
