// Comparison, boolean logic and nulls. SQL's three values: a comparison with null is null.

import { type ColumnType, type Numeric, numericTypes } from '../../columns/types.ts'
import { assert } from '../../errors/errors.ts'
import { JsonSlice, jsonKind } from '../../json/slice.ts'
import type { Expr } from '../expression.ts'
import { defineFunction, defineGeneric } from '../function.ts'
import { compareValues, type Value } from '../values.ts'

type Comparison = (a: Value, b: Value) => boolean | null

function compared(holds: (order: number) => boolean): Comparison {
  return (a, b) => (a === null || b === null ? null : holds(compareValues(a, b)))
}

/** A field of a document that is not there is null, as any other value that is not there. */
function isNothing(value: Value): boolean {
  return value === null || (value instanceof JsonSlice && value.kind === jsonKind.absent)
}

/** The first argument decides the type: money is not compared with a whole number. */
type Compare = <T extends ColumnType>(a: Expr<T>, b: Expr<NoInfer<T>>) => Expr<'boolean'>

export const equals = defineGeneric<Compare>({
  name: 'equals',
  args: ['T', 'T'],
  returns: 'boolean',
  nulls: 'null if either is null',
  meaning: 'True when both are the same value.',
  duckdb: (a, b) => `(${a} = ${b})`,
  spark: (a, b) => `(${a} = ${b})`,
  javascript: compared((order) => order === 0),
  exampleType: 'string',
  examples: [
    { in: ['a', 'a'], out: true },
    { in: ['a', 'A'], out: false },
    { in: ['a', null], out: null },
  ],
})

export const lessThan = defineGeneric<Compare>({
  name: 'lessThan',
  args: ['T', 'T'],
  returns: 'boolean',
  nulls: 'null if either is null',
  meaning: 'True when the first is smaller.',
  duckdb: (a, b) => `(${a} < ${b})`,
  spark: (a, b) => `(${a} < ${b})`,
  javascript: compared((order) => order < 0),
  exampleType: 'timestamp',
  examples: [
    { in: ['2024-03-10 00:00:00', '2024-03-10 00:00:00.000001'], out: true },
    { in: ['2024-03-10 00:00:00', '2024-03-10 00:00:00'], out: false },
    { in: [null, '2024-03-10 00:00:00'], out: null },
  ],
})

export const greaterThan = defineGeneric<Compare>({
  name: 'greaterThan',
  args: ['T', 'T'],
  returns: 'boolean',
  nulls: 'null if either is null',
  meaning: 'True when the first is greater.',
  duckdb: (a, b) => `(${a} > ${b})`,
  spark: (a, b) => `(${a} > ${b})`,
  javascript: compared((order) => order > 0),
  exampleType: 'decimal(18,2)',
  examples: [
    { in: ['1000.01', '1000.00'], out: true },
    { in: ['1000.00', '1000.00'], out: false },
    { in: [null, '1.00'], out: null },
  ],
})

export const atLeast = defineGeneric<Compare>({
  name: 'atLeast',
  args: ['T', 'T'],
  returns: 'boolean',
  nulls: 'null if either is null',
  meaning: 'True when the first is greater or the same.',
  duckdb: (a, b) => `(${a} >= ${b})`,
  spark: (a, b) => `(${a} >= ${b})`,
  javascript: compared((order) => order >= 0),
  exampleType: 'int',
  examples: [
    { in: [50, 50], out: true },
    { in: [49, 50], out: false },
    { in: [50, null], out: null },
  ],
})

export const isOneOf = defineFunction({
  name: 'isOneOf',
  args: ['string', 'array<string>'],
  returns: 'boolean',
  nulls: 'a null text is in no list',
  meaning: 'True when the list holds the text.',
  duckdb: (value, list) => `coalesce(list_contains(${list}, ${value}), false)`,
  spark: (value, list) => `coalesce(array_contains(${list}, ${value}), false)`,
  javascript: (value, list) => value !== null && list?.includes(value) === true,
  examples: [
    { in: ['b', ['a', 'b']], out: true },
    { in: ['c', ['a', 'b']], out: false },
    { in: ['a', []], out: false },
    { in: [null, ['a']], out: false },
  ],
})

export const and = defineGeneric<(...all: Expr<'boolean'>[]) => Expr<'boolean'>>({
  name: 'and',
  args: ['boolean*'],
  returns: 'boolean',
  nulls: 'false wins over null',
  meaning: 'True when all are true.',
  duckdb: (...all) => `(${all.join(' AND ')})`,
  spark: (...all) => `(${all.join(' AND ')})`,
  javascript: (...all: (boolean | null)[]) =>
    all.includes(false) ? false : all.includes(null) ? null : true,
  examples: [
    { in: [true, true], out: true },
    { in: [null, false], out: false },
    { in: [null, true], out: null },
  ],
})

export const or = defineGeneric<(...any: Expr<'boolean'>[]) => Expr<'boolean'>>({
  name: 'or',
  args: ['boolean*'],
  returns: 'boolean',
  nulls: 'true wins over null',
  meaning: 'True when one is true.',
  duckdb: (...any) => `(${any.join(' OR ')})`,
  spark: (...any) => `(${any.join(' OR ')})`,
  javascript: (...any: (boolean | null)[]) => (any.includes(true) ? true : any.includes(null) ? null : false),
  examples: [
    { in: [false, true], out: true },
    { in: [null, true], out: true },
    { in: [null, false], out: null },
  ],
})

export const not = defineFunction({
  name: 'not',
  args: ['boolean'],
  returns: 'boolean',
  nulls: 'null in, null out',
  meaning: 'True when the argument is false.',
  duckdb: (a) => `(NOT ${a})`,
  spark: (a) => `(NOT ${a})`,
  javascript: (a) => (a === null ? null : !a),
  examples: [
    { in: [true], out: false },
    { in: [null], out: null },
  ],
})

