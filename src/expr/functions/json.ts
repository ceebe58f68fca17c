// JSON, judged strictly (RFC 8259) and never coerced. Parsers differ on what they let pass, and two readers
// must never see two amounts: what is not strict is no document at all.
import { defineFunction } from '../function.ts'

/**
 * What DuckDB's parser accepts beyond RFC 8259: a comma before a closing bracket, NaN and Infinity as values.
 */
const lenient = `',[ \\t\\r\\n]*[}\\]]|[:\\[,][ \\t\\r\\n]*-?(?i:nan|inf)'`
/** Any string of a document: with them gone, only what stands outside of strings is left to be judged. */
const anyString = `'"(?:[^"\\\\]|\\\\.)*"'`

export const utf8Text = defineFunction({
  name: 'utf8Text',
  args: ['binary'],
  returns: 'string',
  nulls: 'null in, null out',
  meaning: 'The bytes as UTF-8 text; null where they are not UTF-8.',
  duckdb: (bytes) => `TRY(decode(${bytes}))`,
  spark: (bytes) => `CASE WHEN is_valid_utf8(${bytes}) THEN decode(${bytes}, 'UTF-8') END`,
  examples: [
    { in: [new Uint8Array([0x43, 0xc3, 0xa9])], out: 'Cé' },
    { in: [new Uint8Array([0x43, 0xe9])], out: null },
    { in: [new Uint8Array([0xed, 0xa0, 0x80])], out: null },
    { in: [new Uint8Array([])], out: '' },
    { in: [null], out: null },
  ],
})

export const jsonParsed = defineFunction({
  name: 'jsonParsed',
  args: ['string'],
  returns: 'json',
  nulls: 'null in, null out',
  meaning: 'What the engine reads from the text before jsonObject has judged it: of no use without it.',
  // Read by jsonObject more than once, parsed once.
  duckdb: (text) => text,
  // Spark's parser ignores what stands behind the value: as the first element of an array whose second one is
  // the hash of the text, nothing can stand there and go unseen.
  spark: (text) => `try_parse_json(concat('[', ${text}, ',', xxhash64(${text}), ']'))`,
  examples: [{ in: [null], out: null }],
})

/** A pair of escapes that stand for one character, in text without escaped backslashes. */
const surrogatePair = String.raw`'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}'`
const surrogate = String.raw`'\\\\u[dD][89a-fA-F]'`
/** Looked for first: it costs a quarter of a pattern, and hardly any text has one. */
const anyEscape = String.raw`'\\u'`

/** Spark's parser puts a question mark in the place of half a character. */
function hasHalfCharacter(text: string): string {
  const unescaped = String.raw`replace(${text}, '\\\\', '')`
  return `(contains(${text}, ${anyEscape}) AND ${text} RLIKE ${surrogate} AND regexp_replace(${unescaped}, ${surrogatePair}, '') RLIKE ${surrogate})`
}

