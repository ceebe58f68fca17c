// Where the tokens of a JSON text (RFC 8259) end, in UTF-8 bytes. Each function is given the position of a
// token. `last` is that of the brace that ends the whole document: it is no digit, letter or white space and
// follows no lead byte and no backslash, so that only what reads a string has to look where the document
// ends. A position below 0 says that the token is malformed. A DataView reads four bytes at once, wherever
// they stand.

export const quote = 0x22
export const comma = 0x2c
export const minus = 0x2d
export const point = 0x2e
export const colon = 0x3a
export const openBracket = 0x5b
export const backslash = 0x5c
export const openBrace = 0x7b
export const closeBrace = 0x7d
const plus = 0x2b
const zero = 0x30
/** This bit makes a letter of ASCII small. */
const small = 0x20
const letterE = 0x65
const letterU = 0x75
const malformed = -1

/** 1 for what may follow a backslash, but for `u`. */
const escapable = Uint8Array.from({ length: 256 }, (_, byte) =>
  '"\\/bfnrt'.includes(String.fromCharCode(byte)) ? 1 : 0,
)
const notHex = 0xff
const hexDigit = Uint8Array.from({ length: 256 }, (_, byte) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase())
  return digit < 0 ? notHex : digit
})

/** The first position from `at` on that is no white space. */
export function spaceEnd(bytes: DataView, at: number): number {
  let next = at
  while (isSpace(bytes.getUint8(next))) next++
  return next
}

export function isSpace(byte: number): boolean {
  return byte <= 0x20 && (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09)
}

/** The first position from `at` on whose byte is not plain in a string (ASCII as it is), or `last`. */
export function plainEnd(bytes: DataView, at: number, last: number): number {
  let next = at
  for (; next + 4 <= last; next += 4) {
    const four = bytes.getInt32(next, true)
    const found = notPlain(four)
    // What is borrowed from a byte can only mark those behind it: the first mark is right.
    if (found !== 0) return next + ((31 - Math.clz32(found & -found)) >> 3)
  }
  while (next < last && (notPlain(bytes.getUint8(next)) & 0x80) === 0) next++
  return next
}

/** Marks, by their highest bits, bytes that are a quote, a backslash, less than a space or not ASCII. */
function notPlain(four: number): number {
  return (
    (((four ^ 0x22222222) - 0x01010101) | ((four ^ 0x5c5c5c5c) - 0x01010101) | (four - 0x20202020) | four) &
    0x80808080
  )
}

/** The position of the quote that ends a string, of which `at` is any position. */
export function stringEnd(bytes: DataView, at: number, last: number): number {
  let next = at
  while (true) {
    next = plainEnd(bytes, next, last)
    if (next === last) return malformed
    const byte = bytes.getUint8(next)
    if (byte === quote) return next
    if (byte < 0x20) return malformed
    next = byte === backslash ? escapeEnd(bytes, next) : characterEnd(bytes, next)
    if (next < 0) return malformed
  }
}

/** The end of the escape at `at`: of both, where two make one character. */
function escapeEnd(bytes: DataView, at: number): number {
  const letter = bytes.getUint8(at + 1)
  if (escapable[letter] === 1) return at + 2
  if (letter !== letterU) return malformed
  const unit = codeUnit(bytes, at + 2)
  if (unit < 0xd800 || unit > 0xdfff) return unit < 0 ? malformed : at + 6
  if (unit >= 0xdc00) return malformed
  if (bytes.getUint8(at + 6) !== backslash || bytes.getUint8(at + 7) !== letterU) return malformed
  const second = codeUnit(bytes, at + 8)
  return second >= 0xdc00 && second <= 0xdfff ? at + 12 : malformed
}

/** What four hexadecimal digits say. */
function codeUnit(bytes: DataView, at: number): number {
  let unit = 0
  for (let next = at; next < at + 4; next++) {
    const digit = hexDigit[bytes.getUint8(next)]!
    if (digit === notHex) return malformed
    unit = unit * 16 + digit
  }
  return unit
}

/** The end of a character of two to four bytes (The Unicode Standard, table 3-7). */
function characterEnd(bytes: DataView, at: number): number {
  const lead = bytes.getUint8(at)
  if (lead < 0xc2 || lead > 0xf4) return malformed
  const second = bytes.getUint8(at + 1)
  if (lead < 0xe0) return isContinuation(second) ? at + 2 : malformed
  const from = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const to = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < from || second > to || !isContinuation(bytes.getUint8(at + 2))) return malformed
  if (lead < 0xf0) return at + 3
  return isContinuation(bytes.getUint8(at + 3)) ? at + 4 : malformed
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}

export function numberEnd(bytes: DataView, at: number): number {
  let next = at
  let byte = bytes.getUint8(next)
  if (byte === minus) byte = bytes.getUint8(++next)
  if (!isDigit(byte)) return malformed
  if (byte === zero) byte = bytes.getUint8(++next)
  else while (isDigit(byte)) byte = bytes.getUint8(++next)
  if (byte === point) {
    byte = bytes.getUint8(++next)
    if (!isDigit(byte)) return malformed
    while (isDigit(byte)) byte = bytes.getUint8(++next)
  }
  if ((byte | small) === letterE) {
    byte = bytes.getUint8(++next)
    if (byte === plus || byte === minus) byte = bytes.getUint8(++next)
    if (!isDigit(byte)) return malformed
    while (isDigit(byte)) byte = bytes.getUint8(++next)
  }
  return next
}

export function isDigit(byte: number): boolean {
  return (byte - 0x30) >>> 0 <= 9
}

/** The end of `true`, of which the first letter is known to stand at `at`. */
export function trueEnd(bytes: DataView, at: number): number {
  return bytes.getUint8(at + 1) === 0x72 &&
    bytes.getUint8(at + 2) === letterU &&
    bytes.getUint8(at + 3) === letterE
    ? at + 4
    : malformed
}

export function falseEnd(bytes: DataView, at: number): number {
  return bytes.getUint8(at + 1) === 0x61 &&
    bytes.getUint8(at + 2) === 0x6c &&
    bytes.getUint8(at + 3) === 0x73 &&
    bytes.getUint8(at + 4) === letterE
    ? at + 5
    : malformed
}

export function nullEnd(bytes: DataView, at: number): number {
  return bytes.getUint8(at + 1) === letterU &&
    bytes.getUint8(at + 2) === 0x6c &&
    bytes.getUint8(at + 3) === 0x6c
    ? at + 4
    : malformed
}
