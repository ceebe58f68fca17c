// Documents for a JSON reader: well-formed ones in all spellings, and what mutations make of them.
import fc from 'fast-check'

const space = fc.constantFrom('', '', '', '', ' ', '  ', '\n', '\t\r\n')

/** Parts of a string as they stand in a document; few of them are wrong. */
const stringPart = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.constantFrom('a', 'b', ' ', '}', '{', '/', ':', ',', '0', '\u007f', 'plain text'),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom('é', 'ß', '\u0080', '\u07ff', '\u0800', '\ufeff', '\uffff', '日本'),
  },
  { weight: 4, arbitrary: fc.constantFrom('😀', '\u{10000}', '\u{10ffff}') },
  { weight: 8, arbitrary: fc.constantFrom('\\"', '\\\\', '\\/', '\\b', '\\f', '\\n', '\\r', '\\t') },
  { weight: 6, arbitrary: fc.constantFrom('\\u0000', '\\u0061', '\\u00E9', '\\ud7ff', '\\ue000', '\\uFFFF') },
  { weight: 4, arbitrary: fc.constantFrom('\\ud83d\\ude00', '\\uD800\\uDC00', '\\udbff\\udfff') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...['\\ud83d', '\\udc00', '\\udc00\\ud800', '\\ud83d\\u0061', '\\ud83dx', '\\x', '\\u12g4', '\\', '"'],
      ...['\u0000', '\u001f', '\n', '\t'],
    ),
  },
)
const jsonString = fc.array(stringPart, { maxLength: 14 }).map((parts) => `"${parts.join('')}"`)

/** Few names, so that they repeat, each in several spellings. */
const name = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.constantFrom(
      ...['"a"', '"a"', '"\\u0061"', '"b"', '"c"', '""', '"id"', '"i\\u0064"', '"é"', '"\\u00e9"', '"😀"'],
      ...['"\\ud83d\\ude00"', '"customer"', '"customer"', '"custome\\u0072"', '"\\""', '"\\u0022"', '"A"'],
      `"${'long'.repeat(40)}"`,
    ),
  },
  { weight: 2, arbitrary: jsonString },
)

const digits = fc.oneof(
  fc.stringMatching(/^[0-9]{1,3}$/),
  fc.stringMatching(/^[0-9]{14,18}$/),
  fc.stringMatching(/^0{0,30}[0-9]{1,25}$/),
)
/** Numbers of all lengths, around the limits of doubles too. */
export const jsonNumber = fc
  .tuple(
    fc.constantFrom('', '', '', '-'),
    fc.oneof(
      fc.constant('0'),
      digits.map((text) => text.replace(/^0+(?=.)/, '')),
    ),
    fc.option(digits, { nil: null }),
    fc.option(
      fc.tuple(fc.constantFrom('e', 'E'), fc.constantFrom('', '+', '-'), fc.stringMatching(/^0?[0-9]{1,3}$/)),
      { nil: null, freq: 3 },
    ),
  )
  .map(([sign, whole, fraction, exponent]) =>
    [sign, whole, fraction === null ? '' : `.${fraction}`, ...(exponent ?? [])].join(''),
  )

const scalar = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('null', 'true', 'false') },
  { weight: 8, arbitrary: jsonNumber },
  { weight: 12, arbitrary: jsonString },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'NaN',
      '-Infinity',
      '01',
      '.5',
      '1.',
      '1e',
      '+1',
      'tru',
      'True',
      '',
      "'a'",
      '-',
    ),
  },
)

const { object, value } = fc.letrec<{ object: string; value: string }>((tie) => ({
  object: fc
    .array(fc.tuple(space, name, space, space, tie('value'), space), {
      maxLength: 6,
      depthIdentifier: 'json',
    })
    .map((members) => {
      const written = members.map(([a, key, b, c, of, d]) => `${a}${key}${b}:${c}${of}${d}`)
      return `{${written.join(',')}}`
    }),
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'json' },
    { weight: 7, arbitrary: scalar },
    { weight: 2, arbitrary: tie('object') },
    {
      weight: 1,
      arbitrary: fc
        .array(fc.tuple(space, tie('value'), space), { maxLength: 4, depthIdentifier: 'json' })
        .map((elements) => `[${elements.map((element) => element.join('')).join(',')}]`),
    },
  ),
}))

const text = fc
  .tuple(
    space,
    fc.oneof({ weight: 12, arbitrary: object }, { weight: 1, arbitrary: value }),
    fc.oneof(
      { weight: 12, arbitrary: space },
      { weight: 1, arbitrary: fc.constantFrom('x', '{}', '\u00a0', ',') },
    ),
  )
  .map((parts) => Buffer.from(parts.join('')))

const oddByte = fc.oneof(
  fc.constantFrom(...Buffer.from('"\\{}[]:,0-.eEu d8\n\t/}')),
  fc.constantFrom(0, 0x1f, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf),
  fc.constantFrom(0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff),
)
const mutation = fc.record({
  kind: fc.constantFrom('replace', 'insert', 'remove', 'repeat', 'cut'),
  at: fc.nat(4095),
  length: fc.integer({ min: 1, max: 9 }),
  bytes: fc.array(oddByte, { minLength: 1, maxLength: 3 }),
})

function mutate(
  document: Buffer,
  { kind, at, length, bytes }: { kind: string; at: number; length: number; bytes: readonly number[] },
): Buffer {
  const start = at % (document.length + 1)
  const [before, behind] = [document.subarray(0, start), document.subarray(start)]
  switch (kind) {
    case 'replace':
      return Buffer.concat([before, Uint8Array.from(bytes), behind.subarray(bytes.length)])
    case 'insert':
      return Buffer.concat([before, Uint8Array.from(bytes), behind])
    case 'remove':
      return Buffer.concat([before, behind.subarray(length)])
    case 'repeat':
      return Buffer.concat([before, behind.subarray(0, length * 3), behind])
    default:
      return before
  }
}

/** The bytes of a document, about half of them well-formed. */
export const jsonDocument = fc
  .tuple(text, fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(mutation, { maxLength: 3 })))
  .map(([document, mutations]) => mutations.reduce(mutate, document))
