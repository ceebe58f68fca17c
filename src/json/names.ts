// The names of one object of a document, or of the objects at one place in many documents: which field each
// is, which will stand next, and whether one stands twice. Names compare as what they say, whatever escapes
// they are written with; well-formed texts are equal exactly where their UTF-8 bytes are.
import { assert } from '../errors/errors.ts'
import { backslash } from './bytes.ts'
import { JsonSlice } from './slice.ts'

/** Names that are kept from document to document, besides those of the fields. */
const namesKeptMax = 256
/** Longer names are judged without being kept. */
const nameBytesKeptMax = 128
/** Names with the same bucket that are kept: whoever makes names of equal hashes gains nothing. */
const bucketNamesMax = 8
const bucketCount = 512
/** A name with white space behind it that is foretold. */
const writtenLengthMax = 256
const noWords = new Int32Array(0)

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export class MemberName {
  /** Where the value of a field is told. */
  readonly slice: JsonSlice
  /** Of a field that holds others: their names. */
  members: ObjectNames | null = null
  /** The document that has the name. */
  document = 0
  /** The name that stood behind this one. */
  next: MemberName = this
  /** UTF-8 without escapes. */
  readonly bytes: Uint8Array
  readonly hash: number
  /** The other names of the bucket. */
  chained: MemberName | null = null
  /** How the name stood in a document, from its quote to the value; 0: that is not known. */
  writtenLength = 0
  #words = noWords
  #lastWord = 0

  constructor(bytes: Uint8Array, slice: JsonSlice) {
    this.bytes = bytes
    this.slice = slice
    this.hash = hashOf(viewOf(bytes), 0, bytes.length)
  }

  /** Whether it stands there as it stood before: what was judged once needs no second look. */
  standsAt(bytes: DataView, at: number, last: number): boolean {
    const length = this.writtenLength
    if (length === 0 || at + length > last) return false
    const lastWord = at + length - 4
    if (bytes.getInt32(lastWord, true) !== this.#lastWord) return false
    const words = this.#words
    for (let index = 0, next = at; next < lastWord; index++, next += 4) {
      if (bytes.getInt32(next, true) !== words[index]) return false
    }
    return true
  }

  /** Takes down how it stands there. */
  learn(bytes: DataView, start: number, end: number): void {
    const length = end - start
    if (length > writtenLengthMax || length < 4) return
    this.writtenLength = length
    this.#words = Int32Array.from({ length: length >> 2 }, (_, index) =>
      bytes.getInt32(start + index * 4, true),
    )
    this.#lastWord = bytes.getInt32(end - 4, true)
  }
}

export class ObjectNames {
  /** Its successor is the name that stood first. */
  readonly beginning: MemberName
  readonly #fields: MemberName[] = []
  readonly #ignored: JsonSlice
  readonly #buckets: (MemberName | null)[] = new Array(bucketCount).fill(null)
  #keptCount = 0
  /** Stands for each name that is not kept. */
  readonly #unkept: MemberName
  /** The names of this document that are not kept. */
  #unkeptNames: Set<string> | null = null

  constructor(ignored: JsonSlice) {
    this.#ignored = ignored
    this.beginning = new MemberName(new Uint8Array(0), ignored)
    this.#unkept = new MemberName(new Uint8Array(0), ignored)
  }

  /** The field of that name, made where there is none. */
  field(text: string): MemberName {
    assert(text.isWellFormed(), 'the name of a field is text')
    const bytes = encoder.encode(text)
    const found = this.#kept(viewOf(bytes), 0, bytes.length, hashOf(viewOf(bytes), 0, bytes.length))
    if (found !== null) return found
    const name = new MemberName(bytes, new JsonSlice())
    this.#link(name)
    this.#fields.push(name)
    return name
  }

  begin(): void {
    if (this.#keptCount >= namesKeptMax) this.forget()
    this.#unkeptNames = null
  }

  /** Keeps the names of the fields alone, and no document. */
  forget(): void {
    this.#buckets.fill(null)
    this.#keptCount = 0
    this.beginning.next = this.beginning
    this.#unkept.next = this.#unkept
    for (const field of this.#fields) {
      field.document = 0
      field.next = field
      this.#link(field)
      field.members?.forget()
    }
  }

  /**
   * The name between the quotes before `start` and at `end`, whose value begins at `value`; null where the
   * document has the name already.
   */
  find(bytes: DataView, start: number, end: number, value: number, document: number): MemberName | null {
    let name: MemberName | null
    if (hasEscapes(bytes, start, end)) {
      const unescaped = encoder.encode(JSON.parse(`"${textOf(bytes, start, end)}"`))
      name = this.#findOrKeep(viewOf(unescaped), 0, unescaped.length)
    } else name = this.#findOrKeep(bytes, start, end)
    // Names that are not kept share one that is no name: it stands nowhere.
    if (name === null || name === this.#unkept) return name
    if (name.document === document) return null
    name.document = document
    name.learn(bytes, start - 1, value)
    return name
  }

  #findOrKeep(bytes: DataView, start: number, end: number): MemberName | null {
    const hash = hashOf(bytes, start, end)
    const found = this.#kept(bytes, start, end, hash)
    if (found !== null) return found
    if (!this.#hasRoom(hash, end - start)) return this.#findUnkept(bytes, start, end)
    const name = new MemberName(partOf(bytes, start, end).slice(), this.#ignored)
    this.#link(name)
    this.#keptCount++
    return name
  }

  #kept(bytes: DataView, start: number, end: number, hash: number): MemberName | null {
    let name = this.#buckets[hash & (bucketCount - 1)] ?? null
    while (name !== null) {
      if (name.hash === hash && sameBytes(name.bytes, bytes, start, end)) return name
      name = name.chained
    }
    return null
  }

  #hasRoom(hash: number, length: number): boolean {
    if (this.#keptCount >= namesKeptMax || length > nameBytesKeptMax) return false
    let count = 0
    let name = this.#buckets[hash & (bucketCount - 1)] ?? null
    for (; name !== null; name = name.chained) count++
    return count < bucketNamesMax
  }

  #link(name: MemberName): void {
    const bucket = name.hash & (bucketCount - 1)
    name.chained = this.#buckets[bucket] ?? null
    this.#buckets[bucket] = name
  }

  #findUnkept(bytes: DataView, start: number, end: number): MemberName | null {
    this.#unkeptNames ??= new Set()
    // The hash of a text of digits is its number, and known to everybody; that of any other text is a secret.
    const text = `n${textOf(bytes, start, end)}`
    if (this.#unkeptNames.has(text)) return null
    this.#unkeptNames.add(text)
    return this.#unkept
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function partOf(bytes: DataView, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start)
}

function textOf(bytes: DataView, start: number, end: number): string {
  return decoder.decode(partOf(bytes, start, end))
}

function hasEscapes(bytes: DataView, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes.getUint8(at) === backslash) return true
  return false
}

/** FNV-1a. */
function hashOf(bytes: DataView, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes.getUint8(at), 0x01000193)
  return hash ^ (hash >>> 15)
}

function sameBytes(whole: Uint8Array, bytes: DataView, start: number, end: number): boolean {
  if (whole.length !== end - start) return false
  for (let index = 0; index < whole.length; index++) {
    if (whole[index] !== bytes.getUint8(start + index)) return false
  }
  return true
}
