// Confluent's wire format: which schema the value of a record goes by, and where its bytes begin. The schema's
// id stands before the value, behind a magic byte, or in a header of the record, which has a GUID as a rule.
import type { MessageIndexes } from './protobuf.ts'

/** How a schema is named: its id in decimal, or its GUID. */
export type SchemaKey = string

/** Where a schema is named: in the value itself, or in these bytes of a header. */
export type Naming = {
  readonly key: SchemaKey
  /** The bytes with what stands behind the name, and where that begins. */
  readonly bytes: Uint8Array
  readonly next: number
}

type Header = { readonly key: string; readonly value: Uint8Array | null }

export const schemaHeader = '__value_schema_id'
const magicId = 0
const magicGuid = 1
const idLength = 5
const guidLength = 17
const indexesMax = 64

/** The bytes of the header that names the schema of the value; null where the record has none. */
export function headerOf(headers: readonly unknown[] | null): Uint8Array | null {
  if (headers === null) return null
  for (let index = 0; index < headers.length; index++) {
    const { key, value } = headers[index] as Header // As records have them.
    if (key === schemaHeader) return value
  }
  return null
}

/** Whether a value without such a header may be in the wire format: no JSON begins so. */
export function beginsAsWire(value: Uint8Array): boolean {
  return value.length >= idLength && value[0] === magicId
}

/** null where the bytes name no schema. */
export function namingIn(bytes: Uint8Array): Naming | null {
  if (beginsAsWire(bytes)) {
    const id = (bytes[1]! * 0x1000000 + (bytes[2]! << 16) + (bytes[3]! << 8) + bytes[4]!) >>> 0
    return { key: String(id), bytes, next: idLength }
  }
  if (bytes.length < guidLength || bytes[0] !== magicGuid) return null
  const hex = Buffer.from(bytes.subarray(1, guidLength)).toString('hex')
  const key = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  return { key, bytes, next: guidLength }
}

/** Which schema the value of a record goes by; null where it is in no wire format. */
export function namingOf(value: Uint8Array | null, headers: readonly unknown[] | null): Naming | null {
  if (value === null) return null
  const header = headerOf(headers)
  if (header !== null) return namingIn(header)
  return beginsAsWire(value) ? namingIn(value) : null
}

/** Which message of a file it is, and where the bytes go on; null where no indexes stand there. */
export function messageIndexes(
  bytes: Uint8Array,
  start: number,
): { readonly indexes: MessageIndexes; readonly next: number } | null {
  let at = start
  const read = (): number | null => {
    let [value, shift] = [0, 0]
    for (;;) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 28) return null
      value |= (byte & 0x7f) << shift
      shift += 7
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
  }
  const count = read()
  if (count === 0) return { indexes: [0], next: at }
  if (count === null || count < 0 || count > indexesMax) return null
  const indexes: number[] = []
  for (let index = 0; index < count; index++) {
    const one = read()
    if (one === null || one < 0) return null
    indexes.push(one)
  }
  return { indexes, next: at }
}
