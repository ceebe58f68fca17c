// The text of an Avro schema as types, with the schemas that it refers to by their names.
import { SchemaUnreadable } from './undecodable.ts'

export type AvroType =
  | { readonly kind: 'primitive'; readonly name: PrimitiveName; readonly logical: LogicalType | null }
  | { readonly kind: 'array'; readonly items: AvroType }
  | { readonly kind: 'map'; readonly values: AvroType }
  | { readonly kind: 'union'; readonly branches: readonly AvroType[] }
  | { readonly kind: 'enum'; readonly symbols: readonly string[] }
  | { readonly kind: 'fixed'; readonly size: number; readonly logical: LogicalType | null }
  | { readonly kind: 'record'; readonly fields: AvroField[] }

type AvroField = { readonly name: string; readonly type: AvroType }

/** What a plain type stands for. Digits are those behind the seconds. */
export type LogicalType =
  | { readonly name: 'decimal'; readonly scale: number }
  | { readonly name: 'date' | 'uuid' | 'duration' }
  | { readonly name: 'time'; readonly digits: number }
  | { readonly name: 'timestamp'; readonly digits: number; readonly isLocal: boolean }

const primitiveNames = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const
type PrimitiveName = (typeof primitiveNames)[number]
const isPrimitive = (name: unknown): name is PrimitiveName => primitiveNames.some((one) => one === name)
/** Types within types; the stack of who compiles them has an end. */
const levelsMax = 200
const typesMax = 20_000

/** Fails with SchemaUnreadable. */
export function parseAvro(schema: string, references: readonly string[]): AvroType {
  const parser = new Parser()
  // A reference may use another that stands behind it: those that cannot be read yet are tried again.
  let left = references
  while (left.length > 0) {
    const failed = left.filter((text) => !parser.knows(text))
    if (failed.length === left.length) parser.parse(left[0]!) // It says why.
    left = failed
  }
  return parser.parse(schema)
}

class Parser {
  readonly #named = new Map<string, AvroType>()
  #count = 0

  knows(text: string): boolean {
    const before = new Map(this.#named)
    try {
      this.parse(text)
      return true
    } catch (error) {
      if (!(error instanceof SchemaUnreadable)) throw error
      this.#named.clear()
      for (const [name, type] of before) this.#named.set(name, type)
      return false
    }
  }

  parse(text: string): AvroType {
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      // The text of a schema that is one type may be its bare name.
      if (!/^[A-Za-z_.0-9]+$/.test(text.trim())) throw new SchemaUnreadable('it is no JSON')
      parsed = text.trim()
    }
    return this.#type(parsed, '', 0)
  }

