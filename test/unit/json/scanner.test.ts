import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonScanner, jsonSliceOf } from '../../../src/json/scanner.ts'
import { type JsonSlice, jsonKind, sliceSource, sliceText } from '../../../src/json/slice.ts'
import { parseStrictJson } from '../../../src/verify/strict-json.ts'
import { ScannerCheck } from '../../compare/scanned-json.ts'
import { jsonDocument } from '../../generate/json-documents.ts'

const scan = (text: string | Uint8Array, ...names: string[]): readonly JsonSlice[] | 'malformed' => {
  const scanner = new JsonScanner(names.map((name) => name.split('.')))
  return scanner.scan(Buffer.from(text)) ? scanner.fields : 'malformed'
}
const nested = (levels: number): string => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`
const linesOf = (file: string): readonly Record<string, string | null>[] =>
  readFileSync(new URL(`../../data/${file}`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('random and mutated documents', () => {
  test('are judged, and their fields found, as by TextDecoder, JSON.parse and a list of tokens', () => {
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
    const check = new ScannerCheck()
    fc.assert(
      fc.property(jsonDocument, (document) => {
        expect(check.difference(document), `repeat with SEED=${seed}`).toBeNull()
      }),
      { seed, numRuns: 10_000 },
    )
    expect(Math.min(check.wellFormedCount, check.malformedCount)).toBeGreaterThan(2_000)
  })
})

describe('the values that a topic can hold', () => {
  test.each(linesOf('bad-input.ndjson').map((one) => [one.name!, one.value_base64!] as const))(
    '%s is taken where the other reader takes it',
    (name, base64) => {
      const bytes = Buffer.from(base64 ?? '', 'base64')
      const strict = parseStrictJson(bytes)
      const isTaken = scan(bytes, 'amount') !== 'malformed'
      if (strict.kind === 'object' && strict.mayBeRefused)
        expect(isTaken).toBe(!name.includes('nesting-20000'))
      else expect(isTaken).toBe(strict.kind === 'object')
    },
  )
})

describe('the JSON test suite', () => {
  const cases = linesOf('json-test-suite.ndjson')
  /** Whether the contract takes it: numbers of any size, but no text that is not UTF-8 throughout. */
  const isTaken = (name: string): boolean => /^(y_|i_number_|i_structure_500)/.test(name)

  test('is there', () => expect(cases).toHaveLength(316))
  test.each(cases.map((one) => [one.name!, Buffer.from(one.value_base64!, 'base64')] as const))(
    '%s as a value of an object',
    (name, value) => {
      const document = Buffer.concat([Buffer.from('{"first": 1, "value": '), value, Buffer.from('}')])
      expect(scan(document, 'value') !== 'malformed').toBe(isTaken(name))
      expect(scan(document, 'first') !== 'malformed').toBe(isTaken(name))
    },
  )
  test.each(cases.map((one) => [one.name!, Buffer.from(one.value_base64!, 'base64')] as const))(
    '%s as a document',
    (name, value) => {
      const isObject = /^\s*\{/.test(value.toString('latin1'))
      // Both hold a name twice at the top level.
      const repeats = /^y_object_duplicated_key/.test(name)
      expect(scan(value, 'a') !== 'malformed').toBe(isObject && isTaken(name) && !repeats)
    },
  )
  test('the two cases that are long: brackets that are never closed', () => {
    expect(scan('['.repeat(100_000), 'a')).toBe('malformed')
    expect(scan(`{"a":${'['.repeat(100_000)}}`, 'a')).toBe('malformed')
    expect(scan('[{"":'.repeat(50_000), 'a')).toBe('malformed')
    expect(scan('{"":'.repeat(50_000), 'a')).toBe('malformed')
  })
})

test('UTF-8 is told from what is none as by Node: each lead with each second byte', () => {
  const scanner = new JsonScanner([['a']])
  const bytes = Uint8Array.from(Buffer.from('{"a":"1234"}'))
  const place = bytes.indexOf(0x31)
  const behind = [0x41, 0x7f, 0x80, 0xbf, 0xc0].flatMap((third) =>
    [0x41, 0x80, 0xbf, 0xff].map((fourth) => [third, fourth]),
  )
  let takenCount = 0
  for (let lead = 0x80; lead <= 0xff; lead++) {
    for (let second = 0; second <= 0xff; second++) {
      if (second < 0x20 || second === 0x22 || second === 0x5c) continue
      for (const [third, fourth] of behind) {
        bytes.set([lead, second, third!, fourth!], place)
        const isText = isUtf8(bytes) // TextDecoder says the same, and costs an error for each that is none.
        if (scanner.scan(bytes) !== isText)
          throw new Error(`${[lead, second, third, fourth]}: is UTF-8 ${isText}`)
        if (isText) takenCount++
      }
    }
  }
  expect(takenCount).toBe(6784)
})

describe('names', () => {
  test('twice at the top level are malformed, by whatever escapes, inside only on the way to a field', () => {
    expect(scan('{"a":1,"a":1}')).toBe('malformed')
    expect(scan('{"a":1,"\\u0061":2}', 'b')).toBe('malformed')
    expect(scan('{"\\u00e9":1,"é":2}')).toBe('malformed')
    expect(scan('{"x":{"a":1,"a":1}}', 'y')).not.toBe('malformed')
    expect(scan('{"x":{"a":1,"a":1}}', 'x')).not.toBe('malformed')
    expect(scan('{"x":{"a":1,"a":1}}', 'x.y')).toBe('malformed')
    expect(scan('{"x":{"y":{"z":{"a":1,"a":1}}}}', 'x.y')).not.toBe('malformed')
    expect(scan('{"x":[{"a":1,"a":1}]}', 'x.a')).not.toBe('malformed')
  })

  test('twice are found among any number of names, and of any length', () => {
    const long = 'n'.repeat(1_000)
    const scanner = new JsonScanner([['f1'], ['f2', 'f3']])
    const members = Array.from({ length: 5_000 }, (_, index) => `"${index}":${index}`)
    const judge = (...more: string[]) => scanner.scan(Buffer.from(`{${[...members, ...more].join(',')}}`))
    for (let round = 0; round < 3; round++) {
      expect(judge('"f1":1', '"f2":{"f3":2}', `"${long}":1`)).toBe(true)
      expect(judge('"f1":1', '"f1":1')).toBe(false)
      for (const index of [0, 100, 300, 4_999])
        expect(judge(`"\\u003${String(index)[0]}${String(index).slice(1)}":1`)).toBe(false)
      expect(judge(`"${long}":1`, `"${long}":1`)).toBe(false)
      expect(scanner.scan(Buffer.from('{"f2":{"f3":[1]},"f1":null}'))).toBe(true)
      expect(scanner.fields.map(({ kind }) => kind)).toEqual([jsonKind.null, jsonKind.array])
    }
  })

  test('stand once in each document, after a million documents too', () => {
    const scanner = new JsonScanner([['a'], ['rare3'], ['rare17']])
    const rare = Array.from({ length: 20 }, (_, index) => `"rare${index}":1`)
    const documents = rare.map((name) => Buffer.from(`{${name}}`))
    const usual = Buffer.from('{"a":1,"b":2}')
    for (const document of documents) expect(scanner.scan(document)).toBe(true)
    // From 2^20 on, each document has the number that one had long ago.
    for (let index = documents.length; index < 2 ** 20; index++) {
      if (!scanner.scan(usual)) throw new Error(`at document ${index}`)
    }
    for (const document of documents) expect(scanner.scan(document)).toBe(true)
    expect(scanner.scan(Buffer.from('{"b":1,"a":2,"b":3}'))).toBe(false)
  })

  test('one after the other, in any order, with any white space, some left out', () => {
    const scanner = new JsonScanner([['a'], ['b'], ['c']])
    const kindsOf = (text: string) => {
      expect(scanner.scan(Buffer.from(text))).toBe(true)
      return scanner.fields.map(({ kind }) => kind)
    }
    const { absent, number, string, true: yes } = jsonKind
    expect(kindsOf('{"a":1,"b":"x","c":true}')).toEqual([number, string, yes])
    expect(kindsOf('{"a" : 1, "c":  true}')).toEqual([number, absent, yes])
    expect(kindsOf('{"c":true,"b":"x"}')).toEqual([absent, string, yes])
    expect(kindsOf('{}')).toEqual([absent, absent, absent])
    expect(kindsOf('{"A":1,"B":2,"c":3}')).toEqual([absent, absent, number])
  })
})

describe('nesting', () => {
  test('is taken to 1000 levels, or as many as are asked for, fields or not', () => {
    expect(scan(nested(1000), 'a')).not.toBe('malformed')
    expect(scan(nested(1001), 'a')).toBe('malformed')
    expect(scan(nested(1_000_000), 'a')).toBe('malformed')
    for (const paths of [[['a', 'a', 'a']], [['b']]]) {
      const shallow = new JsonScanner(paths, { levelsMax: 3 })
      expect(shallow.scan(Buffer.from('{"a":{"a":{"a":1}}}'))).toBe(true)
      expect(shallow.scan(Buffer.from('{"a":{"a":{"a":{}}}}'))).toBe(false)
    }
  })

  test('a field may lie in a field', () => {
    const [outer, inner, deeper] = scan('{"x": {"y": [1, 2]} }', 'x', 'x.y', 'x.y.z') as JsonSlice[]
    expect([outer!.kind, inner!.kind, deeper!.kind]).toEqual([
      jsonKind.object,
      jsonKind.array,
      jsonKind.absent,
    ])
    expect(sliceSource(outer!)).toBe('{"y": [1, 2]}')
    expect(sliceSource(jsonSliceOf(' "\\u0061é" '))).toBe('"\\u0061é"')
  })
})

test('after a malformed document all fields are absent', () => {
  const scanner = new JsonScanner([['a'], ['b', 'c']])
  expect(scanner.scan(Buffer.from('{"a":1,"b":{"c":2},'))).toBe(false)
  expect(scanner.fields.map(({ kind }) => kind)).toEqual([jsonKind.absent, jsonKind.absent])
})

test('what ends too early is malformed at the end of a buffer too', () => {
  for (const text of [
    '{"a":{}',
    '{"a":[{}',
    '{"a":{"b":{}',
    '{"b":{}',
    '{"b":[[{}',
    '{"a":1,"b":{"c":{}',
    '{}}',
    '{',
    '}',
    '',
  ]) {
    for (const paths of [[['b']], [['a', 'b', 'c']], [['b', 'c', 'd']]]) {
      expect(new JsonScanner(paths).scan(Uint8Array.from(Buffer.from(text))), text).toBe(false)
    }
  }
})

test('documents come from one buffer after another', () => {
  const scanner = new JsonScanner([['a']])
  for (let index = 0; index < 100; index++) {
    const bytes = new Uint8Array(new ArrayBuffer(40), index % 7)
    bytes.set(Buffer.from(`{"a":"${index}é"}`))
    expect(scanner.scan(bytes, 0, Buffer.byteLength(`{"a":"${index}é"}`))).toBe(true)
    expect(sliceText(scanner.fields[0]!)).toBe(`${index}é`)
  }
})

test('a JSON value by itself', () => {
  expect(jsonSliceOf(' [1] ').kind).toBe(jsonKind.array)
  for (const text of ['', '1,', '1}', '1,"b":2', 'nul'])
    expect(() => jsonSliceOf(text), text).toThrow('no JSON value')
})
