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

export const finiteNumber = defineFunction({
  name: 'finiteNumber',
  args: ['double'],
  returns: 'double',
  nulls: 'null in, null out',
  meaning: 'The number; null where it is infinite or none (NaN).',
  duckdb: (a) => `CASE WHEN isfinite(${a}) THEN ${a} + 0 END`,
  // NaN is greater than any number.
  spark: (a) => `CASE WHEN abs(${a}) <= 1.7976931348623157E308D THEN ${a} + 0 END`,
  javascript: (a) => (a !== null && Number.isFinite(a) ? a + 0 : null), // A sum with 0 is never -0.
  examples: [
    { in: [1.5], out: 1.5 },
    { in: [-0], out: 0 },
    { in: [1.7976931348623157e308], out: 1.7976931348623157e308 },
    { in: [Number.POSITIVE_INFINITY], out: null },
    { in: [Number.NEGATIVE_INFINITY], out: null },
    { in: [Number.NaN], out: null },
    { in: [null], out: null },
  ],
})

/** All of a text, which no line end may follow. */
const decimalPattern = '-?[0-9]+([.][0-9]+)?'

export const decimalSign = defineFunction({
  name: 'decimalSign',
  args: ['string'],
  returns: 'int',
  nulls: 'null in, null out',
  meaning:
    '-1, 0 or 1 as the decimal text `-?digits[.digits]` is below, at or above 0; null for any other text.',
  duckdb: (a) =>
    `CASE WHEN regexp_full_match(${a}, '${decimalPattern}') ` +
    `THEN CASE WHEN NOT regexp_matches(${a}, '[1-9]') THEN 0 WHEN starts_with(${a}, '-') THEN -1 ELSE 1 END END`,
  spark: (a) =>
    `CASE WHEN ${a} RLIKE '\\\\A${decimalPattern}\\\\z' ` +
    `THEN CASE WHEN NOT ${a} RLIKE '[1-9]' THEN 0 WHEN startswith(${a}, '-') THEN -1 ELSE 1 END END`,
  javascript: (a) =>
    a === null || !isDecimalText(a) ? null : !/[1-9]/.test(a) ? 0 : a.startsWith('-') ? -1 : 1,
  examples: [
    { in: ['12.50'], out: 1 },
    { in: ['-0.01'], out: -1 },
    { in: ['-0.00'], out: 0 },
    { in: ['007'], out: 1 },
    { in: ['1e3'], out: null },
    { in: ['1.'], out: null },
    { in: ['.5'], out: null },
    { in: ['+1'], out: null },
    { in: ['1,5'], out: null },
    { in: ['1\n'], out: null },
    { in: ['٣'], out: null },
    { in: [''], out: null },
    { in: [null], out: null },
  ],
})

function isDecimalText(text: string): boolean {
  return /^-?[0-9]+(?:\.[0-9]+)?$/.test(text)
}

export const centsOfText = defineFunction({
  name: 'centsOfText',
  args: ['string'],
  returns: 'decimal(18,2)',
  nulls: 'null in, null out',
  meaning:
    'The decimal text `-?digits[.digits]`, rounded half up to cents; null for any other text, and where 16 digits before the point do not hold it.',
  // Only the third digit behind the point decides how it is rounded: casts need not see the others.
  duckdb: (a) =>
    `CASE WHEN regexp_full_match(${a}, '${decimalPattern}') ` +
    `THEN TRY_CAST(regexp_replace(regexp_extract(${a}, '^-?[0-9]+([.][0-9]{1,3})?'), '^(-?)0+([0-9])', '\\1\\2') AS DECIMAL(18,2)) END`,
  spark: (a) =>
    `CASE WHEN ${a} RLIKE '\\\\A${decimalPattern}\\\\z' ` +
    `THEN TRY_CAST(regexp_replace(regexp_extract(${a}, '^-?[0-9]+([.][0-9]{1,3})?', 0), '^(-?)0+([0-9])', '$1$2') AS DECIMAL(18,2)) END`,
  javascript: (a) => (a === null || !isDecimalText(a) ? null : centsOfDigits(a)),
  examples: [
    { in: ['12.5'], out: '12.50' },
    { in: ['12'], out: '12.00' },
    { in: ['1.005'], out: '1.01' },
    { in: ['1.0049999999999999999999999999999999999999999999999'], out: '1.00' },
    { in: ['-1.005'], out: '-1.01' },
    { in: ['-0.004'], out: '0.00' },
    { in: ['0.995'], out: '1.00' },
    { in: ['00000000000000000000000000000000000000007.10'], out: '7.10' },
    { in: ['9999999999999999.99'], out: '9999999999999999.99' },
    { in: ['9999999999999999.995'], out: null },
    { in: ['-9999999999999999.995'], out: null },
    { in: ['10000000000000000'], out: null },
    { in: ['99999999999999999999999999999999999999999999999999'], out: null },
    { in: ['1e3'], out: null },
    { in: ['12.5 '], out: null },
    { in: ['12.5\n'], out: null },
    { in: ['12,50'], out: null },
    { in: [''], out: null },
    { in: [null], out: null },
  ],
})

/** More cents than a decimal(18,2) holds. */
const centsTooMany = 10n ** 18n

function centsOfDigits(text: string): Whole | null {
  const isNegative = text.startsWith('-')
  const [units, fraction = ''] = text.slice(isNegative ? 1 : 0).split('.')
  const significant = units!.replace(/^0+/, '')
  if (significant.length > 16) return null
  const digits = fraction.padEnd(3, '0')
  const carry = digits.charCodeAt(2) >= 0x35 ? 1n : 0n // From 5 on.
  const hundredths = BigInt(significant + digits.slice(0, 2)) + carry
  if (hundredths >= centsTooMany) return null
  return whole(isNegative ? -hundredths : hundredths)
}

