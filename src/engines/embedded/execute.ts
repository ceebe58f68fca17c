// One batch through its tables: rows are computed and written as files in one DuckDB transaction, then each
// table gets its commit, then the transaction ends. A failure before the first commit leaves nothing; a crash
// between two commits is replayed from bronze, and the tables that have the batch skip it.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type Batch, type Delays, progressAfter, windowOf } from '../../batches/planner.ts'
import type { Progress } from '../../batches/progress.ts'
import { type DeltaTable, prunedFiles, type StagedAppend, scanSql } from '../../delta/index.ts'
import { LakehouseError } from '../../errors/errors.ts'
import { silverRecent } from '../../lakehouse/2-silver/transactions.ts'
import { tables as allTables } from '../../lakehouse/pipeline.ts'
import type { StreamName } from '../../plan/index.ts'
import { boundDuckdb, compileTable, duckdb, type ParameterValues } from '../../sql/index.ts'
import { step } from '../../steps/step.ts'
import {
  alwaysCommitted,
  type Closing,
  closingWindows,
  eventTimesOf,
  inParts,
  lookBack,
  silentBatchesMax,
} from '../batch-rules.ts'
import { rowsOf, setTable, setView } from '../database.ts'
import type { Executed } from '../report.ts'
import type { OpenTable } from '../tables.ts'
import type { RecentSilver } from './recent.ts'

export type BatchContext = {
  readonly connection: DuckDBConnection
  /** Told before work on so many rows. */
  readonly useThreadsFor: (rows: number) => Promise<void>
  /** Where the rows of closing windows are, but for those of the batch. */
  readonly silver: DeltaTable
  readonly recent: RecentSilver
  readonly delays: Delays
  readonly dedupMicros: bigint
  readonly highRiskCountries: readonly string[]
  readonly clock: () => bigint
  /** The streams of this process: it has carried each batch through all of them before it starts the next. */
  readonly streams: readonly StreamName[]
}

/** Where a batch starts: from the input's `count` records, or from rows that a table has already. */
export type BatchInput =
  | { readonly kind: 'records'; readonly select: string; readonly count: number }
  /** Rows that bronze has; `recorded` is the progress of a batch that is replayed, null for a new one. */
  | { readonly kind: 'bronze'; readonly select: string; readonly recorded: Progress | null }
  /** A stream of its own behind silver: `recorded` is the progress of silver's commit. */
  | {
      readonly kind: 'silver'
      readonly select: string
      readonly count: number
      readonly recorded: Progress
    }

/** A SELECT's rows as a temporary table, for tables that others read or that are reported. */
const materialized: Readonly<Record<string, string>> = {
  'silver/transactions': 'silver_batch',
  'silver/quarantine': 'quarantine_batch',
  fraud_detection: 'fraud_batch',
}

export async function executeBatch(
  context: BatchContext,
  batch: Batch,
  before: Progress,
  input: BatchInput,
  tables: readonly OpenTable[],
): Promise<Executed> {
  const { connection, recent } = context
  await connection.run('BEGIN')
  try {
    await step('batch begun')
    const run = new BatchRun(context, batch, before, tables)
    await run.bindInput(input)
    const staged = await run.stage(input)
    await step('all tables staged')
    for (const { table, rows } of staged) {
      await table.commit(rows, run.after, context)
      await step('table committed')
    }
    await step('all tables committed')
    await recent.trim(lookBack(run.after.watermarks.silver, context))
    await connection.run('COMMIT')
    await step('batch ended')
    return { progress: run.after, rowsByTable: run.rowsByTable }
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => undefined) // The first failure is the one to tell.
    throw isOfDuckdb(error) ? batchFailure(batch, error) : error
  }
}

/** The driver throws plain errors without a code, for a full disk as for a number that is too large. */
function isOfDuckdb(error: unknown): error is Error {
  return error instanceof Error && Object.getPrototypeOf(error) === Error.prototype && !('code' in error)
}

function batchFailure(batch: Batch, error: Error): LakehouseError {
  return new LakehouseError(
    'BATCH_FAILED',
    `batch ${batch.batch} failed in DuckDB: ${error.message.split('\n')[0]}. The tables are intact: the next start ` +
      'goes on with this batch. docs/guide/recovery.md says what to do about disks, memory and limits.',
    { cause: error },
  )
}

/** Work on so many rows of the state, which are only looked at, is that on one row of the batch. */
const rowsLookedAtPerRow = 100

/** Exact counts of distinct values need memory for each row: see docs/decisions/state.md. */
const rowsAtOnceMax = 2_000_000

type Staged = { readonly table: OpenTable; readonly rows: StagedAppend | null }

class BatchRun {
  readonly rowsByTable: Record<string, number> = {}
  /** The progress after the batch; known when silver's rows are. */
  after: Progress
  readonly #context: BatchContext
  readonly #batch: Batch
  readonly #before: Progress
  readonly #tables: readonly OpenTable[]

  constructor(context: BatchContext, batch: Batch, before: Progress, tables: readonly OpenTable[]) {
    this.#context = context
    this.#batch = batch
    this.#before = before
    this.#tables = tables
    this.after = before
  }

