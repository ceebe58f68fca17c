// Random expressions over the columns of random rows.
import fc from 'fast-check'
import {
  allFunctions,
  type ColumnType,
  type Expr,
  type FunctionRecord,
  type LiteralValue,
  literal,
  type Schema,
} from '../../src/expr/index.ts'

/** Types that a value can have outside of an operator. */
export const plainTypes = [
  'string',
  'int',
  'long',
  'double',
  'boolean',
  'timestamp',
  'date',
  'decimal(18,2)',
  'decimal(28,2)',
  'decimal(38,6)',
] as const
export type PlainType = (typeof plainTypes)[number]

const depthMax = 3

function decimals(digits: number, places: number): fc.Arbitrary<string> {
  const limit = 10n ** BigInt(digits) - 1n
  const cents = fc.oneof(
    fc.bigInt({ min: -limit, max: limit }),
    fc.bigInt({ min: -100_000_000n, max: 100_000_000n }),
    fc.constantFrom(0n, 1n, -1n, limit, -limit, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n),
    // Where factors end, and digits that decide how a product is rounded.
    fc.constantFrom(10n ** 18n - 1n, 10n ** 18n, 1n - 10n ** 18n, 500_000n, 1_500_000n, 999_999n),
  )
  return cents.map((value) => {
    const held = value > limit ? limit : value < -limit ? -limit : value
    const size = String(held < 0n ? -held : held).padStart(places + 1, '0')
    return `${held < 0n ? '-' : ''}${size.slice(0, -places)}.${size.slice(-places)}`
  })
}

const instant = fc
  .oneof(
    fc.integer({ min: -3_000_000_000, max: 4_000_000_000 }),
    fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }),
    // The first and last second of the years 1 to 9999, the epoch, and where microseconds outgrow doubles.
    fc.constantFrom(-62_135_596_800, 253_402_300_799, -1, 0, 9_007_199_254, 9_007_199_255, -9_007_199_255),
  )
  .chain((second) =>
    fc
      .oneof(fc.constantFrom(0, 1, 740_991, 740_992, 999_999), fc.integer({ min: 0, max: 999_999 }))
      .map((micro) => {
        const text = new Date(second * 1000).toISOString().slice(0, 19).replace('T', ' ')
        return `${text}.${String(micro).padStart(6, '0')}`
      }),
  )

/** Texts of money, and what is nearly one. */
const decimalText = fc
  .tuple(
    fc.constantFrom('', '', '-', '+', '-0', '00'),
    fc.stringMatching(/^[0-9]{1,18}$/),
    fc.constantFrom('', '.', '.5', '.005', '.995', '.0049999999999999999999999', '.99499', ',5', 'e2', '\n'),
  )
  .map((parts) => parts.join(''))

