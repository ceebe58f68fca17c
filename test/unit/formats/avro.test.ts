// Avro against avsc, and schemas and bytes of somebody who means harm.
import { expect, test } from 'vitest'
import { readingOf, ValueDecoder } from '../../../src/formats/known-schemas.ts'
import { avroDifference } from '../../compare/random-formats.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

test(`values of random schemas are what avsc reads of them (repeat with SEED=${seed})`, async () => {
  for (let index = 0; index < 400; index++) {
    expect(await avroDifference(seed + index), `seed ${seed + index}`).toBeNull()
  }
})

async function decoderOf(schema: unknown, references: readonly unknown[] = []): Promise<ValueDecoder> {
  const text = (one: unknown) => (typeof one === 'string' ? one : JSON.stringify(one))
  const reading = await readingOf({ type: 'AVRO', schema: text(schema), references: references.map(text) })
  return new ValueDecoder(new Map([['1', reading]]))
}

function documentOf(decoder: ValueDecoder, ...bytes: number[]): string {
  const document = decoder.document(Uint8Array.from([0, 0, 0, 0, 1, ...bytes]), null)
  return document === null ? String(decoder.failure) : Buffer.from(document).toString()
}

const record = (...fields: unknown[]) => ({ type: 'record', name: 'R', fields })

test('a schema uses others by their names, whatever their order', async () => {
  const inner = { type: 'record', name: 'Inner', namespace: 'a.b', fields: [{ name: 'x', type: 'a.c.Kind' }] }
  const kind = { type: 'enum', name: 'a.c.Kind', symbols: ['ONE', 'TWO'] }
  const outer = { type: 'record', name: 'a.b.Outer', fields: [{ name: 'inner', type: 'Inner' }] }
  expect(documentOf(await decoderOf(outer, [inner, kind]), 2)).toBe('{"inner":{"x":"TWO"}}')
})

test('bytes that are not what the schema says are undecodable', async () => {
  const text = await decoderOf(record({ name: 'a', type: 'string' }))
  expect(documentOf(text, 6, 0x61, 0x62, 0x63)).toBe('{"a":"abc"}')
  expect(documentOf(text)).toBe('undecodable')
  expect(documentOf(text, 8, 0x61, 0x62, 0x63)).toBe('undecodable')
  expect(documentOf(text, 4, 0x61, 0x62, 0x63)).toBe('undecodable') // One byte is left.
  expect(documentOf(text, 5)).toBe('undecodable') // A length below zero.
  expect(documentOf(text, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)).toBe('undecodable')
  expect(documentOf(text, ...new Array(11).fill(0xff))).toBe('undecodable')
  expect(documentOf(await decoderOf(record({ name: 'a', type: 'boolean' })), 2)).toBe('undecodable')
  expect(documentOf(await decoderOf(record({ name: 'a', type: ['null', 'int'] })), 4)).toBe('undecodable')
  expect(documentOf(await decoderOf(record({ name: 'a', type: 'int' })), 0x80, 0x80, 0x80, 0x80, 0x20)).toBe(
    'undecodable',
  )
})

test('a schema is unknown, or a value plain', async () => {
  const decoder = await decoderOf(record())
  expect(documentOf(decoder)).toBe('{}')
  expect(decoder.document(Uint8Array.from([0, 0, 0, 0, 2, 1]), null)).toBeNull()
  expect(decoder.failure).toBe('schema_unknown')
  const plain = Buffer.from('{"a":1}')
  expect(decoder.document(plain, null)).toBe(plain)
  expect(decoder.document(plain, [{ key: 'trace', value: plain }])).toBe(plain)
  expect(decoder.failure).toBeNull()
  expect(decoder.document(Uint8Array.from([0, 1]), null)).toEqual(Uint8Array.from([0, 1]))
})

test('what little bytes become has an end', async () => {
  const huge = [0xfe, 0xff, 0xff, 0xff, 0x0f] // 2^31 - 1 items
  const nulls = await decoderOf(record({ name: 'a', type: { type: 'array', items: 'null' } }))
  expect(documentOf(nulls, ...huge, 0)).toBe('undecodable')
  const empty = { type: 'record', name: 'E', fields: [] }
  const records = await decoderOf(record({ name: 'a', type: { type: 'array', items: empty } }))
  expect(documentOf(records, ...huge, 0)).toBe('undecodable')
  let type: unknown = 'null'
  for (let level = 0; level < 12; level++) {
    const fields = Array.from({ length: level === 0 ? 1 : 12 }, (_, index) => {
      return { name: `f${index}`, type: index === 0 ? type : `L${level - 1}` }
    })
    type = { type: 'record', name: `L${level}`, fields }
  }
  expect(documentOf(await decoderOf(type))).toBe('undecodable')
  const endless = { type: 'record', name: 'R', fields: [{ name: 'r', type: 'R' }] }
  expect(documentOf(await decoderOf(endless))).toBe('undecodable')
  const list = { type: 'record', name: 'R', fields: [{ name: 'r', type: ['null', 'R'] }] }
  expect(documentOf(await decoderOf(list), ...new Array(5_000).fill(2), 0)).toBe('undecodable')
  const decimal = { type: 'bytes', logicalType: 'decimal', precision: 1_000_000_000, scale: 999_999_999 }
  expect(documentOf(await decoderOf(record({ name: 'd', type: decimal })), 2, 1)).toBe('undecodable')
})

test('a schema that is none makes its values undecodable', async () => {
  const nested = `${'{"type":"array","items":'.repeat(100_000)}"int"${'}'.repeat(100_000)}`
  const odd = [
    '',
    'no json {',
    '{}',
    '{"type":"record"}',
    'Unknown',
    nested,
    '{"type":"fixed","name":"F"}',
    '[{"type":[]},5]',
  ]
  for (const schema of odd)
    expect(documentOf(await decoderOf(schema), 0), schema.slice(0, 40)).toBe('undecodable')
  const large = record({ name: 'a', type: 'string', default: 'x'.repeat(10_000_000) })
  expect(documentOf(await decoderOf(large), 0)).toBe('undecodable')
})
