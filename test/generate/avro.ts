// Random Avro schemas, and values of them as avsc takes them.
import { randomOf } from './random.ts'

export type AvroSchema = string | readonly AvroSchema[] | { readonly [name: string]: unknown }

const texts = ['', 'plain', 'quote " and \\', 'tab\tline\n\u0001', 'ümläut 漢字 😀', 'x'.repeat(70)]
const plain = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const
const logical = [
  { type: 'int', logicalType: 'date' },
  { type: 'int', logicalType: 'time-millis' },
  { type: 'long', logicalType: 'time-micros' },
  { type: 'long', logicalType: 'timestamp-millis' },
  { type: 'long', logicalType: 'timestamp-micros' },
  { type: 'long', logicalType: 'timestamp-nanos' },
  { type: 'long', logicalType: 'local-timestamp-millis' },
  { type: 'long', logicalType: 'local-timestamp-micros' },
  { type: 'string', logicalType: 'uuid' },
  { type: 'bytes', logicalType: 'decimal', precision: 30, scale: 4 },
  { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 9 }, // None: it is bytes.
] as const

export class AvroCase {
  readonly schema: AvroSchema
  readonly #random: () => number
  readonly #records: string[] = []
  readonly #named = new Map<string, AvroSchema>()
  #names = 0

  constructor(seed: number) {
    this.#random = randomOf(seed)
    this.schema = this.#record(0)
  }

  named(name: string): AvroSchema {
    return this.#named.get(name) ?? name
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#below(of.length)]!
  }

  #record(level: number): AvroSchema {
    const name = `R${this.#names++}`
    const schema: Record<string, unknown> = { type: 'record', name }
    this.#named.set(name, schema)
    this.#records.push(name)
    schema.fields = Array.from({ length: this.#below(6) + (level === 0 ? 1 : 0) }, (_, index) => {
      return { name: `f${index}`, type: this.#type(level + 1) }
    })
    return schema
  }

  #type(level: number): AvroSchema {
    const kind = this.#below(level > 4 ? 12 : 20)
    if (kind < 8) return this.#one(plain)
    if (kind < 12) return this.#one(logical)
    switch (kind) {
      case 12:
        return { type: 'array', items: this.#type(level + 1) }
      case 13:
        return { type: 'map', values: this.#type(level + 1) }
      case 14:
        return this.#keep({ type: 'enum', name: `E${this.#names++}`, symbols: ['A', 'B_2', 'long_symbol'] })
      case 15: {
        const about = this.#one([
          { size: this.#below(20) },
          { size: 16, logicalType: 'uuid' },
          { size: 12, logicalType: 'duration' },
          { size: 9, logicalType: 'decimal', precision: 20, scale: 3 },
        ])
        return this.#keep({ type: 'fixed', name: `F${this.#names++}`, ...about })
      }
      case 16:
        return this.#record(level)
      case 17:
        return ['null', this.#one(this.#records)]
      default:
        return this.#union()
    }
  }

  #keep(schema: { readonly name: string; readonly [about: string]: unknown }): AvroSchema {
    this.#named.set(schema.name, schema)
    return schema
  }

  #union(): AvroSchema {
    const branches: AvroSchema[] = []
    for (const name of plain) if (this.#below(3) === 0) branches.push(name)
    return branches.length === 0 ? ['null', 'string'] : branches
  }

  value(): unknown {
    return this.#value(this.schema, 0)
  }

  #value(schema: AvroSchema, level: number): unknown {
    if (typeof schema === 'string') {
      const found = this.#named.get(schema)
      return found === undefined ? this.#plain(schema) : this.#value(found, level)
    }
    if (Array.isArray(schema)) return this.#branch(schema, level)
    // biome-ignore lint/suspicious/noExplicitAny: a schema that was made above.
    const { type, items, values, symbols, size, fields } = schema as any
    switch (type as string) {
      case 'record': {
        const entries = (fields as { name: string; type: AvroSchema }[]).map((field) => {
          return [field.name, this.#value(field.type, level + 1)]
        })
        return Object.fromEntries(entries)
      }
      case 'array':
        return Array.from({ length: level > 6 ? 0 : this.#below(4) }, () => this.#value(items, level + 1))
      case 'map':
        return Object.fromEntries(
          Array.from({ length: level > 6 ? 0 : this.#below(4) }, (_, index) => {
            return [`${this.#one(texts)}${index}`, this.#value(values, level + 1)]
          }),
        )
      case 'enum':
        return this.#one(symbols as string[])
      case 'fixed':
        return Buffer.from(Array.from({ length: size }, () => this.#below(256)))
      default:
        return this.#plain(type, 'logicalType' in schema)
    }
  }

  #branch(branches: readonly AvroSchema[], level: number): unknown {
    const branch = level > 8 ? branches[0]! : this.#one(branches)
    if (branch === 'null') return null
    return { [branch as string]: this.#value(branch, level + 1) }
  }

  #plain(name: string, isLogical = false): unknown {
    switch (name) {
      case 'null':
        return null
      case 'boolean':
        return this.#below(2) === 1
      case 'int':
        return this.#below(2) === 0 ? this.#below(100_000_000) : this.#below(2 ** 32) - 2 ** 31
      case 'long':
        return this.#long(isLogical)
      case 'float':
        return Math.fround(this.#double())
      case 'double':
        return this.#double()
      case 'bytes':
        return Buffer.from(Array.from({ length: this.#below(14) }, () => this.#below(256)))
      default:
        return this.#one(texts)
    }
  }

  #long(isLogical: boolean): bigint {
    if (isLogical && this.#below(3) > 0)
      return BigInt(this.#below(2 ** 48)) * 1000n + BigInt(this.#below(1000))
    const bits = BigInt(this.#below(64))
    const value = BigInt.asIntN(64, (BigInt(this.#below(2 ** 32)) << 32n) | BigInt(this.#below(2 ** 32)))
    return value >> bits
  }

  #double(): number {
    const odd = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, 5e-324, 1e21, 123.45, 0.1, Number.MAX_VALUE]
    return this.#below(2) === 0 ? this.#one(odd) : (this.#random() - 0.5) * 10 ** this.#below(30)
  }
}
