// Text: trimming, splitting, digests, lists of names.
import { hash } from 'node:crypto'
import type { Expr } from '../expression.ts'
import { defineFunction, defineGeneric } from '../function.ts'

export const trimToNull = defineFunction({
  name: 'trimToNull',
  args: ['string'],
  returns: 'string',
  nulls: 'null in, null out',
  meaning: 'Without space, tab, LF and CR at both ends, and nothing else; empty becomes null.',
  // Each engine's default set of white space is another: DuckDB strips no-break spaces, Spark only U+0020.
  duckdb: (a) => trimmedOrNull(a),
  spark: (a) => `nullif(trim(BOTH ' \\t\\n\\r' FROM ${a}), '')`,
  javascript: (a) => (a === null ? null : trimmed(a)),
  examples: [
    { in: ['\t Shop \n'], out: 'Shop' },
    { in: [' \r\n'], out: null },
    { in: ['\u00a0Shop'], out: '\u00a0Shop' },
    { in: ['a b'], out: 'a b' },
    { in: [''], out: null },
    { in: [null], out: null },
  ],
})

/** DuckDB's trim with a set of characters is slow, and hardly any text needs it. */
function trimmedOrNull(text: string): string {
  return (
    `CASE WHEN regexp_matches(${text}, '^[ \\t\\n\\r]|[ \\t\\n\\r]$') ` +
    `THEN nullif(trim(${text}, E' \\t\\n\\r'), '') WHEN ${text} <> '' THEN ${text} END`
  )
}

function trimmed(text: string): string | null {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return start === end ? null : text.slice(start, end)
}

/** Space, tab, LF and CR. */
function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x09 || unit === 0x0a || unit === 0x0d
}

const upperAndLower = `'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'`

const separator = "', '"

export const beforeLastComma = defineFunction({
  name: 'beforeLastComma',
  args: ['string'],
  returns: 'string',
  nulls: 'null in, null out',
  meaning: 'What stands before the last ", ", trimmed, empty is null; the whole text where there is none.',
  duckdb: (a) =>
    `CASE WHEN contains(${a}, ${separator}) THEN ` +
    `${trimmedOrNull(`left(${a}, length(${a}) - 2 - length(split_part(${a}, ${separator}, -1)))`)} ELSE ${a} END`,
  spark: (a) =>
    `CASE WHEN contains(${a}, ${separator}) THEN nullif(trim(BOTH ' \\t\\n\\r' FROM left(${a}, length(${a}) - 2 - ` +
    `length(substring_index(${a}, ${separator}, -1)))), '') ELSE ${a} END`,
  javascript: (a) => {
    const at = a === null ? -1 : a.lastIndexOf(', ')
    return at < 0 ? a : trimmed(a!.slice(0, at))
  },
  examples: [
    { in: ['Paris, France'], out: 'Paris' },
    { in: ['Washington, D.C., United States'], out: 'Washington, D.C.' },
    { in: ['Paris'], out: 'Paris' },
    { in: ['Paris,France'], out: 'Paris,France' },
    { in: [','], out: ',' },
    { in: [', France'], out: null },
    { in: ['Köln , Österreich'], out: 'Köln' },
    { in: ['a\nb, c'], out: 'a\nb' },
    { in: ['😀, X'], out: '😀' },
    { in: [null], out: null },
  ],
})

export const afterLastComma = defineFunction({
  name: 'afterLastComma',
  args: ['string'],
  returns: 'string',
  nulls: 'null in, null out',
  meaning: 'What stands after the last ", ", trimmed, empty is null; null where there is none.',
  duckdb: (a) =>
    `CASE WHEN contains(${a}, ${separator}) THEN ${trimmedOrNull(`split_part(${a}, ${separator}, -1)`)} END`,
  spark: (a) =>
    `CASE WHEN contains(${a}, ${separator}) ` +
    `THEN nullif(trim(BOTH ' \\t\\n\\r' FROM substring_index(${a}, ${separator}, -1)), '') END`,
  javascript: (a) => {
    const at = a === null ? -1 : a.lastIndexOf(', ')
    return at < 0 ? null : trimmed(a!.slice(at + 2))
  },
  examples: [
    { in: ['Paris, France'], out: 'France' },
    { in: ['Washington, D.C., United States'], out: 'United States' },
    { in: ['Paris'], out: null },
    { in: ['Oslo,   Norway'], out: 'Norway' },
    { in: ['a, \tb'], out: 'b' },
    { in: [null], out: null },
  ],
})

