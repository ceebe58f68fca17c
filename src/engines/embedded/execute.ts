// One batch through its tables: rows are computed and written as files in one DuckDB transaction, then each
// table gets its commit, then the transaction ends. A failure before the first commit leaves nothing; a crash
// between two commits is replayed from bronze, and the tables that have the batch skip it.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type Batch, type Delays, progressAfter, windowOf } from '../../batches/planner.ts'
import type { Progress } from '../../batches/progress.ts'
import { type AddFile, type DeltaTable, prunedFiles, type StagedAppend, scanSql } from '../../delta/index.ts'
import { LakehouseError } from '../../errors/errors.ts'
import { silverRecent } from '../../lakehouse/2-silver/transactions.ts'
import { tables as allTables } from '../../lakehouse/pipeline.ts'
import type { StreamName } from '../../plan/index.ts'
import { boundDuckdb, compileTable, duckdb, type ParameterValues } from '../../sql/index.ts'
import { step } from '../../steps/step.ts'
import { alwaysCommitted, type ClosingRows, closingRows, lookBack, silentBatchesMax } from '../batch-rules.ts'
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

type Staged = { readonly table: OpenTable; readonly rows: StagedAppend | null }

class BatchRun {
  readonly rowsByTable: Record<string, number> = {}
  /** The progress after the batch; known when silver's rows are. */
  after: Progress
  readonly #context: BatchContext
  readonly #batch: Batch
  readonly #before: Progress
  readonly #tables: readonly OpenTable[]
  #inputRows = 0

  constructor(context: BatchContext, batch: Batch, before: Progress, tables: readonly OpenTable[]) {
    this.#context = context
    this.#batch = batch
    this.#before = before
    this.#tables = tables
    this.after = before
  }

  async bindInput(input: BatchInput): Promise<void> {
    const { connection, useThreadsFor } = this.#context
    this.#inputRows = input.kind === 'bronze' ? Number.POSITIVE_INFINITY : input.count
    await useThreadsFor(this.#inputRows)
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
    // What the first attempt decided, whatever is configured now.
    if (input.kind === 'bronze' && input.recorded !== null) return input.recorded
    const seen = input.kind === 'silver' ? input.recorded.eventTimeMaxMicros : await this.#eventTimeMax()
    const after = progressAfter(this.#before, this.#batch, seen, this.#context.delays, allTables)
    return input.kind === 'silver' ? { ...input.recorded, watermarks: after.watermarks } : after
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
    let rows: StagedAppend | null = null
    if (await this.#bindRows(table)) {
      const name = materialized[path]
      if (name && name !== 'silver_batch') await setTable(connection, name, this.#compiled(path).sql)
      rows = await table.delta.stage(connection, name ? `SELECT * FROM ${name}` : this.#select(path))
    }
    const count = Number(rows?.rowCount ?? 0n)
    this.rowsByTable[path] = count
    const isSilent = this.#batch.batch - table.progress.batch >= silentBatchesMax
    if (count > 0) staged.push({ table, rows })
    else if (alwaysCommitted.has(path) || isSilent) staged.push({ table, rows: null })
  }

  /** False where the batch has no row for the table: most close no window. */
  async #bindRows({ definition }: OpenTable): Promise<boolean> {
    if (definition.path === 'bronze/transactions') return this.#batch.readFrom === 'input'
    if (windowOf(definition.rows.node) === null) return true
    const closing = closingRows(definition, this.#before, this.after)
    if (closing !== null) await this.#bindClosing(closing)
    return closing !== null
  }

  /** Silver's rows of earlier batches are in its files; those of this batch are not committed yet. */
  async #bindClosing({ fromMicros, toMicros }: ClosingRows): Promise<void> {
    const { connection, silver, useThreadsFor } = this.#context
    const { timeMicros } = this.#batch
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
      `SELECT ${list} FROM (
        SELECT ${list} FROM (${written}) WHERE processing_time < make_timestamp(${timeMicros})
        UNION ALL SELECT ${list} FROM silver_batch
      ) WHERE event_time <= make_timestamp(${toMicros})` +
        (fromMicros === null ? '' : ` AND event_time >= make_timestamp(${fromMicros})`),
    )
    await useThreadsFor(this.#inputRows + recordsIn(prunedFiles(snapshot, where)))
  }

  #select(path: string): string {
    return path === 'bronze/transactions' ? 'SELECT * FROM bronze_batch' : this.#compiled(path).sql
  }

  #compiled(path: string) {
    const table = allTables.find((one) => one.path === path)!
    return compileTable(boundDuckdb(this.#parameters(path)), table.rows.node)
  }

  #parameters(path: string): ParameterValues {
    const watermark = allTables.find((one) => one.path === path)?.watermark ?? null
    return {
      processing_time: this.#batch.timeMicros,
      watermark: this.#batch.watermarkMicros,
      dedup_micros: this.#context.dedupMicros,
      high_risk_countries: this.#context.highRiskCountries,
      closed_after: watermark === null ? null : this.#before.watermarks[watermark],
      closed_up_to: watermark === null ? null : this.after.watermarks[watermark],
    }
  }
}

function recordsIn(files: readonly AddFile[]): number {
  return files.reduce((sum, { stats }) => sum + Number(stats?.numRecords ?? 0n), 0)
}
