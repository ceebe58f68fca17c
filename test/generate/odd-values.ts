// Values at the edges of the contract of one record: odd numbers, timestamps, texts and JSON, valid and not.
import fc from 'fast-check'

/** One record's value; `oneLine` leaves raw line feeds out, for NDJSON files. */
export function oddValue({ oneLine }: { oneLine: boolean }): fc.Arbitrary<Buffer> {
  return fc
    .tuple(oddObject, fc.nat(2 ** 31 - 1), mutation)
    .map(([text, id, mutate]) => mutate(Buffer.from(text.replaceAll('ID', `o${id}`))))
    .map((value) => (oneLine ? Buffer.from(value.map((byte) => (byte === 10 ? 32 : byte))) : value))
}

const digits = (lengthMax: number) =>
  fc.array(fc.nat(9), { minLength: 1, maxLength: lengthMax }).map((all) => all.join(''))

const number = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '-0.0',
    '0e0',
    '1e-400',
    '1e400',
    '-1e400',
    '1e999999999',
    '1E+2',
    '1.25E2',
    '5e-3',
  ),
  fc.constantFrom(
    '2147483647',
    '2147483648',
    '-2147483648',
    '-2147483649',
    '2147483647.5',
    '42.0',
    '4.2e1',
    '420e-1',
  ),
  fc.constantFrom(
    '999999999999.99',
    '999999999999.994',
    '999999999999.995',
    '999999999999.9949999999',
    '1e12',
  ),
  fc.constantFrom(
    '0.005',
    '0.0049999999999999999999',
    '0.00499999999999',
    '-0.005',
    '10.00',
    '9.995',
    '9.994999',
  ),
  fc.constantFrom('01', '.5', '5.', '+5', '0x1f', '1_0', '1e', 'NaN', '-Infinity', '--1', '1,5', '1e+'),
  fc.tuple(digits(4), digits(4)).map(([a, b]) => `${Number(a)}.${b}5`),
  fc
    .tuple(digits(16), digits(24), fc.integer({ min: -30, max: 20 }))
    .map(([a, b, e]) => `${BigInt(a)}.${b}e${e}`),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.double({ min: 0, max: 1e6, noNaN: true }).map(String),
  fc.integer().map(String),
)

const character = fc.constantFrom(
  ...[
    ' ',
    '  ',
    '\t',
    '\n',
    '\r',
    '\u00a0',
    '\u2003',
    '\ufeff',
    '\u0000',
    '\u000b',
    '\u000c',
    '\u0085',
    '\u200b',
  ],
  ...[
    ',',
    ', ',
    ' ,',
    'a',
    'B',
    'é',
    'e\u0301',
    '\u{1f600}',
    '\uffff',
    "'",
    '"',
    '\\',
    '/',
    '%',
    '_',
    '\u007f',
    'İ',
    'ß',
  ],
)
const text = fc.array(character, { maxLength: 6 }).map((all) => all.join(''))

/** JSON text of a string, with some characters escaped that need not be. */
const quoted = (content: fc.Arbitrary<string>) =>
  fc.tuple(content, fc.boolean()).map(([one, escaped]) => {
    const plain = JSON.stringify(one)
    return escaped ? plain.replace(/[^\x20-\x7e]/g, unicodeEscape) : plain
  })

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

const brokenString = fc.constantFrom(
  ...[
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u12"',
    '"\\x41"',
    '"a\tb"',
    '"a',
    "'a'",
    '"\\"',
    '"\\u0000"',
    '"\\/"',
  ],
)

const twoDigits = (min: number, max: number) =>
  fc.integer({ min, max }).map((value) => String(value).padStart(2, '0'))
const mostly = <Value>(usual: fc.Arbitrary<Value>, odd: fc.Arbitrary<Value>) =>
  fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: odd })

const timestamp = fc
  .tuple(
    mostly(
      fc.constantFrom('2026', '2024', '1970', '1969'),
      fc.constantFrom('0000', '0001', '1582', '9999', '12026'),
    ),
    mostly(fc.constantFrom('02', '10', '12'), fc.constantFrom('00', '13', '1')),
    mostly(fc.constantFrom('01', '28', '15'), fc.constantFrom('00', '29', '30', '31', '32', '5', '٠١')),
    mostly(fc.constantFrom('T', ' '), fc.constantFrom('t', '  ', '', '_', '\t')),
    mostly(twoDigits(0, 23), fc.constantFrom('24', '25', '7')),
    mostly(twoDigits(0, 59), fc.constantFrom('60', '7')),
    mostly(twoDigits(0, 59), fc.constantFrom('60', '61', '7', '')),
    mostly(
      fc.oneof(
        fc.constant(''),
        digits(9).map((fraction) => `.${fraction}`),
      ),
      fc.constantFrom('.', ',5', '.1234567890', '.-1', '. 1'),
    ),
    mostly(
      fc.constantFrom('', 'Z', '+00:00', '-00:00', '+02:00', '-14:59', '+14:59'),
      fc.constantFrom(
        'z',
        '+15:00',
        '+14:60',
        '+0200',
        '+2:00',
        '+02',
        ' Z',
        'UTC',
        ' Europe/Paris',
        '\n',
        ' ',
        '−02:00',
      ),
    ),
  )
  .map(([year, month, day, between, hour, minute, second, fraction, zone]) => {
    return `${year}-${month}-${day}${between}${hour}:${minute}:${second}${fraction}${zone}`
  })