export const centsOfUnits = defineFunction({
  name: 'centsOfUnits',
  args: ['long'],
  returns: 'decimal(18,2)',
  nulls: 'null in, null out',
  meaning:
    'The money of so many minor units, of which 100 are one: cents of a euro. Null where 18 digits do not hold them.',
  // DuckDB compares what TRY_CAST makes of a decimal wrongly: the range is asked before.
  duckdb: (a) => moneyOfUnits(a),
  spark: (a) => moneyOfUnits(a),
  javascript: (a) => (a !== null && a < centsTooMany && a > -centsTooMany ? a : null),
  examples: [
    { in: [1999n], out: '19.99' },
    { in: [-5n], out: '-0.05' },
    { in: [0n], out: '0.00' },
    { in: [999999999999999999n], out: '9999999999999999.99' },
    { in: [1000000000000000000n], out: null },
    { in: [-9223372036854775808n], out: null },
    { in: [9007199254740993n], out: '90071992547409.93' },
    { in: [null], out: null },
  ],
})

/** Of currencies whose minor unit is another part of one. */
function centsOfParts(digits: 0 | 3 | 4) {
  // So many units are less than 10^15 of the currency: what is rounded always fits.
  const limit = digits === 4 ? 2n ** 63n - 1n : 10n ** BigInt(15 + digits)
  const within = (units: string): string => `${units} > -${limit} AND ${units} < ${limit}`
  const factor = digits === 0 ? '1' : `0.${'1'.padStart(digits, '0')}`
  const money = (units: string): string =>
    `CASE WHEN ${within(units)} THEN CAST(CAST(${units} AS DECIMAL(19,0)) * CAST('${factor}' AS DECIMAL(5,${digits})) AS DECIMAL(18,2)) END`
  return {
    args: ['long'],
    returns: 'decimal(18,2)',
    nulls: 'null in, null out',
    meaning: `The money of so many minor units, of which ${10 ** digits} are one, rounded half up to cents; null from 10^15 on.`,
    duckdb: money,
    spark: money,
    javascript: (units: Whole | null) => {
      if (units === null || units <= -limit || units >= limit) return null
      const [size, parts] = [BigInt(units) < 0n ? -BigInt(units) : BigInt(units), 10n ** BigInt(digits)]
      const rounded = (2n * size * 100n + parts) / (2n * parts)
      return whole(units < 0 ? -rounded : rounded)
    },
  } as const
}

export const centsOfWholes = defineFunction({
  name: 'centsOfWholes',
  ...centsOfParts(0),
  examples: [
    { in: [1980n], out: '1980.00' },
    { in: [-5n], out: '-5.00' },
    { in: [999999999999999n], out: '999999999999999.00' },
    { in: [1000000000000000n], out: null },
    { in: [null], out: null },
  ],
})

export const centsOfThousandths = defineFunction({
  name: 'centsOfThousandths',
  ...centsOfParts(3),
  examples: [
    { in: [1234n], out: '1.23' },
    { in: [1235n], out: '1.24' },
    { in: [-1235n], out: '-1.24' },
    { in: [4n], out: '0.00' },
    { in: [999999999999999999n], out: '1000000000000000.00' },
    { in: [1000000000000000000n], out: null },
    { in: [null], out: null },
  ],
})

export const centsOfTenThousandths = defineFunction({
  name: 'centsOfTenThousandths',
  ...centsOfParts(4),
  examples: [
    { in: [12345n], out: '1.23' },
    { in: [12350n], out: '1.24' },
    { in: [-12350n], out: '-1.24' },
    { in: [9223372036854775806n], out: '922337203685477.58' },
    { in: [9223372036854775807n], out: null },
    { in: [null], out: null },
  ],
})

function moneyOfUnits(units: string): string {
  const decimal = `CAST(${units} AS DECIMAL(19,0)) * CAST('0.01' AS DECIMAL(3,2))`
  return (
    `CASE WHEN ${units} BETWEEN -999999999999999999 AND 999999999999999999 ` +
    `THEN CAST(${decimal} AS DECIMAL(18,2)) END`
  )
}

export const wholeText = defineFunction({
  name: 'wholeText',
  args: ['long'],
  returns: 'string',
  nulls: 'null in, null out',
  meaning: 'The digits of the number, with a minus where it is below 0.',
  duckdb: (a) => `CAST(${a} AS VARCHAR)`,
  spark: (a) => `CAST(${a} AS STRING)`,
  javascript: (a) => (a === null ? null : wholeDigits(a)),
  examples: [
    { in: [42n], out: '42' },
    { in: [0n], out: '0' },
    { in: [1790812800000045n], out: '1790812800000045' },
    { in: [100000000n], out: '100000000' },
    { in: [-1000000001n], out: '-1000000001' },
    { in: [-9223372036854775808n], out: '-9223372036854775808' },
    { in: [9007199254740993n], out: '9007199254740993' },
    { in: [null], out: null },
  ],
})

/** Two numbers of up to eight digits are written far faster than one of sixteen. */
function wholeDigits(value: Whole): string {
  if (typeof value === 'bigint' || value < digitsSplit) return String(value)
  const upper = Math.floor(value / digitsSplit)
  return `${upper}${String(value - upper * digitsSplit + digitsSplit).slice(1)}`
}

const digitsSplit = 100_000_000

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
