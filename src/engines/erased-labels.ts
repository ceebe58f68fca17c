// Labels of erased transactions: they name the transactions, so they go before the events, which say whose
// these are.
import type { DuckDBConnection } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { labelColumns } from '../fraud/labels.ts'
import { labelsPath } from '../ops/labels.ts'
import { opsDirectory } from '../ops/tables.ts'
import type { Lakehouse } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { step } from '../steps/step.ts'
import { rowsOf, setTable } from './database.ts'
import { isErased } from './erased-rows.ts'

export type ErasedLabels = {
  readonly connection: DuckDBConnection
  readonly lakehouse: Pick<Lakehouse, 'names'>
  readonly deltaBasePath: string
  /** The events, which still hold the records of `erased_positions`. */
  readonly events: DeltaTable
  /** Says in the table's log which erasure has deleted rows. */
  readonly mark: { readonly appId: string; readonly version: bigint }
  readonly signal?: AbortSignal
}

const idsTable = 'erased_ids'

/** How many rows that would be; null where there is no table. */
export async function countErasedLabels(of: Omit<ErasedLabels, 'mark'>): Promise<bigint | null> {
  const directory = opsDirectory(of.deltaBasePath, labelsPath)
  if (!(await DeltaTable.exists(directory))) return null
  await setErasedIds(of)
  const columns = [labelColumns.event]
  const scan = await fetchedScanSql(await (await DeltaTable.open(directory)).snapshot(), directory, {
    columns,
  })
  const [row] = await rowsOf(
    of.connection,
    `SELECT count(*) AS count FROM (${scan}) WHERE ${labelColumns.event} IN (FROM ${idsTable})`,
  )
  return row?.count as bigint // As DuckDB counts.
}

async function setErasedIds({ connection, lakehouse, events }: Omit<ErasedLabels, 'mark'>): Promise<void> {
  const id = lakehouse.names.event.column
  const columns = ['topic', 'partition', 'offset', id]
  const scan = await fetchedScanSql(await events.snapshot(), events.directory, { columns })
  await setTable(
    connection,
    idsTable,
    `SELECT DISTINCT CAST(${duckdb.name(id)} AS VARCHAR) AS id FROM (${scan}) WHERE ${isErased}`,
  )
}

/** Deletes the rows, with files and log entries; how many there were, or null where there is no table. */
export async function eraseLabels(of: ErasedLabels): Promise<bigint | null> {
  const { connection, deltaBasePath, mark, signal } = of
  const directory = opsDirectory(deltaBasePath, labelsPath)
  if (!(await DeltaTable.exists(directory))) return null
  const table = await DeltaTable.open(directory)
  await setErasedIds(of)
  const options = { operation: 'ERASE', operationParameters: {}, txns: { [mark.appId]: mark.version } }
  const result = await table.deleteRows(connection, `${labelColumns.event} IN (FROM ${idsTable})`, {
    ...options,
    ...(signal === undefined ? {} : { signal }),
  })
  await step('rows erased')
  const { operation: _, ...purge } = options
  // Deleted by this erasure, before a crash or now.
  const isDeleted = (await table.snapshot()).txns.get(mark.appId)?.version === mark.version
  if (isDeleted) {
    await table.purgeLog(purge)
    await step('log purged')
  }
  return result.kind === 'deleted' ? result.rowsDeleted : 0n
}
