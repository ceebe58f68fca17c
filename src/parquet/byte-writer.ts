// Bytes that grow as they are written, as Parquet spells them: little-endian. Writers are used again, because
// memory outside of JavaScript's heap makes the collector look through all of it.
import type { Whole } from '../columns/whole.ts'

/** Up to here a loop over the characters is faster than a call into the runtime. */
const shortTextMax = 64
/** A UTF-16 unit has at most three bytes of UTF-8. */
const bytesPerUnitMax = 3

export class ByteWriter {
  #bytes: Buffer
  #view: DataView
  length = 0

  constructor(capacity = 1024) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** What was written, until the next write; not a copy. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }

  get capacity(): number {
    return this.#bytes.length
  }

  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.length)
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }

  byte(value: number): void {
    if (this.length === this.#bytes.length) this.reserve(1)
    this.#bytes[this.length++] = value
  }

  uint32(value: number): void {
    this.reserve(4)
    this.setUint32(this.length, value)
    this.length += 4
  }

  int32s(values: Float64Array): void {
    this.reserve(values.length * 4)
    const [view, start] = [this.#view, this.length]
    for (let at = 0; at < values.length; at++) view.setInt32(start + 4 * at, values[at]!, true)
    this.length += values.length * 4
  }

  /** Whole numbers of 64 bits, without a bigint for each. */
  int64s(values: Float64Array): void {
    this.reserve(values.length * 8)
    const [view, start] = [this.#view, this.length]
    for (let at = 0; at < values.length; at++) {
      const value = values[at]!
      const low = value >>> 0
      view.setInt32(start + 8 * at, low, true)
      view.setInt32(start + 8 * at + 4, (value - low) / 2 ** 32, true)
    }
    this.length += values.length * 8
  }

  bigInt64s(values: readonly Whole[]): void {
    this.reserve(values.length * 8)
    for (const value of values) {
      this.#view.setBigInt64(this.length, BigInt(value), true)
      this.length += 8
    }
  }

  doubles(values: Float64Array): void {
    this.reserve(values.length * 8)
    const [view, start] = [this.#view, this.length]
    for (let at = 0; at < values.length; at++) view.setFloat64(start + 8 * at, values[at]!, true)
    this.length += values.length * 8
  }

  /** So many bytes each, 12 or 16, of two's complement, the greatest byte first. */
  decimals(values: ArrayLike<Whole>, bytesEach: number): void {
    this.reserve(values.length * bytesEach)
    for (let at = 0; at < values.length; at++) {
      const value = values[at]!
      // The upper four bytes of sixteen.
      if (bytesEach === 16)
        this.#view.setInt32(
          this.length,
          typeof value === 'number' ? (value < 0 ? -1 : 0) : Number(value >> 96n),
        )
      setDecimal(this.#view, this.length + bytesEach - 12, value)
      this.length += bytesEach
    }
  }

  setUint32(at: number, value: number): void {
    const bytes = this.#bytes
    bytes[at] = value
    bytes[at + 1] = value >>> 8
    bytes[at + 2] = value >>> 16
    bytes[at + 3] = value >>> 24
  }

  /** An unsigned number below 2^53. */
  varint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    this.byte(rest)
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length)
    this.#bytes.set(value, this.length)
    this.length += value.length
  }

  /** As PLAIN has binary: its length, then its bytes. */
  lengthAndBytes(value: Uint8Array): void {
    this.reserve(value.length + 4)
    this.setUint32(this.length, value.length)
    this.#bytes.set(value, this.length + 4)
    this.length += value.length + 4
  }

  /** As PLAIN has text: its length in UTF-8, then its bytes. Tells whether the text is ASCII alone. */
  lengthAndText(text: string): boolean {
    const units = text.length
    this.reserve(units * bytesPerUnitMax + 4)
    const start = this.length + 4
    const count = this.#shortAscii(text, start) ? units : this.#bytes.write(text, start, 'utf8')
    this.setUint32(this.length, count)
    this.length = start + count
    return count === units
  }

  #shortAscii(text: string, start: number): boolean {
    const bytes = this.#bytes
    const units = text.length
    if (units > shortTextMax) return false
    for (let at = 0; at < units; at++) {
      const unit = text.charCodeAt(at)
      if (unit >= 0x80) return false
      bytes[start + at] = unit
    }
    return true
  }

  /** The lowest `width` bits of each value, one behind the other, padded with zeros to a whole byte. */
  packed(values: Indexes, from: number, to: number, width: number): void {
    this.reserve(Math.ceil(((to - from) * width) / 8) + 1)
    const bytes = this.#bytes
    let [at, pending, bits] = [this.length, 0, 0]
    for (let index = from; index < to; index++) {
      pending |= values[index]! << bits
      bits += width
      while (bits >= 8) {
        bytes[at++] = pending
        pending >>>= 8
        bits -= 8
      }
    }
    if (bits > 0) bytes[at++] = pending
    this.length = at
  }
}

/** So much memory is kept for the writers to come: the system's own is slow the first time it is touched. */
const keptBytesMax = 2 ** 24
const kept: ByteWriter[] = []
let keptBytes = 0

export function takeWriter(): ByteWriter {
  const writer = kept.pop()
  if (writer === undefined) return new ByteWriter()
  keptBytes -= writer.capacity
  writer.length = 0
  return writer
}

/** Its bytes are overwritten from now on. */
export function giveBack(writer: ByteWriter): void {
  if (keptBytes + writer.capacity > keptBytesMax) return
  keptBytes += writer.capacity
  kept.push(writer)
}

/** Twelve bytes, the lowest ones where there are more: 28 digits and a sign need 94 bits. */
function setDecimal(view: DataView, at: number, value: Whole): void {
  if (typeof value === 'number') {
    const low = value >>> 0
    view.setInt32(at, value < 0 ? -1 : 0)
    view.setInt32(at + 4, (value - low) / 2 ** 32)
    view.setUint32(at + 8, low)
  } else {
    view.setInt32(at, Number(BigInt.asIntN(32, value >> 64n)))
    view.setBigUint64(at + 4, BigInt.asUintN(64, value))
  }
}

/** Small numbers: levels, or places in a dictionary. */
export type Indexes = Uint8Array | Uint32Array
