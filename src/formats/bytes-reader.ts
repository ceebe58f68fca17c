// Bytes of Avro and Protobuf, read one after another. Whatever is asked for beyond the end is not there.
import { undecodable } from './undecodable.ts'

const noBytes = new Uint8Array(0)
const two28 = 2 ** 28
const two56 = 2 ** 56
/** A decimal of more bytes is no number of anybody's, and its digits would take long. */
const decimalLengthMax = 512

export class BytesReader {
  bytes: Uint8Array = noBytes
  at = 0
  end = 0
  #view: DataView<ArrayBufferLike> = new DataView(noBytes.buffer)
  #buffer: ArrayBufferLike = noBytes.buffer

  take(bytes: Uint8Array, start: number): void {
    this.bytes = bytes
    this.at = start
    this.end = bytes.length
    if (bytes.buffer === this.#buffer) return
    this.#buffer = bytes.buffer
    this.#view = new DataView(bytes.buffer)
  }

  /** The position before so many bytes, which are passed. */
  pass(length: number): number {
    const start = this.at
    if (!(length >= 0 && length <= this.end - start)) undecodable()
    this.at = start + length
    return start
  }

  byte(): number {
    if (this.at >= this.end) undecodable()
    return this.bytes[this.at++]!
  }

  /** A varint of at most 64 bits; beyond 2^53 it is a bigint. */
  unsigned(): number | bigint {
    const { bytes, end } = this
    let at = this.at
    let [lower, middle, upper] = [0, 0, 0]
    for (let shift = 0; ; shift += 7) {
      if (at >= end || shift > 63) undecodable()
      const byte = bytes[at++]!
      const bits = byte & 0x7f
      if (shift < 28) lower |= bits << shift
      else if (shift < 56) middle |= bits << (shift - 28)
      else upper |= bits << (shift - 56)
      if (byte < 0x80) break
    }
    this.at = at
    if (upper === 0 && middle < 2 ** 25) return middle * two28 + lower
    return BigInt.asUintN(64, BigInt(upper) * BigInt(two56) + BigInt(middle) * BigInt(two28) + BigInt(lower))
  }

  /** A zigzag varint of at most 64 bits; beyond 2^53 it is a bigint. */
  signed(): number | bigint {
    const { at, bytes } = this
    const first = at < this.end ? bytes[at]! : 0x80
    if (first < 0x80) {
      this.at = at + 1
      return (first >>> 1) ^ -(first & 1)
    }
    const value = this.unsigned()
    if (typeof value === 'bigint') return (value >> 1n) ^ -(value & 1n)
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** The same, where more than 2^53 can be no length, index or count. */
  count(): number {
    const value = this.signed()
    if (typeof value === 'bigint') undecodable()
    return value as number
  }

  float(): number {
    return this.#view.getFloat32(this.bytes.byteOffset + this.pass(4), true)
  }

  double(): number {
    return this.#view.getFloat64(this.bytes.byteOffset + this.pass(8), true)
  }

  uint32(): number {
    return this.#view.getUint32(this.bytes.byteOffset + this.pass(4), true)
  }

  int32(): number {
    return this.#view.getInt32(this.bytes.byteOffset + this.pass(4), true)
  }

  uint64(): bigint {
    return this.#view.getBigUint64(this.bytes.byteOffset + this.pass(8), true)
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.bytes.byteOffset + this.pass(8), true)
  }

  /** A number in two's complement, its first byte the highest, of the bytes from `start` on. */
  bigEndian(start: number, end: number): number | bigint {
    const length = end - start
    if (length > decimalLengthMax) undecodable()
    if (length === 0) return 0
    const { bytes } = this
    const isNegative = bytes[start]! >= 0x80
    if (length <= 6) {
      let value = isNegative ? bytes[start]! - 0x100 : bytes[start]!
      for (let at = start + 1; at < end; at++) value = value * 0x100 + bytes[at]!
      return value
    }
    const value = BigInt(`0x${Buffer.from(bytes.subarray(start, end)).toString('hex')}`)
    return isNegative ? BigInt.asIntN(length * 8, value) : value
  }
}
