// The schemas that a batch knows, and the values of its records by them: each as the JSON text that it would
// be. Plain values are given as they are.
import { avroTranscoder, type Transcode } from './avro.ts'
import { BytesReader } from './bytes-reader.ts'
import { JsonWriter } from './json-writer.ts'
import type { MessageIndexes } from './protobuf.ts'
import { SchemaUnreadable, UndecodableBytes } from './undecodable.ts'
import { beginsAsWire, headerOf, messageIndexes, namingIn, type SchemaKey } from './wire-format.ts'

export const schemaTypes = ['AVRO', 'JSON', 'PROTOBUF'] as const
export type SchemaType = (typeof schemaTypes)[number]

export type SchemaText = {
  readonly type: SchemaType
  readonly schema: string
  /** The texts of all schemas that it uses, each once. */
  readonly references: readonly string[]
}

/** How values of a schema are read. */
export type SchemaReading =
  | { readonly kind: 'json' }
  | { readonly kind: 'avro'; readonly transcode: Transcode }
  | { readonly kind: 'protobuf'; readonly of: (indexes: MessageIndexes) => Transcode }
  /** No value can be read by it, for this reason. */
  | { readonly kind: 'unreadable'; readonly reason: string }

/** Why a value has no document. */
export type DecodeFailure = 'schema_unknown' | 'undecodable'

/** A text that is longer is not read: what makes sense of it would take too long. */
const schemaLengthMax = 4 * 1024 * 1024

export async function readingOf({ type, schema, references }: SchemaText): Promise<SchemaReading> {
  const length = references.reduce((sum, text) => sum + text.length, schema.length)
  if (length > schemaLengthMax) {
    return { kind: 'unreadable', reason: `it has more than ${schemaLengthMax} characters` }
  }
  try {
    switch (type) {
      case 'JSON':
        return { kind: 'json' }
      case 'AVRO':
        return { kind: 'avro', transcode: avroTranscoder(schema, references) }
      case 'PROTOBUF': {
        const { protobufTranscoder } = await import('./protobuf.ts')
        return { kind: 'protobuf', of: protobufTranscoder(schema, references) }
      }
    }
  } catch (error) {
    // A text that nests without end ends the stack of a parser.
    if (error instanceof SchemaUnreadable || error instanceof RangeError) {
      return { kind: 'unreadable', reason: error.message }
    }
    throw error
  }
}

/** Reads values by the schemas that it knows. What it gives holds until the next value. */
export class ValueDecoder {
  /** Why the last value has no document; null where it has one, or is plain. */
  failure: DecodeFailure | null = null
  readonly #known: ReadonlyMap<SchemaKey, SchemaReading>
  readonly #byId = new Map<number, SchemaReading>()
  readonly #from = new BytesReader()
  readonly #to = new JsonWriter()

  /** Where a registry is known, `registryKey` is among them, whatever it has. */
  constructor(known: ReadonlyMap<SchemaKey, SchemaReading> = new Map()) {
    this.#known = known
    for (const [key, reading] of known) if (/^[0-9]+$/.test(key)) this.#byId.set(Number(key), reading)
  }

  /**
   * The bytes of the JSON text; null where there are none. Who knows nothing of a registry takes every value
   * as it is: what is in the wire format is then no JSON.
   */
  document(value: Uint8Array | null, headers: readonly unknown[] | null): Uint8Array | null {
    this.failure = null
    if (value === null || this.#known.size === 0) return value
    if (headers !== null && headers.length > 0) {
      const header = headerOf(headers)
      if (header !== null) return this.#byHeader(value, header)
    }
    if (!beginsAsWire(value)) return value
    const id = (value[1]! * 0x1000000 + (value[2]! << 16) + (value[3]! << 8) + value[4]!) >>> 0
    return this.#read(this.#byId.get(id), value, 5, value, 5)
  }

  #byHeader(value: Uint8Array, header: Uint8Array): Uint8Array | null {
    const naming = namingIn(header)
    if (naming === null) return this.#fail('undecodable')
    return this.#read(this.#known.get(naming.key), value, 0, header, naming.next)
  }

  /** What names a message of Protobuf stands in `named`, from `next` on. */
  #read(
    reading: SchemaReading | undefined,
    value: Uint8Array,
    start: number,
    named: Uint8Array,
    next: number,
  ): Uint8Array | null {
    if (reading === undefined) return this.#fail('schema_unknown')
    switch (reading.kind) {
      case 'unreadable':
        return this.#fail('undecodable')
      case 'json':
        return start === 0 ? value : value.subarray(start)
      case 'avro':
        return this.#transcode(reading.transcode, value, start)
      case 'protobuf': {
        const found = messageIndexes(named, next)
        if (found === null) return this.#fail('undecodable')
        return this.#transcode(
          (from, to) => reading.of(found.indexes)(from, to),
          value,
          named === value ? found.next : start,
        )
      }
    }
  }

  #transcode(transcode: Transcode, value: Uint8Array, start: number): Uint8Array | null {
    this.#from.take(value, start)
    this.#to.begin(value.length - start)
    try {
      transcode(this.#from, this.#to)
    } catch (error) {
      if (error instanceof UndecodableBytes || error instanceof SchemaUnreadable)
        return this.#fail('undecodable')
      throw error
    }
    return this.#to.end()
  }

  #fail(failure: DecodeFailure): null {
    this.failure = failure
    return null
  }
}