const values: Readonly<Record<PlainType, fc.Arbitrary<LiteralValue>>> = {
  string: fc.oneof(
    fc.constantFrom(
      ...[
        '',
        ' ',
        ', ',
        'a, b',
        '\t x\u00a0',
        'Oslo,   Norway',
        '😀é',
        '\'\\"`',
        '\uffff',
        '\ue000',
        '😀, \r\n',
      ],
      ...[
        '2024-03-10T10:00:00+02:00',
        '1969-12-31 23:59:59.9999999',
        '0001-01-01T00:00:00Z',
        '9999-12-31 23:59:59',
      ],
      ...[
        '0001-01-01T00:00:00+00:01',
        '2100-02-29T00:00:00Z',
        '2255-06-05T23:47:34.740992Z',
        '2024-02-29 10:00:00-14:59',
      ],
    ),
    decimalText,
    fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => !text.includes('\0')),
    instant.chain((text) =>
      fc.constantFrom(text, text.replace(' ', 'T'), `${text}Z`, `${text}-05:30`, `${text}+14:00`, `${text} `),
    ),
  ),
  int: fc.oneof(
    fc.integer({ min: -1_000_000, max: 1_000_000 }),
    fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)),
    fc.integer(),
  ),
  long: fc.oneof(
    fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.constantFrom(
      0n,
      -1n,
      2n ** 53n - 1n,
      2n ** 53n,
      2n ** 53n + 1n,
      -(2n ** 53n),
      2n ** 63n - 1n,
      -(2n ** 63n),
    ),
    // Around the ends of the years 1 to 9999, in seconds, milliseconds and microseconds.
    fc
      .tuple(fc.constantFrom(-62_135_596_800n, 253_402_300_800n), fc.constantFrom(1n, 1_000n, 1_000_000n))
      .chain(([seconds, unit]) => fc.bigInt({ min: -2n, max: 2n }).map((off) => seconds * unit + off)),
    fc.bigInt({ min: -(10n ** 18n) - 2n, max: -(10n ** 18n) + 2n }),
  ),
  double: fc.oneof(
    fc.constantFrom(
      0,
      -0,
      1.005,
      42,
      -1.5,
      1e300,
      999999999999.995,
      4.2e-7,
      2147483648,
      0.005,
      2.675,
      -1.005,
    ),
    fc.constantFrom(5e-324, Number.MAX_VALUE, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    fc.constantFrom(9999999999999998, 1e16, 9007199254740994, 90071992547409.91, 1e15 + 0.125, -2147483648),
    fc.double({ min: -1e15, max: 1e15, noNaN: true }),
    fc.double({ noNaN: true }),
    fc.integer({ min: -10_000_000, max: 10_000_000 }).map((thousandths) => thousandths / 1000),
  ),
  boolean: fc.boolean(),
  timestamp: instant,
  date: fc.constantFrom('1969-12-31', '1970-01-01', '2024-02-29', '0001-01-01', '9999-12-31'),
  'decimal(18,2)': decimals(18, 2),
  'decimal(28,2)': decimals(28, 2),
  'decimal(38,6)': decimals(38, 6),
}

const micros = fc.option(
  fc.oneof(
    fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
    fc.constantFrom(0n, 1n, -1n, 3_600_000_000n, -86_400_000_000n),
  ),
  { freq: 9 },
)

/** Arguments that only some values fit: sums of others leave their types, which is an error. */
const fixedArguments: Readonly<Record<string, (index: number) => fc.Arbitrary<Expr> | undefined>> = {
  windowStart: (index) =>
    index === 1
      ? fc.constantFrom(1n, 300_000_000n, 3_600_000_000n, 7n).map((size) => literal('long', size))
      : undefined,
  instantOfEpoch: (index) =>
    index === 1 ? fc.constantFrom(1n, 1_000n, 1_000_000n).map((unit) => literal('long', unit)) : undefined,
  plusMicros: (index) => (index === 1 ? micros.map((value) => literal('long', value)) : undefined),
  addInts: () =>
    fc.oneof(
      fc
        .option(fc.integer({ min: -500_000_000, max: 500_000_000 }), { freq: 9 })
        .map((value) => literal('int', value)),
      fc.constantFrom<Expr>(
        { kind: 'call', function: 'hourOfDay', args: [columnOf('timestamp')], type: 'int' },
        { kind: 'call', function: 'dayOfWeek', args: [columnOf('timestamp')], type: 'int' },
      ),
    ),
}

const functions = allFunctions().filter(
  (record) =>
    [...record.args, record.returns].every((type) => !/json|binary|headers/.test(type)) &&
    record.args.length > 0,
)

