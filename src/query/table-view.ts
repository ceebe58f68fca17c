// A table of the lakehouse as a view of DuckDB.
import type { DuckDBConnection } from '@duckdb/node-api'
import { DeltaTable } from '../delta/index.ts'
import { quoteIdentifier } from '../delta/sql.ts'
import type { NamedTable } from '../ops/readable.ts'
import { tableDirectory } from '../ops/tables.ts'
import { sqlName } from './table-name.ts'

/** null where nobody has written the table. */
export async function openWritten(deltaBasePath: string, table: NamedTable): Promise<DeltaTable | null> {
  const directory = tableDirectory(deltaBasePath, table)
  return (await DeltaTable.exists(directory)) ? await DeltaTable.open(directory) : null
}

/** Under the name by which a query names the table. */
export async function createTableView(
  connection: DuckDBConnection,
  table: NamedTable,
  select: string,
): Promise<void> {
  const view = sqlName(table).split('.').map(quoteIdentifier)
  if (view.length > 1) await connection.run(`CREATE SCHEMA IF NOT EXISTS ${view[0]}`)
  await connection.run(`CREATE VIEW ${view.join('.')} AS ${select}`)
}
