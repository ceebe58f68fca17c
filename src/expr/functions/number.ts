// Numbers and money. Money is decimal; a double becomes money by its shortest decimal text.
import { type Whole, whole } from '../../columns/whole.ts'
import { defineFunction } from '../function.ts'

export const wholeInt = defineFunction({
  name: 'wholeInt',
  args: ['double'],
  returns: 'int',
  nulls: 'null in, null out',
  meaning: 'The number as an int; null where it has a fraction or lies outside of 32 bits.',
  duckdb: (a) =>
    `CASE WHEN ${a} BETWEEN -2147483648 AND 2147483647 AND ${a} = trunc(${a}) THEN CAST(${a} AS INTEGER) END`,
  spark: (a) =>
    `CASE WHEN ${a} BETWEEN -2147483648 AND 2147483647 AND ${a} = floor(${a}) THEN CAST(${a} AS INT) END`,
  javascript: (a) =>
    // A sum with 0 is never -0.
    a !== null && a >= -2147483648 && a <= 2147483647 && a === Math.trunc(a) ? a + 0 : null,
  examples: [
    { in: [42], out: 42 },
    { in: [42.5], out: null },
    { in: [2147483647], out: 2147483647 },
    { in: [2147483648], out: null },
    { in: [-2147483648], out: -2147483648 },
    { in: [Number.POSITIVE_INFINITY], out: null },
    { in: [null], out: null },
  ],
})

export const cents = defineFunction({
  name: 'cents',
  args: ['double'],
  returns: 'decimal(18,2)',
  nulls: 'null in, null out',
  meaning:
    'The shortest decimal text of the double, rounded half up to cents; null where 16 digits before the point do not hold it.',
  // DuckDB casts a text with an exponent wrongly: 9.99e-07 becomes 0.01, and 2e+16 a value of 17 digits.
  duckdb: (a) =>
    `CASE WHEN abs(${a}) < 0.005 THEN CAST(0 AS DECIMAL(18,2)) WHEN abs(${a}) < 1e16 THEN TRY_CAST(CAST(${a} AS VARCHAR) AS DECIMAL(18,2)) END`,
  spark: (a) => `TRY_CAST(CAST(${a} AS STRING) AS DECIMAL(18,2))`,
  javascript: (a) => (a === null ? null : centsOf(a)),
  examples: [
    { in: [1.005], out: '1.01' },
    { in: [2.675], out: '2.68' },
    { in: [10.075], out: '10.08' },
    { in: [0.005], out: '0.01' },
    { in: [0.004999], out: '0.00' },
    { in: [999999999999.995], out: '1000000000000.00' },
    { in: [1e-7], out: '0.00' },
    { in: [9.99e-7], out: '0.00' },
    { in: [7.596443935158616e-295], out: '0.00' },
    { in: [-9.99e-7], out: '0.00' },
    { in: [-1.005], out: '-1.01' },
    { in: [9999999999999998], out: '9999999999999998.00' },
    { in: [1e16], out: null },
    { in: [-19851795433690476], out: null },
    { in: [Number.POSITIVE_INFINITY], out: null },
    { in: [1e300], out: null },
    { in: [null], out: null },
  ],
})

function centsOf(amount: number): Whole | null {
  const rounded = Math.round(amount * 100)
  // A double has one text of at most 15 digits, so this is it: the usual amounts have no more.
  if (rounded / 100 === amount && rounded < 1e15 && rounded > -1e15) return rounded + 0
  const size = Math.abs(amount)
  if (size < 0.005) return 0
  if (!(size < 1e16)) return null
  const [units, fraction = ''] = String(size).split('.') // In this range without an exponent.
  const digits = fraction.padEnd(3, '0')
  const carry = digits.charCodeAt(2) >= 0x35 ? 1n : 0n // From 5 on.
  const hundredths = BigInt(units + digits.slice(0, 2)) + carry
  return whole(amount < 0 ? -hundredths : hundredths)
}
