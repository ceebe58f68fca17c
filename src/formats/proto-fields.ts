// Messages of Protobuf, read field by field and written as JSON. A message is read whole before it is
// written: of a field that came twice the last value counts, and of a message its parts together.
import type { BytesReader } from './bytes-reader.ts'
import type { JsonWriter } from './json-writer.ts'
import { type ProtoValue, type Range, type Scalar, zeroOf } from './proto-scalars.ts'
import { undecodable } from './undecodable.ts'

/** What was read of a message, field by field; undefined for what was not there. */
export type Slots = (ProtoValue | ProtoValue[] | undefined)[]

export type MessageType = {
  readonly name: string
  readonly fields: FieldType[]
  readonly byNumber: Map<number, FieldType>
  /** Writes what was read of the message; its own form where everybody knows the type. */
  write: (slots: Slots, from: BytesReader, to: JsonWriter) => void
}

export type FieldType = {
  readonly index: number
  /** The name and a colon. */
  readonly prefix: Uint8Array
  readonly scalar: Scalar | null
  readonly enumNames: ReadonlyMap<number, Uint8Array> | null
  readonly message: MessageType | null
  readonly isMap: boolean
  readonly isRepeated: boolean
  /** What stands there where the field was not set; undefined: nothing. */
  readonly absent: ProtoValue | undefined
  /** The other fields of its oneof. */
  readonly others: number[]
}

const [openBrace, closeBrace, openBracket, closeBracket, comma, colon] = [0x7b, 0x7d, 0x5b, 0x5d, 0x2c, 0x3a]
const wireType = { varint: 0, eight: 1, bytes: 2, group: 3, groupEnd: 4, four: 5 } as const
export const groupLevelsMax = 100
const fieldNumberMax = 2 ** 29 - 1

/** A message that is in all of these ranges together. */
export function writeMessage(
  type: MessageType,
  ranges: readonly Range[],
  from: BytesReader,
  to: JsonWriter,
): void {
  to.enter()
  const { at, end } = from
  const slots: Slots = new Array(type.fields.length).fill(undefined)
  for (const range of ranges) readFields(type, slots, range, from)
  type.write(slots, from, to)
  from.at = at
  from.end = end
  to.leave()
}

function readFields(type: MessageType, slots: Slots, range: Range, from: BytesReader): void {
  const { end } = from
  from.at = range.start
  from.end = range.end
  while (from.at < range.end) {
    const tag = Number(from.unsigned())
    const number = Math.floor(tag / 8)
    const wire = tag % 8
    if (number === 0 || number > fieldNumberMax) undecodable()
    const field = type.byNumber.get(number)
    if (field === undefined || !readField(field, wire, number, slots, from)) skip(wire, number, from, 0)
  }
  from.at = range.end
  from.end = end
}

/** False, and nothing read, where the bytes are of another type: they count as unknown. */
function readField(field: FieldType, wire: number, number: number, slots: Slots, from: BytesReader): boolean {
  const { scalar } = field
  if (scalar === null) {
    if (wire !== wireType.bytes && wire !== wireType.group) return false
    put(field, slots, wire === wireType.group ? group(number, from) : rangeOf(from))
    return true
  }
  if (wire === scalar.wire) {
    put(field, slots, scalar.read(from))
    return true
  }
  if (wire !== wireType.bytes || !field.isRepeated || scalar.wire === wireType.bytes) return false
  const { end } = from
  const packed = rangeOf(from)
  from.at = packed.start
  from.end = packed.end
  while (from.at < packed.end) put(field, slots, scalar.read(from))
  from.end = end
  return true
}

function put(field: FieldType, slots: Slots, value: ProtoValue): void {
  const { index } = field
  // The parts of a message are put together when it is written.
  if (field.isRepeated || field.message !== null) {
    const list = slots[index]
    if (Array.isArray(list)) list.push(value)
    else slots[index] = [value]
  } else slots[index] = value
  for (const other of field.others) slots[other] = undefined
}

function rangeOf(from: BytesReader): Range {
  const start = from.pass(Number(from.unsigned()))
  return { start, end: from.at }
}

