// A strict scanner of JSON objects (RFC 8259) in UTF-8 bytes, one for each record. It finds the values of
// fields in one pass and makes no text of what it passes. docs/decisions/json-scanner.md says what it takes
// and why.
import { assert } from '../errors/errors.ts'
import {
  closeBrace,
  colon,
  comma,
  falseEnd,
  isDigit,
  isSpace,
  minus,
  nullEnd,
  numberEnd,
  openBrace,
  openBracket,
  plainEnd,
  quote,
  spaceEnd,
  stringEnd,
  trueEnd,
} from './bytes.ts'
import { type MemberName, ObjectNames } from './names.ts'
import { type JsonKind, JsonSlice, jsonKind } from './slice.ts'

export type JsonScannerOptions = {
  /** A document nested deeper is malformed; the document itself is level 1. */
  readonly levelsMax?: number
}

/** As deep as Spark's parser reads. The contract lets a reader refuse what is deeper than 100 levels. */
const jsonLevelsMax = 1000
/** After so many documents names are learned anew, so that the number of a document stays small. */
const documentsNumberedMax = 2 ** 20
const malformed = -1

export class JsonScanner {
  /** In the order of the paths. Each holds until the next document is scanned. */
  readonly fields: readonly JsonSlice[]
  readonly #root: ObjectNames
  readonly #levelsMax: number
  /** For each level that is open, the bracket that closes it. */
  readonly #closing: Uint8Array
  #document = 0
  /** What was scanned last, and its whole buffer: positions within the scanner are those of the buffer. */
  #bytes: Uint8Array = new Uint8Array(0)
  #buffer: ArrayBufferLike = this.#bytes.buffer
  #view = new DataView(this.#buffer)
  #base = 0
  /** Where the value behind the name that was read last begins. */
  #valueStart = 0

  constructor(paths: readonly (readonly string[])[], { levelsMax = jsonLevelsMax }: JsonScannerOptions = {}) {
    assert(levelsMax >= 1, 'the document itself is a level')
    const ignored = new JsonSlice()
    this.#root = new ObjectNames(ignored)
    this.fields = paths.map((path) => {
      assert(path.length > 0, 'the path of a field has a name')
      let names = this.#root
      for (const text of path.slice(0, -1)) names = names.field(text).members ??= new ObjectNames(ignored)
      return names.field(path.at(-1)!).slice
    })
    this.#levelsMax = levelsMax
    this.#closing = new Uint8Array(levelsMax + 1)
  }

  /** Whether the bytes are one JSON object. False: they are malformed, and all fields are absent. */
  scan(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    this.#take(bytes)
    const view = this.#view
    const first = this.#base + start
    const last = lastOf(view, first, this.#base + end - 1)
    if (last <= first || view.getUint8(last) !== closeBrace) return false
    const at = spaceEnd(view, first)
    if (view.getUint8(at) !== openBrace) return false
    if (this.#document++ === documentsNumberedMax) {
      this.#document = 1
      this.#root.forget()
    }
    if (this.#object(this.#root, at + 1, last, 1) === last + 1) return true
    for (const field of this.fields) field.kind = jsonKind.absent
    return false
  }

  #take(bytes: Uint8Array): void {
    for (const field of this.fields) field.kind = jsonKind.absent
    if (bytes === this.#bytes) return
    const { buffer, byteOffset } = bytes
    // Records of one fetch share a buffer.
    if (buffer !== this.#buffer) {
      this.#buffer = buffer
      this.#view = new DataView(buffer)
      for (const field of this.fields) field.buffer = this.#view
    }
    this.#bytes = bytes
    this.#base = byteOffset
    for (const field of this.fields) {
      field.bytes = bytes
      field.base = byteOffset
    }
  }

  /** The end of an object that may hold fields, of which the brace was read. */
  #object(names: ObjectNames, from: number, last: number, level: number): number {
    const bytes = this.#view
    const base = this.#base
    const document = this.#document
    names.begin()
    let at = spaceEnd(bytes, from)
    if (bytes.getUint8(at) === closeBrace) return at + 1
    let previous = names.beginning
    while (true) {
      let name = previous.next
      if (name.standsAt(bytes, at, last)) {
        if (name.document === document) return malformed
        name.document = document
        at += name.writtenLength
        if (bytes.getUint8(at) <= 0x20) at = spaceEnd(bytes, at)
      } else {
        const found = this.#name(names, at, last)
        if (found === null) return malformed
        name = found
        previous.next = name
        at = this.#valueStart
      }
      previous = name
      if (bytes.getUint8(at) === quote) {
        const start = at + 1
        at = plainEnd(bytes, start, last)
        const { slice } = name
        slice.isPlain = bytes.getUint8(at) === quote
        if (!slice.isPlain) at = stringEnd(bytes, at, last)
        if (at < 0) return malformed
        slice.kind = jsonKind.string
        slice.start = start - base
        slice.end = at - base
        at++
      } else {
        at = this.#otherEnd(name, at, last, level)
        if (at < 0 || at > last) return malformed
      }
      let byte = bytes.getUint8(at)
      if (byte !== comma) {
        at = spaceEnd(bytes, at)
        byte = bytes.getUint8(at)
        if (byte !== comma) return byte === closeBrace ? at + 1 : malformed
      }
      at++
      if (bytes.getUint8(at) !== quote) at = spaceEnd(bytes, at)
    }
  }

  /** The name at `at`, and `#valueStart`; null where it is malformed or stands in the object already. */
  #name(names: ObjectNames, at: number, last: number): MemberName | null {
    const bytes = this.#view
    const value = nameEnd(bytes, at, last)
    if (value < 0) return null
    const start = at + 1
    this.#valueStart = value
    return names.find(bytes, start, stringEnd(bytes, start, last), value, this.#document)
  }

  /** The end of a value that is no string, which the slice of the name then tells. */
  #otherEnd(name: MemberName, at: number, last: number, level: number): number {
    const bytes = this.#view
    const { slice, members } = name
    const first = bytes.getUint8(at)
    slice.start = at - this.#base
    if (first === minus || isDigit(first)) {
      const behind = numberEnd(bytes, at)
      slice.kind = jsonKind.number
      slice.end = behind - this.#base
      return behind
    }
    let end: number
    if (first === openBrace && members !== null) {
      end = level < this.#levelsMax ? this.#object(members, at + 1, last, level + 1) : malformed
    } else if (first === openBrace || first === openBracket) end = this.#ignoredEnd(at, last, level)
    else end = scalarEnd(bytes, at, last)
    slice.kind = kindOf(first)
    slice.end = end - this.#base
    return end
  }

