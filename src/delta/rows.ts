// Rows given as JavaScript objects, as a DuckDB relation: a convenience for small tables and for tests.
import {
  blobValue,
  type DuckDBConnection,
  DuckDBInstance,
  DuckDBMapValue,
  type DuckDBValue,
  listValue,
  structValue,
} from '@duckdb/node-api'
import { type DeltaField, type DeltaType, mismatch, typeText } from './schema.ts'
import { quoteIdentifier } from './sql.ts'

/**
 * Values by type: text, boolean, number, bigint and null are themselves; a decimal is text; binary is a
 * Uint8Array; a date or timestamp is a Date or ISO text (without a zone: UTC); an array is an array, a struct
 * a plain object, a map a Map. An absent property is null.
 */
export type Row = Readonly<Record<string, unknown>>

/** Runs `work` with a query that yields `rows`; the relation behind it is gone afterwards. */
export async function withRows<T>(
  where: string,
  fields: readonly DeltaField[],
  rows: readonly Row[],
  work: (connection: DuckDBConnection, query: string) => Promise<T>,
): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  try {
    const connection = await instance.connect()
    await connection.run("SET TimeZone = 'UTC'")
    await connection.run(`CREATE TABLE given_rows (${fields.map(carrierColumn).join(', ')})`)
    const appender = await connection.createAppender('given_rows')
    for (const row of rows) {
      checkNames(where, fields, row)
      fields.forEach(({ name, type }, index) => {
        const value = carrierValue(`${where}, column ${name}`, type, row[name])
        appender.appendValue(value, appender.columnType(index))
      })
      appender.endRow()
    }
    appender.closeSync()
    return await work(connection, 'SELECT * FROM given_rows')
  } finally {
    instance.closeSync()
  }
}

function checkNames(where: string, fields: readonly DeltaField[], row: Row): void {
  const unknownName = Object.keys(row).find((name) => !fields.some((field) => field.name === name))
  if (unknownName !== undefined)
    throw mismatch(where, `a row has a column ${unknownName} that the table lacks`)
}

function carrierColumn(field: DeltaField): string {
  return `${quoteIdentifier(field.name)} ${carrierType(field.type)}`
}

/** Text is the one form that every scalar has without loss; staging casts it to the type of the column. */
function carrierType(type: DeltaType): string {
  if (typeof type === 'string') return type === 'binary' ? 'BLOB' : 'VARCHAR'
  switch (type.type) {
    case 'array':
      return `${carrierType(type.elementType)}[]`
    case 'map':
      return `MAP(${carrierType(type.keyType)}, ${carrierType(type.valueType)})`
    case 'struct':
      return `STRUCT(${type.fields.map(carrierColumn).join(', ')})`
  }
}

function carrierValue(where: string, type: DeltaType, value: unknown): DuckDBValue {
  if (value === null || value === undefined) return null
  if (type === 'binary' && value instanceof Uint8Array) return blobValue(value)
  if (typeof type === 'string') {
    if (value instanceof Date) return value.toISOString()
    if (typeof value !== 'object') return String(value)
  } else if (type.type === 'array' && Array.isArray(value)) {
    return listValue(value.map((item: unknown) => carrierValue(where, type.elementType, item)))
  } else if (type.type === 'map' && value instanceof Map) {
    const entries = [...value].map(([key, item]) => ({
      key: carrierValue(where, type.keyType, key),
      value: carrierValue(where, type.valueType, item),
    }))
    return new DuckDBMapValue(entries)
  } else if (type.type === 'struct') {
    const given: Readonly<Record<string, unknown>> = { ...value }
    const fields = type.fields.map((field) => [
      field.name,
      carrierValue(where, field.type, given[field.name]),
    ])
    return structValue(Object.fromEntries(fields))
  }
  throw mismatch(where, `a value is not of the type ${typeText(type)}`)
}
