// Values of a query result as text, exactly: no digit of a bigint, a decimal or an instant is lost.
import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBUnionValue,
  type DuckDBValue,
} from '@duckdb/node-api'

/**
 * A value for people and for CSV: instants are ISO 8601 with microseconds, bytes that are UTF-8 are text and
 * others hexadecimal, lists and structs are JSON. null is for the caller to show.
 */
export function resultCellText(value: Exclude<DuckDBValue, null>): string {
  if (typeof value === 'string') return value
  if (value instanceof DuckDBBlobValue) return bytesText(value.bytes)
  return isNested(value) ? resultCellJson(value) : scalarText(value)
}

/**
 * A value as JSON: integers are numbers with all their digits; decimals, instants and dates are strings, as
 * no JSON reader may round them; bytes are base64; a map is a list of [key, value].
 */
function resultCellJson(value: DuckDBValue): string {
  if (value === null) return 'null'
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : jsonText(String(value))
  if (typeof value === 'string') return jsonText(value)
  if (value instanceof DuckDBBlobValue) return jsonText(Buffer.from(value.bytes).toString('base64'))
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return jsonArray(value.items)
  if (value instanceof DuckDBStructValue) return resultRowJson(Object.entries(value.entries))
  if (value instanceof DuckDBMapValue) {
    return `[${value.entries.map(({ key, value: item }) => jsonArray([key, item])).join(',')}]`
  }
  if (value instanceof DuckDBUnionValue) return resultCellJson(value.value)
  return jsonText(scalarText(value))
}

export function resultRowJson(entries: readonly (readonly [name: string, value: DuckDBValue])[]): string {
  return `{${entries.map(([name, value]) => `${jsonText(name)}:${resultCellJson(value)}`).join(',')}}`
}

/** JSON.stringify leaves the controls U+007F to U+009F as they are, and some terminals obey them. */
function jsonText(text: string): string {
  return JSON.stringify(text).replace(
    /[\x7f-\x9f]/g,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  )
}

function jsonArray(items: readonly DuckDBValue[]): string {
  return `[${items.map(resultCellJson).join(',')}]`
}

function isNested(value: DuckDBValue): boolean {
  const nested = [DuckDBListValue, DuckDBArrayValue, DuckDBStructValue, DuckDBMapValue, DuckDBUnionValue]
  return nested.some((kind) => value instanceof kind)
}

function scalarText(value: Exclude<DuckDBValue, null>): string {
  if (value instanceof DuckDBTimestampTZValue) return instantText(value.micros, 'Z') ?? String(value)
  if (value instanceof DuckDBTimestampValue) return instantText(value.micros, '') ?? String(value)
  if (value instanceof DuckDBDecimalValue) return decimalText(value)
  return String(value)
}

const microsLatest = 253_402_300_800_000_000n // The year 10000.

/** null for what has no such form: infinity, and years before 0 or after 9999. */
function instantText(micros: bigint, zone: string): string | null {
  if (micros >= microsLatest || micros < -62_167_219_200_000_000n) return null
  const rest = ((micros % 1000n) + 1000n) % 1000n
  const iso = new Date(Number((micros - rest) / 1000n)).toISOString()
  return `${iso.slice(0, -1)}${String(rest).padStart(3, '0')}${zone}`
}

function decimalText({ value, scale }: DuckDBDecimalValue): string {
  if (scale === 0) return String(value)
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function bytesText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return `0x${Buffer.from(bytes).toString('hex')}`
  }
}
