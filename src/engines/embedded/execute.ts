// One batch through its tables: rows are computed and written as files in one DuckDB transaction, then each
// table gets its commit, then the transaction ends. A failure before the first commit leaves nothing; a crash
// between two commits is replayed from bronze, and the tables that have the batch skip it.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type Batch, type Delays, progressAfter, windowOf } from '../../batches/planner.ts'
import type { Progress } from '../../batches/progress.ts'
import type { DeltaTable, StagedAppend } from '../../delta/index.ts'
import { tables as allTables } from '../../lakehouse/pipeline.ts'
import type { StreamName } from '../../plan/index.ts'
import { boundDuckdb, compileTable, type ParameterValues } from '../../sql/index.ts'
import { step } from '../../steps/step.ts'
import { alwaysCommitted, type Closing, closingWindows, lookBack, silentBatchesMax } from '../batch-rules.ts'
import { rowsOf, setTable, setView } from '../database.ts'
import type { Executed } from '../report.ts'
import type { OpenTable } from '../tables.ts'
import { closedWindowsSql } from './closed-windows.ts'
import { batchFailure, isOfDuckdb } from './duckdb-failure.ts'
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

/** Work on so many rows of the state, which are only looked at, is that on one row of the batch. */
const rowsLookedAtPerRow = 100

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
    if (closing === null) return null
    const select = (part: Closing) => this.#compiled(path, part).sql
    return closedWindowsSql({ ...this.#context, timeMicros: this.#batch.timeMicros, select }, closing)
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