  #type(given: unknown, namespace: string, level: number): AvroType {
    if (level > levelsMax) throw new SchemaUnreadable(`its types nest deeper than ${levelsMax} levels`)
    if (++this.#count > typesMax) throw new SchemaUnreadable(`it has more than ${typesMax} types`)
    if (typeof given === 'string') return this.#byName(given, namespace)
    if (Array.isArray(given)) {
      return { kind: 'union', branches: given.map((one) => this.#type(one, namespace, level + 1)) }
    }
    if (typeof given !== 'object' || given === null)
      throw new SchemaUnreadable('a type is no name and no object')
    const { type, ...about } = given as Readonly<Record<string, unknown>>
    switch (type) {
      case 'array':
        return { kind: 'array', items: this.#type(about.items, namespace, level + 1) }
      case 'map':
        return { kind: 'map', values: this.#type(about.values, namespace, level + 1) }
      case 'enum':
      case 'fixed':
      case 'record':
      case 'error':
        return this.#define(type, about, namespace, level)
      default:
        if (isPrimitive(type)) {
          return { kind: 'primitive', name: type, logical: logicalOf(type, about) }
        }
        return this.#type(type, namespace, level + 1)
    }
  }

  #byName(name: string, namespace: string): AvroType {
    if (isPrimitive(name)) return { kind: 'primitive', name, logical: null }
    const found = this.#named.get(fullName(name, namespace)) ?? this.#named.get(name)
    if (found === undefined) throw new SchemaUnreadable(`nothing in it is the type ${JSON.stringify(name)}`)
    return found
  }

  #define(
    kind: 'enum' | 'fixed' | 'record' | 'error',
    about: Readonly<Record<string, unknown>>,
    outer: string,
    level: number,
  ): AvroType {
    const { name } = about
    if (typeof name !== 'string') throw new SchemaUnreadable(`a type that is ${kind} has no name`)
    const own = typeof about.namespace === 'string' ? about.namespace : outer
    const full = fullName(name, own)
    if (kind === 'enum') return this.#keep(full, { kind, symbols: symbolsOf(about.symbols) })
    if (kind === 'fixed') {
      const { size } = about
      if (!Number.isInteger(size) || Number(size) < 0) throw new SchemaUnreadable(`${full} has no size`)
      return this.#keep(full, { kind, size: Number(size), logical: logicalOf('fixed', about) })
    }
    const fields: AvroField[] = []
    const record = this.#keep(full, { kind: 'record', fields })
    if (!Array.isArray(about.fields)) throw new SchemaUnreadable(`${full} has no fields`)
    const within = full.includes('.') ? full.slice(0, full.lastIndexOf('.')) : ''
    for (const field of about.fields as unknown[]) {
      if (
        typeof field !== 'object' ||
        field === null ||
        !('name' in field) ||
        typeof field.name !== 'string'
      ) {
        throw new SchemaUnreadable(`a field of ${full} has no name`)
      }
      if (!('type' in field)) throw new SchemaUnreadable(`the field ${field.name} of ${full} has no type`)
      fields.push({ name: field.name, type: this.#type(field.type, within, level + 1) })
    }
    return record
  }

  #keep<T extends AvroType>(name: string, type: T): T {
    if (this.#named.has(name)) throw new SchemaUnreadable(`two types in it are called ${name}`)
    this.#named.set(name, type)
    return type
  }
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}

function symbolsOf(symbols: unknown): readonly string[] {
  if (!Array.isArray(symbols) || !symbols.every((symbol) => typeof symbol === 'string')) {
    throw new SchemaUnreadable('an enum has no symbols')
  }
  return symbols
}

/** null for a logical type that is none of this plain type: then that counts, as Avro has it. */
function logicalOf(plain: string, about: Readonly<Record<string, unknown>>): LogicalType | null {
  const { logicalType: name } = about
  switch (`${plain} ${String(name)}`) {
    case 'bytes decimal':
    case 'fixed decimal':
      return decimalOf(about)
    case 'int date':
      return { name: 'date' }
    case 'fixed uuid':
      return about.size === 16 ? { name: 'uuid' } : null
    case 'fixed duration':
      return about.size === 12 ? { name: 'duration' } : null
    case 'int time-millis':
      return { name: 'time', digits: 3 }
    case 'long time-micros':
      return { name: 'time', digits: 6 }
    case 'long timestamp-millis':
    case 'long timestamp-micros':
    case 'long timestamp-nanos':
      return { name: 'timestamp', digits: digitsOf(String(name)), isLocal: false }
    case 'long local-timestamp-millis':
    case 'long local-timestamp-micros':
    case 'long local-timestamp-nanos':
      return { name: 'timestamp', digits: digitsOf(String(name)), isLocal: true }
    default:
      return null // uuid as text is the text.
  }
}

function digitsOf(name: string): number {
  if (name.endsWith('millis')) return 3
  return name.endsWith('micros') ? 6 : 9
}

function decimalOf({ precision, scale = 0 }: Readonly<Record<string, unknown>>): LogicalType | null {
  const isRight = Number.isInteger(scale) && Number.isInteger(precision) && Number(precision) > 0
  return isRight && Number(scale) >= 0 && Number(scale) <= Number(precision)
    ? { name: 'decimal', scale: Number(scale) }
    : null
}
