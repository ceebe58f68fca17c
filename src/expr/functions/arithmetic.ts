// Arithmetic that cannot fail: what its type does not hold is null. Rules are written by people who do not
// think of 64 bits, and a batch must not stop at what they wrote.
import { exactTypes, type Numeric, numericTypes, wholeTypes } from '../../columns/types.ts'
import { addWhole, multiplyWhole, subtractWhole, type Whole, whole } from '../../columns/whole.ts'
import type { Expr } from '../expression.ts'
import { defineFunction, defineGeneric } from '../function.ts'
import { nearestDouble } from './logic.ts'

type AsLong = (value: Expr<'int' | 'long'>) => Expr<'long'>
type AsDecimal = (value: Expr<Exclude<Numeric, 'double'>>) => Expr<'decimal(38,6)'>
type AsDouble = (value: Expr<Numeric>) => Expr<'double'>
type OfDecimals = (
  a: Expr<Exclude<Numeric, 'double'>>,
  b: Expr<Exclude<Numeric, 'double'>>,
) => Expr<'decimal(38,6)'>
type OfDoubles = (a: Expr<Numeric>, b: Expr<Numeric>) => Expr<'double'>

type Long = Whole | null
type Millionths = Whole | null

const longLimit = 2n ** 63n
const decimalLimit = 10n ** 38n
/** Of factors, dividends and divisors, in millionths: 12 digits before the point. */
const factorLimit = 10n ** 18n
const million = 1_000_000n

export const asLong = defineGeneric<AsLong>({
  name: 'asLong',
  args: ['long'],
  returns: 'long',
  accepts: wholeTypes,
  nulls: 'null in, null out',
  meaning: 'The same whole number with 64 bits.',
  duckdb: (a) => `CAST(${a} AS BIGINT)`,
  spark: (a) => `CAST(${a} AS BIGINT)`,
  javascript: (a: Long) => a,
  examples: [
    { in: [-7n], out: -7n },
    { in: [null], out: null },
  ],
})

export const asDecimal = defineGeneric<AsDecimal>({
  name: 'asDecimal',
  args: ['decimal(38,6)'],
  returns: 'decimal(38,6)',
  accepts: exactTypes,
  nulls: 'null in, null out',
  meaning: 'The same number, of any type but double, with six places.',
  duckdb: (a) => decimal(a),
  spark: (a) => decimal(a),
  javascript: (a: Millionths) => a,
  examples: [
    { in: ['12.5'], out: '12.500000' },
    { in: [null], out: null },
  ],
})

export const asDouble = defineGeneric<AsDouble>({
  name: 'asDouble',
  args: ['double'],
  returns: 'double',
  accepts: numericTypes,
  nulls: 'null in, null out',
  meaning: 'The nearest double of a number of any type.',
  duckdb: (a) => nearestDouble(a),
  spark: (a) => `CAST(${a} AS DOUBLE)`,
  javascript: (a: number | null) => a,
  examples: [
    { in: [0.1], out: 0.1 },
    { in: [null], out: null },
  ],
})

export const addLongs = defineFunction({
  name: 'addLongs',
  args: ['long', 'long'],
  returns: 'long',
  nulls: 'null if either is null',
  meaning: 'The sum; null where 64 bits do not hold it.',
  duckdb: (a, b) => triedLong(`CAST(${a} AS BIGINT) + CAST(${b} AS BIGINT)`),
  spark: (a, b) => sparkLong(a, '+', b),
  javascript: (a, b) => (a === null || b === null ? null : within(addWhole(a, b), longLimit)),
  examples: [
    { in: [2n, 3n], out: 5n },
    { in: [9223372036854775807n, 1n], out: null },
    { in: [9223372036854775807n, -1n], out: 9223372036854775806n },
    { in: [-9223372036854775807n, -1n], out: -9223372036854775808n },
    { in: [-9223372036854775808n, -1n], out: null },
    { in: [null, 1n], out: null },
  ],
})

