// The readJson operator; its meaning stands at its type (plan/relation.ts). Parsers differ on what they let
// pass, and two readers must never see two amounts: what is not strict is no document at all. Stage by stage,
// so that SQL that uses a value twice names it and does not compute it again.
import { assert } from '../errors/errors.ts'
import type { PlanNode } from '../plan/index.ts'
import { indentRest } from './arrival.ts'
import { type Dialect, duckdb, spark } from './dialect.ts'

type ReadJson = Extract<PlanNode, { kind: 'readJson' }>

export function readJsonSql(dialect: Dialect, node: ReadJson, input: string): string {
  return dialect.engine === 'duckdb' ? duckdbSql(node, input) : sparkSql(node, input)
}

const stage = (columns: string, from: string): string =>
  `(\n  SELECT ${columns}\n  FROM ${indentRest(from)}\n)`

/** Each field's path, in quotes. */
function pathsOf(node: ReadJson): string[] {
  return Object.values(node.fields).map(([name]) => {
    assert(/^[A-Za-z_][A-Za-z0-9_]*$/.test(name), `the JSON name ${name} is not plain`)
    return `'$.${name}'`
  })
}

/**
 * What DuckDB's parser accepts beyond RFC 8259: a comma before a closing bracket, NaN and Infinity as values.
 */
const lenient = `',[ \\t\\r\\n]*[}\\]]|[:\\[,][ \\t\\r\\n]*-?(?i:nan|inf)'`
/** Any string of a document: with them gone, only what stands outside of strings is left to be judged. */
const anyString = `'"(?:[^"\\\\]|\\\\.)*"'`

/**
 * Nested CASEs: DuckDB may evaluate both sides of an AND, and its JSON functions raise on text that is no
 * JSON. The result stays text: a cast to JSON would parse it once more.
 */
const duckdbObject =
  // What is valid and begins with a brace is an object. Asking for the type would parse the document again.
  `CASE WHEN json_valid(json_text) THEN CASE WHEN regexp_matches(json_text, '^[ \\t\\r\\n]*[{]') ` +
  `AND CASE WHEN regexp_matches(json_text, ${lenient}) ` +
  `THEN NOT regexp_matches(regexp_replace(json_text, ${anyString}, '""', 'gs'), ${lenient}) ELSE true END ` +
  `THEN json_text END END`

function duckdbSql(node: ReadJson, input: string): string {
  const text = stage(`*, TRY(decode(${duckdb.name(node.from)})) AS json_text`, input)
  const object = stage(`*, ${duckdbObject} AS json_object`, text)
  // One call for all fields: each call parses the whole document again.
  const found = stage(`*, json_extract(json_object, [${pathsOf(node).join(', ')}]) AS json_found`, object)
  // As many names as were looked for and found: none stands twice. Else, rarely, they are compared.
  const names = 'json_keys(json_object)'
  const isDocument =
    `coalesce(CASE WHEN len(${names}) = list_count(json_found) THEN true ` +
    `ELSE len(${names}) = list_unique(${names}) END, false)`
  const judged = stage(`*, ${isDocument} AS ${duckdb.name(node.as)}`, found)
  const one = stage(
    `* EXCLUDE (json_text, json_object, json_found),\n` +
      `    CASE WHEN ${duckdb.name(node.as)} THEN json_found END AS json_found`,
    judged,
  )
  const fields = Object.keys(node.fields).map((name, index) => {
    return `json_found[${index + 1}] AS ${duckdb.name(name)}`
  })
  return `SELECT * EXCLUDE (json_found),\n  ${fields.join(',\n  ')}\nFROM ${one}`
}

/** A pair of escapes that stand for one character, in text without escaped backslashes. */
const surrogatePair = String.raw`'\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}'`
const surrogate = String.raw`'\\\\u[dD][89a-fA-F]'`
/** Looked for first: it costs a quarter of a pattern, and hardly any text has one. */
const anyEscape = String.raw`'\\u'`

/** Spark's parser puts a question mark in the place of half a character. */
const hasHalfCharacter =
  `(contains(json_text, ${anyEscape}) AND json_text RLIKE ${surrogate} ` +
  String.raw`AND regexp_replace(replace(json_text, '\\\\', ''), ${surrogatePair}, '') RLIKE ${surrogate})`

/**
 * Spark's parser ignores what stands behind the value: as the first element of an array whose second one is
 * the hash of the text, nothing can stand there and go unseen.
 */
const sparkParsed = `try_parse_json(concat('[', json_text, ',', xxhash64(json_text), ']'))`
const sparkObject =
  `CASE WHEN try_variant_get(json_parsed, '$[1]', 'bigint') = xxhash64(json_text) ` +
  `AND json_text RLIKE '\\\\A[ \\\\t\\\\r\\\\n]*[{]' AND NOT ${hasHalfCharacter} ` +
  `THEN variant_get(json_parsed, '$[0]', 'variant') END`

function sparkSql(node: ReadJson, input: string): string {
  const from = spark.name(node.from)
  const text = stage(
    `*, CASE WHEN is_valid_utf8(${from}) THEN decode(${from}, 'UTF-8') END AS json_text`,
    input,
  )
  const parsed = stage(`*, ${sparkParsed} AS json_parsed`, text)
  const object = stage(`*, ${sparkObject} AS json_object`, parsed)
  // A variant has each name once, whatever the text has.
  const names = stage(
    `*, CASE WHEN json_object IS NOT NULL THEN json_object_keys(json_text) END AS json_names`,
    object,
  )
  // Spark puts an expression in the place of its name wherever that stands: a document that is null where a
  // name stands twice is one expression, a condition at each field would be as many.
  const document = stage(
    `*, CASE WHEN size(json_names) = size(array_distinct(json_names)) THEN json_object END AS json_document`,
    names,
  )
  const paths = pathsOf(node)
  const columns = [
    `(json_document IS NOT NULL) AS ${spark.name(node.as)}`,
    ...Object.keys(node.fields).map((name, index) => {
      return `variant_get(json_document, ${paths[index]}, 'variant') AS ${spark.name(name)}`
    }),
  ]
  const hidden = 'json_text, json_parsed, json_object, json_names, json_document'
  return `SELECT * EXCEPT (${hidden}),\n  ${columns.join(',\n  ')}\nFROM ${document}`
}
