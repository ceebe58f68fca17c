// What a decoded document has to be, from what another library reads of the same bytes.
import avsc from 'avsc'
import protobufjs from 'protobufjs'
import type { AvroCase, AvroSchema } from '../generate/avro.ts'

/** What stands at a place of the document: a number by its digits, a float by its value. */
export type Expected =
  | null
  | boolean
  | string
  | { readonly digits: string }
  | { readonly float: number }
  | { readonly instant: bigint; readonly perSecond: bigint; readonly isLocal: boolean }
  | readonly Expected[]
  | { readonly members: ReadonlyMap<string, Expected> }

/** avsc with longs as bigints. */
export function avscType(schema: AvroSchema): avsc.Type {
  const longs = avsc.types.LongType.__with({
    fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
    toBuffer: (value: bigint) => {
      const buffer = Buffer.alloc(8)
      buffer.writeBigInt64LE(value)
      return buffer
    },
    fromJSON: BigInt,
    toJSON: String,
    isValid: (value: unknown) => typeof value === 'bigint',
    compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
  })
  return avsc.Type.forSchema(JSON.parse(JSON.stringify(schema)), {
    wrapUnions: true,
    typeHook: (type) => {
      const isLong = typeof type === 'string' ? type === 'long' : 'type' in type && type.type === 'long'
      return isLong ? longs : undefined
    },
  })
}

export function expectedOfAvro(of: AvroCase, schema: AvroSchema, value: unknown): Expected {
  if (typeof schema === 'string') {
    const named = of.named(schema)
    return named === schema ? plainOf(schema, value) : expectedOfAvro(of, named, value)
  }
  if (Array.isArray(schema)) {
    if (value === null) return null
    const [name, inner] = Object.entries(value as object)[0]!
    return expectedOfAvro(of, name, inner)
  }
  // biome-ignore lint/suspicious/noExplicitAny: a schema that the generator made.
  const about = schema as any
  switch (about.type) {
    case 'record':
      return members(about.fields, (field: { name: string; type: AvroSchema }) => {
        return [field.name, expectedOfAvro(of, field.type, (value as Record<string, unknown>)[field.name])]
      })
    case 'array':
      return (value as unknown[]).map((one) => expectedOfAvro(of, about.items, one))
    case 'map':
      return members(Object.entries(value as object), ([name, one]) => [
        name,
        expectedOfAvro(of, about.values, one),
      ])
    case 'enum':
      return value as string
    default:
      return logicalOf(about, value)
  }
}

function members<T>(list: readonly T[], of: (one: T) => readonly [string, Expected]): Expected {
  return { members: new Map(list.map(of)) }
}

function plainOf(name: string, value: unknown): Expected {
  if (name === 'bytes' || name === 'fixed') return Buffer.from(value as Uint8Array).toString('base64')
  if (name === 'int' || name === 'long') return { digits: String(value) }
  if (name === 'float' || name === 'double') return numberOf(value as number, name)
  return value as Expected
}

function numberOf(value: number, name: 'float' | 'double'): Expected {
  if (!Number.isFinite(value)) return String(value)
  if (name === 'float') return { float: value }
  return { digits: Object.is(value, -0) ? '-0' : String(value) }
}

// biome-ignore lint/suspicious/noExplicitAny: a schema that the generator made.
function logicalOf(about: any, value: any): Expected {
  const { logicalType: name } = about
  if (name === 'date') {
    const day = new Date(value * 86_400_000)
    const isOfCalendar = day.getUTCFullYear() >= 1 && day.getUTCFullYear() <= 9999
    return isOfCalendar ? day.toISOString().slice(0, 10) : plainOf('int', value)
  }
  if (name?.startsWith('time-')) {
    const perSecond = name.endsWith('millis') ? 1_000n : 1_000_000n
    const units = BigInt(value)
    if (units < 0n || units >= 86_400n * perSecond) return { digits: String(value) }
    const fraction = units % perSecond
    const clock = new Date(Number(units / perSecond) * 1000).toISOString().slice(11, 19)
    const size = String(perSecond).length - 1
    return fraction === 0n ? clock : `${clock}.${String(fraction).padStart(size, '0')}`
  }
  if (name?.includes('timestamp')) {
    const perSecond = name.endsWith('millis') ? 1_000n : name.endsWith('micros') ? 1_000_000n : 1_000_000_000n
    return { instant: BigInt(value), perSecond, isLocal: name.startsWith('local') }
  }
  if (name === 'decimal' && about.scale <= about.precision) {
    const hex = Buffer.from(value).toString('hex')
    const unscaled = hex === '' ? 0n : BigInt.asIntN(hex.length * 4, BigInt(`0x${hex}`))
    const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(about.scale + 1, '0')
    const text = `${digits.slice(0, digits.length - about.scale)}.${digits.slice(digits.length - about.scale)}`
    return { digits: `${unscaled < 0n ? '-' : ''}${text}` }
  }
  if (about.type === 'fixed' && name === 'uuid') {
    return Buffer.from(value)
      .toString('hex')
      .replace(/^(.{8})(....)(....)(....)/, '$1-$2-$3-$4-')
  }
  if (about.type === 'fixed' && name === 'duration') {
    const [months, days, ms] = [0, 4, 8].map((at) => Buffer.from(value).readUInt32LE(at)) as [
      number,
      number,
      number,
    ]
    return `P${months}M${days}DT${(ms / 1000).toFixed(3)}S`
  }
  return plainOf(about.type, value)
}

