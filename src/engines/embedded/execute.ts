// One batch through its tables: rows are computed and written as files, then each table gets its commit,
// then the state takes the rows in. No DuckDB transaction spans the batch: one that a statement failed in
// could not try that statement again in smaller parts. A failure before the first commit leaves nothing; a
// crash between two commits is replayed from bronze, and the tables that have the batch skip it.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { BatchPlan } from '../../batches/plan.ts'
import { progressAfter, windowOf } from '../../batches/planner.ts'
import type { Progress, RecordedBatch } from '../../batches/progress.ts'
import type { DeltaTable, StagedAppend } from '../../delta/index.ts'
import { assert, unreachable } from '../../errors/errors.ts'
import type { StreamName, TableDefinition } from '../../plan/index.ts'
import { boundDuckdb, compileTable, type ParameterValues } from '../../sql/index.ts'
import { step } from '../../steps/step.ts'
import { alwaysCommitted, type Closing, closingWindows, lookBack, silentBatchesMax } from '../batch-rules.ts'
import { setTable, setView } from '../database.ts'
import type { DefinitionStore } from '../definition-store.ts'
import type { Executed } from '../report.ts'
import type { OpenTable } from '../tables.ts'
import { closedWindowsSql } from './closed-windows.ts'
import { batchFailure, isOfDuckdb, isOutOfMemory } from './duckdb-failure.ts'
import { outcomeOfFiles, outcomeOfPartitions } from './outcome.ts'
import type { RecentSilver } from './recent.ts'

export type BatchContext = {
  readonly connection: DuckDBConnection
  /** Told before work on so many rows. */
  readonly useThreadsFor: (rows: number) => Promise<void>
  /** Where the rows of closing windows are, but for those of the batch. */
  readonly silver: DeltaTable
  readonly recent: RecentSilver
  readonly definitions: DefinitionStore
  readonly clock: () => bigint
  /** The streams of this process: it has carried each batch through all of them before it starts the next. */
  readonly streams: readonly StreamName[]
}

/** Where a batch starts: from the input's `count` records, or from rows that a table has already. */
export type BatchInput =
  | { readonly kind: 'records'; readonly select: string; readonly count: number }
  /** Rows that bronze has, and silver has not met. */
  | { readonly kind: 'bronze'; readonly select: string }
  /**
   * A batch that is in the tables already, in part. What silver has of it is taken from there; null where
   * silver lacks it.
   */
  | {
      readonly kind: 'replay'
      readonly select: string
      readonly silver: string | null
      readonly recorded: RecordedBatch
    }
  /** A stream of its own behind silver. */
  | {
      readonly kind: 'silver'
      readonly select: string
      readonly count: number
      readonly recorded: RecordedBatch
    }

/** A SELECT's rows as a temporary table, for tables that others read or that are reported. */
const materialized: Readonly<Record<string, string>> = {
  'silver/transactions': 'silver_batch',
  'silver/quarantine': 'quarantine_batch',
  fraud_detection: 'fraud_batch',
}

export async function executeBatch(
  context: BatchContext,
  plan: BatchPlan,
  before: Progress,
  input: BatchInput,
  tables: readonly OpenTable[],
): Promise<Executed> {
  const { recent } = context
  const definitions = await context.definitions.tablesOf(plan)
  const phases = new Phases()
  // What silver or bronze has already is a batch that has begun.
  let isBegun = 'recorded' in input
  try {
    await step('batch begun')
    const run = new BatchRun(context, plan, before, tables, definitions)
    await run.bindInput(input)
    const staged = await run.stage(input, phases)
    await step('all tables staged')
    phases.begin('commit')
    isBegun = true
    for (const { table, rows } of staged) {
      await table.commit(rows, run.recorded, context)
      await step('table committed')
    }
    await step('all tables committed')
    phases.begin('state')
    const { watermarks } = run.recorded.progress
    await recent.take(lookBack(watermarks.silver, plan.settings, definitions))
    phases.end()
    await step('batch ended')
    const { rowsByTable, recorded } = run
    return { recorded, progress: recorded.progress, rowsByTable, phasesMs: phases.ms }
  } catch (error) {
    throw isOfDuckdb(error) ? batchFailure(plan, error, isBegun) : error
  }
}

