// What tables of sessions are read from where memory does not have it: silver's rows, and the sessions that a
// table has.
import type { DuckDBConnection } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../../delta/index.ts'
import { tableDirectory } from '../../ops/tables.ts'
import { batchTimeColumn } from '../../plan/batch-time.ts'
import type { Lakehouse, SessionsNode, TableDefinition } from '../../plan/index.ts'
import { duckdb } from '../../sql/index.ts'
import { type ClosingSessions, sessionsFrom } from '../batch-rules.ts'
import type { SilverRows } from '../followed-silver.ts'

/** In which order rows of silver arrived. */
const arrivalColumns = ['processing_time', 'topic', 'partition', 'offset']
/** The order of the rows of a key. */
export const orderColumns = ['event_time', ...arrivalColumns]

/** Where silver and the table's own rows are. */
export type SessionFiles = {
  readonly connection: DuckDBConnection
  readonly silver: SilverRows
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
}

export type SilverRange = {
  readonly fromMicros: bigint | null
  readonly toMicros: bigint | null
  /** Rows of later batches are left out. */
  readonly timeMicros: bigint
}

/** A SELECT of silver's rows with these columns, and those that order them. */
export async function silverRowsSql(
  { silver }: SessionFiles,
  reads: readonly string[],
  { fromMicros, toMicros, timeMicros }: SilverRange,
): Promise<string> {
  const bounds = [
    ...(fromMicros === null ? [] : [`event_time >= make_timestamp(${fromMicros})`]),
    ...(toMicros === null ? [] : [`event_time <= make_timestamp(${toMicros})`]),
  ]
  const scan = await fetchedScanSql(await silver.snapshot(), silver.directory, {
    columns: [...new Set([...reads, ...orderColumns])],
    where: [
      {
        column: 'event_time',
        ...(fromMicros === null ? {} : { min: fromMicros }),
        ...(toMicros === null ? {} : { max: toMicros }),
      },
      { column: 'processing_time', max: timeMicros },
    ],
    naiveTimestamps: true,
  })
  return `SELECT * FROM (${scan}) WHERE ${[`processing_time <= make_timestamp(${timeMicros})`, ...bounds].join(' AND ')}`
}

/** The same of keys alone whose last session can be open behind what a watermark has closed. */
export async function openRowsSql(
  files: SessionFiles,
  node: SessionsNode,
  reads: readonly string[],
  range: SilverRange & { readonly closedToMicros: bigint },
): Promise<string> {
  const rows = await silverRowsSql(files, reads, range)
  if (node.input.kind !== 'input' || node.keys.length === 0) return rows
  const recent = { ...range, fromMicros: range.closedToMicros - node.gapMicros }
  const keys = node.keys.map(duckdb.name)
  const isSame = keys.map((key) => `r.${key} IS NOT DISTINCT FROM k.${key}`).join(' AND ')
  return `SELECT r.* FROM (${rows}) AS r SEMI JOIN (
    SELECT DISTINCT ${keys.join(', ')} FROM (${await silverRowsSql(files, node.keys, recent)})
  ) AS k ON ${isSame}`
}

/**
 * A SELECT of the ends of sessions with their keys that batches up to a time brought to the table, where they
 * can matter; null where there are none.
 */
export async function writtenSql(
  { lakehouse, deltaBasePath }: SessionFiles,
  definition: TableDefinition,
  closing: Omit<ClosingSessions, 'upToMicros'>,
  timeMicros: bigint,
): Promise<string | null> {
  const directory = tableDirectory(deltaBasePath, definition)
  const from = sessionsFrom(closing)
  if (from === null || !(await DeltaTable.exists(directory))) return null
  const snapshot = await (await DeltaTable.open(directory)).snapshot()
  const column = batchTimeColumn(lakehouse, definition)
  const columns = [...closing.node.keys, 'session_end']
  const scan = await fetchedScanSql(snapshot, directory, {
    columns: [...columns, ...(column === null ? [] : [column])],
    where: [{ column: 'session_end', min: from }],
    naiveTimestamps: true,
  })
  const isBefore = column === null ? '' : ` AND ${duckdb.name(column)} <= make_timestamp(${timeMicros})`
  return `SELECT ${columns.map(duckdb.name).join(', ')} FROM (${scan})
    WHERE session_end >= make_timestamp(${from})${isBefore}`
}
