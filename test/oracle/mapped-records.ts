// Random mappings, and records of which it is known what they mean because they are written from it: no
// parser decides what is expected.
import fc from 'fast-check'
import type { TimeReading } from '../../src/transactions/mapping.ts'

/** How a value stands in the record, and what it means. */
export type Written = {
  /** JSON text; null where the record has no such name. */
  readonly json: string | null
  readonly means: bigint | number | string | boolean | null | typeof wrong
}
export const wrong = 'wrong: not what the field has to be'

/** 2026-11-02, after which nothing may lie by more than an hour. */
export const bronzeMicros = BigInt(Date.UTC(2026, 10, 2)) * 1000n
const second = 1_000_000n
const firstMicros = -62_135_596_800n * second
const lastMicros = 253_402_300_800n * second - 1n

const of = (json: string | null, means: Written['means']): Written => ({ json, means })
const one = (...values: Written[]): fc.Arbitrary<Written> => fc.constantFrom(...values)
const nothing = one(of(null, null), of('null', null))
const neverText = one(of('5', wrong), of('true', wrong), of('{"a":"x"}', wrong), of('["x"]', wrong))
const neverNumber = one(...['"5"', 'true', '[5]', '{"a":5}', '""'].map((json) => of(json, wrong)))

const words = fc.stringMatching(/^[a-zA-Zéß😀'"\\/ -]{0,12}$/u)
const space = fc.constantFrom('', '', ' ', '\t', '\n ')
const someText = fc.oneof(
  fc.tuple(space, words, space).map(([before, word, behind]) => {
    const trimmed = word.replace(/^ +| +$/g, '')
    return of(JSON.stringify(`${before}${word}${behind}`), trimmed === '' ? null : trimmed)
  }),
  one(of('"\\u0061\\ud83d\\ude00"', 'a😀'), of('"\u00a0x"', '\u00a0x'), of('"1"', '1')),
)

const bigWhole = fc.oneof(
  fc.bigInt({ min: -1_000_000n, max: 1_000_000n }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n), 0n),
)
const safe = (value: bigint): boolean => value < 2n ** 53n && value > -(2n ** 53n)
/** Digits, and what else says the same. */
function wholeWritten(value: bigint): fc.Arbitrary<Written> {
  const digits = of(String(value), value)
  if (!safe(value)) return one(digits)
  return one(digits, digits, of(`${value}.0`, value), of(`${value}e0`, value), of(`${value * 10n}E-1`, value))
}
const someWhole = fc.oneof(
  { weight: 8, arbitrary: bigWhole.chain(wholeWritten) },
  {
    weight: 1,
    arbitrary: one(
      ...[
        '9223372036854775808',
        '-9223372036854775809',
        '1.5',
        '1e300',
        '1e400',
        '12345678901234567890123',
      ].map((json) => of(json, wrong)),
    ),
  },
  { weight: 1, arbitrary: neverNumber },
)
const someInt = fc.oneof(
  { weight: 8, arbitrary: fc.integer().chain((value) => wholeWritten(BigInt(value))) },
  {
    weight: 1,
    arbitrary: one(of('2147483648', wrong), of('-2147483649', wrong), of('0.5', wrong), of('-0', 0n)),
  },
  { weight: 1, arbitrary: neverNumber },
)

/** `units` divided by 10^`places`, rounded half up. */
function centsOf(units: bigint, places: number): bigint {
  const divisor = 10n ** BigInt(places)
  const size = units < 0n ? -units : units
  const cents = (200n * size + divisor) / (2n * divisor)
  return units < 0n ? -cents : cents
}

function pointed(units: bigint, places: number): string {
  const digits = String(units < 0n ? -units : units).padStart(places + 1, '0')
  const whole = places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`
  return `${units < 0n ? '-' : ''}${whole}`
}

/** Doubles keep 15 digits. */
const someNumber = fc
  .tuple(
    fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
    fc.bigInt({ min: 0n, max: 3_000_000n }),
    fc.nat(4),
    fc.boolean(),
  )
  .map(([large, small, places, isSmall]) => {
    const units = (isSmall ? small : large) / 10n
    return { text: pointed(units, places), cents: centsOf(units, places) }
  })
const amountNumber = fc.oneof(
  { weight: 8, arbitrary: someNumber.map(({ text, cents }) => of(text, cents)) },
  {
    weight: 1,
    arbitrary: one(
      of('1.005', 101n),
      of('1e2', 100_00n),
      of('1e-7', 0n),
      of('1e12', 10n ** 14n),
      of('1e400', 10n ** 20n),
      of('-1e400', -1n),
    ),
  },
  { weight: 1, arbitrary: neverNumber },
)
const amountText = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        fc.bigInt({ min: -10n, max: 10n ** 22n }),
        fc.bigInt({ min: 0n, max: 10n ** 7n }),
        fc.nat(6),
        fc.boolean(),
        space,
        fc.constantFrom('', '', '000'),
      )
      .map(([large, small, places, isLarge, around, zeros]) => {
        const units = isLarge ? large : small
        const text = pointed(units, places)
        return of(
          JSON.stringify(`${around}${text.startsWith('-') ? text : zeros + text}`),
          centsOf(units, places),
        )
      }),
  },
  {
    weight: 1,
    arbitrary: one(
      ...['1e2', '1.', '.5', '+5', '1,5', 'x', '', '12 EUR', '0x10', 'NaN', '--1'].map((text) =>
        of(JSON.stringify(text), wrong),
      ),
      of('"0.00499999999999999999999999999999999999"', 0n),
      of(`"${'9'.repeat(60)}"`, 10n ** 60n),
      of(`"-${'9'.repeat(60)}"`, -1n),
    ),
  },
  { weight: 1, arbitrary: neverText },
)

const someInstant = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.bigInt({ min: bronzeMicros - 10n ** 14n, max: bronzeMicros + 4_000n * second }),
  },
  { weight: 1, arbitrary: fc.bigInt({ min: firstMicros, max: lastMicros }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      firstMicros,
      lastMicros,
      0n,
      -1n,
      bronzeMicros + 3_600n * second,
      bronzeMicros + 3_600n * second + 1n,
    ),
  },
)
const floor = (micros: bigint, unit: bigint): bigint => micros - (((micros % unit) + unit) % unit)
const unitMicros = { epoch_s: second, epoch_ms: 1_000n, epoch_us: 1n } as const

function someTime(as: TimeReading): fc.Arbitrary<Written> {
  if (as === 'iso') {
    return fc.oneof(
      {
        weight: 8,
        arbitrary: fc
          .tuple(someInstant, fc.constantFrom('T', ' '), fc.constantFrom('Z', ''))
          .map(([micros, between, zone]) => {
            const text = new Date(Number(floor(micros, second) / 1_000n))
              .toISOString()
              .slice(0, 19)
              .replace('T', between)
            const fraction = String(micros - floor(micros, second)).padStart(6, '0')
            return of(JSON.stringify(`${text}.${fraction}${zone}`), micros)
          }),
      },
      {
        weight: 1,
        arbitrary: one(
          ...['2026-10-01', '2026-02-29T00:00:00Z', 'x', '', '1790000000', ' 2026-10-01T00:00:00Z'].map(
            (text) => of(JSON.stringify(text), wrong),
          ),
        ),
      },
      { weight: 1, arbitrary: neverText },
    )
  }
  const unit = unitMicros[as]
  const ends = [firstMicros / unit - 1n, floor(lastMicros, unit) / unit + 1n, 2n ** 63n - 1n, -(2n ** 63n)]
  return fc.oneof(
    {
      weight: 8,
      arbitrary: someInstant.chain((micros) => {
        const count = floor(micros, unit) / unit
        return wholeWritten(count).map((written) =>
          written.means === wrong ? written : of(written.json, count * unit),
        )
      }),
    },
    {
      weight: 1,
      arbitrary: one(...ends.map((count) => of(String(count), wrong)), of('1790000000.5', wrong)),
    },
    { weight: 1, arbitrary: neverNumber },
  )
}

const someBoolean = fc.oneof(
  { weight: 8, arbitrary: one(of('true', true), of('false', false)) },
  { weight: 1, arbitrary: one(of('1', wrong), of('"true"', wrong), of('{}', wrong), of('[]', wrong)) },
)
const orNothing = (values: fc.Arbitrary<Written>): fc.Arbitrary<Written> =>
  fc.oneof({ weight: 5, arbitrary: values }, { weight: 1, arbitrary: nothing })
const optionalText = orNothing(
  fc.oneof({ weight: 8, arbitrary: someText }, { weight: 1, arbitrary: neverText }),
)

/** Values of a field that is read so, as often there as not. */
export function writtenAs(as: string): fc.Arbitrary<Written> {
  switch (as) {
    case 'text':
    case 'string':
      return optionalText
    case 'int':
      return orNothing(someInt)
    case 'long':
    case 'whole':
    case 'minor_units':
      return orNothing(someWhole)
    case 'number':
      return orNothing(
        fc.oneof(
          {
            weight: 8,
            arbitrary: fc
              .double({ noNaN: true, noDefaultInfinity: true })
              .map((value) => of(JSON.stringify(value), value)),
          },
          {
            weight: 1,
            arbitrary: one(of('-0.0', 0), of('1e400', wrong), of('-1e400', wrong), of('1e-400', 0)),
          },
          { weight: 1, arbitrary: neverNumber },
        ),
      )
    case 'cents':
      return orNothing(
        fc.oneof(
          { weight: 9, arbitrary: someNumber.map(({ text, cents }) => of(text, cents)) },
          { weight: 1, arbitrary: one(of('1e16', wrong), of('1e400', wrong), of('"1"', wrong)) },
        ),
      )
    case 'amount number':
      return orNothing(amountNumber)
    case 'decimal_text':
      return orNothing(amountText)
    case 'boolean':
      return orNothing(someBoolean)
    default:
      return orNothing(someTime(as as TimeReading))
  }
}
