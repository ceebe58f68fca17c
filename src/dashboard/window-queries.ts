// The queries of the page of aggregations, over any table of windows: one window with its keys, or one key
// over the windows. Nothing is added up over windows or keys: which figures may be, a table does not say.
import type { Schema } from '../expr/index.ts'
import { type Lakehouse, type TableDefinition, windowOf } from '../plan/index.ts'
import { liveName } from '../query/open-windows.ts'
import { sqlName } from '../query/table-name.ts'
import { duckdb } from '../sql/index.ts'
import type { DashboardQuery } from './fraud-queries.ts'
import { Refusal } from './http.ts'

const windowsMax = 96
const keysMax = 100
const rowsMax = 200

/** The newest windows: those that are open are computed now, and may still change. */
export function windowsQuery(table: TableDefinition, hasClosed: boolean): DashboardQuery {
  const sql =
    `SELECT window_start, window_end, bool_or(is_open) AS is_open, count(*) AS keys FROM ${allSql(table, hasClosed)} ` +
    `GROUP BY 1, 2 ORDER BY window_start DESC LIMIT ${windowsMax}`
  return { sql, parameters: {} }
}

/** The keys of a window, those with most first. Open windows are computed only where one is asked for. */
export function windowKeysQuery(
  table: TableDefinition,
  { start, by, isOpen }: { readonly start: string; readonly by: string; readonly isOpen: boolean },
): DashboardQuery {
  const sql =
    `SELECT * FROM ${isOpen ? liveName(table) : sqlName(table)} WHERE window_start = $start::TIMESTAMPTZ ` +
    `ORDER BY ${numberColumn(table, by)} DESC NULLS LAST LIMIT ${keysMax}`
  return { sql, parameters: { start } }
}

/** One key over the windows, the newest first. */
export function keyWindowsQuery(
  table: TableDefinition,
  hasClosed: boolean,
  keys: Readonly<Record<string, string | null>>,
): DashboardQuery {
  const { where, parameters } = keysAre(table, keys, Object.keys(table.rows.schema))
  const sql = `SELECT * FROM ${allSql(table, hasClosed)} WHERE ${where} ORDER BY window_start DESC LIMIT ${windowsMax}`
  return { sql, parameters }
}

/** The rows of the events that a window counts: those of its time with its keys. */
export function windowRowsQuery(
  { events }: Lakehouse,
  table: TableDefinition,
  {
    start,
    end,
    keys,
  }: { readonly start: string; readonly end: string; readonly keys: Readonly<Record<string, string | null>> },
): DashboardQuery {
  const { where, parameters } = keysAre(table, keys, Object.keys(events.rows.schema))
  const sql =
    `SELECT * FROM ${sqlName(events)} WHERE event_time >= $start::TIMESTAMPTZ AND event_time < $end::TIMESTAMPTZ AND ${where} ` +
    `ORDER BY event_time DESC, topic, "partition", "offset" LIMIT ${rowsMax}`
  return { sql, parameters: { ...parameters, start, end } }
}

function allSql(table: TableDefinition, hasClosed: boolean): string {
  const closed = `SELECT *, false AS is_open FROM ${sqlName(table)}`
  const open = `SELECT *, true AS is_open FROM ${liveName(table)}`
  return `(${hasClosed ? `${closed} UNION ALL BY NAME ${open}` : open})`
}

function keysAre(
  table: TableDefinition,
  keys: Readonly<Record<string, string | null>>,
  columns: readonly string[],
): { readonly where: string; readonly parameters: Readonly<Record<string, string>> } {
  const known = windowOf(table.rows.node)?.keys ?? []
  const parameters: Record<string, string> = {}
  const conditions = Object.entries(keys).flatMap(([name, value], index) => {
    if (!known.includes(name)) throw new Refusal(400, 'KEY_UNKNOWN', `${table.path} has no key ${name}`)
    if (!columns.includes(name)) return []
    if (value === null) return [`${duckdb.name(name)} IS NULL`]
    parameters[`key_${index}`] = value
    return [`CAST(${duckdb.name(name)} AS VARCHAR) = $key_${index}`]
  })
  return { where: conditions.length === 0 ? 'true' : conditions.join(' AND '), parameters }
}

function numberColumn({ path, rows }: TableDefinition, name: string): string {
  const schema: Schema = rows.schema
  if (/^(?:int|long|double|decimal)/.test(schema[name] ?? '')) return duckdb.name(name)
  throw new Refusal(400, 'COLUMN_UNKNOWN', `${path} has no number ${name}`)
}