export function expectedOfProtobuf(type: protobufjs.Type, message: protobufjs.Message): Expected {
  const found = new Map<string, Expected>()
  const values = message as unknown as Record<string, unknown>
  for (const field of type.fieldsArray) {
    const isThere = Object.hasOwn(values, field.name)
    const value = values[field.name]
    if (field.map) {
      const entries = Object.entries((value ?? {}) as object)
      const keyOf = (key: string) =>
        field instanceof protobufjs.MapField && field.keyType.includes('64')
          ? longKey(key, field.keyType)
          : key
      found.set(field.name, {
        members: new Map(entries.map(([key, one]) => [keyOf(key), protoValue(field, one)])),
      })
    } else if (field.repeated)
      found.set(
        field.name,
        ((value ?? []) as unknown[]).map((one) => protoValue(field, one)),
      )
    else if (isThere) found.set(field.name, protoValue(field, value))
    else if (!field.hasPresence && !(field.resolvedType instanceof protobufjs.Type))
      found.set(field.name, protoValue(field, field.typeDefault ?? field.defaultValue))
  }
  return { members: found }
}

/** protobufjs has the bytes of a long as the key. */
function longKey(hash: string, type: string): string {
  return protobufjs.util.longFromHash(hash, type.startsWith('u') || type === 'fixed64').toString()
}

function protoValue(field: protobufjs.Field, value: unknown): Expected {
  const { resolvedType } = field
  if (resolvedType instanceof protobufjs.Type)
    return expectedOfProtobuf(resolvedType, value as protobufjs.Message)
  if (resolvedType instanceof protobufjs.Enum) {
    return resolvedType.valuesById[value as number] ?? { digits: String(value) }
  }
  if (field.type === 'bytes') return Buffer.from(value as Uint8Array).toString('base64')
  if (field.type === 'float' || field.type === 'double') return numberOf(value as number, field.type)
  return typeof value === 'string' || typeof value === 'boolean' ? value : { digits: String(value) }
}

/** Where the document is not what is expected; null where it is. */
export function differenceOf(expected: Expected, document: Uint8Array | null): string | null {
  if (document === null) return 'no document'
  const text = Buffer.from(document).toString()
  // TypeScript does not know of a reviver's third argument.
  const withSource = (_: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' ? { source: context?.source } : value
  const parsed: unknown = JSON.parse(text, withSource)
  return differenceAt('$', expected, parsed)
}

function differenceAt(at: string, expected: Expected, found: unknown): string | null {
  const wrong = `${at}: ${JSON.stringify(found)} in place of ${JSON.stringify(expected, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))}`
  if (expected === null || typeof expected !== 'object') return found === expected ? null : wrong
  if (Array.isArray(expected)) {
    if (!Array.isArray(found) || found.length !== expected.length) return wrong
    return firstOf(expected.map((one, index) => differenceAt(`${at}[${index}]`, one, found[index])))
  }
  if ('members' in expected) {
    const names = Object.keys((found ?? {}) as object)
    if (String(names.toSorted()) !== String([...expected.members.keys()].toSorted())) return wrong
    const values = found as Record<string, unknown>
    return firstOf(
      [...expected.members].map(([name, one]) => differenceAt(`${at}.${name}`, one, values[name])),
    )
  }
  const source = (found as { source?: string } | null)?.source
  if ('digits' in expected) return source === expected.digits ? null : wrong
  if ('float' in expected) return Object.is(Math.fround(Number(source)), expected.float) ? null : wrong
  if ('instant' in expected) {
    const { instant, perSecond, isLocal } = expected
    if (typeof found !== 'string') {
      const year = new Date(Number(instant / perSecond) * 1000).getUTCFullYear()
      return source === String(instant) && !(year >= 1 && year <= 9999) ? null : wrong
    }
    if (found.endsWith('Z') === isLocal) return wrong
    const [whole, fraction = ''] = found.replace('Z', '').split('.') as [string, string?]
    const digits = String(perSecond).length - 1
    const units =
      BigInt(Date.parse(`${whole}Z`) / 1000) * perSecond +
      BigInt(fraction.padEnd(digits, '0').slice(0, digits) || 0)
    return units === instant ? null : wrong
  }
  return wrong
}

function firstOf(found: readonly (string | null)[]): string | null {
  return found.find((one) => one !== null) ?? null
}
