// Columns of rows in memory: what the compiled row path fills, and what files are written from.
import type { ColumnType, Schema } from './types.ts'
import type { Whole } from './whole.ts'

/**
 * What a value of each type is in JavaScript. Null is null.
 * - `int` and `double` a number, `boolean` a boolean, `string` a string, `binary` its bytes.
 * - `long` a Whole; `timestamp` a Whole of microseconds since the epoch; `date` a number of days since then.
 * - decimals a Whole of their last place: of hundredths, of millionths, or of units.
 * - `array<string>` an array; `headers` the headers of a record.
 */
export type ColumnValue = Whole | string | boolean | Uint8Array | readonly unknown[] | null

/** The values of one column, row by row. */
export type Column = NumberColumn | ValueColumn

/** Types whose values are numbers, or bigints beyond what a number holds exactly. */
type NumberType = Extract<ColumnType, 'int' | 'long' | 'double' | 'timestamp' | 'date' | `decimal(${string})`>
type ValueType = Exclude<ColumnType, NumberType | 'json'>

const capacityMin = 1024

/** Numbers in a typed array; the few that a double does not hold exactly stand beside it. */
export class NumberColumn {
  readonly type: NumberType
  /** 0 where the row is null, and where its number stands in `large`. */
  values: Float64Array
  /** 1 where the row is null. */
  nulls: Uint8Array
  nullCount = 0
  length = 0
  /** Numbers beyond 2^53, by row; hardly ever any. */
  large: Map<number, bigint> | null = null

  constructor(type: NumberType, capacity = capacityMin) {
    this.type = type
    this.values = new Float64Array(capacity)
    this.nulls = new Uint8Array(capacity)
  }

  push(value: Whole | null): void {
    const row = this.length++
    if (row === this.values.length) this.#grow()
    if (typeof value === 'number') this.values[row] = value
    else if (value === null) {
      this.nulls[row] = 1
      this.nullCount++
    } else {
      this.large ??= new Map()
      this.large.set(row, value)
    }
  }

  get(row: number): Whole | null {
    if (this.nulls[row] === 1) return null
    return this.large?.get(row) ?? this.values[row]!
  }

  #grow(): void {
    const [values, nulls] = [this.values, this.nulls]
    this.values = new Float64Array(Math.max(capacityMin, values.length * 2))
    this.values.set(values)
    this.nulls = new Uint8Array(this.values.length)
    this.nulls.set(nulls)
  }
}

/** Values that are objects of JavaScript. */
export class ValueColumn {
  readonly type: ValueType
  readonly values: unknown[] = []
  nullCount = 0

  constructor(type: ValueType) {
    this.type = type
  }

  get length(): number {
    return this.values.length
  }

  push(value: unknown): void {
    if (value === null) this.nullCount++
    this.values.push(value)
  }

  get(row: number): unknown {
    return this.values[row]
  }
}

/** Rows by column; every column has `rowCount` values. */
export type Rows = {
  readonly schema: Schema
  readonly columns: Readonly<Record<string, Column>>
  readonly rowCount: number
}

/** `capacity` is how many rows there may be before a column of numbers has to grow. */
export function newColumn(type: ColumnType, capacity?: number): Column {
  switch (type) {
    case 'int':
    case 'long':
    case 'double':
    case 'timestamp':
    case 'date':
    case 'decimal(18,2)':
    case 'decimal(28,2)':
    case 'decimal(38,6)':
    case 'decimal(38,2)':
    case 'decimal(38,0)':
      return new NumberColumn(type, capacity)
    case 'json':
      throw new Error('a parsed JSON value is never stored')
    default:
      return new ValueColumn(type)
  }
}
