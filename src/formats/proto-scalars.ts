// The scalar types of Protobuf: how each is read, and what it is in JSON.
import type { BytesReader } from './bytes-reader.ts'
import type { JsonWriter } from './json-writer.ts'

/** Where the bytes of a text or message are. */
export type Range = { readonly start: number; readonly end: number }
/** Text that stands in a schema. */
type Given = { readonly text: string }
export type ProtoValue = number | bigint | boolean | Range | Given

export type Scalar = {
  readonly wire: 0 | 1 | 2 | 5
  readonly read: (from: BytesReader) => ProtoValue
  readonly write: (value: ProtoValue, from: BytesReader, to: JsonWriter) => void
}

function writeWhole(value: ProtoValue, _: BytesReader, to: JsonWriter): void {
  if (typeof value === 'bigint') to.bigint(value)
  else to.whole(value as number)
}

function writeText(value: ProtoValue, from: BytesReader, to: JsonWriter): void {
  const given = value as Range | Given
  if ('text' in given) to.text(given.text)
  else to.string(from.bytes, given.start, given.end)
}

function writeBytes(value: ProtoValue, from: BytesReader, to: JsonWriter): void {
  const given = value as Range | Given
  if ('text' in given) to.text(given.text)
  else to.base64(from.bytes, given.start, given.end)
}

function range(from: BytesReader): Range {
  const start = from.pass(Number(from.unsigned()))
  return { start, end: from.at }
}

/** Of a number that was written with more bits the lowest count. */
function int32(from: BytesReader): number {
  const value = from.unsigned()
  return typeof value === 'number' ? value | 0 : Number(BigInt.asIntN(32, value))
}

function int64(from: BytesReader): number | bigint {
  const value = from.unsigned()
  if (typeof value === 'number') return value
  const signed = BigInt.asIntN(64, value)
  return signed >= -9_007_199_254_740_991n && signed < 0n ? Number(signed) : signed
}

const whole = (wire: Scalar['wire'], read: Scalar['read']): Scalar => ({ wire, read, write: writeWhole })

/** Of an enum too. */
export const scalars: Readonly<Record<string, Scalar>> = {
  int32: whole(0, int32),
  enum: whole(0, int32),
  uint32: whole(0, (from) => int32(from) >>> 0),
  sint32: whole(0, (from) => {
    const bits = int32(from) >>> 0
    return (bits >>> 1) ^ -(bits & 1)
  }),
  int64: whole(0, int64),
  uint64: whole(0, (from) => from.unsigned()),
  sint64: whole(0, (from) => from.signed()),
  fixed32: whole(5, (from) => from.uint32()),
  sfixed32: whole(5, (from) => from.int32()),
  fixed64: whole(1, (from) => from.uint64()),
  sfixed64: whole(1, (from) => from.int64()),
  float: { wire: 5, read: (from) => from.float(), write: (value, _, to) => to.float(value as number) },
  double: { wire: 1, read: (from) => from.double(), write: (value, _, to) => to.double(value as number) },
  bool: {
    wire: 0,
    read: (from) => Number(from.unsigned()) !== 0,
    write: (value, _, to) => to.boolean(value as boolean),
  },
  string: { wire: 2, read: range, write: writeText },
  bytes: { wire: 2, read: range, write: writeBytes },
}

export function zeroOf(type: string): ProtoValue {
  if (type === 'string' || type === 'bytes') return { text: '' }
  return type === 'bool' ? false : 0
}

/** A default as a file has it; that of bytes is left out, whose escapes are C's. */
export function defaultOf(type: string, text: string): ProtoValue | undefined {
  switch (type) {
    case 'bytes':
      return undefined
    case 'string':
      return { text }
    case 'bool':
      return text === 'true'
    case 'float':
    case 'double':
      if (/^-?inf/.test(text))
        return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
      return Number(text)
    default:
      return /^-?[0-9]+$/.test(text) ? smallest(BigInt(text)) : Number(text)
  }
}

function smallest(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}