export const subtractLongs = defineFunction({
  name: 'subtractLongs',
  args: ['long', 'long'],
  returns: 'long',
  nulls: 'null if either is null',
  meaning: 'The first less the second; null where 64 bits do not hold it.',
  duckdb: (a, b) => triedLong(`CAST(${a} AS BIGINT) - CAST(${b} AS BIGINT)`),
  spark: (a, b) => sparkLong(a, '-', b),
  javascript: (a, b) => (a === null || b === null ? null : within(subtractWhole(a, b), longLimit)),
  examples: [
    { in: [2n, 3n], out: -1n },
    { in: [0n, -9223372036854775808n], out: null },
    { in: [-9223372036854775807n, 1n], out: -9223372036854775808n },
    { in: [1n, null], out: null },
  ],
})

export const multiplyLongs = defineFunction({
  name: 'multiplyLongs',
  args: ['long', 'long'],
  returns: 'long',
  nulls: 'null if either is null',
  meaning: 'The product; null where 64 bits do not hold it.',
  duckdb: (a, b) => triedLong(`CAST(${a} AS BIGINT) * CAST(${b} AS BIGINT)`),
  spark: (a, b) => sparkLong(a, '*', b),
  javascript: (a, b) => {
    if (a === null || b === null) return null
    return within(multiplyWhole(a, b), longLimit)
  },
  examples: [
    { in: [-2n, 3n], out: -6n },
    { in: [4294967296n, 2147483648n], out: null },
    { in: [-4294967296n, 2147483648n], out: -9223372036854775808n },
    { in: [3037000500n, 3037000500n], out: null },
    { in: [0n, -1n], out: 0n },
    { in: [null, 0n], out: null },
  ],
})

export const addDecimals = defineGeneric<OfDecimals>({
  name: 'addDecimals',
  args: ['decimal(38,6)', 'decimal(38,6)'],
  returns: 'decimal(38,6)',
  accepts: exactTypes,
  nulls: 'null if either is null',
  meaning: 'The exact sum; null where 32 digits before the point do not hold it.',
  duckdb: (a, b) => decimal(`TRY(${decimal(a)} + ${decimal(b)})`),
  spark: (a, b) => `try_add(${decimal(a)}, ${decimal(b)})`,
  javascript: (a: Millionths, b: Millionths) =>
    a === null || b === null ? null : within(addWhole(a, b), decimalLimit),
  examples: [
    { in: ['0.1', '0.2'], out: '0.3' },
    { in: ['99999999999999999999999999999999.999999', '0.000001'], out: null },
    { in: ['-99999999999999999999999999999999.999999', '-0.000001'], out: null },
    { in: ['99999999999999999999999999999999.999999', '-1'], out: '99999999999999999999999999999998.999999' },
    { in: [null, '1'], out: null },
  ],
})

export const subtractDecimals = defineGeneric<OfDecimals>({
  name: 'subtractDecimals',
  args: ['decimal(38,6)', 'decimal(38,6)'],
  returns: 'decimal(38,6)',
  accepts: exactTypes,
  nulls: 'null if either is null',
  meaning: 'The first less the second, exactly; null where 32 digits before the point do not hold it.',
  duckdb: (a, b) => decimal(`TRY(${decimal(a)} - ${decimal(b)})`),
  spark: (a, b) => `try_subtract(${decimal(a)}, ${decimal(b)})`,
  javascript: (a: Millionths, b: Millionths) =>
    a === null || b === null ? null : within(subtractWhole(a, b), decimalLimit),
  examples: [
    { in: ['0.3', '0.1'], out: '0.2' },
    { in: ['-99999999999999999999999999999999.999999', '0.000001'], out: null },
    { in: ['1', null], out: null },
  ],
})

export const multiplyDecimals = defineGeneric<OfDecimals>({
  name: 'multiplyDecimals',
  args: ['decimal(38,6)', 'decimal(38,6)'],
  returns: 'decimal(38,6)',
  accepts: exactTypes,
  nulls: 'null if either is null',
  meaning:
    'The product, rounded half away from zero to six places; null where a factor has more than 12 digits before the point.',
  // DuckDB gives a product no more digits than its factors have, unless one of them has room for them.
  duckdb: (a, b) =>
    `${decimal(`CAST(${factor('TRY_CAST', a)} AS DECIMAL(38,6)) * ${factor('TRY_CAST', b)}`)}`,
  spark: (a, b) => `${decimal(`${factor('try_cast', a)} * ${factor('try_cast', b)}`)}`,
  javascript: (a: Millionths, b: Millionths) => {
    if (!isFactor(a) || !isFactor(b)) return null
    const exact = multiplyWhole(a, b)
    if (typeof exact === 'number' && exact % 1_000_000 === 0) return exact / 1_000_000 + 0
    return rounded(BigInt(exact), million)
  },
  examples: [
    { in: ['12.5', '3'], out: '37.5' },
    { in: ['0.000001', '0.5'], out: '0.000001' },
    { in: ['-0.000001', '0.5'], out: '-0.000001' },
    { in: ['0.000001', '0.499999'], out: '0' },
    { in: ['999999999999.999999', '-999999999999.999999'], out: '-999999999999999998000000.000000' },
    { in: ['1000000000000', '1'], out: null },
    { in: [null, '1'], out: null },
  ],
})

