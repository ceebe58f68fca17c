// What a .proto file says of its messages, from its text or from its descriptor: types by their full names.
import { fromBinary } from '@bufbuild/protobuf'
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  FeatureSet_FieldPresence,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt'
import protobufjs from 'protobufjs'
import { SchemaUnreadable } from './undecodable.ts'

export type ProtoFile = {
  readonly package: string
  readonly imports: readonly string[]
  readonly messages: readonly ProtoMessage[]
  readonly enums: readonly ProtoEnum[]
}

export type ProtoMessage = {
  readonly name: string
  readonly fields: readonly ProtoField[]
  readonly messages: readonly ProtoMessage[]
  readonly enums: readonly ProtoEnum[]
  /** The message is an entry of a map: its fields are key and value. */
  readonly isMapEntry: boolean
}

export type ProtoEnum = {
  readonly name: string
  readonly values: readonly (readonly [name: string, number: number])[]
}

export type ProtoField = {
  readonly name: string
  readonly number: number
  /** A scalar's name in the language, or that of a message or enum; before a full one stands a dot. */
  readonly type: string
  readonly isRepeated: boolean
  /** Whether a message knows that the field was not set; null: where its type is a message. */
  readonly hasPresence: boolean | null
  /** The group of fields of which one is set. */
  readonly oneof: string | null
  /** As it stands in the file. */
  readonly default: string | null
}

/** Text, or the base64 of a descriptor. Fails with SchemaUnreadable. */
export function readProto(schema: string): ProtoFile {
  const descriptor = descriptorOf(schema)
  return descriptor === null ? ofText(schema) : ofDescriptor(descriptor)
}

/** null where the schema is text: it has white space, which base64 has not. */
function descriptorOf(schema: string): FileDescriptorProto | null {
  const text = schema.trim()
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null
  try {
    return fromBinary(FileDescriptorProtoSchema, new Uint8Array(Buffer.from(text, 'base64')))
  } catch {
    throw new SchemaUnreadable('it is neither the text of a .proto file nor a descriptor of one')
  }
}

const scalarNames: Readonly<Partial<Record<FieldDescriptorProto_Type, string>>> = {
  [FieldDescriptorProto_Type.DOUBLE]: 'double',
  [FieldDescriptorProto_Type.FLOAT]: 'float',
  [FieldDescriptorProto_Type.INT64]: 'int64',
  [FieldDescriptorProto_Type.UINT64]: 'uint64',
  [FieldDescriptorProto_Type.INT32]: 'int32',
  [FieldDescriptorProto_Type.FIXED64]: 'fixed64',
  [FieldDescriptorProto_Type.FIXED32]: 'fixed32',
  [FieldDescriptorProto_Type.BOOL]: 'bool',
  [FieldDescriptorProto_Type.STRING]: 'string',
  [FieldDescriptorProto_Type.BYTES]: 'bytes',
  [FieldDescriptorProto_Type.UINT32]: 'uint32',
  [FieldDescriptorProto_Type.SFIXED32]: 'sfixed32',
  [FieldDescriptorProto_Type.SFIXED64]: 'sfixed64',
  [FieldDescriptorProto_Type.SINT32]: 'sint32',
  [FieldDescriptorProto_Type.SINT64]: 'sint64',
}

function ofDescriptor(file: FileDescriptorProto): ProtoFile {
  const isImplicit = file.syntax === 'proto3' || isImplicitBy(file.options?.features?.fieldPresence)
  return {
    package: file.package,
    imports: file.dependency,
    messages: file.messageType.map((message) => messageOf(message, isImplicit)),
    enums: file.enumType.map(enumOf),
  }
}

function isImplicitBy(presence: FeatureSet_FieldPresence | undefined): boolean {
  return presence === FeatureSet_FieldPresence.IMPLICIT
}

function messageOf(message: DescriptorProto, isImplicit: boolean): ProtoMessage {
  const { name, nestedType, enumType, oneofDecl, options } = message
  return {
    name,
    fields: message.field.map((field) =>
      fieldOf(
        field,
        oneofDecl.map((one) => one.name),
        isImplicit,
      ),
    ),
    messages: nestedType.map((nested) => messageOf(nested, isImplicit)),
    enums: enumType.map(enumOf),
    isMapEntry: options?.mapEntry ?? false,
  }
}

function enumOf({ name, value }: EnumDescriptorProto): ProtoEnum {
  return { name, values: value.map((one) => [one.name, one.number]) }
}