  /** The end of an array or of an object without fields. */
  #ignoredEnd(from: number, last: number, outerLevel: number): number {
    const bytes = this.#view
    const closing = this.#closing
    let level = outerLevel
    let at = from
    while (true) {
      const first = bytes.getUint8(at)
      if (first === openBrace || first === openBracket) {
        if (++level > this.#levelsMax) return malformed
        // The brackets that open and close stand two apart.
        const close = first + 2
        closing[level] = close
        at = spaceEnd(bytes, at + 1)
        if (bytes.getUint8(at) !== close) {
          if (close === closeBrace) at = nameEnd(bytes, at, last)
          if (at < 0) return malformed
          continue
        }
        at++
        level--
      } else at = scalarEnd(bytes, at, last)
      // Behind a value.
      while (true) {
        if (level === outerLevel) return at
        if (at < 0 || at > last) return malformed
        at = spaceEnd(bytes, at)
        const byte = bytes.getUint8(at)
        if (byte === comma) break
        if (byte !== closing[level]) return malformed
        at++
        level--
      }
      at = spaceEnd(bytes, at + 1)
      if (closing[level] === closeBrace) at = nameEnd(bytes, at, last)
      if (at < 0) return malformed
    }
  }
}

/** The position of the last byte that is no white space, or `first`. */
function lastOf(bytes: DataView, first: number, behind: number): number {
  let last = behind
  while (last > first && isSpace(bytes.getUint8(last))) last--
  return last
}

/** The end of a value without others in it. */
function scalarEnd(bytes: DataView, at: number, last: number): number {
  switch (bytes.getUint8(at)) {
    case quote: {
      const end = stringEnd(bytes, at + 1, last)
      return end < 0 ? malformed : end + 1
    }
    case 0x74:
      return trueEnd(bytes, at)
    case 0x66:
      return falseEnd(bytes, at)
    case 0x6e:
      return nullEnd(bytes, at)
    default:
      return numberEnd(bytes, at)
  }
}

/** Where the value of the member at `at` begins. */
function nameEnd(bytes: DataView, at: number, last: number): number {
  if (bytes.getUint8(at) !== quote) return malformed
  const end = stringEnd(bytes, at + 1, last)
  if (end < 0) return malformed
  const behind = spaceEnd(bytes, end + 1)
  return bytes.getUint8(behind) === colon ? spaceEnd(bytes, behind + 1) : malformed
}

/** What a value is by its first byte. */
function kindOf(first: number): JsonKind {
  switch (first) {
    case openBrace:
      return jsonKind.object
    case openBracket:
      return jsonKind.array
    case 0x74:
      return jsonKind.true
    case 0x66:
      return jsonKind.false
    case 0x6e:
      return jsonKind.null
    default:
      return jsonKind.number
  }
}

/** A JSON value by itself, for examples and tests. */
export function jsonSliceOf(text: string): JsonSlice {
  const scanner = new JsonScanner([['value']])
  const isObject = scanner.scan(Buffer.from(`{"value":${text}}`))
  const slice = scanner.fields[0]!
  const length = slice.end - slice.start + (slice.kind === jsonKind.string ? 2 : 0)
  assert(isObject && length === Buffer.byteLength(text.trim()), `no JSON value: ${text}`)
  return slice
}
