// Which rows are a person's: those of silver and of what follows from it by their user_id, those of
// quarantine by what their record says as far as it can be read, and those of bronze by the offsets of
// both.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type DeltaTable, type PruneRange, scanSql } from '../delta/index.ts'
import { duckdb } from '../sql/index.ts'
import { rowsOf, setTable } from './database.ts'

/** The tables that have the rows of single records, in the order in which a batch writes them. */
export const recordTables = [
  'bronze/transactions',
  'silver/transactions',
  'silver/quarantine',
  'fraud_detection',
] as const
export type RecordTable = (typeof recordTables)[number]

/** A table of the connection: topic, partition and offset of the records to be erased. */
export const positionsTable = 'erased_positions'
const keys = 'topic, partition, "offset"'

/** A condition on the rows of a table that has the columns of a record. */
export const isErased = `(${keys}) IN (FROM (SELECT ${keys} FROM ${positionsTable}))`

export type Tables = ReadonlyMap<string, DeltaTable>

/** Puts the records of the users into `erased_positions`; returns how many there are. */
export async function findUsers(
  connection: DuckDBConnection,
  tables: Tables,
  userIds: readonly number[],
): Promise<bigint> {
  const selects: string[] = []
  for (const path of ['silver/transactions', 'fraud_detection']) {
    const rows = await scanOf(tables, path, [...userIds].map(BigInt))
    if (rows !== null) selects.push(`SELECT ${keys} FROM (${rows}) WHERE user_id IN (${userIds.join(', ')})`)
  }
  const refused = await scanOf(tables, 'silver/quarantine', null)
  if (refused !== null) selects.push(`SELECT ${keys} FROM (${refused}) WHERE ${ofUsersSql(userIds)}`)
  const none =
    'SELECT NULL::VARCHAR AS topic, NULL::INTEGER AS partition, NULL::BIGINT AS "offset" WHERE false'
  return setPositions(connection, [none, ...selects].join('\nUNION ALL\n'))
}

/** Puts what a SELECT has of topic, partition and offset into `erased_positions`, each once. */
export async function setPositions(connection: DuckDBConnection, select: string): Promise<bigint> {
  await setTable(connection, positionsTable, `SELECT DISTINCT ${keys} FROM (${select})`)
  const [row] = await rowsOf(connection, `SELECT count(*) AS count FROM ${positionsTable}`)
  return row?.count as bigint // As selected.
}

async function scanOf(
  tables: Tables,
  path: string,
  userIds: readonly bigint[] | null,
): Promise<string | null> {
  const table = tables.get(path)
  if (table === undefined) return null
  const snapshot = await table.snapshot()
  if (userIds === null) return scanSql(snapshot, table.directory)
  const [min, max] = [userIds.reduce(lesser), userIds.reduce(greater)]
  return scanSql(snapshot, table.directory, { where: [{ column: 'user_id', min, max }] })
}

/**
 * A record of quarantine is a user's where its user_id is that number, however it is written and whatever
 * else is wrong with the record, or where its key is the number as text.
 */
function ofUsersSql(userIds: readonly number[]): string {
  // Bytes that are no UTF-8 are searched as DuckDB shows them, with the quotes put back.
  const text = `coalesce(TRY(decode(value)), replace(CAST(value AS VARCHAR), '\\x22', '"'))`
  const parsed = `CASE WHEN json_valid(${text}) THEN TRY_CAST(json_extract_string(${text}, '$.user_id') AS DOUBLE) END`
  const numbers = userIds.map((id) => `${id}(\\.0*)?`).join('|')
  const written = `"user_id"\\s*:\\s*"?\\s*(${numbers})\\s*("|,|}|\\]|\\s|$)`
  const texts = userIds.map((id) => `encode(${duckdb.text(String(id))})`).join(', ')
  return `coalesce(${parsed} IN (${userIds.join(', ')}), false)
    OR coalesce(regexp_matches(${text}, ${duckdb.text(written)}), false)
    OR coalesce(kafka_key IN (${texts}), false)`
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
  return countRows(connection, scanSql(await table.snapshot(), table.directory, { columns, where }), isErased)
}

/** How many rows of `aggregations/user` are the users': they stay. */
export async function countAggregates(
  connection: DuckDBConnection,
  tables: Tables,
  userIds: readonly number[],
): Promise<bigint> {
  const rows = await scanOf(tables, 'aggregations/user', userIds.map(BigInt))
  return rows === null ? 0n : countRows(connection, rows, `user_id IN (${userIds.join(', ')})`)
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

const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)

export function hasRecords(path: string): path is RecordTable {
  return recordTables.some((one) => one === path)
}