function fieldOf(field: FieldDescriptorProto, oneofs: readonly string[], isImplicit: boolean): ProtoField {
  const presence = field.options?.features?.fieldPresence
  const isInOneof = isSet(field, 'oneofIndex')
  const isImplicitField = presence === undefined || presence === 0 ? isImplicit : isImplicitBy(presence)
  const isRepeated = field.label === FieldDescriptorProto_Label.REPEATED
  return {
    name: field.name,
    number: field.number,
    type: scalarNames[field.type] ?? field.typeName,
    isRepeated,
    hasPresence: isInOneof || field.proto3Optional || !isImplicitField,
    oneof: isInOneof && !field.proto3Optional ? (oneofs[field.oneofIndex] ?? null) : null,
    default: isSet(field, 'defaultValue') ? field.defaultValue : null,
  }
}

/** A field of proto2 that was not set has its default by its prototype. */
function isSet(field: FieldDescriptorProto, name: 'oneofIndex' | 'defaultValue'): boolean {
  return Object.hasOwn(field, name)
}

function ofText(text: string): ProtoFile {
  let parsed: protobufjs.IParserResult
  try {
    parsed = protobufjs.parse(text, new protobufjs.Root(), { keepCase: true })
  } catch (error) {
    throw new SchemaUnreadable(error instanceof Error ? error.message : String(error))
  }
  const { package: name = '', imports = [], root } = parsed
  let within: protobufjs.NamespaceBase = root
  for (const part of name === '' ? [] : name.split('.')) {
    const next: protobufjs.ReflectionObject | undefined = within.nestedArray.find((one) => one.name === part)
    if (!(next instanceof protobufjs.Namespace)) return { package: name, imports, messages: [], enums: [] }
    within = next
  }
  const edition = /\b(syntax|edition)\s*=\s*["']([^"']+)/.exec(text)?.[2] ?? 'proto2'
  const isImplicit = edition === 'proto3' || root.options?.['features.field_presence'] === 'IMPLICIT'
  return { package: name, imports, ...partsOf(within, isImplicit) }
}

function partsOf(
  within: protobufjs.NamespaceBase,
  isImplicit: boolean,
): Pick<ProtoFile, 'messages' | 'enums'> {
  const { nestedArray } = within
  return {
    messages: nestedArray.flatMap((one) =>
      one instanceof protobufjs.Type ? messageOfText(one, isImplicit) : [],
    ),
    enums: nestedArray.flatMap((one) => {
      return one instanceof protobufjs.Enum ? [{ name: one.name, values: Object.entries(one.values) }] : []
    }),
  }
}

/** A map is a repeated message of key and value, which stands behind those that the file names. */
function messageOfText(type: protobufjs.Type, isImplicit: boolean): ProtoMessage {
  const { messages, enums } = partsOf(type, isImplicit)
  const entries: ProtoMessage[] = []
  const fields = type.fieldsArray.map((field): ProtoField => {
    if (!(field instanceof protobufjs.MapField)) return fieldOfText(field, isImplicit)
    const name = `${field.name} entry` // No message of a file is called so.
    entries.push({
      name,
      fields: [mapPart('key', 1, field.keyType), mapPart('value', 2, field.type)],
      messages: [],
      enums: [],
      isMapEntry: true,
    })
    const { id: number } = field
    const about = { isRepeated: true, hasPresence: false, oneof: null, default: null }
    return { name: field.name, number, type: name, ...about }
  })
  return { name: type.name, fields, messages: [...messages, ...entries], enums, isMapEntry: false }
}

function mapPart(name: string, number: number, type: string): ProtoField {
  return { name, number, type, isRepeated: false, hasPresence: false, oneof: null, default: null }
}

function fieldOfText(field: protobufjs.Field, isImplicit: boolean): ProtoField {
  const { name, id, type, repeated, partOf } = field
  const options: Readonly<Record<string, unknown>> = field.options ?? {}
  const isOptional = options.proto3_optional === true
  const presence = options['features.field_presence']
  const isImplicitField = presence === undefined ? isImplicit : presence === 'IMPLICIT'
  return {
    name,
    number: id,
    type,
    isRepeated: repeated,
    hasPresence: isOptional || partOf !== null || !isImplicitField,
    oneof: partOf !== null && !isOptional ? partOf.name : null,
    default: options.default === undefined ? null : String(options.default),
  }
}
