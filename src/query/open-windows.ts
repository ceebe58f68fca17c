// The windows that are not closed yet, as views `live.<name>`: computed from silver with the table's own
// definition, so nothing of them is ever in the Delta table.
import type { Config } from '../config/config.ts'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { quoteIdentifier } from '../delta/sql.ts'
import { progressOf, tableDirectory } from '../ops/tables.ts'
import {
  baselineOf,
  earlierRows,
  inputsOf,
  type Lakehouse,
  type TableDefinition,
  windowOf,
} from '../plan/index.ts'
import { boundDuckdb, compileTable, duckdb } from '../sql/index.ts'

/** Every table with windows. */
export function liveTables({ tables }: Lakehouse): readonly TableDefinition[] {
  return tables.filter(({ rows }) => windowOf(rows.node) !== null)
}

/** Its name in the schema `live`: the last part of its path; `transactions` are known by their folder. */
export function liveName({ path }: Pick<TableDefinition, 'path'>): string {
  const parts = path.split('/')
  const last = parts.at(-1)!
  return `live.${last === 'transactions' ? (parts.at(-2) ?? last) : last}`
}

/** The end of time: every window that is not closed ends before it. */
const everMicros = 253_402_300_799_999_999n

/** A SELECT over the open windows of a table, as of silver's newest batch; null where silver is not there. */
export async function openWindowsSql(
  { lakehouse, deltaBasePath }: Pick<Config, 'lakehouse' | 'deltaBasePath'>,
  table: TableDefinition,
): Promise<string | null> {
  const directory = tableDirectory(deltaBasePath, lakehouse.events)
  const [input] = inputsOf(table.rows.node)
  const node = windowOf(table.rows.node)
  if (
    input === undefined ||
    node === null ||
    table.watermark === null ||
    !(await DeltaTable.exists(directory))
  )
    return null
  const silver = await DeltaTable.open(directory)
  const snapshot = await silver.snapshot()
  const closedTo = (await progressOf(silver, snapshot))?.watermarks[table.watermark] ?? null
  const rows = await fetchedScanSql(snapshot, directory, {
    columns: Object.keys(input.schema),
    where: closedTo === null ? [] : [{ column: 'event_time', min: closedTo - node.sizeMicros }],
    naiveTimestamps: true,
  })
  const bound = boundDuckdb({ processing_time: null, closed_after: closedTo, closed_up_to: everMicros })
  const windows = compileTable(bound, table.rows.node).sql
  const own =
    baselineOf(table.rows.node) === null ? '' : `, ${earlierRows} AS (${await ownRows(deltaBasePath, table)})`
  return (
    `WITH ${quoteIdentifier(input.name)} AS (${rows})${own} SELECT * ${withoutTimes(table)} ` +
    `REPLACE (timezone('UTC', window_start) AS window_start, timezone('UTC', window_end) AS window_end) FROM (${windows})`
  )
}

/** What the table has: by that its open windows are judged. */
async function ownRows(deltaBasePath: string, table: TableDefinition): Promise<string> {
  const directory = tableDirectory(deltaBasePath, table)
  if (await DeltaTable.exists(directory)) {
    const snapshot = await (await DeltaTable.open(directory)).snapshot()
    return fetchedScanSql(snapshot, directory, { naiveTimestamps: true })
  }
  const columns = Object.entries(table.rows.schema).map(
    ([name, type]) => `CAST(NULL AS ${duckdb.type(type)}) AS ${quoteIdentifier(name)}`,
  )
  return `SELECT ${columns.join(', ')} WHERE false`
}

/** A window that is not closed has come with no batch yet: what follows from the time of one is left out. */
function withoutTimes({ rows }: TableDefinition): string {
  const { node } = rows
  if (node.kind !== 'project') return ''
  const names = Object.entries(node.columns).filter(([, { kind }]) => kind === 'parameter')
  return names.length === 0 ? '' : `EXCLUDE (${names.map(([name]) => quoteIdentifier(name)).join(', ')})`
}
