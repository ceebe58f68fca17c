// The readJson operator; its meaning stands at its type (plan/relation.ts). Parsers differ on what they let
// pass, and two readers must never see two amounts: what is not strict is no document at all. Stage by stage,
// so that SQL that uses a value twice names it and does not compute it again.
import type { JsonPath, PlanNode } from '../plan/index.ts'
import { indentRest } from './arrival.ts'
import { type Dialect, duckdb, spark } from './dialect.ts'

type ReadJson = Extract<PlanNode, { kind: 'readJson' }>

export function readJsonSql(dialect: Dialect, node: ReadJson, input: string): string {
  return dialect.engine === 'duckdb' ? duckdbSql(node, input) : sparkSql(node, input)
}

const stage = (columns: string, from: string): string =>
  `(\n  SELECT ${columns}\n  FROM ${indentRest(from)}\n)`

/** A path in the engine's own language, as a literal. No name has a quote or a backslash. */
function pathSql(dialect: Dialect, path: readonly string[]): string {
  const steps = path.map((name) => {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `.${name}`
    return dialect.engine === 'duckdb' ? `."${name}"` : `['${name}']`
  })
  return dialect.text(`$${steps.join('')}`)
}

/** The objects below the top level that lead to a field: names stand once in each. */
function nestedObjects(node: ReadJson): readonly JsonPath[] {
  const found = new Map<string, JsonPath>()
  for (const [first, ...inner] of Object.values(node.fields)) {
    for (const [index] of inner.entries()) {
      const path: JsonPath = [first, ...inner.slice(0, index)]
      found.set(JSON.stringify(path), path)
    }
  }
  return [...found.values()]
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

/** As many names as were looked for and found: none stands twice. Else, rarely, they are compared. */
const eachNameOnce =
  'coalesce(CASE WHEN len(json_keys(json_object)) = list_count(json_found) THEN true ' +
  'ELSE len(json_keys(json_object)) = list_unique(json_keys(json_object)) END, false)'

/** A value that is no object has no names, and one that is not there has null. */
function eachNestedNameOnce(paths: readonly string[]): string {
  const names = `json_keys(json_object, [${["'$'", ...paths].join(', ')}])`
  const once = 'lambda names: names IS NULL OR len(names) = list_unique(names)'
  return `coalesce(list_bool_and(list_transform(${names}, ${once})), false)`
}

function duckdbSql(node: ReadJson, input: string): string {
  const text = stage(`*, TRY(decode(${duckdb.name(node.from)})) AS json_text`, input)
  const object = stage(`*, ${duckdbObject} AS json_object`, text)
  // One call for all fields: each call parses the whole document again.
  const paths = Object.values(node.fields).map((path) => pathSql(duckdb, path))
  const found = stage(`*, json_extract(json_object, [${paths.join(', ')}]) AS json_found`, object)
  const nested = nestedObjects(node).map((path) => pathSql(duckdb, path))
  // What is found by two fields is one name.
  const isFlat = nested.length === 0 && new Set(paths).size === paths.length
  const isDocument = isFlat ? eachNameOnce : eachNestedNameOnce(nested)
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

const namesColumn = (index: number): string => (index === 0 ? 'json_names' : `json_names_${index}`)

/**
 * The names of the object at the path; null where there is none. Of all JSON values only a string can become
 * binary: its text may look like an object, and is none.
 */
function sparkNestedNames(path: string): string {
  return (
    `CASE WHEN try_variant_get(json_object, ${path}, 'binary') IS NULL ` +
    `THEN json_object_keys(get_json_object(json_text, ${path})) END`
  )
}

function sparkEachOnce(names: string, mayBeNone: boolean): string {
  const once = `size(${names}) = size(array_distinct(${names}))`
  return mayBeNone ? `(${names} IS NULL OR ${once})` : once
}

function sparkSql(node: ReadJson, input: string): string {
  const from = spark.name(node.from)
  const text = stage(
    `*, CASE WHEN is_valid_utf8(${from}) THEN decode(${from}, 'UTF-8') END AS json_text`,
    input,
  )
  const parsed = stage(`*, ${sparkParsed} AS json_parsed`, text)
  const object = stage(`*, ${sparkObject} AS json_object`, parsed)
  // A variant has each name once, whatever the text has.
  const nested = nestedObjects(node).map((path) => pathSql(spark, path))
  const namesOf = ['json_object_keys(json_text)', ...nested.map(sparkNestedNames)]
  const names = stage(
    `*, ${namesOf.map((sql, index) => `CASE WHEN json_object IS NOT NULL THEN ${sql} END AS ${namesColumn(index)}`).join(',\n    ')}`,
    object,
  )
  const once = namesOf.map((_, index) => sparkEachOnce(namesColumn(index), index > 0)).join(' AND ')
  // Spark puts an expression in the place of its name wherever that stands: a document that is null where a
  // name stands twice is one expression, a condition at each field would be as many.
  const document = stage(`*, CASE WHEN ${once} THEN json_object END AS json_document`, names)
  const paths = Object.values(node.fields).map((path) => pathSql(spark, path))
  const columns = [
    `(json_document IS NOT NULL) AS ${spark.name(node.as)}`,
    ...Object.keys(node.fields).map((name, index) => {
      return `variant_get(json_document, ${paths[index]}, 'variant') AS ${spark.name(name)}`
    }),
  ]
  const hidden = [
    'json_text, json_parsed, json_object, json_document',
    ...namesOf.map((_, index) => namesColumn(index)),
  ].join(', ')
  return `SELECT * EXCEPT (${hidden}),\n  ${columns.join(',\n  ')}\nFROM ${document}`
}
