// Avro as JSON text: a schema becomes functions, each of which writes one value. The writer's schema alone is
// needed: a field that it lacks is absent, as in the JSON of who did not send it. What each type becomes is
// in docs/guide/schema-registry.md.
import { type AvroType, type LogicalType, parseAvro } from './avro-schema.ts'
import type { BytesReader } from './bytes-reader.ts'
import { type JsonWriter, utf8 } from './json-writer.ts'
import { undecodable } from './undecodable.ts'

/** Reads one value and writes it. */
export type Transcode = (from: BytesReader, to: JsonWriter) => void

const [openBrace, closeBrace, openBracket, closeBracket, comma, colon] = [0x7b, 0x7d, 0x5b, 0x5d, 0x2c, 0x3a]
const nothing = utf8('null')
const [yes, no] = [utf8('true'), utf8('false')]

/** Fails with SchemaUnreadable where the schema is none. `references` are the texts of the schemas it uses. */
export function avroTranscoder(schema: string, references: readonly string[]): Transcode {
  const write = new Compiler().compile(parseAvro(schema, references))
  return (from, to) => {
    write(from, to)
    if (from.at !== from.end) undecodable()
  }
}

class Compiler {
  /** Of named types, which may hold themselves. */
  readonly #named = new Map<AvroType, Transcode>()

  compile(type: AvroType): Transcode {
    switch (type.kind) {
      case 'primitive':
        return type.logical === null ? primitives[type.name] : logical(primitives[type.name], type.logical)
      case 'array':
        return this.#array(type.items)
      case 'map':
        return this.#map(type.values)
      case 'union':
        return this.#union(type.branches)
      case 'enum': {
        const symbols = type.symbols.map((symbol) => utf8(JSON.stringify(symbol)))
        return (from, to) => to.raw(symbols[from.count()] ?? undecodable())
      }
      case 'fixed':
        return fixed(type.size, type.logical)
      case 'record':
        return this.#record(type)
    }
  }

  #record(type: Extract<AvroType, { kind: 'record' }>): Transcode {
    const known = this.#named.get(type)
    if (known !== undefined) return known
    const prefixes: Uint8Array[] = []
    const writers: Transcode[] = []
    const record: Transcode = (from, to) => {
      to.enter()
      if (writers.length === 0) to.byte(openBrace)
      for (let index = 0; index < writers.length; index++) {
        to.raw(prefixes[index]!)
        writers[index]!(from, to)
      }
      to.byte(closeBrace)
      to.leave()
    }
    this.#named.set(type, record)
    for (const [index, field] of type.fields.entries()) {
      prefixes.push(utf8(`${index === 0 ? '{' : ','}${JSON.stringify(field.name)}:`))
      writers.push(this.compile(field.type))
    }
    return record
  }

  #array(items: AvroType): Transcode {
    const write = this.compile(items)
    return (from, to) => {
      to.enter()
      to.byte(openBracket)
      let isFirst = true
      for (let count = blockLength(from); count > 0; count = blockLength(from)) {
        for (; count > 0; count--) {
          if (!isFirst) to.byte(comma)
          isFirst = false
          write(from, to)
        }
      }
      to.byte(closeBracket)
      to.leave()
    }
  }

  #map(values: AvroType): Transcode {
    const write = this.compile(values)
    return (from, to) => {
      to.enter()
      to.byte(openBrace)
      let isFirst = true
      for (let count = blockLength(from); count > 0; count = blockLength(from)) {
        for (; count > 0; count--) {
          if (!isFirst) to.byte(comma)
          isFirst = false
          text(from, to)
          to.byte(colon)
          write(from, to)
        }
      }
      to.byte(closeBrace)
      to.leave()
    }
  }

  #union(branches: readonly AvroType[]): Transcode {
    const writers = branches.map((branch) => this.compile(branch))
    return (from, to) => {
      const write = writers[from.count()] ?? undecodable()
      write(from, to)
    }
  }
}

