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
  /** Of a string: whether each of its bytes is a character of ASCII that means itself. */
  isPlain = true
  /** The buffer that `bytes` are in, and the position where they begin in it. */
  buffer: DataView = noView
  base = 0

  /** Of a string: whether a backslash is in it. */
  get hasEscapes(): boolean {
    if (this.isPlain) return false
    const { bytes, end } = this
    for (let at = this.start; at < end; at++) if (bytes[at] === backslash) return true
    return false
  }
}

type SliceBytes = (this: Uint8Array, start: number, end: number) => string
/** What Buffer's toString calls, without the cost of its other cases; any Uint8Array will do. */
const latin1Slice: SliceBytes = Buffer.prototype.latin1Slice
const utf8Slice: SliceBytes = Buffer.prototype.utf8Slice

/** The text of a string, well-formed. */
export function sliceText(slice: JsonSlice): string {
  const { bytes, start, end } = slice
  if (slice.isPlain) return latin1Slice.call(bytes, start, end)
  if (!slice.hasEscapes) return utf8Slice.call(bytes, start, end)
  return JSON.parse(utf8Slice.call(bytes, start - 1, end + 1))
}

/** The value as it stands in the document. */
export function sliceSource({ bytes, kind, start, end }: JsonSlice): string {
  return kind === jsonKind.string
    ? utf8Slice.call(bytes, start - 1, end + 1)
    : utf8Slice.call(bytes, start, end)
}