export const divideDecimals = defineGeneric<OfDecimals>({
  name: 'divideDecimals',
  args: ['decimal(38,6)', 'decimal(38,6)'],
  returns: 'decimal(38,6)',
  accepts: exactTypes,
  nulls: 'null if either is null',
  meaning:
    'The first divided by the second, rounded half away from zero to six places; null where the second is 0, or one has more than 12 digits before the point.',
  // The seventh place of the quotient, all others cut off, decides how it is rounded.
  duckdb: (a, b) =>
    decimal(
      `CAST(CAST(CAST(${factor('TRY_CAST', a)} AS DECIMAL(38,6)) * 10000000000000 AS HUGEINT) // ` +
        `nullif(CAST(CAST(${factor('TRY_CAST', b)} AS DECIMAL(38,6)) * 1000000 AS HUGEINT), 0) ` +
        `AS DECIMAL(38,0)) * CAST(0.0000001 AS DECIMAL(7,7))`,
    ),
  // What Spark divides is rounded; less its rest the dividend is a multiple of the divisor, and nothing is.
  spark: (a, b) => {
    const dividend = `CAST(${factor('try_cast', a)} * CAST(10000000 AS DECIMAL(8,0)) AS DECIMAL(38,6))`
    const divisor = `nullif(${factor('try_cast', b)}, 0)`
    const rest = `(${dividend} % CAST(${divisor} AS DECIMAL(38,6)))`
    const cut = `CAST((${dividend} - ${rest}) / ${divisor} AS DECIMAL(31,0))`
    return decimal(`${cut} * CAST(0.0000001 AS DECIMAL(7,7))`)
  },
  javascript: (a: Millionths, b: Millionths) => {
    if (!isFactor(a) || !isFactor(b) || b === 0) return null
    return b < 0 ? rounded(BigInt(a) * -million, -BigInt(b)) : rounded(BigInt(a) * million, BigInt(b))
  },
  examples: [
    { in: ['10', '4'], out: '2.5' },
    { in: ['2', '3'], out: '0.666667' },
    { in: ['-2', '3'], out: '-0.666667' },
    { in: ['1', '3'], out: '0.333333' },
    { in: ['0.000001', '2'], out: '0.000001' },
    { in: ['0.000001', '-2.000001'], out: '0' },
    { in: ['999999999999.999999', '0.000001'], out: '999999999999999999' },
    { in: ['499999999999.999999', '999999999999.999999'], out: '0.5' },
    { in: ['1', '0'], out: null },
    { in: ['0', '0'], out: null },
    { in: ['1000000000000', '2'], out: null },
    { in: ['1', null], out: null },
  ],
})

export const addDoubles = defineGeneric<OfDoubles>({
  name: 'addDoubles',
  args: ['double', 'double'],
  returns: 'double',
  accepts: numericTypes,
  nulls: 'null if either is null',
  meaning: 'The sum; null where it is no finite number.',
  duckdb: (a, b) => finite(`${nearestDouble(a)} + ${nearestDouble(b)}`),
  spark: (a, b) => finite(`CAST(${a} AS DOUBLE) + CAST(${b} AS DOUBLE)`),
  javascript: (a: number | null, b: number | null) => (a === null || b === null ? null : finiteOf(a + b)),
  examples: [
    { in: [0.1, 0.2], out: 0.30000000000000004 },
    { in: [Number.MAX_VALUE, Number.MAX_VALUE], out: null },
    { in: [Number.NaN, 1], out: null },
    { in: [null, 1], out: null },
  ],
})

