// Reads the fields of records from bytes that may come in pieces.
import { isUtf8 } from 'node:buffer'
import type { RecordHeader } from '../batches/source.ts'

/** Bytes that a length takes at most. */
const VARINT_BYTES_MAX = 5
const VARLONG_BYTES_MAX = 10
/** Length, attributes, time and offset of a record: what is needed to say which one it is. */
const RECORD_START_BYTES = VARINT_BYTES_MAX + 1 + VARLONG_BYTES_MAX + VARINT_BYTES_MAX

/** A key that begins so is the bytes in hexadecimal digits. */
const ESCAPE = '\\x'

const nothing = Buffer.alloc(0)

/**
 * Behind the end of its bytes it reads zeros; the caller compares positions record by record.
 */
export class RecordReader {
  position = 0
  #bytes: Buffer = nothing
  /** Of a record that is not whole yet. */
  #parts: Buffer[] = []
  #partBytes = 0
  #wantedBytes = 0

  /** Adds bytes behind those that are left. */
  feed(piece: Buffer): void {
    this.#parts.push(piece)
    this.#partBytes += piece.length
    if (this.#partBytes < this.#wantedBytes) return
    this.#bytes = this.#parts.length === 1 ? piece : Buffer.concat(this.#parts)
    this.position = 0
    this.#parts = []
  }

  /**
   * How many bytes the next record has behind its length, which is read; null, and nothing is read, where
   * more bytes have to be fed first: the whole record, or, where it is longer than `bytesMax`, its start.
   */
  recordLength(bytesMax: number): number | null {
    const start = this.position
    const length = this.varint()
    const isWhole = this.position + length <= this.#bytes.length && length <= bytesMax && length >= 0
    return isWhole ? length : this.#lengthOfPart(start, length, bytesMax)
  }

  /** For a record that is not whole, or whose length is not one. */
  #lengthOfPart(start: number, length: number, bytesMax: number): number | null {
    const available = this.#bytes.length - start
    const isLengthWhole = this.position <= this.#bytes.length
    const needed = length > bytesMax ? RECORD_START_BYTES : this.position - start + length
    if (isLengthWhole && (needed <= available || length < 0)) return length
    if (this.#parts.length === 0) {
      this.#parts = available === 0 ? [] : [this.#bytes.subarray(start)]
      this.#partBytes = available
      this.#wantedBytes = isLengthWhole ? needed : available + 1
      this.#bytes = nothing
    }
    this.position = 0
    return null
  }

  varint(): number {
    let byte = this.#bytes[this.position++]!
    let value = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = this.#bytes[this.position++]!
      value |= (byte & 0x7f) << shift
    }
    return (value >>> 1) ^ -(value & 1)
  }

  /** A 64-bit varint as a number: not exact beyond 2^53. */
  varlong(): number {
    let byte = this.#bytes[this.position++]!
    let value = byte & 0x7f
    for (let factor = 128; byte >= 0x80; factor *= 128) {
      byte = this.#bytes[this.position++]!
      value += (byte & 0x7f) * factor
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** The same, exact. */
  exactVarlong(): bigint {
    let value = 0n
    for (let count = 0; count < VARLONG_BYTES_MAX; count += 1) {
      const byte = this.#bytes[this.position++] ?? 0
      value |= BigInt(byte & 0x7f) << BigInt(7 * count)
      if (byte < 0x80) break
    }
    value = BigInt.asUintN(64, value)
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
  }

  bytesOrNull(): Buffer | null {
    const length = this.varint()
    return length < 0 ? null : this.bytes(length)
  }

  bytes(length: number): Buffer {
    const start = this.position
    this.position = start + length
    return this.#bytes.subarray(start, this.position)
  }

  headersOrNull(): RecordHeader[] | null {
    const count = this.varint()
    if (count <= 0) return null
    const headers: RecordHeader[] = []
    for (let index = 0; index < count && this.position < this.#bytes.length; index += 1) {
      const key = this.bytesOrNull()
      headers.push({ key: key === null ? '' : headerKeyText(key), value: this.bytesOrNull() })
    }
    return headers
  }
}

/**
 * The key of a header as text from which its bytes come back: bytes that are not UTF-8, and a text that could
 * be taken for such, are `\x` and their hexadecimal digits.
 */
function headerKeyText(key: Buffer): string {
  if (!isUtf8(key)) return `${ESCAPE}${key.toString('hex')}`
  const text = key.toString('utf8')
  return text.startsWith(ESCAPE) ? `${ESCAPE}${key.toString('hex')}` : text
}