export const commaJoined = defineFunction({
  name: 'commaJoined',
  args: ['string', 'string'],
  returns: 'string',
  nulls: 'left out; null when both are null',
  meaning: 'Both with ", " between them, or the one that is not null.',
  duckdb: (a, b) =>
    `CASE WHEN ${a} IS NULL THEN ${b} WHEN ${b} IS NULL THEN ${a} ELSE ${a} || ${separator} || ${b} END`,
  spark: (a, b) =>
    `CASE WHEN ${a} IS NULL THEN ${b} WHEN ${b} IS NULL THEN ${a} ELSE ${a} || ${separator} || ${b} END`,
  javascript: (a, b) => (a === null ? b : b === null ? a : `${a}, ${b}`),
  examples: [
    { in: ['Paris', 'France'], out: 'Paris, France' },
    { in: ['Paris', null], out: 'Paris' },
    { in: [null, 'France'], out: 'France' },
    { in: ['', ''], out: ', ' },
    { in: [null, null], out: null },
  ],
})

export const startsWith = defineFunction({
  name: 'startsWith',
  args: ['string', 'string'],
  returns: 'boolean',
  nulls: 'null if either is null',
  meaning: 'True when the first begins with the second.',
  duckdb: (a, b) => `starts_with(${a}, ${b})`,
  spark: (a, b) => `startswith(${a}, ${b})`,
  javascript: (a, b) => (a === null || b === null ? null : a.startsWith(b)),
  examples: [
    { in: ['Acme Ltd', 'Acme'], out: true },
    { in: ['Acme', 'acme'], out: false },
    { in: ['', ''], out: true },
    { in: ['a', null], out: null },
  ],
})

export const endsWith = defineFunction({
  name: 'endsWith',
  args: ['string', 'string'],
  returns: 'boolean',
  nulls: 'null if either is null',
  meaning: 'True when the first ends with the second.',
  duckdb: (a, b) => `ends_with(${a}, ${b})`,
  spark: (a, b) => `endswith(${a}, ${b})`,
  javascript: (a, b) => (a === null || b === null ? null : a.endsWith(b)),
  examples: [
    { in: ['shop.example', '.example'], out: true },
    { in: ['example', 'shop.example'], out: false },
    { in: ['a', ''], out: true },
    { in: [null, 'a'], out: null },
  ],
})

export const containsText = defineFunction({
  name: 'containsText',
  args: ['string', 'string'],
  returns: 'boolean',
  nulls: 'null if either is null',
  meaning: 'True when the second is somewhere in the first.',
  duckdb: (a, b) => `contains(${a}, ${b})`,
  spark: (a, b) => `contains(${a}, ${b})`,
  javascript: (a, b) => (a === null || b === null ? null : a.includes(b)),
  examples: [
    { in: ['gift card shop', 'card'], out: true },
    { in: ['a%b', 'a_b'], out: false },
    { in: ['', ''], out: true },
    { in: ['a', null], out: null },
  ],
})

export const codePoints = defineFunction({
  name: 'codePoints',
  args: ['string'],
  returns: 'long',
  nulls: 'null in, null out',
  meaning: 'How many code points the text has.',
  duckdb: (a) => `length(${a})`,
  spark: (a) => `CAST(length(${a}) AS BIGINT)`,
  javascript: (a) => {
    if (a === null) return null
    let count = a.length
    // The second half of a pair is no code point of its own.
    for (let at = 1; at < a.length; at++) {
      if ((a.charCodeAt(at) & 0xfc00) === 0xdc00 && (a.charCodeAt(at - 1) & 0xfc00) === 0xd800) count--
    }
    return count
  },
  examples: [
    { in: ['Köln'], out: 4n },
    { in: ['e\u0301'], out: 2n },
    { in: ['😀'], out: 1n },
    { in: [''], out: 0n },
    { in: [null], out: null },
  ],
})