export const jsonObject = defineFunction({
  name: 'jsonObject',
  args: ['string', 'json'],
  returns: 'json',
  nulls: 'null if either is null',
  meaning:
    'The document, or null where the text (with what jsonParsed made of it) is not one JSON object by RFC 8259. Whether its names are unique is for jsonNamesAreUnique.',
  // Nested CASEs: DuckDB may evaluate both sides of an AND, and its JSON functions raise on text that is no
  // JSON. The result stays text: a cast to JSON would parse it once more.
  duckdb: (document) =>
    // What is valid and begins with a brace is an object. Asking for the type would parse the document again.
    `CASE WHEN json_valid(${document}) THEN CASE WHEN regexp_matches(${document}, '^[ \\t\\r\\n]*[{]') ` +
    `AND CASE WHEN regexp_matches(${document}, ${lenient}) ` +
    `THEN NOT regexp_matches(regexp_replace(${document}, ${anyString}, '""', 'gs'), ${lenient}) ELSE true END ` +
    `THEN ${document} END END`,
  spark: (text, parsed) =>
    `CASE WHEN try_variant_get(${parsed}, '$[1]', 'bigint') = xxhash64(${text}) ` +
    `AND ${text} RLIKE '\\\\A[ \\\\t\\\\r\\\\n]*[{]' AND NOT ${hasHalfCharacter(text)} ` +
    `THEN variant_get(${parsed}, '$[0]', 'variant') END`,
  derived: 'jsonParsed',
  examples: [
    { in: ['{"a": 1}'], out: '{"a": 1}' },
    { in: [' {} \n'], out: ' {} \n' },
    { in: [null], out: null },
    { in: [''], out: null },
    { in: ['[]'], out: null },
    { in: ['null'], out: null },
    { in: ['{"a": 1,}'], out: null },
    { in: ['{"a": [1,]}'], out: null },
    { in: ['{"a": NaN}'], out: null },
    { in: ['{"a": -Infinity}'], out: null },
    { in: ['{"a": [1, inf]}'], out: null },
    { in: ['{"a": "x, inf", "b": ",}"}'], out: '{"a": "x, inf", "b": ",}"}' },
    { in: ['{"a": 1} x'], out: null },
    { in: ['\ufeff{"a": 1}'], out: null },
    { in: ['{"a": "\\ud83d"}'], out: null },
    { in: ['{"a": 012}'], out: null },
    { in: ["{'a': 1}"], out: null },
    { in: ['{"a": "\\ud83d\\ude00"}'], out: '{"a": "\\ud83d\\ude00"}' },
    { in: ['{"a": "\\\\ud83d"}'], out: '{"a": "\\\\ud83d"}' },
    { in: ['{"a": "\\ude00\\ud83d"}'], out: null },
    { in: ['{"a": {"b": 1, "b": 2}}'], out: '{"a": {"b": 1, "b": 2}}' },
    { in: ['{},0'], out: null },
    { in: ['{},0]'], out: null },
  ],
})

export const jsonNameCount = defineFunction({
  name: 'jsonNameCount',
  args: ['json', 'string'],
  returns: 'int',
  nulls: 'null if either is null',
  meaning: 'How many names stand at the top level of the object; beside it the text that it was read from.',
  duckdb: (document) => `CAST(len(json_keys(${document})) AS INTEGER)`,
  // A document has each name once, whatever the text has.
  spark: (document, text) => `CASE WHEN ${document} IS NOT NULL THEN size(json_object_keys(${text})) END`,
  examples: [
    { in: ['{}', '{}'], out: 0 },
    { in: ['{"a": {"b": 1}, "c": 2}', '{"a": {"b": 1}, "c": 2}'], out: 2 },
    { in: ['{"a": 1, "a": 2}', '{"a": 1, "a": 2}'], out: 2 },
    { in: [null, null], out: null },
  ],
})

export const jsonNamesAreUnique = defineFunction({
  name: 'jsonNamesAreUnique',
  args: ['json', 'string'],
  returns: 'boolean',
  nulls: 'null if either is null',
  meaning:
    'False where a name stands twice at the top level of the object, by whatever escapes it is written; beside it the text that it was read from.',
  duckdb: (document) => `(len(json_keys(${document})) = list_unique(json_keys(${document})))`,
  spark: (document, text) =>
    `CASE WHEN ${document} IS NOT NULL THEN size(json_object_keys(${text})) = size(array_distinct(json_object_keys(${text}))) END`,
  examples: [
    { in: ['{"a": 1, "b": 2}', '{"a": 1, "b": 2}'], out: true },
    { in: ['{"a": {"b": 1, "b": 2}}', '{"a": {"b": 1, "b": 2}}'], out: true },
    { in: ['{"a": 1, "a": 2}', '{"a": 1, "a": 2}'], out: false },
    { in: ['{"a": 1, "\\u0061": 2}', '{"a": 1, "\\u0061": 2}'], out: false },
    { in: [null, null], out: null },
  ],
})

