// What differs between the engines' SQL, apart from the functions, whose records carry their own.
import { assert, unreachable } from '../errors/errors.ts'
import type { ColumnType, Engine, LiteralValue } from '../expr/index.ts'
import type { OverNode } from '../plan/index.ts'

export type Dialect = {
  readonly engine: Engine
  /** A name as an identifier, whatever it holds. */
  readonly name: (name: string) => string
  readonly type: (type: ColumnType) => string
  /** A value that the batch brings, as a typed expression. */
  readonly parameter: (name: string, type: ColumnType) => string
  readonly text: (value: string) => string
  readonly bytes: (value: Uint8Array) => string
  readonly list: (elements: readonly string[]) => string
  readonly busyKeys?: BusyKeys
  /** How many rows the statement is for, where that is known: a plan that pays for many does not for few. */
  readonly rowsAbout?: number
}

/**
 * Literals of the keys with so many rows that Spark has to count them in another way, by the operator that
 * counts.
 */
export type BusyKeys = ReadonlyMap<OverNode, readonly string[]>

export const duckdb: Dialect = {
  engine: 'duckdb',
  name: (name) => `"${name.replaceAll('"', '""')}"`,
  type: (type) => {
    switch (type) {
      case 'string':
        return 'VARCHAR'
      case 'int':
        return 'INTEGER'
      case 'long':
        return 'BIGINT'
      case 'double':
        return 'DOUBLE'
      case 'boolean':
        return 'BOOLEAN'
      case 'timestamp':
        return 'TIMESTAMP' // Without a zone, and always UTC: no session setting can change a value.
      case 'date':
        return 'DATE'
      case 'binary':
        return 'BLOB'
      case 'json':
        return 'JSON'
      case 'decimal(18,2)':
        return 'DECIMAL(18,2)'
      case 'decimal(28,2)':
        return 'DECIMAL(28,2)'
      case 'decimal(38,6)':
        return 'DECIMAL(38,6)'
      case 'decimal(38,2)':
        return 'DECIMAL(38,2)'
      case 'decimal(38,0)':
        return 'DECIMAL(38,0)'
      case 'array<string>':
        return 'VARCHAR[]'
      case 'headers':
        return 'STRUCT("key" VARCHAR, "value" BLOB)[]'
      default:
        return unreachable(type)
    }
  },
  parameter: (name, type) => `CAST($${name} AS ${duckdb.type(type)})`,
  // A NUL byte cannot stand in the text of a statement.
  text: (value) =>
    value
      .split('\0')
      .map((part) => `'${part.replaceAll("'", "''")}'`)
      .join(' || chr(0) || '),
  bytes: (value) => `from_hex('${Buffer.from(value).toString('hex')}')`,
  list: (elements) => `[${elements.join(', ')}]`,
}

export const spark: Dialect = {
  engine: 'spark',
  name: (name) => `\`${name.replaceAll('`', '``')}\``,
  type: (type) => {
    switch (type) {
      case 'string':
        return 'STRING'
      case 'int':
        return 'INT'
      case 'long':
        return 'BIGINT'
      case 'double':
        return 'DOUBLE'
      case 'boolean':
        return 'BOOLEAN'
      case 'timestamp':
        return 'TIMESTAMP'
      case 'date':
        return 'DATE'
      case 'binary':
        return 'BINARY'
      case 'json':
        return 'VARIANT'
      case 'decimal(18,2)':
        return 'DECIMAL(18,2)'
      case 'decimal(28,2)':
        return 'DECIMAL(28,2)'
      case 'decimal(38,6)':
        return 'DECIMAL(38,6)'
      case 'decimal(38,2)':
        return 'DECIMAL(38,2)'
      case 'decimal(38,0)':
        return 'DECIMAL(38,0)'
      case 'array<string>':
        return 'ARRAY<STRING>'
      case 'headers':
        return 'ARRAY<STRUCT<key: STRING, value: BINARY>>'
      default:
        return unreachable(type)
    }
  },
  parameter: (name, type) => `CAST(:${name} AS ${spark.type(type)})`,
  text: (value) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\0', '\\0')}'`,
  bytes: (value) => `X'${Buffer.from(value).toString('hex')}'`,
  list: (elements) => `array(${elements.join(', ')})`,
}

/** A literal of the given type. Instants and days are text in UTC, decimals are text. */
export function literalSql(dialect: Dialect, type: ColumnType, value: LiteralValue): string {
  if (value === null) return `CAST(NULL AS ${dialect.type(type)})`
  if (typeof value === 'string') {
    if (type === 'string') return dialect.text(value)
    if (type === 'binary') return dialect.bytes(Buffer.from(value, 'utf8'))
    if (type === 'json' && dialect.engine === 'spark') return `parse_json(${dialect.text(value)})`
    return `CAST(${dialect.text(value)} AS ${dialect.type(type)})`
  }
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (value instanceof Uint8Array) return dialect.bytes(value)
  if (Array.isArray(value)) {
    return `CAST(${dialect.list(value.map((element: string) => dialect.text(element)))} AS ${dialect.type(type)})`
  }
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value))) {
    // Object.is tells -0 from 0, which String does not.
    return `CAST('${Object.is(value, -0) ? '-0.0' : String(value)}' AS ${dialect.type(type)})`
  }
  assert(typeof value === 'number')
  return `CAST('${value > 0 ? 'Infinity' : value < 0 ? '-Infinity' : 'NaN'}' AS ${dialect.type(type)})`
}

/** The values of a batch's parameters. Instants are microseconds since the epoch. */
export type ParameterValues = Readonly<Record<string, bigint | null | readonly string[]>>

/**
 * DuckDB with the batch's values in place of its parameters, so that views can hold them and statistics skip
 * by them.
 */
export function boundDuckdb(values: ParameterValues): Dialect {
  return bound(duckdb, values, 'make_timestamp')
}

/**
 * Spark with the batch's values in place of its parameters: with Delta's parser Spark loses the values of
 * named ones, and Delta skips files by literals only.
 */
export function boundSpark(values: ParameterValues): Dialect {
  return bound(spark, values, 'timestamp_micros')
}

/** `instantFunction` makes an instant of microseconds. */
function bound(dialect: Dialect, values: ParameterValues, instantFunction: string): Dialect {
  return {
    ...dialect,
    parameter: (name, type) => {
      const value = values[name]
      assert(value !== undefined, `the batch brings no ${name}`)
      if (type === 'timestamp' && typeof value === 'bigint') return `${instantFunction}(${value})`
      return literalSql(dialect, type, value)
    },
  }
}
