// Synthetic records in a format of a schema registry: the schema follows from what records look like, and a
// record that it has no place for stays the JSON that it is.
import { LakehouseError } from '../errors/errors.ts'
import type { SchemaType } from '../formats/known-schemas.ts'

export const recordFormats = {
  json: null,
  avro: 'AVRO',
  protobuf: 'PROTOBUF',
  'json-schema': 'JSON',
} as const
export type RecordFormat = keyof typeof recordFormats

/** What stands at a place of records. */
type Shape =
  | { readonly kind: 'text' | 'whole' | 'number' | 'boolean' }
  | { readonly kind: 'record'; readonly fields: ReadonlyMap<string, Shape> }

type Json = Readonly<Record<string, unknown>>

export type RecordEncoder = {
  readonly schema: string
  /** null for a record that has something the schema does not know. */
  readonly encode: (record: Json) => Uint8Array | null
}

/** Fails with GENERATOR_OPTIONS_INVALID where the schema cannot have such names. */
export function recordEncoder(type: SchemaType, sample: readonly Json[]): RecordEncoder {
  const shape = sample.reduce<Shape | null>((known, one) => merged(known, shapeOf(one)), null)
  const record =
    shape?.kind === 'record' ? shape : { kind: 'record' as const, fields: new Map<string, Shape>() }
  switch (type) {
    case 'AVRO': {
      checkNames(record)
      return {
        schema: JSON.stringify(avroSchema(record, 'Transaction')),
        encode: encoding(avroBytes, record),
      }
    }
    case 'PROTOBUF':
      checkNames(record)
      return { schema: protoSchema(record), encode: encoding(protoBytes, record) }
    case 'JSON': {
      const schema = {
        $schema: 'http://json-schema.org/draft-07/schema#',
        title: 'Transaction',
        ...jsonSchema(record),
      }
      return { schema: JSON.stringify(schema), encode: (one) => Buffer.from(JSON.stringify(one)) }
    }
  }
}

/** In the wire format: behind the id of the schema, and for Protobuf that of its first message. */
export function wireValue(type: SchemaType, id: number, body: Uint8Array): Uint8Array {
  const head = Buffer.alloc(type === 'PROTOBUF' ? 6 : 5)
  head.writeUInt32BE(id, 1)
  return Buffer.concat([head, body])
}

function shapeOf(value: unknown): Shape | null {
  switch (typeof value) {
    case 'string':
      return { kind: 'text' }
    case 'boolean':
      return { kind: 'boolean' }
    case 'number':
      return { kind: Number.isSafeInteger(value) ? 'whole' : 'number' }
    default:
      if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
      return {
        kind: 'record',
        fields: new Map(
          Object.entries(value).flatMap(([name, one]): [string, Shape][] => {
            const shape = shapeOf(one)
            return shape === null ? [] : [[name, shape]]
          }),
        ),
      }
  }
}

/** Of two kinds at one place the first stays, and records of the other are sent as JSON. */
function merged(known: Shape | null, more: Shape | null): Shape | null {
  if (known === null || more === null) return known ?? more
  if (known.kind === 'record' && more.kind === 'record') {
    const fields = new Map(known.fields)
    for (const [name, shape] of more.fields) fields.set(name, merged(fields.get(name) ?? null, shape)!)
    return { kind: 'record', fields }
  }
  return known.kind === 'whole' && more.kind === 'number' ? more : known
}

function checkNames({ fields }: Extract<Shape, { kind: 'record' }>): void {
  for (const [name, shape] of fields) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      const message = `--format: no schema of Avro or Protobuf has a field called ${JSON.stringify(name)}; give json-schema.`
      throw new LakehouseError('GENERATOR_OPTIONS_INVALID', message)
    }
    if (shape.kind === 'record') checkNames(shape)
  }
}

class NoPlace extends Error {}

function encoding<S extends Shape>(write: (shape: S, value: Json) => Uint8Array, shape: S) {
  return (record: Json): Uint8Array | null => {
    try {
      return write(shape, record)
    } catch (error) {
      if (error instanceof NoPlace) return null
      throw error
    }
  }
}

/** The values of a record's fields in their order; undefined where one is absent or null. */
function valuesOf(fields: ReadonlyMap<string, Shape>, record: Json): readonly (readonly [Shape, unknown])[] {
  for (const [name, value] of Object.entries(record)) {
    if (!fields.has(name) && value !== null) throw new NoPlace()
  }
  return [...fields].map(([name, shape]) => {
    const value = record[name] ?? undefined
    if (value !== undefined && !fits(shape, value)) throw new NoPlace()
    return [shape, value]
  })
}

