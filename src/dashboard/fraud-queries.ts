// The queries of the fraud page, over the scored table of whatever lakehouse: its columns are those of the
// table, and each value reaches DuckDB as a parameter.
import type { ColumnType, Schema } from '../expr/index.ts'
import { type Lakehouse, sessionsIn, type TableDefinition } from '../plan/index.ts'
import { isMaskedColumn } from '../query/masking.ts'
import { sqlName } from '../query/table-name.ts'
import { duckdb } from '../sql/index.ts'
import type { FeedRow, RowsAnswer } from './api.ts'
import { feedRow } from './feed.ts'
import { Refusal } from './http.ts'
import type { DeskParameters } from './query-desk.ts'

export type DashboardQuery = { readonly sql: string; readonly parameters: DeskParameters }

const operators = ['is', 'contains', 'at least', 'at most'] as const
export type RowFilter = {
  readonly column: string
  readonly operator: (typeof operators)[number]
  readonly value: string
}

const filtersMax = 20
export const transactionsMax = 200
const valuesPerColumn = 8
const facetColumnsMax = 8

/** The filters of a URL: a JSON list. */
export function filtersOf(text: string | null): readonly RowFilter[] {
  if (text === null || text === '') return []
  try {
    const parsed: unknown = JSON.parse(text)
    if (Array.isArray(parsed) && parsed.length <= filtersMax && parsed.every(isRowFilter)) return parsed
  } catch {
    // Told below.
  }
  throw new Refusal(400, 'FILTER_INVALID', 'filters are a list of column, operator and value')
}

function isRowFilter(value: unknown): value is RowFilter {
  const { column, operator, value: wanted } = Object(value) as Partial<Record<string, unknown>>
  return typeof column === 'string' && typeof wanted === 'string' && operators.some((one) => one === operator)
}

/** The scored transactions, the newest first; `text` is looked for in all columns of text. */
export function transactionsQuery(
  table: TableDefinition,
  filters: readonly RowFilter[],
  text: string | null,
): DashboardQuery {
  const { where, parameters } = conditionsOf(table, filters, text)
  const sql =
    `SELECT * FROM ${sqlName(table)} WHERE ${where} ` +
    `ORDER BY event_time DESC, topic, "partition", "offset" LIMIT ${transactionsMax}`
  return { sql, parameters }
}

/** How many rows have which value, for the level, the score and each column that tells rows apart. */
export function facetsQuery(
  lakehouse: Pick<Lakehouse, 'names'>,
  table: TableDefinition,
  filters: readonly RowFilter[],
  text: string | null,
): DashboardQuery {
  const { where, parameters } = conditionsOf(table, filters, text)
  const schema: Schema = table.rows.schema
  const rows = `(SELECT * FROM ${sqlName(table)} WHERE ${where})`
  const facets = facetColumns(lakehouse, schema).map((column) => {
    const name = duckdb.name(column)
    const value = schema[column] === 'array<string>' ? `unnest(${name})` : `CAST(${name} AS VARCHAR)`
    return facetSql(column, value, valuesPerColumn)
  })
  const scores = 'fraud_score' in schema ? [facetSql('fraud_score', 'CAST(fraud_score AS VARCHAR)', 500)] : []
  const hours = facetSql(
    'hour',
    "strftime(date_trunc('hour', event_time), '%Y-%m-%dT%H:%M:%SZ')",
    72,
    '2 DESC',
  )
  const sql = `WITH chosen AS ${rows} ${[...facets, ...scores, hours].join(' UNION ALL ')}`
  return { sql, parameters }
}

function facetSql(column: string, value: string, max: number, order = '3 DESC, 2'): string {
  return (
    `(SELECT ${duckdb.text(column)} AS column_name, value, count(*) AS rows FROM (SELECT ${value} AS value FROM chosen) ` +
    `WHERE value IS NOT NULL GROUP BY 1, 2 ORDER BY ${order} LIMIT ${max})`
  )
}

/** Columns of text that name neither the row nor a person; the rules that fired. */
function facetColumns(lakehouse: Pick<Lakehouse, 'names'>, schema: Schema): readonly string[] {
  const isTelling = ([name, type]: readonly [string, ColumnType]): boolean => {
    if (type === 'array<string>') return true
    return type === 'string' && name !== lakehouse.names.event.column && !isMaskedColumn(lakehouse, name)
  }
  const columns = Object.entries(schema).filter(([name]) => name !== 'topic')
  return columns
    .filter(isTelling)
    .slice(0, facetColumnsMax)
    .map(([name]) => name)
}

/** Where the person, a device and all else that a person has were used. */
export function personFacetsQuery(lakehouse: Lakehouse, id: string): DashboardQuery {
  const { events, names } = lakehouse
  const schema: Schema = events.rows.schema
  const columns = Object.entries(schema).filter(([name, type]) => {
    const isOwn = name === names.person.column || name === names.event.column || name === 'topic'
    return type === 'string' && !isOwn
  })
  const facets = columns.map(([column]) => {
    const name = duckdb.name(column)
    return (
      `(SELECT ${duckdb.text(column)} AS column_name, ${name} AS value, count(*) AS rows, min(event_time) AS first_seen, ` +
      `max(event_time) AS last_seen FROM chosen WHERE ${name} IS NOT NULL GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT ${valuesPerColumn})`
    )
  })
  const chosen = `SELECT * FROM ${sqlName(events)} WHERE ${personIs(lakehouse)}`
  return { sql: `WITH chosen AS (${chosen}) ${facets.join(' UNION ALL ')}`, parameters: { id } }
}