/** How many items come next; 0 at the end. A block may tell how many bytes it has. */
function blockLength(from: BytesReader): number {
  const count = from.count()
  if (count >= 0) return count
  from.count()
  return -count
}

const whole: Transcode = (from, to) => {
  const value = from.signed()
  if (typeof value === 'number') to.whole(value)
  else to.bigint(value)
}

const text: Transcode = (from, to) => {
  const start = from.pass(from.count())
  to.string(from.bytes, start, from.at)
}

const primitives = {
  null: (_, to) => to.raw(nothing),
  boolean: (from, to) => {
    const byte = from.byte()
    if (byte > 1) undecodable()
    to.raw(byte === 1 ? yes : no)
  },
  int: (from, to) => to.whole(int32(from)),
  long: whole,
  float: (from, to) => to.float(from.float()),
  double: (from, to) => to.double(from.double()),
  bytes: (from, to) => {
    const start = from.pass(from.count())
    to.base64(from.bytes, start, from.at)
  },
  string: text,
} satisfies Readonly<Record<string, Transcode>>

function int32(from: BytesReader): number {
  const value = from.count()
  if ((value | 0) !== value) undecodable()
  return value
}

function logical(plain: Transcode, type: LogicalType): Transcode {
  switch (type.name) {
    case 'decimal': {
      const { scale } = type
      return (from, to) => {
        const start = from.pass(from.count())
        to.decimal(from.bigEndian(start, from.at), scale)
      }
    }
    case 'date':
      return (from, to) => to.date(int32(from))
    case 'time':
      return (from, to) => {
        const value = from.signed()
        const { digits } = type
        const perSecond = 10 ** digits
        const isOfDay = typeof value === 'number' && value >= 0 && value < 86_400 * perSecond
        if (isOfDay) to.timeOfDay(Math.floor(value / perSecond), value % perSecond, digits)
        else writeWhole(value, to)
      }
    case 'timestamp':
      return (from, to) => instant(from.signed(), type.digits, type.isLocal, to)
    default:
      return plain
  }
}

function writeWhole(value: number | bigint, to: JsonWriter): void {
  if (typeof value === 'number') to.whole(value)
  else to.bigint(value)
}

/** An instant in units of which a second has 10^digits; beyond the years 1 to 9999 it is the number. */
export function instant(value: number | bigint, digits: number, isLocal: boolean, to: JsonWriter): void {
  const perSecond = 10 ** digits
  if (typeof value === 'number') {
    const seconds = Math.floor(value / perSecond)
    if (!to.instant(seconds, value - seconds * perSecond, digits, isLocal)) to.whole(value)
    return
  }
  const units = BigInt(perSecond)
  const rest = ((value % units) + units) % units
  const seconds = Number((value - rest) / units)
  if (!to.instant(seconds, Number(rest), digits, isLocal)) to.bigint(value)
}

function fixed(size: number, type: LogicalType | null): Transcode {
  return (from, to) => {
    const start = from.pass(size)
    if (type?.name === 'decimal') to.decimal(from.bigEndian(start, from.at), type.scale)
    else if (type?.name === 'uuid') to.ascii(`"${uuidText(from.bytes, start)}"`)
    else if (type?.name === 'duration') duration(from, start, to)
    else to.base64(from.bytes, start, from.at)
  }
}

export function uuidText(bytes: Uint8Array, start: number): string {
  const hex = Buffer.from(bytes.subarray(start, start + 16)).toString('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** Months, days and milliseconds, as ISO 8601 has a duration. */
function duration(from: BytesReader, start: number, to: JsonWriter): void {
  const { at } = from
  from.at = start
  const [months, days, millis] = [from.uint32(), from.uint32(), from.uint32()]
  from.at = at
  to.ascii(`"P${months}M${days}DT${Math.floor(millis / 1000)}.${String(millis % 1000).padStart(3, '0')}S"`)
}
