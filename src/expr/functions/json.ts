// Values of JSON, never coerced: the fields of a document that the plan's readJson has judged.
import { sliceNumber, sliceWhole } from '../../json/decimal.ts'
import { jsonKind, sliceText } from '../../json/slice.ts'
import { defineFunction } from '../function.ts'

export const jsonIsAbsent = defineFunction({
  name: 'jsonIsAbsent',
  args: ['json'],
  returns: 'boolean',
  nulls: 'never null',
  meaning: 'True where the name is absent or its value is null.',
  duckdb: (json) => `(${json} IS NULL OR CAST(${json} AS VARCHAR) = 'null')`,
  spark: (json) => `(${json} IS NULL OR is_variant_null(${json}))`,
  javascript: (json) => json === null || json.kind === jsonKind.absent || json.kind === jsonKind.null,
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
  javascript: (json) => (json?.kind === jsonKind.string ? sliceText(json) : null),
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
  javascript: (json) => (json?.kind === jsonKind.number ? sliceNumber(json) : null),
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

export const jsonWhole = defineFunction({
  name: 'jsonWhole',
  args: ['json'],
  returns: 'long',
  nulls: 'null in, null out',
  meaning:
    'The whole number of a JSON number, null for any other value: digits without point and exponent exactly as they stand, ' +
    'within 64 bits; a number with either by its nearest double, where that is whole and less than 2^53 away from 0.',
  duckdb: (json) => {
    const text = `CAST(${json} AS VARCHAR)`
    return (
      `CASE WHEN regexp_full_match(${text}, '-?[0-9]+') THEN TRY_CAST(${text} AS BIGINT) ` +
      `WHEN regexp_matches(${text}, '^[-0-9]') THEN ${wholeOfDouble(`CAST(from_json(${json}, '"DOUBLE"') AS DOUBLE)`, 'trunc')} END`
    )
  },
  // Digits alone are a BIGINT wherever they fit; whatever else is one number in two notations is no BIGINT.
  spark: (json) =>
    `CASE WHEN schema_of_variant(${json}) = 'BIGINT' THEN variant_get(${json}, '$', 'bigint') ` +
    `WHEN schema_of_variant(${json}) RLIKE '^(DOUBLE|FLOAT|DECIMAL)' THEN ` +
    `${wholeOfDouble(`variant_get(${json}, '$', 'double')`, 'floor')} END`,
  javascript: (json) => (json?.kind === jsonKind.number ? sliceWhole(json) : null),
  examples: [
    { in: ['42'], out: 42n },
    { in: ['42.0'], out: 42n },
    { in: ['4.2e1'], out: 42n },
    { in: ['-0'], out: 0n },
    { in: ['-0.0'], out: 0n },
    { in: ['42.5'], out: null },
    { in: ['9007199254740993'], out: 9007199254740993n },
    { in: ['-9007199254740993'], out: -9007199254740993n },
    { in: ['9007199254740991.0'], out: 9007199254740991n },
    { in: ['9007199254740993.0'], out: null },
    { in: ['9.007199254740992e15'], out: null },
    { in: ['42.00000000000000000000000000000000000000000001'], out: 42n },
    { in: ['9223372036854775807'], out: 9223372036854775807n },
    { in: ['9223372036854775808'], out: null },
    { in: ['-9223372036854775808'], out: -9223372036854775808n },
    { in: ['-9223372036854775809'], out: null },
    { in: ['123456789012345678901234567890123456789012'], out: null },
    { in: ['1e18'], out: null },
    { in: ['1e400'], out: null },
    { in: ['"42"'], out: null },
    { in: ['true'], out: null },
    { in: ['[42]'], out: null },
    { in: ['{"a": 42}'], out: null },
    { in: ['null'], out: null },
    { in: [null], out: null },
  ],
})

function wholeOfDouble(number: string, down: 'trunc' | 'floor'): string {
  return `CASE WHEN abs(${number}) < 9007199254740992 AND ${number} = ${down}(${number}) THEN CAST(${number} AS BIGINT) END`
}

export const jsonBoolean = defineFunction({
  name: 'jsonBoolean',
  args: ['json'],
  returns: 'boolean',
  nulls: 'null in, null out',
  meaning: 'A JSON boolean, null for any other value.',
  duckdb: (json) => `CASE CAST(${json} AS VARCHAR) WHEN 'true' THEN true WHEN 'false' THEN false END`,
  spark: (json) =>
    `CASE WHEN schema_of_variant(${json}) = 'BOOLEAN' THEN variant_get(${json}, '$', 'boolean') END`,
  javascript: (json) => (json?.kind === jsonKind.true ? true : json?.kind === jsonKind.false ? false : null),
  examples: [
    { in: ['true'], out: true },
    { in: ['false'], out: false },
    { in: [null], out: null },
    { in: ['1'], out: null },
    { in: ['"true"'], out: null },
    { in: ['null'], out: null },
  ],
})