/** How long each phase of a batch took. */
class Phases {
  readonly ms: Record<string, number> = {}
  #now: { readonly name: string; readonly sinceMs: number } | null = null

  begin(name: string): void {
    this.end()
    this.#now = { name, sinceMs: performance.now() }
  }

  end(): void {
    if (this.#now === null) return
    const { name, sinceMs } = this.#now
    this.ms[name] = (this.ms[name] ?? 0) + performance.now() - sinceMs
    this.#now = null
  }
}

/** Windows that do not fit are tried again with half of the rows at once, down to so many times fewer. */
const shrinkByMax = 64

/** Work on so many rows of the state, which are only looked at, is that on one row of the batch. */
const rowsLookedAtPerRow = 100

type Staged = { readonly table: OpenTable; readonly rows: StagedAppend | null }

class BatchRun {
  readonly rowsByTable: Record<string, number> = {}
  readonly #context: BatchContext
  readonly #plan: BatchPlan
  readonly #before: Progress
  readonly #tables: readonly OpenTable[]
  /** The tables as they are defined in this batch. */
  readonly #definitions: ReadonlyMap<string, TableDefinition>
  /** What the commits carry; known when silver's rows are. */
  #recorded: RecordedBatch | null = null

  constructor(
    context: BatchContext,
    plan: BatchPlan,
    before: Progress,
    tables: readonly OpenTable[],
    definitions: readonly TableDefinition[],
  ) {
    this.#context = context
    this.#plan = plan
    this.#before = before
    this.#tables = tables
    this.#definitions = new Map(definitions.map((definition) => [definition.path, definition]))
  }