  async bindInput(input: BatchInput): Promise<void> {
    const { connection, recent, useThreadsFor } = this.#context
    const rows = input.kind === 'bronze' ? Number.POSITIVE_INFINITY : input.count
    await useThreadsFor(rows + recent.rowCount / rowsLookedAtPerRow)
    switch (input.kind) {
      case 'records':
        await setView(connection, 'kafka_batch', input.select)
        await setView(connection, 'bronze_batch', this.#compiled('bronze/transactions').sql)
        return
      case 'bronze':
        await setView(connection, 'kafka_batch', input.select)
        await setView(connection, 'bronze_batch', input.select)
        return
      case 'silver':
        await setTable(connection, 'silver_batch', input.select)
    }
  }

  /** Computes and writes the rows of every table that lacks the batch, in the tables' order. */
  async stage(input: BatchInput): Promise<Staged[]> {
    if (input.kind !== 'silver') await this.#computeSilver()
    this.after = await this.#progressAfter(input)
    const staged: Staged[] = []
    for (const table of this.#tables) await this.#stageRows(table, staged)
    await this.#context.recent.add()
    return staged
  }

  async #computeSilver(): Promise<void> {
    const { connection } = this.#context
    const { shared, sql } = this.#compiled('silver/transactions')
    for (const statement of shared) await setTable(connection, statement.name, statement.sql)
    await setTable(connection, 'silver_batch', sql)
  }

  async #progressAfter(input: BatchInput): Promise<Progress> {
    // What the first attempt, or the process that writes silver, decided, whatever is configured now.
    if (input.kind !== 'records' && input.recorded !== null) return input.recorded
    const seen = await this.#eventTimeMax()
    return progressAfter(this.#before, this.#batch, seen, this.#context.delays, allTables)
  }

  async #eventTimeMax(): Promise<bigint | null> {
    const [row] = await rowsOf(
      this.#context.connection,
      'SELECT max(epoch_us(event_time)) AS seen FROM silver_batch',
    )
    const seen = row?.seen
    return typeof seen === 'bigint' ? seen : null
  }

  async #stageRows(table: OpenTable, staged: Staged[]): Promise<void> {
    const { connection } = this.#context
    const { path } = table.definition
    if (table.has(this.#batch.batch)) return
    const select = await this.#rowsFor(table)
    const rows = select === null ? null : await table.delta.stage(connection, select)
    const count = Number(rows?.rowCount ?? 0n)
    this.rowsByTable[path] = count
    const isSilent = this.#batch.batch - table.progress.batch >= silentBatchesMax
    if (count > 0) staged.push({ table, rows })
    else if (alwaysCommitted.has(path) || isSilent) staged.push({ table, rows: null })
  }

  /** A SELECT of the batch's rows for a table; null where it has none: most batches close no window. */
  async #rowsFor({ definition }: OpenTable): Promise<string | null> {
    const { path, rows } = definition
    if (path === 'bronze/transactions') {
      return this.#batch.readFrom === 'input' ? 'SELECT * FROM bronze_batch' : null
    }
    if (windowOf(rows.node) === null) {
      const name = materialized[path]
      if (name === undefined) return this.#compiled(path).sql
      if (name !== 'silver_batch') await setTable(this.#context.connection, name, this.#compiled(path).sql)
      return `SELECT * FROM ${name}`
    }
    const closing = closingWindows(definition, this.#before, this.after)
    return closing === null ? null : this.#closedWindows(path, closing)
  }

  /** Windows with more rows than fit are computed a few at a time. */
  async #closedWindows(path: string, closing: Closing): Promise<string> {
    const { connection, useThreadsFor } = this.#context
    const [batch] = await rowsOf(connection, 'SELECT count(*) AS count FROM silver_batch')
    const rows = Number(batch?.count) + (await this.#bindClosing(closing))
    await useThreadsFor(rows)
    const parts = inParts(closing, Math.ceil(rows / rowsAtOnceMax))
    if (parts.length === 1) return this.#compiled(path, closing).sql
    for (const [index, part] of parts.entries()) {
      await this.#bindClosing(part)
      const { sql } = this.#compiled(path, part)
      if (index === 0) await setTable(connection, 'closed_windows', sql)
      else await connection.run(`INSERT INTO closed_windows ${sql}`)
    }
    return 'SELECT * FROM closed_windows'
  }

  /**
   * Silver's rows of earlier batches are in its files, those of this batch are not committed yet. Gives how
   * many rows the files have.
   */
  async #bindClosing(closing: Closing): Promise<number> {
    const { connection, silver } = this.#context
    const { timeMicros } = this.#batch
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

  #compiled(path: string, closing?: Closing) {
    const table = allTables.find((one) => one.path === path)!
    return compileTable(boundDuckdb(this.#parameters(closing)), table.rows.node)
  }

  #parameters(closing?: Closing): ParameterValues {
    return {
      processing_time: this.#batch.timeMicros,
      watermark: this.#batch.watermarkMicros,
      dedup_micros: this.#context.dedupMicros,
      high_risk_countries: this.#context.highRiskCountries,
      closed_after: closing?.closedToMicros ?? null,
      closed_up_to: closing?.upToMicros ?? null,
    }
  }
}
