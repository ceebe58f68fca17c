// Messages that everybody knows, each in the form in which JSON has such a value.
import type { BytesReader } from './bytes-reader.ts'
import type { JsonWriter } from './json-writer.ts'
import { type MessageType, type Slots, writeField } from './proto-fields.ts'
import type { ProtoValue, Range } from './proto-scalars.ts'

type Write = MessageType['write']

const nanosMax = 999_999_999

const wrapped = (type: MessageType): Write => {
  const [value] = type.fields
  return (slots, from, to) => writeField(value!, slots[0] ?? value!.absent, from, to)
}

export const writersOfKnown: Readonly<Record<string, (type: MessageType) => Write>> = {
  '.google.protobuf.Timestamp': () => timestamp,
  '.google.protobuf.Duration': () => duration,
  '.google.protobuf.DoubleValue': wrapped,
  '.google.protobuf.FloatValue': wrapped,
  '.google.protobuf.Int64Value': wrapped,
  '.google.protobuf.UInt64Value': wrapped,
  '.google.protobuf.Int32Value': wrapped,
  '.google.protobuf.UInt32Value': wrapped,
  '.google.protobuf.BoolValue': wrapped,
  '.google.protobuf.StringValue': wrapped,
  '.google.protobuf.BytesValue': wrapped,
  '.google.protobuf.Struct': wrapped, // The one field is a map.
  '.google.protobuf.ListValue': wrapped,
  '.google.protobuf.Value': oneOf,
  '.confluent.type.Decimal': () => decimal,
}

/** Null is told by its kind, and so is a value of no kind. */
function oneOf(type: MessageType): Write {
  const [, ...fields] = type.fields
  return (slots, from, to) => {
    const set = fields.find(({ index }) => slots[index] !== undefined)
    if (set === undefined) to.ascii('null')
    else writeField(set, slots[set.index], from, to)
  }
}

function timestamp(slots: Slots, _: BytesReader, to: JsonWriter): void {
  const [seconds, nanos] = secondsAndNanos(slots)
  const isInstant = typeof seconds === 'number' && nanos >= 0 && nanos <= nanosMax
  if (isInstant && to.instant(seconds, nanos, 9)) return
  to.ascii(`{"seconds":${seconds},"nanos":${nanos}}`)
}

function duration(slots: Slots, _: BytesReader, to: JsonWriter): void {
  const [seconds, nanos] = secondsAndNanos(slots)
  const isNegative = seconds < 0 || nanos < 0
  const parts = [seconds, nanos].map((part) => String(part).replace('-', ''))
  const fraction = nanos === 0 ? '' : `.${parts[1]!.padStart(9, '0')}`
  to.ascii(`"${isNegative ? '-' : ''}${parts[0]}${fraction}s"`)
}

function secondsAndNanos(slots: Slots): readonly [number | bigint, number] {
  return [(slots[0] ?? 0) as number | bigint, (slots[1] ?? 0) as number]
}

/** Confluent's: the unscaled number in two's complement, its precision, its scale. */
function decimal(slots: Slots, from: BytesReader, to: JsonWriter): void {
  const [value, , scale] = slots as [Range | undefined, ProtoValue | undefined, number | undefined]
  const unscaled = value === undefined || !('start' in value) ? 0 : from.bigEndian(value.start, value.end)
  to.decimal(unscaled, scale ?? 0)
}