function group(number: number, from: BytesReader): Range {
  const start = from.at
  const end = groupEnd(number, from, 0)
  return { start, end }
}

/** Where the group's last tag begins; what is read goes on behind it. */
function groupEnd(number: number, from: BytesReader, level: number): number {
  if (level > groupLevelsMax) undecodable()
  for (;;) {
    const before = from.at
    const tag = Number(from.unsigned())
    const inner = Math.floor(tag / 8)
    if (tag % 8 === wireType.groupEnd) {
      if (inner !== number) undecodable()
      return before
    }
    if (inner === 0 || inner > fieldNumberMax) undecodable()
    skip(tag % 8, inner, from, level)
  }
}

function skip(wire: number, number: number, from: BytesReader, level: number): void {
  switch (wire) {
    case wireType.varint:
      from.unsigned()
      return
    case wireType.eight:
      from.pass(8)
      return
    case wireType.bytes:
      from.pass(Number(from.unsigned()))
      return
    case wireType.group:
      groupEnd(number, from, level + 1)
      return
    case wireType.four:
      from.pass(4)
      return
    default:
      undecodable()
  }
}

export function writeObject(type: MessageType, slots: Slots, from: BytesReader, to: JsonWriter): void {
  to.byte(openBrace)
  let isFirst = true
  for (const field of type.fields) {
    const value = slots[field.index] ?? field.absent
    if (value === undefined && !field.isRepeated) continue
    if (!isFirst) to.byte(comma)
    isFirst = false
    to.raw(field.prefix)
    writeField(field, value, from, to)
  }
  to.byte(closeBrace)
}

export function writeField(
  field: FieldType,
  value: ProtoValue | ProtoValue[] | undefined,
  from: BytesReader,
  to: JsonWriter,
): void {
  if (!field.isRepeated) {
    if (Array.isArray(value)) writeMessage(field.message!, value as Range[], from, to)
    else writeValue(field, value!, from, to)
    return
  }
  const values = (value ?? []) as ProtoValue[]
  if (field.isMap) writeMap(field.message!, values as Range[], from, to)
  else writeList(field, values, from, to)
}

function writeList(field: FieldType, values: readonly ProtoValue[], from: BytesReader, to: JsonWriter): void {
  to.enter()
  to.byte(openBracket)
  for (const [index, one] of values.entries()) {
    if (index > 0) to.byte(comma)
    writeValue(field, one, from, to)
  }
  to.byte(closeBracket)
  to.leave()
}

function writeValue(field: FieldType, value: ProtoValue, from: BytesReader, to: JsonWriter): void {
  if (field.message !== null) writeMessage(field.message, [value as Range], from, to)
  else if (field.enumNames !== null) {
    const name = field.enumNames.get(value as number)
    if (name === undefined) to.whole(value as number)
    else to.raw(name)
  } else field.scalar!.write(value, from, to)
}

/** Of a key that stands twice the last entry counts. */
function writeMap(entry: MessageType, ranges: readonly Range[], from: BytesReader, to: JsonWriter): void {
  const [key, value] = entry.fields
  const last = new Map<string, Slots>()
  for (const range of ranges) {
    const slots: Slots = [undefined, undefined]
    readFields(entry, slots, range, from)
    const given = (slots[0] ?? key!.absent ?? zeroOf('string')) as ProtoValue
    last.set(keyText(given, from.bytes), slots)
  }
  to.enter()
  to.byte(openBrace)
  let isFirst = true
  for (const [text, slots] of last) {
    if (!isFirst) to.byte(comma)
    isFirst = false
    to.text(text)
    to.byte(colon)
    const given = slots[1] ?? value!.absent ?? (value!.message === null ? zeroRange : [zeroRange])
    writeField(value!, given, from, to)
  }
  to.byte(closeBrace)
  to.leave()
}

const zeroRange: Range = { start: 0, end: 0 }

function keyText(key: ProtoValue, bytes: Uint8Array): string {
  if (typeof key !== 'object') return String(key)
  return 'text' in key ? key.text : Buffer.from(bytes.subarray(key.start, key.end)).toString('utf8')
}