export function personRowsQuery(lakehouse: Lakehouse, id: string): DashboardQuery {
  const { scored, events, names } = lakehouse
  const hasPerson = scored !== null && names.person.column in scored.rows.schema
  const table = hasPerson ? scored : events
  const sql =
    `SELECT * FROM ${sqlName(table)} WHERE ${personIs(lakehouse)} ` +
    `ORDER BY event_time DESC, topic, "partition", "offset" LIMIT ${transactionsMax}`
  return { sql, parameters: { id } }
}

/** How often in each hour. */
export function personHoursQuery(lakehouse: Lakehouse, id: string): DashboardQuery {
  const sql =
    `SELECT date_trunc('hour', event_time) AS hour, count(*) AS rows FROM ${sqlName(lakehouse.events)} ` +
    `WHERE ${personIs(lakehouse)} GROUP BY 1 ORDER BY 1 DESC LIMIT 168`
  return { sql, parameters: { id } }
}

/** The table of what a person did in one go; null for a lakehouse that has none. */
export function journeysTable({ tables, names }: Lakehouse): TableDefinition | null {
  const isIt = ({ rows }: TableDefinition): boolean =>
    sessionsIn(rows.node)?.keys.includes(names.person.column) === true && 'session_start' in rows.schema
  return tables.find(isIt) ?? null
}

/** What of a journey is shown, where the table has it. */
const journeyColumns = [
  ...['transaction_count', 'total_amount', 'unique_merchants', 'unique_devices', 'unique_countries'],
  ...['country_changes', 'device_changes', 'fraud_count', 'is_card_testing', 'is_impossible_travel'],
]
const journeysMax = 20

/** The last journeys that are over, the newest first; the merchants of each as one text. */
export function personJourneysQuery(
  lakehouse: Lakehouse,
  { path, rows: { schema } }: TableDefinition,
  id: string,
): DashboardQuery {
  const columns = journeyColumns.filter((name) => name in schema).map(duckdb.name)
  const journey = 'journey' in schema ? ["array_to_string(journey, ' → ') AS journey"] : []
  const sql =
    `SELECT ${['session_start', 'session_end', ...columns, ...journey].join(', ')} FROM ${sqlName({ path })} ` +
    `WHERE ${personIs(lakehouse)} ORDER BY session_end DESC LIMIT ${journeysMax}`
  return { sql, parameters: { id } }
}

function personIs({ names }: Lakehouse): string {
  return `CAST(${duckdb.name(names.person.column)} AS VARCHAR) = $id`
}

function conditionsOf(
  table: TableDefinition,
  filters: readonly RowFilter[],
  text: string | null,
): { readonly where: string; readonly parameters: DeskParameters } {
  const schema: Schema = table.rows.schema
  const parameters: Record<string, string> = {}
  const conditions = filters.map(({ column, operator, value }, index) => {
    const type = schema[column]
    if (type === undefined) throw new Refusal(400, 'FILTER_INVALID', `there is no column ${column}`)
    parameters[`value_${index}`] = value
    return conditionSql(duckdb.name(column), type, operator, `$value_${index}`)
  })
  if (text !== null && text.trim() !== '') {
    parameters.text = text.trim()
    const columns = Object.entries(schema).filter(([, type]) => type === 'string')
    const looks = columns.map(([name]) => `contains(lower(${duckdb.name(name)}), lower($text::VARCHAR))`)
    conditions.push(`(${looks.join(' OR ')})`)
  }
  return { where: conditions.length === 0 ? 'true' : conditions.join(' AND '), parameters }
}

/** A value that is no number is one that no row has. */
function conditionSql(
  name: string,
  type: ColumnType,
  operator: RowFilter['operator'],
  parameter: string,
): string {
  if (type === 'array<string>') return `list_contains(${name}, ${parameter}::VARCHAR)`
  const isNumber = /^(?:int|long|double|decimal)/.test(type)
  const wanted = `TRY_CAST(${parameter}::VARCHAR AS ${isNumber ? 'DOUBLE' : 'VARCHAR'})`
  const own = isNumber ? `CAST(${name} AS DOUBLE)` : `CAST(${name} AS VARCHAR)`
  switch (operator) {
    case 'contains':
      return `contains(lower(CAST(${name} AS VARCHAR)), lower(${parameter}::VARCHAR))`
    case 'at least':
      return `${own} >= ${wanted}`
    case 'at most':
      return `${own} <= ${wanted}`
    default:
      return `${own} = ${wanted}`
  }
}

/** Rows of a query as those of the feed: cells by name, with what the rules say. */
export function feedOfRows(lakehouse: Lakehouse, { columns, rows }: RowsAnswer): FeedRow[] {
  return rows.map((row) => {
    const cells = columns.map(({ name, type }, index) => [name, cellOf(type, row[index] ?? null)] as const)
    return feedRow(lakehouse, Object.fromEntries(cells))
  })
}

function cellOf(type: string, text: string | null): FeedRow['cells'][string] {
  if (text === null) return null
  if (type === 'BOOLEAN') return text === 'true'
  if (type === 'INTEGER' || type === 'DOUBLE') return Number(text)
  return type === 'VARCHAR[]' ? (JSON.parse(text) as string[]) : text // A list of text is told as JSON.
}