export const jsonIsAbsent = defineFunction({
  name: 'jsonIsAbsent',
  args: ['json'],
  returns: 'boolean',
  nulls: 'never null',
  meaning: 'True where the name is absent or its value is null.',
  duckdb: (json) => `(${json} IS NULL OR CAST(${json} AS VARCHAR) = 'null')`,
  spark: (json) => `(${json} IS NULL OR is_variant_null(${json}))`,
  examples: [
    { in: [null], out: true },
    { in: ['null'], out: true },
    { in: ['""'], out: false },
    { in: ['"null"'], out: false },
  ],
})

export const jsonText = defineFunction({
  name: 'jsonText',
  args: ['json'],
  returns: 'string',
  nulls: 'null in, null out',
  meaning: 'The text of a JSON string, null for any other value.',
  duckdb: (json) => `CASE WHEN starts_with(CAST(${json} AS VARCHAR), '"') THEN ${json} ->> '$' END`,
  // Of all JSON values only a string can become binary. Asking for the type costs more.
  spark: (json) => `CAST(try_variant_get(${json}, '$', 'binary') AS STRING)`,
  examples: [
    { in: ['"a"'], out: 'a' },
    { in: ['"\\ud83d\\ude00"'], out: '😀' },
    { in: ['""'], out: '' },
    { in: ['5'], out: null },
    { in: ['true'], out: null },
    { in: ['{"a": "b"}'], out: null },
    { in: ['["a"]'], out: null },
    { in: ['1.5'], out: null },
    { in: ['1e300'], out: null },
    { in: ['123456789012345678901234567890'], out: null },
    { in: ['null'], out: null },
    { in: [null], out: null },
  ],
})

export const jsonNumber = defineFunction({
  name: 'jsonNumber',
  args: ['json'],
  returns: 'double',
  nulls: 'null in, null out',
  meaning: 'The nearest double of a JSON number (infinite beyond the range), null for any other value.',
  // TRY_CAST has no infinity for 1e400, the JSON reader has.
  duckdb: (json) =>
    `CASE WHEN regexp_matches(CAST(${json} AS VARCHAR), '^[-0-9]') THEN CAST(from_json(${json}, '"DOUBLE"') AS DOUBLE) END`,
  spark: (json) =>
    `CASE WHEN schema_of_variant(${json}) RLIKE '^(BIGINT|DOUBLE|FLOAT|DECIMAL)' THEN variant_get(${json}, '$', 'double') END`,
  examples: [
    { in: ['12.5'], out: 12.5 },
    { in: ['-0.0'], out: -0 },
    { in: ['4.2e1'], out: 42 },
    { in: ['2.674999999999999999999'], out: 2.675 },
    { in: ['1e400'], out: Number.POSITIVE_INFINITY },
    { in: ['123456789012345678901234567890'], out: 1.2345678901234568e29 },
    { in: ['1e-400'], out: 0 },
    { in: ['"5"'], out: null },
    { in: ['true'], out: null },
    { in: ['[5]'], out: null },
    { in: [null], out: null },
    { in: ['null'], out: null },
  ],
})

export const jsonBoolean = defineFunction({
  name: 'jsonBoolean',
  args: ['json'],
  returns: 'boolean',
  nulls: 'null in, null out',
  meaning: 'A JSON boolean, null for any other value.',
  duckdb: (json) => `CASE CAST(${json} AS VARCHAR) WHEN 'true' THEN true WHEN 'false' THEN false END`,
  spark: (json) =>
    `CASE WHEN schema_of_variant(${json}) = 'BOOLEAN' THEN variant_get(${json}, '$', 'boolean') END`,
  examples: [
    { in: ['true'], out: true },
    { in: ['false'], out: false },
    { in: [null], out: null },
    { in: ['1'], out: null },
    { in: ['"true"'], out: null },
    { in: ['null'], out: null },
  ],
})
