// The types of columns and expressions, the same on every engine.

/**
 * - `int` 32 bits, `long` 64 bits, `double` IEEE 754; all signed.
 * - `timestamp` an instant in UTC with microseconds, `date` a day in UTC.
 * - `decimal(38,6)` what numbers with a point are computed as; it exists between operators only too.
 * - `json` one parsed JSON value; it exists between operators only and is never stored.
 * - `headers` the headers of a Kafka record: array of {key string, value binary}.
 */
export type ColumnType =
  | 'string'
  | 'int'
  | 'long'
  | 'double'
  | 'boolean'
  | 'timestamp'
  | 'date'
  | 'binary'
  | 'json'
  | 'decimal(18,2)'
  | 'decimal(28,2)'
  | 'decimal(38,6)'
  | 'decimal(38,2)'
  | 'decimal(38,0)'
  | 'array<string>'
  | 'headers'

/** The columns of a relation in their order. Every column may be null. */
export type Schema = Readonly<Record<string, ColumnType>>

/** Numbers with a point that are exact. */
export type Exact = 'decimal(18,2)' | 'decimal(28,2)' | 'decimal(38,6)' | 'decimal(38,2)' | 'decimal(38,0)'
/** Number types that may be compared or divided with each other. */
export type Numeric = (typeof numericTypes)[number]

export const wholeTypes = ['int', 'long'] as const satisfies readonly ColumnType[]
/** All numbers but doubles. */
export const exactTypes = [
  ...wholeTypes,
  'decimal(18,2)',
  'decimal(28,2)',
  'decimal(38,6)',
  'decimal(38,2)',
  'decimal(38,0)',
] as const satisfies readonly ColumnType[]
export const numericTypes = ['double', ...exactTypes] as const satisfies readonly ColumnType[]
