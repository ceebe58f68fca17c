// Protobuf against protobufjs, the types that everybody knows, and bytes of somebody who means harm.
import { create, toBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import protobufjs from 'protobufjs'
import { expect, test } from 'vitest'
import { readingOf, ValueDecoder } from '../../../src/formats/known-schemas.ts'
import { protobufDifference } from '../../compare/random-formats.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

test(`values of random files are what protobufjs reads of them (repeat with SEED=${seed})`, async () => {
  for (let index = 0; index < 100; index++) {
    expect(await protobufDifference(seed + index), `seed ${seed + index}`).toBeNull()
  }
})

async function decoderOf(schema: string, references: readonly string[] = []): Promise<ValueDecoder> {
  return new ValueDecoder(new Map([['1', await readingOf({ type: 'PROTOBUF', schema, references })]]))
}

function documentOf(decoder: ValueDecoder, ...bytes: number[]): string {
  const document = decoder.document(Uint8Array.from([0, 0, 0, 0, 1, ...bytes]), null)
  return document === null ? String(decoder.failure) : Buffer.from(document).toString()
}

test('types that everybody knows have the form that JSON has for them', async () => {
  const schema = `syntax = "proto3";
    import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
    import "google/protobuf/struct.proto"; import "confluent/type/decimal.proto";
    message M { google.protobuf.Timestamp at = 1; google.protobuf.Int64Value id = 2;
      google.protobuf.StringValue no = 3;
      google.protobuf.Struct data = 4; confluent.type.Decimal amount = 5; google.protobuf.Duration took = 6; }`
  const decoder = await decoderOf(schema)
  const at = [0x0a, 8, 0x08, 0x80, 0xd4, 0xf9, 0xaa, 0x06, 0x10, 5] // 1700686336.000000005
  const id = [0x12, 2, 0x08, 42]
  const data = [0x22, 9, 0x0a, 7, 0x0a, 1, 0x61, 0x12, 2, 0x20, 1]
  const amount = [0x2a, 6, 0x0a, 2, 0x04, 0xd2, 0x18, 2]
  const took = [0x32, 2, 0x08, 3]
  expect(documentOf(decoder, 0, ...at, ...id, ...data, ...amount, ...took)).toBe(
    '{"at":"2023-11-22T20:52:16.000000005Z","id":42,"data":{"a":true},"amount":12.34,"took":"3s"}',
  )
})

test('a descriptor and the text of its file are read alike', async () => {
  const text = `syntax = "proto3"; package a;
    message M { optional int32 n = 1; int32 z = 2; map<string, int32> m = 3;
      oneof o { string s = 4; bool b = 5; }
      E e = 6; }
    enum E { ZERO = 0; ONE = 1; }`
  const file = create(FileDescriptorProtoSchema, {
    name: 'm.proto',
    package: 'a',
    syntax: 'proto3',
    messageType: [
      {
        name: 'M',
        field: [
          { name: 'n', number: 1, label: 1, type: 5, oneofIndex: 1, proto3Optional: true },
          { name: 'z', number: 2, label: 1, type: 5 },
          { name: 'm', number: 3, label: 3, type: 11, typeName: '.a.M.MEntry' },
          { name: 's', number: 4, label: 1, type: 9, oneofIndex: 0 },
          { name: 'b', number: 5, label: 1, type: 8, oneofIndex: 0 },
          { name: 'e', number: 6, label: 1, type: 14, typeName: '.a.E' },
        ],
        nestedType: [
          {
            name: 'MEntry',
            options: { mapEntry: true },
            field: [
              { name: 'key', number: 1, label: 1, type: 9 },
              { name: 'value', number: 2, label: 1, type: 5 },
            ],
          },
        ],
        oneofDecl: [{ name: 'o' }, { name: '_n' }],
      },
    ],
    enumType: [
      {
        name: 'E',
        value: [
          { name: 'ZERO', number: 0 },
          { name: 'ONE', number: 1 },
        ],
      },
    ],
  })
  const base64 = Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64')
  const decoders = [await decoderOf(text), await decoderOf(base64)]
  const { root } = protobufjs.parse(text, { keepCase: true })
  const type = root.lookupType('a.M')
  const given = [{}, { n: 0, z: 5, m: { a: 1, b: 0 }, s: '', e: 1 }, { b: false, e: 9 }]
  for (const value of given) {
    const bytes = type.encode(type.fromObject(value)).finish()
    const [ofText, ofDescriptor] = decoders.map((decoder) => documentOf(decoder, 0, ...bytes))
    expect(ofDescriptor).toBe(ofText)
  }
  expect(documentOf(decoders[1]!, 0)).toBe('{"z":0,"m":{},"e":"ZERO"}')
})

test('files import others, and a message is told by its indexes', async () => {
  const other = 'syntax = "proto3"; package x.y; message Other { message Deep { string a = 1; } }'
  const main = `syntax = "proto3"; package x.z; import "other.proto";
    message First { } message Second { message In { y.Other.Deep d = 1; } In i = 1; }`
  const decoder = await decoderOf(main, [other])
  expect(documentOf(decoder, 0)).toBe('{}')
  expect(documentOf(decoder, 4, 2, 0, 0x0a, 3, 0x0a, 1, 0x62)).toBe('{"d":{"a":"b"}}')
  expect(documentOf(decoder, 2, 2)).toBe('{}')
  for (const indexes of [[2, 4], [4, 2, 2], [1], [2], [], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]) {
    expect(documentOf(decoder, ...indexes)).toBe('undecodable')
  }
})

test('the last value of a field counts, and of a message all of its parts', async () => {
  const decoder = await decoderOf(`syntax = "proto3";
    message M { int32 a = 1; M m = 2; oneof o { int32 x = 3; M y = 4; } repeated int32 r = 5; }`)
  expect(documentOf(decoder, 0, 8, 1, 8, 2)).toBe('{"a":2,"r":[]}')
  const merged = [0x12, 2, 8, 7, 0x12, 2, 0x18, 3]
  expect(documentOf(decoder, 0, ...merged)).toBe('{"a":0,"m":{"a":7,"x":3,"r":[]},"r":[]}')
  expect(documentOf(decoder, 0, 0x18, 1, 0x22, 0)).toBe('{"a":0,"y":{"a":0,"r":[]},"r":[]}')
  expect(documentOf(decoder, 0, 0x28, 1, 0x2a, 2, 2, 3, 0x28, 4)).toBe('{"a":0,"r":[1,2,3,4]}')
  // One that nobody knows.
  expect(documentOf(decoder, 0, 0x99, 6, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1)).toBe('{"a":1,"r":[]}')
})

test('bytes that are no message are undecodable', async () => {
  const decoder = await decoderOf('syntax = "proto3"; message M { string a = 1; M m = 2; }')
  const deep: number[] = []
  for (let level = 0; level < 120; level++) deep.unshift(0x12, deep.length)
  const odd = [
    [0x0a, 5, 1],
    [0x0a],
    [0],
    [7],
    [0x0b],
    [0x0c],
    [0x80],
    deep.slice(0, 120),
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f],
  ]
  for (const bytes of odd) expect(documentOf(decoder, 0, ...bytes), String(bytes)).toBe('undecodable')
  expect(documentOf(decoder, 0, ...new Array(10_000).fill(0x13))).toBe('undecodable') // Groups in groups.
})

test('a schema that is none makes its values undecodable', async () => {
  const deep = `syntax = "proto3"; ${'message M { '.repeat(20_000)}${'}'.repeat(20_000)}`
  const odd = [
    '',
    'no file',
    'YWJj',
    'syntax = "proto3"; message M { Missing m = 1; }',
    'syntax = "proto3";',
    deep,
  ]
  for (const schema of odd)
    expect(documentOf(await decoderOf(schema), 0), schema.slice(0, 40)).toBe('undecodable')
})
