// Which rows are a person's: those of silver and of what follows from it by the column that names one, those of
// quarantine by what their record says as far as it can be read, and those of bronze by the offsets of
// both; where these have dropped the day of a record, by what bronze's own row says.
import type { DuckDBConnection } from '@duckdb/node-api'
import { isStreamed } from '../batches/streamed.ts'
import { type DeltaTable, fetchedScanSql, type PruneRange } from '../delta/index.ts'
import { retainedOf } from '../ops/retained.ts'
import {
  hasClosingRows,
  type Lakehouse,
  namedTables,
  placeColumns,
  type TableDefinition,
} from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { rowsOf, setTable } from './database.ts'
import { decodedOfPersons } from './decoded-persons.ts'
import type { SchemaStore } from './schema-store.ts'

/** The tables that have the rows of single records, in the order in which a batch writes them. */
export function recordTables(lakehouse: Lakehouse): readonly TableDefinition[] {
  return namedTables(lakehouse).filter(({ rows }) =>
    Object.keys(placeColumns).every((name) => name in rows.schema),
  )
}

/** Tables of rows that do not say of which record each is: an erasure cannot find a person's among them. */
export function unplacedTables(lakehouse: Lakehouse): readonly TableDefinition[] {
  const placed = recordTables(lakehouse)
  return lakehouse.tables.filter((table) => !placed.includes(table) && !hasClosingRows(table.rows.node))
}

/** The value that names a person in the lakehouse: its column is a text, or a whole number. */
export type PersonId = string | bigint

/** A table of the connection: topic, partition and offset of the records to be erased. */
export const positionsTable = 'erased_positions'
const keys = 'topic, partition, "offset"'

/** A condition on the rows of a table that has the columns of a record. */
export const isErased = `(${keys}) IN (FROM (SELECT ${keys} FROM ${positionsTable}))`

/** The tables of a lakehouse that are there, by path. */
export type Where = {
  readonly connection: DuckDBConnection
  readonly lakehouse: Lakehouse
  readonly tables: ReadonlyMap<string, DeltaTable>
}

/** Puts the records of the persons into `erased_positions`; returns how many there are. */
export async function findPersons(
  where: Where & { readonly schemas: SchemaStore },
  persons: readonly PersonId[],
): Promise<bigint> {
  const { connection, lakehouse } = where
  const { column } = lakehouse.names.person
  const selects: string[] = []
  for (const { path, rows } of recordTables(lakehouse)) {
    if (!(column in rows.schema)) continue
    const scan = await scanOf(where, path, persons)
    if (scan !== null) selects.push(`SELECT ${keys} FROM (${scan}) WHERE ${isOneOf(column, persons)}`)
  }
  const refused = await scanOf(where, lakehouse.refused.path, null)
  if (refused !== null) {
    selects.push(`SELECT ${keys} FROM (${refused}) WHERE ${ofPersonsSql(lakehouse.names, persons)}`)
  }
  const lone = await loneRecordsSql(where)
  if (lone !== null) {
    selects.push(`SELECT ${keys} FROM (${lone}) WHERE ${ofPersonsSql(lakehouse.names, persons)}`)
  }
  const { schemas } = where
  const refusedRecords = schemas.mayKnow ? await refusedRecordsSql(where) : null
  const encoded = [refusedRecords, lone].filter((select) => select !== null)
  const decoded = await decodedOfPersons(connection, encoded, schemas, lakehouse, persons)
  if (decoded !== null) selects.push(decoded)
  const none =
    'SELECT NULL::VARCHAR AS topic, NULL::INTEGER AS partition, NULL::BIGINT AS "offset" WHERE false'
  return setPositions(connection, [none, ...selects].join('\nUNION ALL\n'))
}