export const isNull = defineGeneric<(value: Expr) => Expr<'boolean'>>({
  name: 'isNull',
  args: ['T'],
  returns: 'boolean',
  nulls: 'never null',
  meaning: 'True when the value is null.',
  duckdb: (a) => `(${a} IS NULL)`,
  spark: (a) => `(${a} IS NULL)`,
  javascript: (value: Value) => isNothing(value),
  exampleType: 'string',
  examples: [
    { in: [null], out: true },
    { in: [''], out: false },
  ],
})

export const isTrue = defineFunction({
  name: 'isTrue',
  args: ['boolean'],
  returns: 'boolean',
  nulls: 'null is not true',
  meaning: 'True when the argument is true, false when it is false or null.',
  duckdb: (a) => `(${a} IS TRUE)`,
  spark: (a) => `(${a} IS TRUE)`,
  javascript: (a) => a === true,
  examples: [
    { in: [true], out: true },
    { in: [false], out: false },
    { in: [null], out: false },
  ],
})

export const coalesce = defineGeneric<<T extends ColumnType>(...values: Expr<T>[]) => Expr<T>>({
  name: 'coalesce',
  args: ['T*'],
  returns: 'T',
  nulls: 'null when all are null',
  meaning: 'The first argument that is not null.',
  duckdb: (...values) => `coalesce(${values.join(', ')})`,
  spark: (...values) => `coalesce(${values.join(', ')})`,
  javascript: (...values: Value[]) => values.find((value) => !isNothing(value)) ?? null,
  exampleType: 'boolean',
  examples: [
    { in: [null, false], out: false },
    { in: [true, false], out: true },
    { in: [null, null], out: null },
  ],
})

export const least = defineGeneric<<T extends ColumnType>(...values: Expr<T>[]) => Expr<T>>({
  name: 'least',
  args: ['T*'],
  returns: 'T',
  nulls: 'left out; null when all are null',
  meaning: 'The smallest of the arguments.',
  duckdb: (...values) => `least(${values.join(', ')})`,
  spark: (...values) => `least(${values.join(', ')})`,
  javascript: (...values: Value[]) => {
    const present = values.filter((value) => value !== null)
    return present.length === 0 ? null : present.reduce((a, b) => (compareValues(b, a) < 0 ? b : a))
  },
  exampleType: 'timestamp',
  examples: [
    { in: ['2024-03-10 00:00:01', '2024-03-10 00:00:00'], out: '2024-03-10 00:00:00' },
    { in: [null, '2024-03-10 00:00:00'], out: '2024-03-10 00:00:00' },
  ],
})

export const addInts = defineGeneric<(...values: Expr<'int'>[]) => Expr<'int'>>({
  name: 'addInts',
  args: ['int*'],
  returns: 'int',
  nulls: 'null if one is null',
  meaning: 'The sum of small whole numbers, such as points; more than 32 bits hold are an error.',
  duckdb: (...values) => `CAST(${values.join(' + ')} AS INTEGER)`,
  spark: (...values) => `CAST(${values.join(' + ')} AS INT)`,
  javascript: (...values: (number | null)[]) => {
    let sum = 0
    for (const value of values) {
      if (value === null) return null
      sum += value
      assert(sum === (sum | 0), 'the sum is no 32-bit number')
    }
    return sum
  },
  examples: [
    { in: [50, 30, 0], out: 80 },
    { in: [1, null], out: null },
  ],
})

/** DuckDB's cast of a decimal beyond 2^53 hundredths rounds twice; that of its text rounds once. */
export const nearestDouble = (number: string): string => `CAST(CAST(${number} AS VARCHAR) AS DOUBLE)`

export const ratio = defineGeneric<(part: Expr<Numeric>, total: Expr<Numeric>) => Expr<'double'>>({
  name: 'ratio',
  args: ['double', 'double'],
  returns: 'double',
  accepts: numericTypes,
  nulls: 'null if either is null, or the divisor is 0',
  meaning: 'The first divided by the second, both as doubles.',
  duckdb: (part, total) => `(${nearestDouble(part)} / nullif(${nearestDouble(total)}, 0))`,
  spark: (part, total) => `(CAST(${part} AS DOUBLE) / nullif(CAST(${total} AS DOUBLE), 0))`,
  javascript: (part: number | null, total: number | null) =>
    part === null || total === null || total === 0 ? null : part / total,
  examples: [
    { in: [1, 4], out: 0.25 },
    { in: [1, 0], out: null },
    { in: [null, 2], out: null },
  ],
})

export const percent = defineGeneric<(part: Expr<Numeric>, total: Expr<Numeric>) => Expr<'double'>>({
  name: 'percent',
  args: ['double', 'double'],
  returns: 'double',
  accepts: numericTypes,
  nulls: 'null if either is null, or the total is 0',
  meaning: '100.0 times the part, divided by the total.',
  duckdb: (part, total) =>
    `(CAST(100 AS DOUBLE) * ${nearestDouble(part)} / nullif(${nearestDouble(total)}, 0))`,
  spark: (part, total) => `(CAST(100 AS DOUBLE) * ${part} / nullif(CAST(${total} AS DOUBLE), 0))`,
  javascript: (part: number | null, total: number | null) =>
    part === null || total === null || total === 0 ? null : (100 * part) / total,
  examples: [
    { in: [1, 4], out: 25 },
    { in: [1, 3], out: 33.333333333333336 },
    { in: [0, 0], out: null },
    { in: [null, 2], out: null },
  ],
})
