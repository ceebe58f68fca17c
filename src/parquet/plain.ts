// Numbers as PLAIN has them.
import type { Whole } from '../columns/whole.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { NumberType } from './leaf.ts'

export const numberBytes: Readonly<Record<NumberType, number>> = {
  INT32: 4,
  INT64: 8,
  DOUBLE: 8,
  FIXED_12_BYTES: 12,
  FIXED_16_BYTES: 16,
}

/** Whole numbers, or doubles; bigints are of the types that have more than 53 bits. */
export function writeNumbers(
  out: ByteWriter,
  physical: NumberType,
  values: Float64Array | readonly Whole[],
): void {
  switch (physical) {
    case 'INT32':
      out.int32s(doublesOf(values))
      return
    case 'INT64':
      if (values instanceof Float64Array) out.int64s(values)
      else out.bigInt64s(values)
      return
    case 'DOUBLE':
      out.doubles(doublesOf(values))
      return
    case 'FIXED_12_BYTES':
    case 'FIXED_16_BYTES':
      out.decimals(values, numberBytes[physical])
      return
  }
}

function doublesOf(values: Float64Array | readonly Whole[]): Float64Array {
  return values instanceof Float64Array ? values : Float64Array.from(values, Number)
}