/** An expression of the type: a column, a literal, a function of such, or a case. */
function expressionOf(type: ColumnType, depth: number): fc.Arbitrary<Expr> {
  const leaves: fc.Arbitrary<Expr>[] = []
  if (type === 'array<string>') {
    leaves.push(fc.array(fc.constantFrom('a', 'b', ''), { maxLength: 3 }).map((list) => literal(type, list)))
  } else if (isPlain(type)) {
    leaves.push(fc.constant(columnOf(type)))
    leaves.push(fc.option(values[type], { freq: 5 }).map((value) => literal(type, value)))
  }
  const producers = functions.filter((record) => record.returns === type || record.returns === 'T')
  const calls = depth === 0 ? [] : producers.map((record) => callOf(record, type, depth - 1))
  if (depth > 0) calls.push(caseOf(type, depth - 1))
  // A function more often than a leaf: leaves come by themselves at the bottom.
  return calls.length === 0 || leaves.length === 0
    ? fc.oneof(...leaves, ...calls)
    : fc.oneof({ weight: 1, arbitrary: fc.oneof(...leaves) }, { weight: 3, arbitrary: fc.oneof(...calls) })
}

/** Functions that take numbers of other types as the one that they declare. */
const takingAnyNumber: ReadonlySet<string> = new Set([
  ...['ratio', 'percent', 'asLong', 'asDecimal', 'asDouble'],
  ...['add', 'subtract', 'multiply', 'divide'].flatMap((name) => [`${name}Decimals`, `${name}Doubles`]),
])

function callOf(record: FunctionRecord, type: ColumnType, depth: number): fc.Arbitrary<Expr> {
  const generic = record.returns === 'T' ? fc.constant(type) : fc.constantFrom<ColumnType>(...plainTypes)
  const wholes: readonly ColumnType[] = ['int', 'long']
  const exact: readonly ColumnType[] = [...wholes, 'decimal(18,2)', 'decimal(28,2)', 'decimal(38,6)']
  const numeric = fc.constantFrom(
    ...(record.args[0] === 'double'
      ? [...exact, 'double' as const]
      : record.args[0] === 'long'
        ? wholes
        : exact),
  )
  const takesAnyNumber = takingAnyNumber.has(record.name)
  return fc.tuple(generic, numeric, numeric).chain(([chosen, ...numbers]) => {
    const args = record.args.flatMap((declared, index) => {
      const argument = takesAnyNumber ? numbers[index]! : declared.replace('*', '')
      const of = (argument === 'T' ? chosen : argument) as ColumnType
      const one = fixedArguments[record.name]?.(index) ?? expressionOf(of, depth)
      return declared.endsWith('*') ? [one, one] : [one]
    })
    return fc.tuple(...args).map((all) => ({
      kind: 'call',
      function: record.name,
      args: all,
      type: record.returns === 'T' ? chosen : record.returns,
    }))
  }) as fc.Arbitrary<Expr>
}

function caseOf(type: ColumnType, depth: number): fc.Arbitrary<Expr> {
  const branch = fc.record({
    when: expressionOf('boolean', depth) as fc.Arbitrary<Expr<'boolean'>>,
    // biome-ignore lint/suspicious/noThenProperty: a branch has a condition and what it gives then.
    then: expressionOf(type, depth),
  })
  return fc
    .tuple(fc.array(branch, { minLength: 1, maxLength: 2 }), expressionOf(type, depth))
    .map(([branches, otherwise]) => ({ kind: 'case', branches, otherwise, type }))
}

const isPlain = (type: ColumnType): type is PlainType => (plainTypes as readonly string[]).includes(type)

function columnOf(type: PlainType): Expr {
  return { kind: 'column', name: columnName(type), type }
}

export const columnName = (type: PlainType): string => `c_${type.replaceAll(/\W/g, '_')}`

/** One column of each plain type. */
export const givenSchema: Schema = Object.fromEntries(plainTypes.map((type) => [columnName(type), type]))

export const anyExpression: fc.Arbitrary<Expr> = fc
  .constantFrom<ColumnType>(...plainTypes, 'array<string>')
  .chain((type) => expressionOf(type, depthMax))

/** Cells in the order of `plainTypes`. */
export const anyRow: fc.Arbitrary<readonly LiteralValue[]> = fc.tuple(
  ...plainTypes.map((type) => fc.option(values[type], { freq: 6 })),
)