function fits(shape: Shape, value: unknown): boolean {
  switch (shape.kind) {
    case 'text':
      return typeof value === 'string' && value.isWellFormed()
    case 'boolean':
      return typeof value === 'boolean'
    case 'whole':
      return Number.isSafeInteger(value)
    case 'number':
      return typeof value === 'number'
    case 'record':
      return typeof value === 'object' && !Array.isArray(value)
  }
}

const avroNames = { text: 'string', whole: 'long', number: 'double', boolean: 'boolean' } as const

function avroSchema({ fields }: Extract<Shape, { kind: 'record' }>, name: string): object {
  return {
    type: 'record',
    name,
    fields: [...fields].map(([field, shape]) => ({
      name: field,
      type: ['null', shape.kind === 'record' ? avroSchema(shape, `${name}_${field}`) : avroNames[shape.kind]],
      default: null,
    })),
  }
}

function avroBytes({ fields }: Extract<Shape, { kind: 'record' }>, record: Json): Uint8Array {
  const parts = valuesOf(fields, record).flatMap(([shape, value]) => {
    return value === undefined ? [varint(0n)] : [varint(2n), avroValue(shape, value)]
  })
  return Buffer.concat(parts)
}

function avroValue(shape: Shape, value: unknown): Uint8Array {
  switch (shape.kind) {
    case 'text': {
      const bytes = Buffer.from(String(value))
      return Buffer.concat([varint(zigzag(BigInt(bytes.length))), bytes])
    }
    case 'whole':
      return varint(zigzag(BigInt(Number(value))))
    case 'number':
      return doubleBytes(Number(value))
    case 'boolean':
      return Uint8Array.of(value === true ? 1 : 0)
    case 'record':
      return avroBytes(shape, value as Json) // It fits.
  }
}

const protoNames = { text: 'string', whole: 'int64', number: 'double', boolean: 'bool' } as const

function protoSchema(record: Extract<Shape, { kind: 'record' }>): string {
  return `syntax = "proto3";\n\n${protoMessage(record, 'Transaction', '')}`
}

function protoMessage({ fields }: Extract<Shape, { kind: 'record' }>, name: string, indent: string): string {
  const inner = `${indent}  `
  const lines = [...fields].flatMap(([field, shape], index) => {
    const type = shape.kind === 'record' ? `Of_${field}` : protoNames[shape.kind]
    const nested = shape.kind === 'record' ? [protoMessage(shape, type, inner)] : []
    return [...nested, `${inner}optional ${type} ${field} = ${index + 1};\n`]
  })
  return `${indent}message ${name} {\n${lines.join('')}${indent}}\n`
}

function protoBytes({ fields }: Extract<Shape, { kind: 'record' }>, record: Json): Uint8Array {
  const parts = valuesOf(fields, record).flatMap(([shape, value], index) => {
    return value === undefined ? [] : protoField(shape, value, BigInt(index + 1))
  })
  return Buffer.concat(parts)
}

function protoField(shape: Shape, value: unknown, number: bigint): Uint8Array[] {
  const tag = (wire: bigint): Uint8Array => varint((number << 3n) | wire)
  switch (shape.kind) {
    case 'text': {
      const bytes = Buffer.from(String(value))
      return [tag(2n), varint(BigInt(bytes.length)), bytes]
    }
    case 'whole':
      return [tag(0n), varint(BigInt.asUintN(64, BigInt(Number(value))))]
    case 'number':
      return [tag(1n), doubleBytes(Number(value))]
    case 'boolean':
      return [tag(0n), Uint8Array.of(value === true ? 1 : 0)]
    case 'record': {
      const bytes = protoBytes(shape, value as Json) // It fits.
      return [tag(2n), varint(BigInt(bytes.length)), bytes]
    }
  }
}

function jsonSchema(shape: Shape): object {
  const names = { text: 'string', whole: 'integer', number: 'number', boolean: 'boolean' } as const
  if (shape.kind !== 'record') return { type: names[shape.kind] }
  const properties = [...shape.fields].map(([name, one]) => [name, jsonSchema(one)])
  return { type: 'object', properties: Object.fromEntries(properties) }
}

function zigzag(value: bigint): bigint {
  return BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Uint8Array.of(...bytes, Number(rest))
}

function doubleBytes(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return bytes
}
