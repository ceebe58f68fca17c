// The windows that are not closed yet, as views `live.<name>`: computed from silver with the table's own
// definition, so nothing of them is ever in the Delta table.
import { windowOf } from '../batches/planner.ts'
import { DeltaTable, scanSql } from '../delta/index.ts'
import { silverRecent, silverTransactions } from '../lakehouse/2-silver/transactions.ts'
import { progressOf, tableDirectory } from '../lakehouse/delta.ts'
import { tables } from '../lakehouse/pipeline.ts'
import type { TableDefinition } from '../plan/index.ts'
import { boundDuckdb, compileTable } from '../sql/index.ts'

/** Every table with windows. */
export const liveTables: readonly TableDefinition[] = tables.filter((table) => table.watermark !== null)

/** Its name in the schema `live`: the last part of its path; `transactions` are known by their folder. */
export function liveName({ path }: Pick<TableDefinition, 'path'>): string {
  const parts = path.split('/')
  const last = parts.at(-1)!
  return `live.${last === 'transactions' ? (parts.at(-2) ?? last) : last}`
}

/** The end of time: every window that is not closed ends before it. */
const everMicros = 253_402_300_799_999_999n

/** A SELECT over the open windows of a table, as of silver's newest batch; null where silver is not there. */
export async function openWindowsSql(deltaBasePath: string, table: TableDefinition): Promise<string | null> {
  const directory = tableDirectory(deltaBasePath, silverTransactions)
  const node = windowOf(table.rows.node)
  if (node === null || table.watermark === null || !(await DeltaTable.exists(directory))) return null
  const silver = await DeltaTable.open(directory)
  const snapshot = await silver.snapshot()
  const closedTo = (await progressOf(silver, snapshot))?.watermarks[table.watermark] ?? null
  const rows = scanSql(snapshot, directory, {
    columns: Object.keys(silverRecent.schema),
    where: closedTo === null ? [] : [{ column: 'event_time', min: closedTo - node.sizeMicros }],
    naiveTimestamps: true,
  })
  const bound = boundDuckdb({ processing_time: null, closed_after: closedTo, closed_up_to: everMicros })
  const windows = compileTable(bound, table.rows.node).sql
  return (
    `WITH silver_recent AS (${rows}) SELECT * EXCLUDE (aggregation_time) ` +
    `REPLACE (timezone('UTC', window_start) AS window_start, timezone('UTC', window_end) AS window_end) FROM (${windows})`
  )
}