/** Rows of bronze whose records quarantine has; null where there are none. */
async function refusedRecordsSql({ lakehouse, tables }: Where): Promise<string | null> {
  const [records, refused] = [lakehouse.records, lakehouse.refused].map(({ path }) => tables.get(path))
  if (records === undefined || refused === undefined) return null
  const rows = await fetchedScanSql(await records.snapshot(), records.directory)
  const others = await fetchedScanSql(await refused.snapshot(), refused.directory)
  return `SELECT * FROM (${rows}) SEMI JOIN (SELECT ${keys} FROM (${others})) USING (${keys})`
}

/**
 * Rows of bronze of days that silver or quarantine has dropped, and that neither of them has: what they say
 * stands nowhere else any more. null where no such day was dropped.
 */
async function loneRecordsSql({ lakehouse, tables }: Where): Promise<string | null> {
  const records = tables.get(lakehouse.records.path)
  const judged = [lakehouse.events, lakehouse.refused].flatMap(({ path }) => tables.get(path) ?? [])
  const snapshots = await Promise.all(judged.map((table) => table.snapshot()))
  const before = snapshots
    .map(({ txns }) => retainedOf(txns)?.keptFromMicros ?? 0n)
    .reduce((most, micros) => (micros > most ? micros : most), 0n)
  if (records === undefined || before === 0n) return null
  const snapshot = await records.snapshot()
  // The rows of a streaming query have times of their own.
  const isTimed = !isStreamed(snapshot.txns)
  const prune = isTimed ? [{ column: 'processing_time', max: before - 1n }] : []
  const rows = await fetchedScanSql(snapshot, records.directory, { where: prune, naiveTimestamps: true })
  const isBefore = isTimed ? `processing_time < make_timestamp(${before})` : 'true'
  const others: string[] = []
  for (const [index, table] of judged.entries()) {
    const columns = ['topic', 'partition', 'offset']
    others.push(
      `SELECT ${keys} FROM (${await fetchedScanSql(snapshots[index]!, table.directory, { columns })})`,
    )
  }
  return `SELECT * FROM (SELECT * FROM (${rows}) WHERE ${isBefore}) ANTI JOIN (${others.join(' UNION ALL ')}) USING (${keys})`
}

function isOneOf(column: string, persons: readonly PersonId[]): string {
  return `${duckdb.name(column)} IN (${persons.map(personSql).join(', ')})`
}

function personSql(person: PersonId): string {
  return typeof person === 'bigint' ? String(person) : duckdb.text(person)
}

/** Puts what a SELECT has of topic, partition and offset into `erased_positions`, each once. */
export async function setPositions(connection: DuckDBConnection, select: string): Promise<bigint> {
  await setTable(connection, positionsTable, `SELECT DISTINCT ${keys} FROM (${select})`)
  const [row] = await rowsOf(connection, `SELECT count(*) AS count FROM ${positionsTable}`)
  return row?.count as bigint // As selected.
}

async function scanOf(
  { lakehouse, tables }: Where,
  path: string,
  persons: readonly PersonId[] | null,
): Promise<string | null> {
  const table = tables.get(path)
  if (table === undefined) return null
  const snapshot = await table.snapshot()
  if (persons === null) return fetchedScanSql(snapshot, table.directory)
  const [min, max] = [persons.reduce(lesser), persons.reduce(greater)]
  const { column } = lakehouse.names.person
  // Texts in the order of JavaScript are not those of the files' statistics.
  const where = typeof min === 'bigint' ? [{ column, min, max }] : []
  return fetchedScanSql(snapshot, table.directory, { where })
}

/**
 * A record that is read by its bytes alone is a person's where it has that number or text in the place, however it is written
 * and whatever else is wrong with the record, or where its key, if that names persons, is the same as text.
 */