export const lowerAscii = defineFunction({
  name: 'lowerAscii',
  args: ['string'],
  returns: 'string',
  nulls: 'null in, null out',
  meaning: 'With the letters A to Z in lower case, and no other changed.',
  duckdb: (a) => `translate(${a}, ${upperAndLower})`,
  spark: (a) => `translate(${a}, ${upperAndLower})`,
  javascript: (a) => (a === null ? null : a.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())),
  examples: [
    { in: ['USD'], out: 'usd' },
    { in: ['ÀİK'], out: 'Àİk' },
    { in: [null], out: null },
  ],
})

export const joined = defineFunction({
  name: 'joined',
  args: ['string', 'string'],
  returns: 'string',
  nulls: 'null if either is null',
  meaning: 'The first text and behind it the second.',
  duckdb: (a, b) => `CAST(${a} || ${b} AS VARCHAR)`,
  spark: (a, b) => `concat(${a}, ${b})`,
  javascript: (a, b) => (a === null || b === null ? null : a + b),
  examples: [
    { in: ['a', 'b'], out: 'ab' },
    { in: ['', ''], out: '' },
    { in: ['a', null], out: null },
  ],
})

export const sha256Hex = defineFunction({
  name: 'sha256Hex',
  args: ['string', 'int'],
  returns: 'string',
  nulls: 'null if either is null',
  meaning:
    'The first so many bytes of the SHA-256 of the text in UTF-8, as lower-case hexadecimal digits; null where they are not 1 to 32.',
  duckdb: (a, bytes) => `CASE WHEN ${bytes} BETWEEN 1 AND 32 THEN left(sha256(${a}), 2 * ${bytes}) END`,
  spark: (a, bytes) => `CASE WHEN ${bytes} BETWEEN 1 AND 32 THEN left(sha2(${a}, 256), 2 * ${bytes}) END`,
  javascript: (a, bytes) =>
    a === null || bytes === null || bytes < 1 || bytes > 32
      ? null
      : hash('sha256', a, 'hex').slice(0, 2 * bytes),
  examples: [
    { in: ['', 32], out: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' },
    { in: ['abc', 4], out: 'ba7816bf' },
    { in: ['Zürich 😀', 16], out: '89b5866d12e4cecd81bb36ccd521300d' },
    { in: ['abc', 33], out: null },
    { in: ['abc', 0], out: null },
    { in: [null, 16], out: null },
  ],
})

export const presentNames = defineGeneric<(...names: Expr<'string'>[]) => Expr<'array<string>'>>({
  name: 'presentNames',
  args: ['string*'],
  returns: 'array<string>',
  nulls: 'left out; never null',
  meaning: 'The arguments that are not null, in their order.',
  // Hardly any row has a reason: the lambda runs only for those that have.
  duckdb: (...names) =>
    `CASE WHEN coalesce(${names.join(', ')}) IS NULL THEN CAST([] AS VARCHAR[]) ` +
    `ELSE list_filter([${names.join(', ')}], lambda name: name IS NOT NULL) END`,
  // Whatever stands in the arguments of a lambda's function, Spark interprets. Names that stand twice are
  // computed before, in compiled code.
  spark: (...names) =>
    `CASE WHEN coalesce(${names.join(', ')}) IS NULL THEN CAST(array() AS ARRAY<STRING>) ` +
    `ELSE filter(array(${names.join(', ')}), name -> name IS NOT NULL) END`,
  javascript: (...names: (string | null)[]) => names.filter((name) => name !== null),
  examples: [
    { in: ['a', null, 'b'], out: ['a', 'b'] },
    { in: [null, null], out: [] },
  ],
})

export const isEmpty = defineFunction({
  name: 'isEmpty',
  args: ['array<string>'],
  returns: 'boolean',
  nulls: 'null in, null out',
  meaning: 'True when the list has no element.',
  duckdb: (a) => `(len(${a}) = 0)`,
  spark: (a) => `(size(${a}) = 0)`,
  javascript: (a) => (a === null ? null : a.length === 0),
  examples: [
    { in: [[]], out: true },
    { in: [null], out: null },
    { in: [['a']], out: false },
  ],
})
