// The rows of an answer: Arrow, read without a loss. Instants keep their microseconds, decimals every digit.
import { type Batch, tableFromIPC } from '@uwdata/flechette'
import { AssertionError, assert } from '../../../errors/errors.ts'

/**
 * int and smaller are number, long is bigint, decimal is text, timestamp is microseconds since the epoch
 * (bigint), date is days since the epoch (number), binary is Uint8Array; a list is an array, a struct an
 * object, a map a Map.
 */
export type SparkValue =
  | null
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | readonly SparkValue[]
  | ReadonlyMap<SparkValue, SparkValue>
  | { readonly [name: string]: SparkValue }

export type SparkRow = { readonly [name: string]: SparkValue }

/** Decodes one Arrow stream: the schema and one batch. */
export function rowsOf(data: Uint8Array): SparkRow[] {
  // A copy: in the answer it may lie at any place, and typed arrays begin at a multiple of their element's
  // size.
  const table = tableFromIPC(data.slice(), { useBigInt: true, useDecimalInt: true })
  const readers = table.children.map((column, index) => {
    const batch = column.data[0]
    return {
      name: table.schema.fields[index]!.name,
      read: batch === undefined ? () => null : readerOf(batch),
    }
  })
  return Array.from({ length: table.numRows }, (_, row) =>
    Object.fromEntries(readers.map(({ name, read }) => [name, read(row)])),
  )
}

type Reader = (index: number) => SparkValue

function readerOf(batch: Batch<unknown>): Reader {
  const value = valueReaderOf(batch)
  // The type of only nulls has no map of what is null.
  return batch.nullCount > 0 && batch.validity !== undefined
    ? (index) => (batch.isValid(index) ? value(index) : null)
    : value
}

/** Numbers of the Arrow format. */
const types = {
  null: 1,
  int: 2,
  float: 3,
  binary: 4,
  utf8: 5,
  bool: 6,
  decimal: 7,
  date: 8,
  timestamp: 10,
  list: 12,
  struct: 13,
  map: 17,
} as const
const microsecond = 2

function valueReaderOf(batch: Batch<unknown>): Reader {
  const type = batch.type as { readonly typeId: number; readonly unit?: number; readonly scale?: number }
  switch (type.typeId) {
    case types.null:
      return () => null
    case types.int:
    case types.float:
    case types.bool:
      return (index) => batch.value(index) as SparkValue
    case types.utf8:
      return textReader(batch)
    case types.binary:
      // The bytes are a part of the whole answer: a copy lets go of the rest.
      return (index) => (batch.value(index) as Uint8Array).slice()
    case types.decimal:
      return (index) => decimalText(batch.value(index) as bigint, type.scale!)
    case types.date:
      return (index) => Number((batch.values as Int32Array)[index]!)
    case types.timestamp:
      assert(type.unit === microsecond, 'Spark writes instants in microseconds')
      return (index) => (batch.values as unknown as BigInt64Array)[index]!
    case types.list:
      return listReader(batch)
    case types.struct:
      return structReader(batch)
    case types.map:
      return mapReader(batch)
    default:
      throw new AssertionError(`no reader for the Arrow type ${type.typeId}`)
  }
}

/** The library's own reader drops a byte-order mark. */
function textReader(batch: Batch<unknown>): Reader {
  const { buffer, byteOffset, byteLength } = batch.values as Uint8Array
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  const offsets = batch.offsets as Int32Array
  return (index) => bytes.toString('utf8', offsets[index]!, offsets[index + 1]!)
}

function listReader(batch: Batch<unknown>): Reader {
  const element = readerOf(batch.children![0]!)
  const range = rangeReader(batch)
  return (index) => range(index).map(element)
}

function structReader(batch: Batch<unknown>): Reader {
  const fields = (batch.type as unknown as { children: { name: string }[] }).children
  const members = fields.map(({ name }, index) => ({ name, read: readerOf(batch.children![index]!) }))
  return (index) => Object.fromEntries(members.map(({ name, read }) => [name, read(index)]))
}

function mapReader(batch: Batch<unknown>): Reader {
  const [key, value] = batch.children![0]!.children!.map(readerOf)
  const range = rangeReader(batch)
  return (index) => new Map(range(index).map((entry) => [key!(entry), value!(entry)]))
}

/** The places of a row's elements. */
function rangeReader(batch: Batch<unknown>): (index: number) => number[] {
  const offsets = batch.offsets as Int32Array
  return (index) => {
    const start = offsets[index]!
    return Array.from({ length: offsets[index + 1]! - start }, (_, place) => start + place)
  }
}

function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0) return String(unscaled)
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