const oddTimestamp = fc.constantFrom(
  ...[
    '0001-01-01T00:00:00Z',
    '0001-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59.999999Z',
    '9999-12-31T23:59:59-00:01',
  ],
  ...[
    '',
    'now',
    'today',
    'infinity',
    '-infinity',
    'epoch',
    '20261031T100000Z',
    '2026-10-31',
    '10:00:00',
    ' 2026-10-31T10:00:00Z',
  ],
  ...[
    '2026-10-31T10:00',
    '2026-304T10:00:00Z',
    '2026-W44-6T10:00:00Z',
    '+2026-10-31T10:00:00Z',
    '-0001-10-31T10:00:00Z',
  ],
)

const location = fc.constantFrom(
  ...[
    'Paris, France',
    'Paris',
    'A, B, C',
    ' , ',
    ', ',
    ',',
    'Paris,',
    'Paris, ',
    ', France',
    ' Oslo ,   Norway ',
    'a,b',
  ],
  ...[
    'Paris,\u00a0France',
    'Paris, \u00a0',
    'x, \t\n',
    'Paris,\tFrance',
    ', , ',
    'Lagos,  Nigeria',
    'Lagos, nigeria',
  ],
)

const anyValue = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    'false',
    '{}',
    '[]',
    '[5]',
    '{"value":1}',
    '"5"',
    '""',
    '"true"',
    '"null"',
    'True',
  ),
  number,
  quoted(text),
  brokenString,
)
const field = (usual: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: anyValue })

const members = fc.record(
  {
    transaction_id: field(
      fc.oneof({ weight: 9, arbitrary: fc.constant('"ID"') }, { weight: 1, arbitrary: quoted(text) }),
    ),
    user_id: field(fc.constantFrom('1', '2', '3.0', '40e-1')),
    amount: field(number),
    timestamp: field(
      quoted(fc.oneof({ weight: 9, arbitrary: timestamp }, { weight: 1, arbitrary: oddTimestamp })),
    ),
    is_fraud: field(fc.constantFrom('true', 'false', 'null')),
    merchant: field(quoted(text)),
    payment_method: field(fc.constantFrom('"crypto"', '"credit_card"', '" crypto\\t"', '"Crypto"', 'null')),
    location: field(quoted(fc.oneof(location, text))),
    device_id: field(quoted(text)),
  },
  { requiredKeys: ['transaction_id', 'user_id', 'amount', 'timestamp'] },
)
const extra = fc.constantFrom(
  ...[
    '',
    '',
    '',
    '',
    '',
    '"x":[1,{"amount":"7"}]',
    '"Amount":1',
    '"amount ":1',
    '"\\u0061mount\\u0000":2',
    '"":0',
  ],
  ...[
    '"x":1,"x":2',
    '"amount":1',
    '"\\u0061mount":1',
    '"__proto__":{"amount":1}',
    '"x":[1,]',
    '"x":NaN',
    '"x":-',
    '"x"',
  ],
  ...[
    '"x":"\\ud83d"',
    '"x":1e400',
    '"x":[[[[[[[[[[]]]]]]]]]]',
    '"\\ud800":1',
    '"x":{"a":{},"b":[{}]}',
    '"x":tru',
  ],
)
const space = fc.constantFrom('', '', '', '', ' ', '\t', '\n', '\r\n', '\u00a0', '\ufeff', '\u000b', '\u0000')
const oddObject = fc
  .tuple(members, extra, fc.array(space, { minLength: 4, maxLength: 4 }), fc.boolean())
  .map(([fields, more, [before, inside, between, after], extraFirst]) => {
    const named = Object.entries(fields).map(([name, value]) => `"${name}":${between}${value}`)
    const all = more === '' ? named : extraFirst ? [more, ...named] : [...named, more]
    return `${before}{${inside}${all.join(`${between},`)}}${after}`
  })

type Mutation = (value: Buffer) => Buffer
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 14, arbitrary: fc.constant<Mutation>((value) => value) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(300), fc.integer({ min: 0, max: 255 })).map(([at, byte]): Mutation => {
      return (value) => Buffer.from(value.map((old, index) => (index === at % value.length ? byte : old)))
    }),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(300), fc.nat(4)).map(([at, length]): Mutation => {
      return (value) => Buffer.concat([value.subarray(0, at), value.subarray(at + length)])
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Mutation>((value) => Buffer.concat([value, value])) },
)