function ofPersonsSql(
  { person: { column, path }, key }: Lakehouse['names'],
  persons: readonly PersonId[],
): string {
  // Bytes that are no UTF-8 are searched as DuckDB shows them, with the quotes put back.
  const text = `coalesce(TRY(decode(value)), replace(CAST(value AS VARCHAR), '\\x22', '"'))`
  const place = duckdb.text(`$${path.map((name) => `.${JSON.stringify(name)}`).join('')}`)
  const found = `CASE WHEN json_valid(${text}) THEN json_extract_string(${text}, ${place}) END`
  const isNumber = typeof persons[0] === 'bigint'
  const parsed = isNumber ? `TRY_CAST(${found} AS DOUBLE)` : found
  const numbers = persons
    .map((person) => (isNumber ? `${person}(\\.0*)?` : escapedPattern(String(person))))
    .join('|')
  const name = escapedPattern(path.at(-1)!)
  const written = `"${name}"\\s*:\\s*"?\\s*(${numbers})\\s*("|,|}|\\]|\\s|$)`
  const texts = persons.map((person) => `encode(${duckdb.text(String(person))})`).join(', ')
  const isKey = key === undefined || key.column === column
  return `coalesce(${parsed} IN (${persons.map(personSql).join(', ')}), false)
    OR coalesce(regexp_matches(${text}, ${duckdb.text(written)}), false)
    ${isKey ? `OR coalesce(kafka_key IN (${texts}), false)` : ''}`
}

/** A pattern that matches the text alone. */
function escapedPattern(text: string): string {
  return text.replace(/[^\p{L}\p{N} ]/gu, '\\$&')
}

/** Files outside of these ranges have none of the rows. */
export async function positionRanges(connection: DuckDBConnection): Promise<PruneRange[]> {
  const [row] = await rowsOf(
    connection,
    `SELECT min(topic) AS topic_min, max(topic) AS topic_max, min(partition) AS partition_min,
      max(partition) AS partition_max, min("offset") AS offset_min, max("offset") AS offset_max FROM ${positionsTable}`,
  )
  if (row === undefined || row.topic_min === null) return []
  return ['topic', 'partition', 'offset'].map((column) => {
    // As selected: text, numbers and bigints.
    const [min, max] = [row[`${column}_min`], row[`${column}_max`]] as [string, string]
    return { column, min, max }
  })
}

/** How many rows of a table are of records in `erased_positions`. */
export async function countErased(connection: DuckDBConnection, table: DeltaTable): Promise<bigint> {
  const columns = ['topic', 'partition', 'offset']
  const where = await positionRanges(connection)
  return countRows(
    connection,
    await fetchedScanSql(await table.snapshot(), table.directory, { columns, where }),
    isErased,
  )
}

/** How many rows of windows are the persons': they stay. */
export async function countAggregates(where: Where, persons: readonly PersonId[]): Promise<bigint> {
  const { connection, lakehouse } = where
  const { column } = lakehouse.names.person
  let count = 0n
  for (const { path, rows } of lakehouse.tables) {
    if (hasRecords(lakehouse, path) || !(column in rows.schema)) continue
    const scan = await scanOf(where, path, persons)
    if (scan !== null) count += await countRows(connection, scan, isOneOf(column, persons))
  }
  return count
}

async function countRows(connection: DuckDBConnection, rows: string, where: string): Promise<bigint> {
  const [row] = await rowsOf(connection, `SELECT count(*) AS count FROM (${rows}) WHERE ${where}`)
  return row?.count as bigint // As selected.
}

/** The topics of `erased_positions`: what is to be looked at outside of the tables. */
export async function erasedTopics(connection: DuckDBConnection): Promise<string[]> {
  const rows = await rowsOf(connection, `SELECT DISTINCT topic FROM ${positionsTable} ORDER BY topic`)
  return rows.map(({ topic }) => String(topic))
}

const lesser = (a: PersonId, b: PersonId): PersonId => (a < b ? a : b)
const greater = (a: PersonId, b: PersonId): PersonId => (a > b ? a : b)

export function hasRecords(lakehouse: Lakehouse, path: string): boolean {
  return recordTables(lakehouse).some((one) => one.path === path)
}
