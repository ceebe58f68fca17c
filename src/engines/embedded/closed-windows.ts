// The rows of windows that close are read from silver's files when they are needed. docs/decisions/state.md
// says what fits at once.
import type { DuckDBConnection } from '@duckdb/node-api'
import { fetchedScanSql, prunedFiles } from '../../delta/index.ts'
import { assert } from '../../errors/errors.ts'
import { inputsOf, type PlanNode } from '../../plan/index.ts'
import { compileTable, type Dialect, duckdb, windowParts } from '../../sql/index.ts'
import { type Closing, eventTimesOf, inParts } from '../batch-rules.ts'
import { rowsOf, setTable, setView } from '../database.ts'
import type { SilverRows } from '../followed-silver.ts'

/** Windows that close together are computed in parts of about so many rows. */
const rowsAtOnceMax = 2_000_000
/** Exact counts of distinct values need about so much memory for each row, all columns together. */
const bytesPerRow = 160
/** Memory that is never promised to windows: threads, written files and other connections need some. */
const memoryKeptBytes = 64 * 1024 * 1024
/** One part of a split count: its values are spilled where they do not fit, so more rows fit than above. */
const rowsPerPartFactor = 8

export type WindowsOfBatch = {
  readonly connection: DuckDBConnection
  /** Told before work on so many rows. */
  readonly useThreadsFor: (rows: number) => Promise<void>
  readonly silver: SilverRows
  /** The time of the batch, which silver has. */
  readonly timeMicros: bigint
  /** The table's plan. */
  readonly node: PlanNode
  /** SQL with the batch's values for such windows. */
  readonly dialect: (closing: Closing) => Dialect
  /** So many times fewer rows at once than memory seems to allow: more than 1 where it did not. */
  readonly shrinkBy: number
}

/**
 * A SELECT of the rows that a table gets. Where they do not fit, they are computed a few windows at a time,
 * and a window that does not fit alone a few groups and values at a time.
 */
export async function closedWindowsSql(batch: WindowsOfBatch, closing: Closing): Promise<string> {
  const { connection, node } = batch
  const rows = await bindRows(batch, closing)
  await batch.useThreadsFor(rows)
  const fitting = Math.max(1, Math.floor((await rowsThatFit(connection)) / batch.shrinkBy))
  const parts = inParts(closing, Math.ceil(rows / Math.min(rowsAtOnceMax, fitting)))
  if (parts.length === 1 && rows <= fitting) return compileTable(batch.dialect(closing), node).sql
  for (const [index, part] of parts.entries()) {
    const partRows = await bindRows(batch, part)
    const dialect = batch.dialect(part)
    const sql =
      partRows <= fitting
        ? compileTable(dialect, node).sql
        : await splitSql(connection, dialect, node, part, Math.ceil(partRows / fitting / rowsPerPartFactor))
    if (index === 0) await setTable(connection, 'closed_windows', sql)
    else await connection.run(`INSERT INTO closed_windows ${sql}`)
  }
  await connection.run('DROP TABLE IF EXISTS window_partials')
  return 'SELECT * FROM closed_windows'
}

/** A SELECT over what statements have computed that need little memory each. */
async function splitSql(
  connection: DuckDBConnection,
  dialect: Dialect,
  node: PlanNode,
  { window }: Closing,
  partsPerCount: number,
): Promise<string> {
  const { partial, combined } = windowParts(dialect, window, partsPerCount)
  for (const [index, sql] of partial.entries()) {
    if (index === 0) await setTable(connection, 'window_partials', sql)
    else await connection.run(`INSERT INTO window_partials ${sql}`)
  }
  await setView(connection, 'window_groups', combined('window_partials'))
  return compileTable(dialect, node, 'window_groups').sql
}

/** How many rows of windows the memory has room for that nothing holds at the moment. */
async function rowsThatFit(connection: DuckDBConnection): Promise<number> {
  const [row] = await rowsOf(
    connection,
    `SELECT parse_formatted_bytes(current_setting('memory_limit')) AS limit_bytes,
      (SELECT CAST(sum(memory_usage_bytes) AS BIGINT) FROM duckdb_memory()) AS used_bytes`,
  )
  const freeBytes = Number(row?.limit_bytes) - Number(row?.used_bytes) - memoryKeptBytes
  return Math.max(freeBytes, memoryKeptBytes) / bytesPerRow
}

/** Binds what the plan reads to the rows of such windows, and gives how many rows the files have. */
async function bindRows(batch: WindowsOfBatch, closing: Closing): Promise<number> {
  const { connection, silver, timeMicros } = batch
  const [closingInput, ...others] = inputsOf(batch.node)
  assert(closingInput?.reads.of === 'closing' && others.length === 0, 'windows read the rows that close')
  const { fromMicros, toMicros } = eventTimesOf(closing)
  const snapshot = await silver.snapshot()
  const columns = Object.keys(closingInput.schema)
  const where = [
    { column: 'event_time', max: toMicros, ...(fromMicros === null ? {} : { min: fromMicros }) },
    { column: 'processing_time', max: timeMicros },
  ]
  const written = await fetchedScanSql(snapshot, silver.directory, {
    columns: [...columns, 'processing_time'],
    where,
    naiveTimestamps: true,
  })
  const list = columns.map(duckdb.name).join(', ')
  await setView(
    connection,
    closingInput.name,
    `SELECT ${list} FROM (${written}) WHERE processing_time <= make_timestamp(${timeMicros})`,
  )
  return prunedFiles(snapshot, where).reduce((sum, { stats }) => sum + Number(stats?.numRecords ?? 0n), 0)
}
