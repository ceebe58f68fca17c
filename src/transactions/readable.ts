// Whether a sampled value is one that a field can be read from.
import { instantOf } from '../expr/index.ts'

const secondFirst = -62_135_596_800
const secondLast = 253_402_300_799
const unitsPerSecond = { epoch_s: 1, epoch_ms: 1_000, epoch_us: 1_000_000 } as const

/** Of numbers a sample has the nearest double: whole ones beyond 2^53 are taken for what they seem. */
export function isReadable(value: unknown, as: string): boolean {
  switch (as) {
    case 'text':
    case 'string':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'number':
    case 'cents':
      return typeof value === 'number' && Number.isFinite(value)
    case 'int':
      return Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31
    case 'long':
    case 'whole':
    case 'minor_units':
      return Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 63
    case 'decimal_text':
      return typeof value === 'string' && /^-?[0-9]+(?:\.[0-9]+)?$/.test(value.trim())
    case 'iso':
      return typeof value === 'string' && instantOf(value) !== null
    case 'epoch_s':
    case 'epoch_ms':
    case 'epoch_us': {
      const unit = unitsPerSecond[as]
      return (
        Number.isInteger(value) && Number(value) >= secondFirst * unit && Number(value) <= secondLast * unit
      )
    }
    default:
      return false
  }
}
