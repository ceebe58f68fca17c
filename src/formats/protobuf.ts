// Protobuf as JSON text, under the names that the file has for its fields. What each type becomes is in
// docs/guide/schema-registry.md.
import type { Transcode } from './avro.ts'
import { utf8 } from './json-writer.ts'
import { builtInProtos } from './proto-built-in.ts'
import {
  type FieldType,
  groupLevelsMax,
  type MessageType,
  writeMessage,
  writeObject,
} from './proto-fields.ts'
import { type ProtoField, type ProtoFile, type ProtoMessage, readProto } from './proto-file.ts'
import { writersOfKnown } from './proto-known.ts'
import { defaultOf, type ProtoValue, type Scalar, scalars, zeroOf } from './proto-scalars.ts'
import { SchemaUnreadable, undecodable } from './undecodable.ts'

/** The message of a file at these indexes, of which each is one among the messages within the one before. */
export type MessageIndexes = readonly number[]

/**
 * What transcodes the message at the indexes. Fails with SchemaUnreadable where the schema is none; values
 * whose indexes name nothing are undecodable. `references` are the files that the schema imports.
 */
export function protobufTranscoder(
  schema: string,
  references: readonly string[],
): (indexes: MessageIndexes) => Transcode {
  const main = readProto(schema)
  const types = new ProtoTypes([...builtInProtos(), ...references.map(readProto), main])
  const known = new Map<string, Transcode>()
  const transcoderOf = (indexes: MessageIndexes): Transcode => {
    const name = messageAt(main, indexes)
    if (name === null) return () => undecodable()
    const type = types.message(name)
    return (from, to) => writeMessage(type, [{ start: from.at, end: from.end }], from, to)
  }
  known.set('0', transcoderOf([0])) // The mistakes of a schema are told of it, and not of a value.
  return (indexes) => {
    const key = String(indexes)
    const found = known.get(key) ?? transcoderOf(indexes)
    if (known.size < 1_000) known.set(key, found)
    return found
  }
}

function messageAt(file: ProtoFile, indexes: MessageIndexes): string | null {
  let { messages } = file
  let name = file.package === '' ? '' : `.${file.package}`
  for (const index of indexes) {
    const message = messages[index]
    if (message === undefined || message.isMapEntry) return null
    name += `.${message.name}`
    messages = message.messages
  }
  return indexes.length === 0 ? null : name
}

type Named =
  | { readonly kind: 'message'; readonly message: ProtoMessage; type: MessageType | null }
  | { readonly kind: 'enum'; readonly names: ReadonlyMap<number, Uint8Array>; readonly first: number }

/** The types of files by their full names, which begin with a dot. */
class ProtoTypes {
  readonly #named = new Map<string, Named>()

  constructor(files: readonly ProtoFile[]) {
    for (const file of files) this.#add(file.package === '' ? '' : `.${file.package}`, file, 0)
  }

  #add(scope: string, { messages, enums }: Pick<ProtoFile, 'messages' | 'enums'>, level: number): void {
    if (level > groupLevelsMax) throw new SchemaUnreadable('its messages nest too deep')
    for (const message of messages) {
      const name = `${scope}.${message.name}`
      this.#named.set(name, { kind: 'message', message, type: null })
      this.#add(name, message, level + 1)
    }
    for (const { name, values } of enums) {
      const names = new Map<number, Uint8Array>()
      for (const [text, number] of values)
        if (!names.has(number)) names.set(number, utf8(JSON.stringify(text)))
      this.#named.set(`${scope}.${name}`, { kind: 'enum', names, first: values[0]?.[1] ?? 0 })
    }
  }

  message(name: string): MessageType {
    const found = this.#named.get(name)
    if (found?.kind !== 'message') throw new SchemaUnreadable(`nothing in it is the message ${name}`)
    if (found.type !== null) return found.type
    const type: MessageType = { name, fields: [], byNumber: new Map(), write: () => undecodable() }
    found.type = type
    const oneofs = new Map<string, number[]>()
    for (const [index, field] of found.message.fields.entries()) {
      const made = this.#field(name, index, field)
      type.fields.push(made)
      type.byNumber.set(field.number, made)
      if (field.oneof === null) continue
      const members = oneofs.get(field.oneof) ?? []
      oneofs.set(field.oneof, members)
      members.push(index)
    }
    for (const members of oneofs.values()) {
      for (const index of members) type.fields[index]!.others.push(...members.filter((one) => one !== index))
    }
    type.write = writersOfKnown[name]?.(type) ?? ((slots, from, to) => writeObject(type, slots, from, to))
    return type
  }

  #field(scope: string, index: number, field: ProtoField): FieldType {
    const scalar = scalars[field.type] ?? null
    const named = scalar === null ? this.#resolve(field.type, scope) : null
    const message = named?.kind === 'message' ? this.message(named.name) : null
    const isMap =
      named?.kind === 'message' && named.found.kind === 'message' && named.found.message.isMapEntry
    const enumType = named?.found.kind === 'enum' ? named.found : null
    return {
      index,
      prefix: utf8(`${JSON.stringify(field.name)}:`),
      scalar: scalar ?? (enumType === null ? null : scalars.enum!),
      enumNames: enumType?.names ?? null,
      message,
      isMap,
      isRepeated: field.isRepeated,
      absent: absentOf(field, scalar, enumType),
      others: [],
    }
  }

  /** A name is looked for in the message itself first, then in what is around it. */
  #resolve(name: string, scope: string) {
    for (let within = scope; ; within = within.slice(0, Math.max(0, within.lastIndexOf('.')))) {
      const full = name.startsWith('.') ? name : `${within}.${name}`
      const found = this.#named.get(full)
      if (found !== undefined) return { kind: found.kind, name: full, found }
      if (within === '' || name.startsWith('.')) break
    }
    throw new SchemaUnreadable(`nothing in it is the type ${JSON.stringify(name)}`)
  }
}

function absentOf(
  field: ProtoField,
  scalar: Scalar | null,
  enumType: Extract<Named, { kind: 'enum' }> | null,
): ProtoValue | undefined {
  if (field.isRepeated || (scalar === null && enumType === null)) return undefined
  if (field.oneof !== null) return undefined
  if (field.default !== null) {
    if (scalar !== null) return defaultOf(field.type, field.default)
    const named = [...(enumType?.names ?? [])].find(([, name]) => {
      return Buffer.from(name).toString() === JSON.stringify(field.default)
    })
    return named?.[0]
  }
  if (field.hasPresence) return undefined
  return enumType === null ? zeroOf(field.type) : enumType.first
}
