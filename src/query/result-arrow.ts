// Rows of a query as an Arrow IPC stream. Each value keeps its bits: what Arrow has no type for is text.
import {
  DuckDBArrayType,
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalType,
  DuckDBDecimalValue,
  DuckDBListType,
  DuckDBListValue,
  DuckDBMapType,
  DuckDBMapValue,
  DuckDBStructType,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'
import * as arrow from '@uwdata/flechette'
import { LakehouseError } from '../errors/errors.ts'
import { resultCellText } from './result-cell.ts'

/**
 * A type of Arrow, and the type of the same bits by which its values are built: the library rounds instants
 * through doubles.
 */
type ArrowColumn = {
  readonly type: arrow.DataType
  readonly built: arrow.DataType
  readonly bitsOf: (value: Exclude<DuckDBValue, null>) => unknown
}

export type ResultColumn = { readonly name: string; readonly type: DuckDBType }

/** Parts of one stream: `batch` for some of the rows, `end` once, also where there were none. */
export class ArrowWriter {
  readonly #columns: readonly ArrowColumn[]
  readonly #schema: arrow.Schema
  readonly #header: Uint8Array
  #isBegun = false

  constructor(columns: readonly ResultColumn[]) {
    this.#columns = columns.map(({ type }) => columnOf(type))
    this.#schema = {
      version: arrow.Version.V5,
      endianness: arrow.Endianness.Little,
      fields: columns.map(({ name }, index) => arrow.field(name, this.#columns[index]!.type)),
      metadata: null,
    }
    this.#header = withoutEnd(this.#stream([]))
  }

  batch(rows: readonly (readonly DuckDBValue[])[]): Uint8Array {
    const stream = withoutEnd(this.#stream(rows))
    const part = this.#isBegun ? stream.subarray(this.#header.length) : stream
    this.#isBegun = true
    return part
  }

  end(): Uint8Array {
    return this.#isBegun ? endMark : Buffer.concat([this.#header, endMark])
  }

  #stream(rows: readonly (readonly DuckDBValue[])[]): Uint8Array {
    const children = this.#columns.map(({ built, bitsOf }, index) =>
      arrow.columnFromArray(
        rows.map((row) => mapped(row[index]!, bitsOf)),
        built,
      ),
    )
    return arrow.tableToIPC(new arrow.Table(this.#schema, children), { format: 'stream' })!
  }
}

const endMark = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)

function withoutEnd(stream: Uint8Array): Uint8Array {
  return stream.subarray(0, -endMark.length)
}

function mapped(value: DuckDBValue, bitsOf: ArrowColumn['bitsOf']): unknown {
  return value === null ? null : bitsOf(value)
}

const text: ArrowColumn = { type: arrow.utf8(), built: arrow.utf8(), bitsOf: resultCellText }

function plain(type: arrow.DataType): ArrowColumn {
  return { type, built: type, bitsOf: (value) => value }
}

function of64Bits(type: arrow.DataType, bitsOf: ArrowColumn['bitsOf']): ArrowColumn {
  return { type, built: arrow.int64(), bitsOf }
}

/** Sums of whole numbers are of 128 bits, of which no type of Arrow has more digits. */
function of38Digits(value: DuckDBValue): DuckDBValue {
  if (typeof value !== 'bigint' || (value < 10n ** 38n && value > -(10n ** 38n))) return value
  throw new LakehouseError('QUERY_FAILED', `${value} has more than 38 digits: cast the column to VARCHAR.`)
}

const micros = arrow.TimeUnit.MICROSECOND

/** Of types whose values need nothing but themselves. */
const scalars: Partial<Record<DuckDBTypeId, ArrowColumn>> = {
  [DuckDBTypeId.BOOLEAN]: plain(arrow.bool()),
  [DuckDBTypeId.TINYINT]: plain(arrow.int8()),
  [DuckDBTypeId.SMALLINT]: plain(arrow.int16()),
  [DuckDBTypeId.INTEGER]: plain(arrow.int32()),
  [DuckDBTypeId.BIGINT]: plain(arrow.int64()),
  [DuckDBTypeId.UTINYINT]: plain(arrow.uint8()),
  [DuckDBTypeId.USMALLINT]: plain(arrow.uint16()),
  [DuckDBTypeId.UINTEGER]: plain(arrow.uint32()),
  [DuckDBTypeId.UBIGINT]: plain(arrow.uint64()),
  [DuckDBTypeId.FLOAT]: plain(arrow.float32()),
  [DuckDBTypeId.DOUBLE]: plain(arrow.float64()),
  [DuckDBTypeId.HUGEINT]: { ...plain(arrow.decimal128(38, 0)), bitsOf: of38Digits },
  [DuckDBTypeId.VARCHAR]: text,
  [DuckDBTypeId.BLOB]: {
    ...plain(arrow.binary()),
    bitsOf: (value) => (value instanceof DuckDBBlobValue ? value.bytes : value),
  },
  [DuckDBTypeId.DATE]: {
    ...{ type: arrow.dateDay(), built: arrow.int32() },
    bitsOf: (value) => (value instanceof DuckDBDateValue ? value.days : value),
  },
  [DuckDBTypeId.TIME]: of64Bits(arrow.timeMicrosecond(), (value) =>
    value instanceof DuckDBTimeValue ? value.micros : value,
  ),
  [DuckDBTypeId.TIMESTAMP]: of64Bits(arrow.timestamp(micros), (value) =>
    value instanceof DuckDBTimestampValue ? value.micros : value,
  ),
  [DuckDBTypeId.TIMESTAMP_TZ]: of64Bits(arrow.timestamp(micros, 'UTC'), (value) =>
    value instanceof DuckDBTimestampTZValue ? value.micros : value,
  ),
  [DuckDBTypeId.TIMESTAMP_S]: of64Bits(arrow.timestamp(arrow.TimeUnit.SECOND), (value) =>
    value instanceof DuckDBTimestampSecondsValue ? value.seconds : value,
  ),
  [DuckDBTypeId.TIMESTAMP_MS]: of64Bits(arrow.timestamp(arrow.TimeUnit.MILLISECOND), (value) =>
    value instanceof DuckDBTimestampMillisecondsValue ? value.millis : value,
  ),
  [DuckDBTypeId.TIMESTAMP_NS]: of64Bits(arrow.timestamp(arrow.TimeUnit.NANOSECOND), (value) =>
    value instanceof DuckDBTimestampNanosecondsValue ? value.nanos : value,
  ),
}

function columnOf(type: DuckDBType): ArrowColumn {
  if (type instanceof DuckDBDecimalType) {
    const decimal = arrow.decimal128(type.width, type.scale)
    return {
      ...plain(decimal),
      bitsOf: (value) => (value instanceof DuckDBDecimalValue ? value.value : value),
    }
  }
  if (type instanceof DuckDBListType || type instanceof DuckDBArrayType)
    return listOf(columnOf(type.valueType))
  if (type instanceof DuckDBStructType) return structOf(type)
  if (type instanceof DuckDBMapType) return mapOf(type)
  return scalars[type.typeId] ?? text
}

function listOf({ type, built, bitsOf }: ArrowColumn): ArrowColumn {
  return {
    ...{ type: arrow.list(type), built: arrow.list(built) },
    bitsOf: (value) =>
      value instanceof DuckDBListValue || value instanceof DuckDBArrayValue
        ? value.items.map((item) => mapped(item, bitsOf))
        : value,
  }
}

function structOf({ entryNames, entryTypes }: DuckDBStructType): ArrowColumn {
  const columns = entryTypes.map(columnOf)
  const fields = (of: 'type' | 'built') =>
    entryNames.map((name, index) => arrow.field(name, columns[index]![of]))
  return {
    ...{ type: arrow.struct(fields('type')), built: arrow.struct(fields('built')) },
    bitsOf: (value) =>
      value instanceof DuckDBStructValue
        ? Object.fromEntries(
            entryNames.map((name, index) => [name, mapped(value.entries[name]!, columns[index]!.bitsOf)]),
          )
        : value,
  }
}

function mapOf({ keyType, valueType }: DuckDBMapType): ArrowColumn {
  const [key, item] = [columnOf(keyType), columnOf(valueType)]
  return {
    type: arrow.map(arrow.field('key', key.type, false), arrow.field('value', item.type)),
    built: arrow.map(arrow.field('key', key.built, false), arrow.field('value', item.built)),
    bitsOf: (value) =>
      value instanceof DuckDBMapValue
        ? value.entries.map((entry) => [mapped(entry.key, key.bitsOf), mapped(entry.value, item.bitsOf)])
        : value,
  }
}