export const subtractDoubles = defineGeneric<OfDoubles>({
  name: 'subtractDoubles',
  args: ['double', 'double'],
  returns: 'double',
  accepts: numericTypes,
  nulls: 'null if either is null',
  meaning: 'The first less the second; null where it is no finite number.',
  duckdb: (a, b) => finite(`${nearestDouble(a)} - ${nearestDouble(b)}`),
  spark: (a, b) => finite(`CAST(${a} AS DOUBLE) - CAST(${b} AS DOUBLE)`),
  javascript: (a: number | null, b: number | null) => (a === null || b === null ? null : finiteOf(a - b)),
  examples: [
    { in: [0.3, 0.1], out: 0.19999999999999998 },
    { in: [Number.POSITIVE_INFINITY, 1], out: null },
    { in: [1, null], out: null },
  ],
})

export const multiplyDoubles = defineGeneric<OfDoubles>({
  name: 'multiplyDoubles',
  args: ['double', 'double'],
  returns: 'double',
  accepts: numericTypes,
  nulls: 'null if either is null',
  meaning: 'The product; null where it is no finite number.',
  duckdb: (a, b) => finite(`${nearestDouble(a)} * ${nearestDouble(b)}`),
  spark: (a, b) => finite(`CAST(${a} AS DOUBLE) * CAST(${b} AS DOUBLE)`),
  javascript: (a: number | null, b: number | null) => (a === null || b === null ? null : finiteOf(a * b)),
  examples: [
    { in: [1.1, 3], out: 3.3000000000000003 },
    { in: [1e200, 1e200], out: null },
    { in: [1, null], out: null },
  ],
})

export const divideDoubles = defineGeneric<OfDoubles>({
  name: 'divideDoubles',
  args: ['double', 'double'],
  returns: 'double',
  accepts: numericTypes,
  nulls: 'null if either is null',
  meaning: 'The first divided by the second; null where the second is 0 or the quotient is no finite number.',
  duckdb: (a, b) => finite(`${nearestDouble(a)} / nullif(${nearestDouble(b)}, 0)`),
  spark: (a, b) => finite(`CAST(${a} AS DOUBLE) / nullif(CAST(${b} AS DOUBLE), 0)`),
  javascript: (a: number | null, b: number | null) =>
    a === null || b === null || b === 0 ? null : finiteOf(a / b),
  examples: [
    { in: [1, 3], out: 0.3333333333333333 },
    { in: [1, 0], out: null },
    { in: [1, -0], out: null },
    { in: [1e300, 1e-300], out: null },
    { in: [1, Number.POSITIVE_INFINITY], out: 0 },
    { in: [1, null], out: null },
  ],
})

const decimal = (value: string): string => `CAST(${value} AS DECIMAL(38,6))`
const factor = (cast: string, value: string): string => `${cast}(${decimal(value)} AS DECIMAL(18,6))`
// A TRY_CAST would not do: DuckDB compares what is in it where it is compared with a constant.
const triedLong = (value: string): string => `CAST(TRY(${value}) AS BIGINT)`

/** Spark moves the constants of nested try_add and try_multiply together, and then another step overflows. */
function sparkLong(a: string, operator: string, b: string): string {
  return `try_cast(CAST(${a} AS DECIMAL(19,0)) ${operator} CAST(${b} AS DECIMAL(19,0)) AS BIGINT)`
}

/** The value stands once, so that a long calculation does not become a text of exponential length. */
function finite(value: string): string {
  const infinity = (sign: string): string => `CAST('${sign}Infinity' AS DOUBLE)`
  return `nullif(nullif(nullif(${value}, ${infinity('')}), ${infinity('-')}), CAST('NaN' AS DOUBLE))`
}

function finiteOf(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

/** null from the limit on; of 64 bits the least number is one further below. */
function within(value: Whole, limit: bigint): Whole | null {
  if (typeof value === 'number') return value
  const isHeld = value < limit && (value > -limit || (limit === longLimit && value === -limit))
  return isHeld ? value : null
}

function isFactor(value: Millionths): value is Whole {
  return value !== null && value < factorLimit && value > -factorLimit
}

/** The nearest whole number to the quotient, half away from zero; the divisor is positive. */
function rounded(dividend: bigint, divisor: bigint): Whole {
  const size = dividend < 0n ? -dividend : dividend
  const quotient = (size * 2n + divisor) / (divisor * 2n)
  return whole(dividend < 0n ? -quotient : quotient)
}
