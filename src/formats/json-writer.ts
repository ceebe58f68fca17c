// JSON text written as UTF-8 bytes, from bytes of another format: no object and hardly a string is made on
// the way. The text is good until the next document is begun.
import { isoDate } from './iso-date.ts'
import { undecodable } from './undecodable.ts'

/** Values nested deeper are refused: what is deeper than that no reader of JSON has to take. */
const levelsMax = 100
/** What a value of so few bytes may become at most, and what any may. */
const lengthFree = 256 * 1024
const lengthPerByte = 64
const lengthMax = 16 * 1024 * 1024
/** Behind the digits of a decimal. */
const zerosMax = 1_000
/** A buffer that grew beyond is given back. */
const lengthKept = 1024 * 1024

const zero = 0x30
const quote = 0x22
const backslash = 0x5c
const minus = 0x2d
const colon = 0x3a
const hexDigits = '0123456789abcdef'
const encoder = new TextEncoder()

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

export class JsonWriter {
  #bytes = new Uint8Array(64 * 1024)
  #at = 0
  #limit = 0
  #level = 0

  /** A document that is made of so many bytes. */
  begin(sourceLength: number): void {
    if (this.#bytes.length > lengthKept) this.#bytes = new Uint8Array(64 * 1024)
    this.#at = 0
    this.#level = 0
    this.#limit = Math.min(lengthMax, lengthFree + sourceLength * lengthPerByte)
  }

  /** A view that holds until the next document. */
  end(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  enter(): void {
    if (++this.#level > levelsMax) undecodable()
  }

  leave(): void {
    this.#level--
  }

  byte(value: number): void {
    this.#room(1)
    this.#bytes[this.#at++] = value
  }

  raw(text: Uint8Array): void {
    const { length } = text
    this.#room(length)
    const bytes = this.#bytes
    let at = this.#at
    for (let index = 0; index < length; index++) bytes[at++] = text[index]!
    this.#at = at
  }

  /** Text of ASCII, as it is. */
  ascii(text: string): void {
    const { length } = text
    this.#room(length)
    for (let index = 0; index < length; index++) this.#bytes[this.#at++] = text.charCodeAt(index)
  }

  /** A string of JSON, of the UTF-8 text in these bytes: whether it is UTF-8 is for the reader to judge. */
  string(source: Uint8Array, start: number, end: number): void {
    this.#room(end - start + 2)
    const bytes = this.#bytes
    let at = this.#at
    bytes[at++] = quote
    for (let index = start; index < end; index++) {
      const byte = source[index]!
      if (byte < 0x20 || byte === quote || byte === backslash) {
        this.#at = at
        this.#escaped(source, index, end)
        return
      }
      bytes[at++] = byte
    }
    bytes[at++] = quote
    this.#at = at
  }

  #escaped(source: Uint8Array, start: number, end: number): void {
    for (let index = start; index < end; index++) {
      this.#room(7)
      const byte = source[index]!
      if (byte === quote || byte === backslash) {
        this.#bytes[this.#at++] = backslash
        this.#bytes[this.#at++] = byte
      } else if (byte < 0x20) {
        this.ascii(`\\u00${hexDigits[byte >> 4]}${hexDigits[byte & 15]}`)
      } else this.#bytes[this.#at++] = byte
    }
    this.byte(quote)
  }

  text(value: string): void {
    const bytes = utf8(value)
    this.string(bytes, 0, bytes.length)
  }

  /** Bytes as a string of base64. */
  base64(source: Uint8Array, start: number, end: number): void {
    this.#room(Math.ceil((end - start) / 3) * 4 + 2)
    const { buffer, byteOffset } = source
    this.ascii(`"${Buffer.from(buffer, byteOffset + start, end - start).toString('base64')}"`)
  }

  boolean(value: boolean): void {
    this.ascii(value ? 'true' : 'false')
  }

  /** A number of which each digit counts: no greater than 2^53. */
  whole(value: number): void {
    let rest = value
    if (rest < 0) {
      this.byte(minus)
      rest = -rest
    }
    if (rest < 1e9) {
      this.#digits(rest)
      return
    }
    const upper = Math.floor(rest / 1e9)
    if (upper < 1e9) this.#digits(upper)
    else this.ascii(String(upper))
    this.padded(rest - upper * 1e9, 9)
  }

  bigint(value: bigint): void {
    this.ascii(String(value))
  }

  /** A whole number below 10^9. */
  #digits(value: number): void {
    let length = 1
    for (let power = 10; power <= value; power *= 10) length++
    this.padded(value, length)
  }

  /** A whole number below 10^9 with zeros before it. */
  padded(value: number, length: number): void {
    this.#room(length)
    let rest = value | 0
    for (let at = this.#at + length - 1; at >= this.#at; at--) {
      const tenth = (rest / 10) | 0
      this.#bytes[at] = zero + rest - tenth * 10
      rest = tenth
    }
    this.#at += length
  }

  /** What JSON has no number for is a string. */
  double(value: number): void {
    if (Number.isFinite(value)) this.ascii(Object.is(value, -0) ? '-0' : String(value))
    else this.ascii(`"${value}"`)
  }

  /** The shortest digits that are the float again. */
  float(value: number): void {
    this.double(shortestFloat(value))
  }

  /** The digits of a decimal, of its whole number of units of 10^-scale. */
  decimal(unscaled: number | bigint, scale: number): void {
    const text = String(unscaled < 0 ? -unscaled : unscaled)
    if (unscaled < 0) this.byte(minus)
    if (scale <= 0) {
      if (-scale > zerosMax) undecodable()
      this.ascii(text === '0' ? text : text + '0'.repeat(-scale))
      return
    }
    this.#room(scale + text.length + 2)
    const digits = text.padStart(scale + 1, '0')
    this.ascii(`${digits.slice(0, -scale)}.${digits.slice(-scale)}`)
  }

  /** A day by its number from 1970-01-01 on; beyond the years 1 to 9999 the number itself. */
  date(days: number): void {
    const text = isoDate(days)
    if (text === null) {
      this.whole(days)
      return
    }
    this.byte(quote)
    this.raw(text)
    this.byte(quote)
  }

  /** So many seconds of a day, and so many units of a second, of which a second has 10^digits. */
  timeOfDay(seconds: number, units: number, digits: number): void {
    this.byte(quote)
    this.#time(seconds, units, digits)
    this.byte(quote)
  }

  /** An instant of UTC; false, and nothing written, beyond the years 1 to 9999. */
  instant(seconds: number, units: number, digits: number, isLocal = false): boolean {
    const days = Math.floor(seconds / 86_400)
    const text = isoDate(days)
    if (text === null) return false
    this.byte(quote)
    this.raw(text)
    this.byte(0x54)
    this.#time(seconds - days * 86_400, units, digits)
    if (!isLocal) this.byte(0x5a)
    this.byte(quote)
    return true
  }

  #time(seconds: number, units: number, digits: number): void {
    const minutes = Math.floor(seconds / 60)
    this.padded(Math.floor(minutes / 60), 2)
    this.byte(colon)
    this.padded(minutes % 60, 2)
    this.byte(colon)
    this.padded(seconds % 60, 2)
    if (units === 0) return
    this.byte(0x2e)
    this.padded(units, digits)
  }

  #room(length: number): void {
    const needed = this.#at + length
    // Never by what the buffer has room for: a value is decoded alike whatever came before it.
    if (needed > this.#limit) undecodable()
    if (needed <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, needed))
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}

function shortestFloat(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits))
    if (Math.fround(shorter) === value) return shorter
  }
  return Number(value.toPrecision(9))
}
