// YAML with the place of every value: what a document has, asked key by key, its mistakes told where they
// are.
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
} from 'yaml'
import { likelyName } from '../errors/nearest-name.ts'
import type { Mistakes, Tell } from './mistake.ts'
import { placesOf } from './placed-text.ts'

export type YamlNode = Node

/** A key of a map with its value. */
export type Entry = { readonly name: string; readonly at: number; readonly value: YamlNode }

/** A text, and where each of its characters is in the file. */
export type PlacedText = { readonly text: string; readonly at: number; readonly tell: Tell }

const quotesAdvice = "put the whole text in quotes, as in when: '!has(country)'"

export class YamlReader {
  readonly #source: string
  readonly #mistakes: Mistakes

  constructor(source: string, mistakes: Mistakes) {
    this.#source = source
    this.#mistakes = mistakes
  }

  /** null where the text is no YAML, which is told. */
  document(expected: string): YamlNode | null {
    const lineCounter = new LineCounter()
    const document = parseDocument(this.#source, {
      lineCounter,
      prettyErrors: false,
      version: '1.2',
      schema: 'core',
    })
    // The others follow from the first.
    const [error] = document.errors
    if (error !== undefined) {
      this.#mistakes.add(error.pos[0], this.#yamlError(error.code, error.message, error.pos[0]))
      return null
    }
    if (document.contents === null) this.#mistakes.add(0, `the file is empty: ${expected} are expected`)
    return document.contents
  }

  #yamlError(code: string, message: string, at: number): string {
    const start = this.#source.lastIndexOf('\n', at - 1) + 1
    const end = this.#source.indexOf('\n', at)
    const line = this.#source.slice(start, end < 0 ? undefined : end)
    if (/^ *\t/.test(line)) return 'this is no YAML: a tab begins this line; YAML takes spaces alone there'
    const isText = /\b(?:when|says|meaning)\s*:/.test(line)
    const told = code === 'DUPLICATE_KEY' ? 'this key stands twice' : `this is no YAML: ${firstLine(message)}`
    return isText && code !== 'DUPLICATE_KEY' ? `${told}. Most likely: ${quotesAdvice}` : told
  }

  tell(node: YamlNode, message: string): null {
    this.#mistakes.add(startOf(node), message)
    return null
  }

  tellAt(at: number, message: string): null {
    this.#mistakes.add(at, message)
    return null
  }

  /** The entries of a map; null where the node is none. `what` is said of another node. */
  entries(node: YamlNode, what: string): readonly Entry[] | null {
    if (isAlias(node)) return this.tell(node, 'write the value itself: * and & are not read')
    if (!isMap(node)) return this.tell(node, `${what} is expected`)
    const entries: Entry[] = []
    for (const { key, value } of node.items as readonly Pair<Node, Node | null>[]) {
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.#mistakes.add(startOf(key), 'a key is a name')
        continue
      }
      const at = startOf(key)
      if (value === null) this.#mistakes.add(at, `${key.value} has no value`)
      else entries.push({ name: key.value, at, value })
    }
    return entries
  }

  /** The known entries of a map by their names; others are told, and required ones that are missing. */
  known<Name extends string>(
    node: YamlNode,
    what: string,
    names: readonly Name[],
    required: readonly Name[],
  ): Readonly<Partial<Record<Name, Entry>>> | null {
    const entries = this.entries(node, what)
    if (entries === null) return null
    const meantNames: (string | null)[] = []
    for (const { name, at } of entries) {
      if (names.some((known) => known === name)) continue
      const meant = likelyName(name, names)
      meantNames.push(meant)
      const advice = meant === null ? `keys are ${names.join(', ')}` : `did you mean ${meant}?`
      this.#mistakes.add(at, `there is no key ${name} here: ${advice}`)
    }
    const missing = required.filter(
      (name) => !entries.some((entry) => entry.name === name) && !meantNames.includes(name),
    )
    const are = missing.length === 1 ? 'is' : 'are'
    if (missing.length > 0) this.#mistakes.add(startOf(node), `${missing.join(', ')} ${are} missing`)
    return Object.fromEntries(entries.map((entry) => [entry.name, entry])) as Partial<Record<Name, Entry>>
  }

  items(node: YamlNode, what: string): readonly YamlNode[] | null {
    if (isAlias(node)) return this.tell(node, 'write the value itself: * and & are not read')
    if (!isSeq(node)) return this.tell(node, `${what} is expected`)
    return node.items as readonly Node[]
  }

  /** What a person wrote as one value; null where it is none, which is told. */
  scalar(node: YamlNode, what: string): Scalar | null {
    const sign = isAlias(node) ? '*' : (node.tag ?? (isScalar(node) && node.anchor ? `&${node.anchor}` : ''))
    if (/^[*!&]/.test(sign)) {
      // The place of a value is behind its tag.
      const at = isAlias(node) ? startOf(node) : this.#source.lastIndexOf(sign, startOf(node))
      const told = 'YAML reads ! & and * at the beginning as signs of its own'
      return this.tellAt(at < 0 ? startOf(node) : at, `${told}: ${quotesAdvice}`)
    }
    if (!isScalar(node)) {
      const isBraced = isMap(node) && node.flow === true
      return this.tell(
        node,
        isBraced ? `${what} is expected: YAML reads { as a map; ${quotesAdvice}` : `${what} is expected`,
      )
    }
    return node
  }

  /** A text, also where YAML takes it for a number or a truth value. */
  text(node: YamlNode, what: string): PlacedText | null {
    const scalar = this.scalar(node, what)
    if (scalar === null) return null
    if (scalar.value === null) return this.tell(node, `${what} is expected`)
    const text = typeof scalar.value === 'string' ? scalar.value : (scalar.source ?? String(scalar.value))
    const at = startOf(node)
    const places = placesOf(this.#source, at, text)
    return {
      text,
      at,
      tell: (offset, message) => this.#mistakes.add(places[Math.min(offset, text.length)] ?? at, message),
    }
  }

  wholeNumber(node: YamlNode, what: string, min: number, max: number): number | null {
    const scalar = this.scalar(node, what)
    if (scalar === null) return null
    const { value } = scalar
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      return this.tell(node, `${what} is expected: a whole number from ${min} to ${max}`)
    }
    return value
  }

  lineOf(node: YamlNode): number {
    return this.#source.slice(0, startOf(node)).split('\n').length
  }
}

function firstLine(message: string): string {
  return message.split('\n')[0]!.replace(/:$/, '')
}

/** A node without a place is one that YAML made by itself. */
function startOf(node: YamlNode): number {
  return node.range?.[0] ?? 0
}
