import { describe, expect, test } from 'vitest'
import { parseStrictJson } from '../../../src/verify/strict-json.ts'

const parse = (text: string) => parseStrictJson(Buffer.from(text))

describe('the strict JSON reader', () => {
  test('reads members and keeps the text of numbers', () => {
    const parsed = parse(
      ' {"a": -1.50e+3, "b\\u0041": "x\\n\\ud83d\\ude00", "c": [1, {"d": null}], "e": false}\r\n',
    )
    expect(parsed).toMatchObject({ kind: 'object', mayBeRefused: false })
    expect(parsed.kind === 'object' && [...parsed.members]).toEqual([
      ['a', { kind: 'number', text: '-1.50e+3' }],
      ['bA', { kind: 'string', value: 'x\n\u{1f600}' }],
      ['c', { kind: 'array' }],
      ['e', { kind: 'boolean', value: false }],
    ])
  })

  test.each([
    ['', 'nothing'],
    ['null', 'no object'],
    ['[{}]', 'an array'],
    ['{} x', 'something after'],
    ['{}{}', 'two objects'],
    ['\ufeff{}', 'a byte-order mark'],
    ['{"a":1,}', 'a trailing comma'],
    ['{"a":[1,]}', 'a trailing comma in an array'],
    ['{,}', 'only a comma'],
    ['{"a" 1}', 'no colon'],
    ['{a:1}', 'a bare name'],
    ["{'a':1}", 'single quotes'],
    ['{"a":NaN}', 'NaN'],
    ['{"a":-Infinity}', 'Infinity'],
    ['{"a":+1}', 'a plus sign'],
    ['{"a":01}', 'a leading zero'],
    ['{"a":.5}', 'no digit before the point'],
    ['{"a":1.}', 'no digit after the point'],
    ['{"a":1e}', 'no exponent'],
    ['{"a":True}', 'a capital'],
    ['{"a":tru}', 'half a word'],
    ['{"a":"\t"}', 'a raw tab in a string'],
    ['{"a":"\\x41"}', 'an unknown escape'],
    ['{"a":"\\u12g4"}', 'a bad hexadecimal digit'],
    ['{"a":"\\ud83d"}', 'a high surrogate alone'],
    ['{"a":"\\ude00\\ud83d"}', 'surrogates in the wrong order'],
    ['{"x":{"\\ud800":1}}', 'an unpaired surrogate in a nested name'],
    ['{"a":1,"a":1}', 'a name twice'],
    ['{"a":1,"\\u0061":2}', 'a name twice, once escaped'],
    ['{"a":1 /* x */}', 'a comment'],
    ['{"a":1}\u00a0', 'a no-break space after it'],
    ['{"a":"b', 'no end'],
  ])('refuses %j: %s', (text) => {
    expect(parse(text)).toEqual({ kind: 'malformed' })
  })

  test.each([[[0xff]], [[0xc0, 0xaf]], [[0xed, 0xa0, 0x80]], [[0xf4, 0x90, 0x80, 0x80]], [[0xe2, 0x82]]])(
    'refuses the bytes %j, which are no UTF-8',
    (bytes) => {
      const value = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')])
      expect(parseStrictJson(value)).toEqual({ kind: 'malformed' })
    },
  )

  test('leaves open what the contract leaves open', () => {
    const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`
    expect(parse(nested(100))).toMatchObject({ mayBeRefused: false })
    expect(parse(nested(101))).toMatchObject({ mayBeRefused: true })
    expect(parse(nested(20_000))).toMatchObject({ mayBeRefused: true })
    expect(parse('{"a":{"b":1,"b":2}}')).toMatchObject({ mayBeRefused: true })
  })
})
