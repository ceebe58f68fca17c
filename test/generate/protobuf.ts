// Random .proto files, and values of one of their messages as protobufjs takes them.
import type protobufjs from 'protobufjs'
import { randomOf } from './random.ts'

const scalars = [
  'int32',
  'uint32',
  'sint32',
  'int64',
  'uint64',
  'sint64',
  'fixed32',
  'sfixed32',
  'fixed64',
  'sfixed64',
  'float',
  'double',
  'bool',
  'string',
  'bytes',
] as const
const keys = ['int32', 'uint32', 'sint64', 'int64', 'bool', 'string'] as const
const texts = ['', 'plain', 'quote " and \\', 'tab\tline\n\u0001', 'ümläut 漢字 😀']

export class ProtobufCase {
  readonly text: string
  /** The message whose values are meant. */
  readonly message: string
  readonly indexes: readonly number[]
  readonly #random: () => number
  #names = 0

  constructor(seed: number) {
    this.#random = randomOf(seed)
    const syntax = this.#below(3) === 0 ? 'proto2' : 'proto3'
    const count = 1 + this.#below(3)
    const names = Array.from({ length: count }, () => `M${this.#names++}`)
    const bodies = names.map((name) => this.#body(name, syntax, names, 0))
    this.text = `syntax = "${syntax}";\npackage test.random;\nenum Top { TOP_ZERO = 0; TOP_FIVE = 5; }\n${bodies.join('\n')}`
    const at = this.#below(count)
    const isNested = this.#below(3) === 0
    this.message = `test.random.${names[at]}${isNested ? '.Inner' : ''}`
    this.indexes = isNested ? [at, 0] : [at]
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#below(of.length)]!
  }

  #body(name: string, syntax: string, names: readonly string[], level: number): string {
    const types = [...scalars, 'Top', ...names, ...(level === 0 ? ['Inner'] : [])]
    let number = 0
    const next = () => {
      number += 1 + this.#below(3) * this.#below(10)
      return number
    }
    const fields = Array.from({ length: 1 + this.#below(7) }, () => {
      const field = `f_${this.#names++}`
      switch (this.#below(6)) {
        case 0:
          return `repeated ${this.#one(types)} ${field} = ${next()};`
        case 1:
          return `map<${this.#one(keys)}, ${this.#one(types)}> ${field} = ${next()};`
        case 2:
          return `oneof ${field} { ${this.#one(types)} ${field}_a = ${next()}; ${this.#one(types)} ${field}_b = ${next()}; }`
        case 3:
          return `optional ${this.#one(types)} ${field} = ${next()};`
        default:
          return `${syntax === 'proto2' ? 'optional ' : ''}${this.#one(types)} ${field} = ${next()};`
      }
    })
    const inner = level === 0 ? this.#body('Inner', syntax, names, 1) : ''
    return `message ${name} { ${inner} ${fields.join(' ')} }`
  }

  value(type: protobufjs.Type, level = 0): Record<string, unknown> {
    const found: Record<string, unknown> = {}
    for (const field of type.fieldsArray) {
      const isMessage = field.resolvedType !== null && 'fieldsArray' in field.resolvedType
      if (this.#below(4) === 0 || (isMessage && level > 3)) continue
      if (field.partOf?.oneof.some((one) => one in found)) continue
      if (field.map) {
        const { keyType } = field as unknown as protobufjs.MapField
        const entries = Array.from({ length: this.#below(4) }, () => [
          String(this.#scalar(keyType)),
          this.#value(field, level),
        ])
        found[field.name] = Object.fromEntries(entries)
      } else if (field.repeated)
        found[field.name] = Array.from({ length: this.#below(4) }, () => this.#value(field, level))
      else found[field.name] = this.#value(field, level)
    }
    return found
  }

  #value(field: protobufjs.Field, level: number): unknown {
    const { resolvedType } = field
    if (resolvedType === null) return this.#scalar(field.type)
    if ('fieldsArray' in resolvedType) return this.value(resolvedType, level + 1)
    return this.#one([0, 5, 5, 77])
  }

  #scalar(type: string): unknown {
    if (type === 'string') return this.#one(texts)
    if (type === 'bytes') return Buffer.from(Array.from({ length: this.#below(9) }, () => this.#below(256)))
    if (type === 'bool') return this.#below(2) === 1
    if (type === 'float' || type === 'double') {
      const value = this.#one([
        0,
        -0,
        1.5,
        0.1,
        1e30,
        Number.NaN,
        Number.NEGATIVE_INFINITY,
        this.#random() * 1000,
      ])
      return type === 'float' ? Math.fround(value) : value
    }
    const isUnsigned = type.startsWith('u') || type.startsWith('fixed')
    if (!type.endsWith('64')) {
      const bits = this.#below(2 ** 32)
      return this.#one([0, 1, isUnsigned ? bits : bits | 0])
    }
    const bits = (BigInt(this.#below(2 ** 32)) << 32n) | BigInt(this.#below(2 ** 32))
    const value = this.#one([0n, 7n, bits, bits >> 20n])
    return String(isUnsigned ? value : BigInt.asIntN(64, value))
  }
}
