// A strict reader of one JSON object (RFC 8259): slow, plain, and sharing no code with any parser that the
// engines use. Numbers keep their text, because what a number means is the judge's
// affair.

export type JsonValue =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array' }
  | NestedObject

type NestedObject = {
  readonly kind: 'object'
  /** Of a name that stands twice, its last value. */
  readonly members: ReadonlyMap<string, JsonValue>
  readonly hasNameTwice: boolean
}

export type JsonObject = {
  readonly kind: 'object'
  readonly members: ReadonlyMap<string, JsonValue>
  /**
   * True where the contract lets an engine refuse the value or take it: deep nesting, a repeated nested name.
   */
  readonly mayBeRefused: boolean
}

/** Nesting beyond this may be refused; the object itself is level 1. */
const levelsAlwaysTaken = 100
/** Beyond this the reader stops looking: recursion has an end. */
const levelsMax = 1000

export function parseStrictJson(bytes: Uint8Array): JsonObject | { readonly kind: 'malformed' } {
  try {
    // ignoreBOM means: do not swallow it. A byte-order mark then is a character that no JSON text begins
    // with.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return new Reader(text).document()
  } catch (error) {
    if (error instanceof Malformed || error instanceof TypeError) return { kind: 'malformed' }
    if (error instanceof TooDeep) return { kind: 'object', members: new Map(), mayBeRefused: true }
    throw error
  }
}

/**
 * The value at the path: undefined where a name of it is absent, or leads through something that is no
 * object; `malformed` where a name stands twice in an object on the way.
 */
export function valueAt(
  members: ReadonlyMap<string, JsonValue>,
  [name, ...inner]: readonly string[],
): JsonValue | undefined | 'malformed' {
  const value = members.get(name!)
  if (inner.length === 0 || value?.kind !== 'object') return inner.length === 0 ? value : undefined
  return value.hasNameTwice ? 'malformed' : valueAt(value.members, inner)
}

class Malformed extends Error {}
class TooDeep extends Error {}

const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

class Reader {
  readonly #text: string
  #at = 0
  #deepest = 0
  #nestedNameTwice = false

  constructor(text: string) {
    this.#text = text
  }

  document(): JsonObject {
    this.#space()
    if (this.#text[this.#at] !== '{') throw new Malformed('not an object')
    const { members } = this.#object(1)
    this.#space()
    if (this.#at !== this.#text.length) throw new Malformed('something after the object')
    return {
      kind: 'object',
      members,
      mayBeRefused: this.#deepest > levelsAlwaysTaken || this.#nestedNameTwice,
    }
  }

  #object(level: number): NestedObject {
    this.#enter(level)
    this.#take('{')
    const members = new Map<string, JsonValue>()
    let hasNameTwice = false
    this.#space()
    if (this.#tookIf('}')) return { kind: 'object', members, hasNameTwice }
    while (true) {
      this.#space()
      const name = this.#string()
      this.#space()
      this.#take(':')
      const value = this.#value(level)
      if (members.has(name)) {
        if (level === 1) throw new Malformed('a name twice')
        hasNameTwice = true
      }
      members.set(name, value)
      this.#space()
      if (this.#tookIf('}')) {
        this.#nestedNameTwice ||= hasNameTwice
        return { kind: 'object', members, hasNameTwice }
      }
      this.#take(',')
    }
  }

  #array(level: number): void {
    this.#enter(level)
    this.#take('[')
    this.#space()
    if (this.#tookIf(']')) return
    while (true) {
      this.#value(level)
      this.#space()
      if (this.#tookIf(']')) return
      this.#take(',')
    }
  }

  #value(level: number): JsonValue {
    this.#space()
    const first = this.#text[this.#at]
    if (first === '{') return this.#object(level + 1)
    if (first === '[') {
      this.#array(level + 1)
      return { kind: 'array' }
    }
    if (first === '"') return { kind: 'string', value: this.#string() }
    if (this.#tookIf('null')) return { kind: 'null' }
    if (this.#tookIf('true')) return { kind: 'boolean', value: true }
    if (this.#tookIf('false')) return { kind: 'boolean', value: false }
    return { kind: 'number', text: this.#number() }
  }

  #number(): string {
    const pattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) throw new Malformed('no value')
    this.#at += found[0].length
    return found[0]
  }

  #string(): string {
    this.#take('"')
    let value = ''
    while (true) {
      const character = this.#text[this.#at]
      if (character === undefined) throw new Malformed('a string without an end')
      this.#at += 1
      if (character === '"') break
      if (character < ' ') throw new Malformed('a control character in a string')
      value += character === '\\' ? this.#escape() : character
    }
    if (!value.isWellFormed()) throw new Malformed('an unpaired surrogate')
    return value
  }

  #escape(): string {
    const letter = this.#text[this.#at] ?? ''
    this.#at += 1
    if (letter !== 'u') {
      const meaning = escapes.get(letter)
      if (meaning === undefined) throw new Malformed('an unknown escape')
      return meaning
    }
    const digits = this.#text.slice(this.#at, this.#at + 4)
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new Malformed('a \\u without four hexadecimal digits')
    this.#at += 4
    return String.fromCharCode(Number.parseInt(digits, 16))
  }

  #enter(level: number): void {
    if (level > levelsMax) throw new TooDeep()
    this.#deepest = Math.max(this.#deepest, level)
  }

  #space(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'end')) this.#at += 1
  }

  #take(expected: string): void {
    if (!this.#tookIf(expected)) throw new Malformed(`no ${expected}`)
  }

  #tookIf(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false
    this.#at += expected.length
    return true
  }
}
