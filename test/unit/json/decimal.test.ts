// Numbers against Number and DuckDB, money against DuckDB and a naive rounding of text.
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { functionNamed } from '../../../src/expr/index.ts'
import { sliceNumber } from '../../../src/json/decimal.ts'
import { jsonSliceOf } from '../../../src/json/scanner.ts'
import { jsonNumber } from '../../generate/json-documents.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const repeat = `repeat with SEED=${seed}`
const numberOf = (text: string): number => sliceNumber(jsonSliceOf(text))
const money = functionNamed('cents')
const centsOf = (text: string) => money.javascript(numberOf(text) as never) as number | bigint | null

/** Texts near the halves of a cent and the ends of the range, in several spellings. */
const amount = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(fc.bigInt({ min: 0n, max: 10n ** 18n }), fc.bigInt({ min: 0n, max: 100_000n })),
    fc.constantFrom('', '5', '50', '4999', '49999999999999999', '5000000000000001'),
    fc.integer({ min: 0, max: 19 }),
    fc.integer({ min: -3, max: 3 }),
  )
  .map(([sign, digits, more, places, exponent]) => {
    const text = `${digits}${more}`.padStart(places + 1, '0')
    const whole = text.slice(0, text.length - places).replace(/^0+(?=.)/, '')
    const fraction = places === 0 ? '' : `.${text.slice(-places)}`
    return `${sign}${whole}${fraction}${exponent === 0 ? '' : `e${exponent}`}`
  })
const numberText = fc.oneof(
  jsonNumber,
  amount,
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer({ min: 0, max: 10_000_000 }).map((cents) => (cents / 100).toFixed(2)),
)

/** The digits of the shortest text without an exponent, cut behind the second and rounded by the third. */
function naiveCents(value: number): bigint | null {
  if (!Number.isFinite(value)) return null
  const [mantissa, exponent = '0'] = String(Math.abs(value)).split('e') as [string, string?]
  const [whole, fraction = ''] = mantissa.split('.') as [string, string?]
  const moved = Number(exponent) + 2
  const digits = `${'0'.repeat(400)}${whole}${fraction}${'0'.repeat(400)}`
  const behind = 400 + whole.length + moved
  const cents = BigInt(digits.slice(0, behind)) + (digits[behind]! >= '5' ? 1n : 0n)
  if (cents >= 10n ** 18n) return null
  return value < 0 ? -cents : cents
}

describe('a number', () => {
  test('is the nearest double', () => {
    fc.assert(
      fc.property(numberText, (text) => {
        expect(numberOf(text), repeat).toBe(Number(text))
      }),
      { seed, numRuns: 20_000 },
    )
  })

  test.each([
    ...[
      '0',
      '-0',
      '-0.0',
      '0e5',
      '1e22',
      '1e23',
      '123456789012345678',
      '9007199254740991',
      '9007199254740992',
    ],
    ...['9007199254740993', '1e400', '-1e400', '1e-400', '5e-324', '2.4703282292062327e-324', '4.2E+1'],
    ...[
      '1.7976931348623158e308',
      '1.7976931348623159e308',
      '2.2250738585072011e-308',
      '0.1e-99999999999999999999',
    ],
    ...['1e99999999999999999999', `0.${'0'.repeat(500)}1e501`, `${'1'.repeat(400)}e-390`],
  ])('%s', (text) => expect(numberOf(text)).toBe(Number(text)))
})

describe('money', () => {
  test('is the shortest text of the double, rounded half up', () => {
    let largeCount = 0
    fc.assert(
      fc.property(numberText, (text) => {
        const cents = centsOf(text)
        expect(cents === null ? null : BigInt(cents), repeat).toBe(naiveCents(Number(text)))
        expect(Object.is(cents, -0), repeat).toBe(false)
        // What a double holds exactly is a number, the rest are bigints.
        if (cents !== null)
          expect(typeof cents, repeat).toBe(Number.isSafeInteger(Number(cents)) ? 'number' : 'bigint')
        if (typeof cents === 'bigint') largeCount++
      }),
      { seed, numRuns: 20_000 },
    )
    expect(largeCount).toBeGreaterThan(100)
  })

  test('agrees with DuckDB, and so do numbers', async () => {
    const texts = fc.sample(numberText, { seed, numRuns: 5_000 })
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    try {
      const number = functionNamed('jsonNumber').duckdb('text')
      const reader = await connection.runAndReadAll(
        `SELECT text, number, CAST(${money.duckdb('number')} AS VARCHAR) AS cents
         FROM (SELECT text, ${number} AS number FROM (SELECT unnest(${listOf(texts)}) AS text))`,
      )
      for (const [text, number, cents] of reader.getRows() as [string, number, string | null][]) {
        // DuckDB reads -0 as a whole number, which has no sign.
        expect(numberOf(text) === number, `${text}, ${repeat}`).toBe(true)
        const expected = cents === null ? null : BigInt(cents.replace('.', ''))
        const got = centsOf(text)
        expect(got === null ? null : BigInt(got), `${text}, ${repeat}`).toBe(expected)
      }
      expect(reader.currentRowCount).toBe(texts.length)
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  })
})

const listOf = (texts: readonly string[]): string => `[${texts.map((text) => `'${text}'`).join(',')}]`