  get recorded(): RecordedBatch {
    assert(this.#recorded !== null, 'the batch is computed')
    return this.#recorded
  }

  async bindInput(input: BatchInput): Promise<void> {
    const { connection, recent, useThreadsFor } = this.#context
    const rows = 'count' in input ? input.count : Number.POSITIVE_INFINITY
    await useThreadsFor(rows + recent.rowCount / rowsLookedAtPerRow)
    switch (input.kind) {
      case 'records':
        await setView(connection, 'kafka_batch', input.select)
        await setView(connection, 'bronze_batch', this.#compiled('bronze/transactions').sql)
        return
      case 'bronze':
      case 'replay':
        await setView(connection, 'kafka_batch', input.select)
        await setView(connection, 'bronze_batch', input.select)
        return
      case 'silver':
        await setTable(connection, 'silver_batch', input.select)
        return
      default:
        return unreachable(input)
    }
  }

  /** Computes and writes the rows of every table that lacks the batch, in the tables' order. */
  async stage(input: BatchInput, phases: Phases): Promise<Staged[]> {
    phases.begin('judge')
    if (input.kind !== 'silver') await this.#computeSilver(input)
    this.#recorded = 'recorded' in input ? input.recorded : await this.#outcome()
    const staged: Staged[] = []
    for (const table of this.#tables) {
      phases.begin(table.definition.path)
      await this.#stageRows(table, staged)
    }
    return staged
  }

  async #computeSilver(input: BatchInput): Promise<void> {
    const { connection } = this.#context
    const { shared, sql } = this.#compiled('silver/transactions')
    for (const statement of shared) await setTable(connection, statement.name, statement.sql)
    if (input.kind !== 'replay' || input.silver === null) {
      await setTable(connection, 'silver_batch', sql)
      return
    }
    await setTable(connection, 'silver_batch', input.silver)
    await judgeAsSilver(connection)
  }

  /** What the batch brought, as the rows say. A batch of files has no partitions that could wait. */
  async #outcome(): Promise<RecordedBatch> {
    const { connection } = this.#context
    const isOfFiles = this.#plan.ranges.every(({ isFile }) => isFile === true)
    const times = isOfFiles ? await outcomeOfFiles(connection) : await outcomeOfPartitions(connection)
    const tables = [...this.#definitions.values()]
    const progress = progressAfter(this.#before, this.#plan, times, tables)
    return { plan: this.#plan, progress, counts: times.counts }
  }

  async #stageRows(table: OpenTable, staged: Staged[]): Promise<void> {
    const { path } = table.definition
    if (table.has(this.#plan.batch)) return
    const rows = await this.#writeRows(table)
    const count = Number(rows?.rowCount ?? 0n)
    this.rowsByTable[path] = count
    const isSilent = this.#plan.batch - table.progress.batch >= silentBatchesMax
    if (count > 0) staged.push({ table, rows })
    else if (alwaysCommitted.has(path) || isSilent) staged.push({ table, rows: null })
  }

  /** Windows that do not fit into memory are tried again with fewer of their rows at once. */
  async #writeRows(table: OpenTable): Promise<StagedAppend | null> {
    for (let shrinkBy = 1; ; shrinkBy *= 2) {
      try {
        const select = await this.#rowsFor(table, shrinkBy)
        return select === null ? null : await table.delta.stage(this.#context.connection, select)
      } catch (error) {
        const hasWindows = table.definition.watermark !== null
        if (!isOutOfMemory(error) || !hasWindows || shrinkBy >= shrinkByMax) throw error
      }
    }
  }

  /** A SELECT of the batch's rows for a table; null where it has none: most batches close no window. */
  async #rowsFor(table: OpenTable, shrinkBy: number): Promise<string | null> {
    const { path } = table.definition
    const definition = this.#definitionOf(path)
    const { rows } = definition
    if (path === 'bronze/transactions') {
      return this.#plan.readFrom === 'input' ? 'SELECT * FROM bronze_batch' : null
    }
    if (windowOf(rows.node) === null) {
      const name = materialized[path]
      if (name === undefined) return this.#compiled(path).sql
      if (name !== 'silver_batch') await setTable(this.#context.connection, name, this.#compiled(path).sql)
      return `SELECT * FROM ${name}`
    }
    const closing = closingWindows(definition, this.#before, this.recorded.progress)
    if (closing === null) return null
    const { timeMicros } = this.#plan
    const dialect = (part: Closing) => boundDuckdb(this.#parameters(part))
    return closedWindowsSql({ ...this.#context, timeMicros, node: rows.node, dialect, shrinkBy }, closing)
  }

  /** A table that came later than the batch is as it is defined today. */
  #definitionOf(path: string): TableDefinition {
    const found =
      this.#definitions.get(path) ??
      this.#context.definitions.current.tables.find((table) => table.path === path)
    assert(found, `no table ${path} is defined`)
    return found
  }

  #compiled(path: string) {
    return compileTable(boundDuckdb(this.#parameters()), this.#definitionOf(path).rows.node)
  }

  #parameters(closing?: Closing): ParameterValues {
    const { settings } = this.#plan
    return {
      processing_time: this.#plan.timeMicros,
      watermark: this.#plan.watermarkMicros,
      dedup_micros: settings.dedupMicros,
      high_risk_countries: settings.highRiskCountries,
      closed_after: closing?.closedToMicros ?? null,
      closed_up_to: closing?.upToMicros ?? null,
    }
  }
}

/**
 * Makes the judgement that of silver, which has the batch: a row is accepted where silver has it. One that
 * silver lacks although nothing speaks against it today was a repeat by the settings of a version that did
 * not record them.
 */
async function judgeAsSilver(connection: DuckDBConnection): Promise<void> {
  const isInSilver =
    'EXISTS (FROM silver_batch AS s WHERE s.topic = judged_batch.topic ' +
    'AND s.partition = judged_batch.partition AND s."offset" = judged_batch."offset")'
  await connection.run(
    `UPDATE judged_batch SET is_accepted = ${isInSilver} WHERE is_accepted <> ${isInSilver}`,
  )
  await connection.run(
    `UPDATE judged_batch SET reasons = ['duplicate'] WHERE NOT is_accepted AND len(reasons) = 0`,
  )
}
