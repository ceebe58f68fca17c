// One random schema and value, as Assay decodes it and as another library does.
import protobufjs from 'protobufjs'
import { readingOf, type SchemaType, ValueDecoder } from '../../src/formats/known-schemas.ts'
import { AvroCase } from '../generate/avro.ts'
import { ProtobufCase } from '../generate/protobuf.ts'
import { avscType, differenceOf, type Expected, expectedOfAvro, expectedOfProtobuf } from './decoded.ts'

const magic = [0, 0, 0, 0, 1]

/** Where Assay and avsc differ; null where they do not. */
export async function avroDifference(seed: number): Promise<string | null> {
  const of = new AvroCase(seed)
  const type = avscType(of.schema)
  const bytes = type.toBuffer(of.value())
  const expected = expectedOfAvro(of, of.schema, type.fromBuffer(bytes))
  return await difference('AVRO', JSON.stringify(of.schema), [...magic, ...bytes], expected)
}

/** Where Assay and protobufjs differ; null where they do not. */
export async function protobufDifference(seed: number): Promise<string | null> {
  const of = new ProtobufCase(seed)
  const { root } = protobufjs.parse(of.text, { keepCase: true })
  root.resolveAll()
  const type = root.lookupType(of.message)
  const bytes = type.encode(type.fromObject(of.value(type))).finish()
  const expected = expectedOfProtobuf(type, type.decode(bytes))
  const indexes =
    of.indexes.length === 1 && of.indexes[0] === 0
      ? [0]
      : [of.indexes.length, ...of.indexes].map((one) => one * 2)
  return await difference('PROTOBUF', of.text, [...magic, ...indexes, ...bytes], expected)
}

async function difference(type: SchemaType, schema: string, value: readonly number[], expected: Expected) {
  const reading = await readingOf({ type, schema, references: [] })
  if (reading.kind === 'unreadable') return `${reading.reason}: ${schema}`
  const found = new ValueDecoder(new Map([['1', reading]])).document(Uint8Array.from(value), null)
  const wrong = differenceOf(expected, found)
  return wrong === null ? null : `${wrong} of ${schema}`
}
