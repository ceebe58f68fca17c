// Random rows of every type a column may have, extremes included.
import fc from 'fast-check'
import { type Column, type ColumnValue, newColumn, type Rows } from '../../../src/columns/column.ts'
import { whole } from '../../../src/columns/whole.ts'
import type { ColumnType } from '../../../src/expr/index.ts'

export type StoredType = Exclude<ColumnType, 'json' | 'decimal(38,6)'>

export const storedTypes = [
  'string',
  'int',
  'long',
  'double',
  'boolean',
  'timestamp',
  'date',
  'binary',
  'decimal(18,2)',
  'decimal(28,2)',
  'decimal(38,2)',
  'decimal(38,0)',
  'array<string>',
  'headers',
] as const satisfies readonly StoredType[]

const oddTexts = [
  '',
  '\0',
  'a',
  'A',
  'é',
  '\uffff',
  '\ue000',
  '😀',
  '\u{10ffff}',
  'x'.repeat(300),
  'ü'.repeat(40),
]
const anyText = fc.oneof(
  fc.constantFrom(...oddTexts),
  fc.string({ unit: 'binary', maxLength: 90 }),
  fc.constantFrom('few', 'texts', 'that', 'repeat'),
)
const anyBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
const wholes = (min: bigint, max: bigint) =>
  fc
    .oneof(fc.bigInt({ min, max }), fc.bigInt({ min: -9n, max: 9n }), fc.constantFrom(min, max))
    .map((value) => whole(value))
const decimals = (digits: bigint) => wholes(-(10n ** digits) + 1n, 10n ** digits - 1n)
/** Of the years 1 to 9999. */
const [dayFirst, dayLast] = [-719_162, 2_932_896]
const microsPerDay = 86_400_000_000n

export const anyValue: Readonly<Record<StoredType, fc.Arbitrary<unknown>>> = {
  string: anyText,
  int: fc.oneof(fc.integer(), fc.integer({ min: 0, max: 7 })),
  long: wholes(-(2n ** 63n), 2n ** 63n - 1n),
  double: fc.oneof(fc.double(), fc.constantFrom(0, -0, 1.5)),
  boolean: fc.boolean(),
  timestamp: wholes(BigInt(dayFirst) * microsPerDay, (BigInt(dayLast) + 1n) * microsPerDay - 1n),
  date: fc.integer({ min: dayFirst, max: dayLast }),
  binary: anyBytes,
  'decimal(18,2)': decimals(18n),
  'decimal(28,2)': decimals(28n),
  'decimal(38,2)': decimals(38n),
  'decimal(38,0)': decimals(38n),
  'array<string>': fc.array(fc.option(anyText), { maxLength: 4 }),
  headers: fc.array(fc.record({ key: anyText, value: fc.option(anyBytes) }), { maxLength: 3 }),
}

export function columnOf(type: StoredType, values: readonly unknown[]): Column {
  const column = newColumn(type)
  for (const value of values) (column.push as (value: unknown) => void).call(column, value as ColumnValue)
  return column
}

export function rowsOf(columns: Readonly<Record<string, Column>>): Rows {
  const schema = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.type]))
  return { schema, columns, rowCount: Object.values(columns)[0]!.length }
}

/** How often a value is null: never, sometimes, always. */
const nullShares = fc.constantFrom(0, 0.2, 0.7, 1)

/** A column's values; repeated as often as it takes to fill `rowCount` rows. */
export function valuesOf(type: StoredType, rowCount: number): fc.Arbitrary<unknown[]> {
  return fc
    .tuple(
      nullShares,
      fc.array(fc.tuple(anyValue[type], fc.double({ min: 0, max: 0.999, noNaN: true })), {
        minLength: 1,
        maxLength: 60,
      }),
    )
    .map(([nulls, values]) =>
      Array.from({ length: rowCount }, (_, row) => {
        const [value, chance] = values[row % values.length]!
        return chance < nulls ? null : value
      }),
    )
}
