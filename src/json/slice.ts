// Where a value of a JSON document stands, and what it is in JavaScript.
import { backslash } from './bytes.ts'

/** What a value is; absent where the document has no such name. */
export const jsonKind = {
  absent: 0,
  null: 1,
  true: 2,
  false: 3,
  number: 4,
  string: 5,
  object: 6,
  array: 7,
} as const

export type JsonKind = (typeof jsonKind)[keyof typeof jsonKind]

const noBytes = new Uint8Array(0)
const noView = new DataView(noBytes.buffer)

/** A value of a document that was judged to be well-formed. One object is reused for each document. */
export class JsonSlice {
  bytes: Uint8Array = noBytes
  kind: JsonKind = jsonKind.absent
  /** The first byte of the value; of a string, the one behind the opening quote. */
  start = 0
  /** Behind the last byte of the value; of a string, the closing quote. */
  end = 0
  /** Of a string: whether a backslash is in it. */
  hasEscapes = false
  /** Of a string: whether its bytes are all ASCII. */
  isAscii = true
  /** The buffer that `bytes` are in, and the position where they begin in it. */
  buffer: DataView = noView
  base = 0
}

/** Makes the slice a string, whose bytes have been judged. `isPlain`: neither escapes nor other than ASCII. */
export function setString(slice: JsonSlice, start: number, end: number, isPlain: boolean): void {
  slice.kind = jsonKind.string
  slice.start = start
  slice.end = end
  slice.hasEscapes = false
  slice.isAscii = true
  if (isPlain) return
  const { bytes } = slice
  for (let at = start; at < end; at++) {
    if (bytes[at] === backslash) slice.hasEscapes = true
    else if (bytes[at]! >= 0x80) slice.isAscii = false
  }
}

const { latin1Slice, utf8Slice } = Buffer.prototype
/** Up to here, one call with the characters as arguments takes less than half of a call of native code. */
const charactersAsArgumentsMax = 12

/** The text of a string. */
export function sliceText(slice: JsonSlice): string {
  const { bytes, start, end } = slice
  if (slice.hasEscapes) return JSON.parse(utf8Slice.call(bytes, start - 1, end + 1))
  if (!slice.isAscii) return utf8Slice.call(bytes, start, end)
  return end - start > charactersAsArgumentsMax
    ? latin1Slice.call(bytes, start, end)
    : shortText(bytes, start, end - start)
}

function shortText(b: Uint8Array, at: number, length: number): string {
  const of = String.fromCharCode
  if (length < 4) {
    if (length === 0) return ''
    if (length === 1) return of(b[at]!)
    return length === 2 ? of(b[at]!, b[at + 1]!) : of(b[at]!, b[at + 1]!, b[at + 2]!)
  }
  const [c, d, e, f] = [b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!]
  switch (length) {
    case 4:
      return of(c, d, e, f)
    case 5:
      return of(c, d, e, f, b[at + 4]!)
    case 6:
      return of(c, d, e, f, b[at + 4]!, b[at + 5]!)
    case 7:
      return of(c, d, e, f, b[at + 4]!, b[at + 5]!, b[at + 6]!)
    case 8:
      return of(c, d, e, f, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!)
    case 9:
      return of(c, d, e, f, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!, b[at + 8]!)
    case 10:
      return of(c, d, e, f, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!, b[at + 8]!, b[at + 9]!)
    case 11:
      return of(
        c,
        d,
        e,
        f,
        b[at + 4]!,
        b[at + 5]!,
        b[at + 6]!,
        b[at + 7]!,
        b[at + 8]!,
        b[at + 9]!,
        b[at + 10]!,
      )
    default:
      return of(
        c,
        d,
        e,
        f,
        b[at + 4]!,
        b[at + 5]!,
        b[at + 6]!,
        b[at + 7]!,
        b[at + 8]!,
        b[at + 9]!,
        b[at + 10]!,
        b[at + 11]!,
      )
  }
}
