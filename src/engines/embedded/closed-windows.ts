// The rows of windows that close: silver's rows of earlier batches are read from its files when they are
// needed, those of the batch at hand are not committed yet.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type DeltaTable, prunedFiles, scanSql } from '../../delta/index.ts'
import { silverRecent } from '../../lakehouse/2-silver/transactions.ts'
import { duckdb } from '../../sql/index.ts'
import { type Closing, eventTimesOf, inParts } from '../batch-rules.ts'
import { rowsOf, setTable, setView } from '../database.ts'

/** Exact counts of distinct values need memory for each row: see docs/decisions/state.md. */
const rowsAtOnceMax = 2_000_000

export type WindowsOfBatch = {
  readonly connection: DuckDBConnection
  /** Told before work on so many rows. */
  readonly useThreadsFor: (rows: number) => Promise<void>
  readonly silver: DeltaTable
  /** The time of the batch, whose own rows are in `silver_batch`. */
  readonly timeMicros: bigint
  /** The table's SELECT for such windows. */
  readonly select: (closing: Closing) => string
}

/** A SELECT of the rows that a table gets. Windows with more rows than fit are computed a few at a time. */
export async function closedWindowsSql(batch: WindowsOfBatch, closing: Closing): Promise<string> {
  const { connection } = batch
  const [own] = await rowsOf(connection, 'SELECT count(*) AS count FROM silver_batch')
  const rows = Number(own?.count) + (await bindRows(batch, closing))
  await batch.useThreadsFor(rows)
  const parts = inParts(closing, Math.ceil(rows / rowsAtOnceMax))
  if (parts.length === 1) return batch.select(closing)
  for (const [index, part] of parts.entries()) {
    await bindRows(batch, part)
    const sql = batch.select(part)
    if (index === 0) await setTable(connection, 'closed_windows', sql)
    else await connection.run(`INSERT INTO closed_windows ${sql}`)
  }
  return 'SELECT * FROM closed_windows'
}

/** Makes `silver_recent` the rows of such windows, and gives how many rows the files have. */
async function bindRows(batch: WindowsOfBatch, closing: Closing): Promise<number> {
  const { connection, silver, timeMicros } = batch
  const { fromMicros, toMicros } = eventTimesOf(closing)
  const snapshot = await silver.snapshot()
  const columns = Object.keys(silverRecent.schema)
  const where = [
    { column: 'event_time', max: toMicros, ...(fromMicros === null ? {} : { min: fromMicros }) },
    { column: 'processing_time', max: timeMicros - 1n },
  ]
  const written = scanSql(snapshot, silver.directory, {
    columns: [...columns, 'processing_time'],
    where,
    naiveTimestamps: true,
  })
  const list = columns.map(duckdb.name).join(', ')
  await setView(
    connection,
    'silver_recent',
    `SELECT ${list} FROM (${written}) WHERE processing_time < make_timestamp(${timeMicros}) ` +
      `UNION ALL SELECT ${list} FROM silver_batch`,
  )
  return prunedFiles(snapshot, where).reduce((sum, { stats }) => sum + Number(stats?.numRecords ?? 0n), 0)
}
