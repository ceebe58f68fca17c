// One batch through its tables: the rows are computed and written as files, then each table gets its commit,
// bronze the first, and at last windows that close are computed from silver's files. A failure before the
// first commit leaves nothing; a crash between two commits is replayed from bronze, and the tables that have
// the batch skip it.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { BatchPlan } from '../../batches/plan.ts'
import { progressAfter } from '../../batches/planner.ts'
import type { Progress, RecordedBatch } from '../../batches/progress.ts'
import type { Rows } from '../../columns/column.ts'
import type { StagedAppend } from '../../delta/index.ts'
import { assert } from '../../errors/errors.ts'
import { figurePathOf, figureRows, type SourceRow } from '../../javascript/index.ts'
import { SharedLeaves } from '../../parquet/file.ts'
import {
  expandOf,
  hasClosingRows,
  type Lakehouse,
  type PlanNode,
  sessionsIn,
  type TableDefinition,
  tableAt,
} from '../../plan/index.ts'
import { boundDuckdb, type ParameterValues } from '../../sql/index.ts'
import { step } from '../../steps/step.ts'
import {
  type Closing,
  closingWindows,
  eventsWatermarkOf,
  isAlwaysCommitted,
  silentBatchesMax,
} from '../batch-rules.ts'
import type { SilverRows } from '../followed-silver.ts'
import { Phases } from '../phases.ts'
import type { BatchDefinitions } from '../rebuilt-definitions.ts'
import type { Executed } from '../report.ts'
import { rowsOfTable } from '../row-path.ts'
import type { SchemaStore } from '../schema-store.ts'
import type { BatchTable, Committer } from '../tables.ts'
import { closedWindowsSql } from './closed-windows.ts'
import { batchFailure, isOfDuckdb, isOutOfMemory } from './duckdb-failure.ts'
import type { RecentSilver } from './recent.ts'
import { type BatchInput, type BatchRows, computeRows, type RowPaths } from './row-batch.ts'
import { schemasNamed } from './schemas-named.ts'
import { eachRow } from './selected-rows.ts'
import type { SessionTables } from './session-tables.ts'
import type { WindowPanes } from './window-panes.ts'

export type BatchContext = Committer & {
  readonly lakehouse: Lakehouse
  /** For windows. */
  readonly connection: DuckDBConnection
  /** For rows of tables; nothing else runs on it. */
  readonly rowConnection: DuckDBConnection
  /** Told before work on so many rows. */
  readonly useThreadsFor: (rows: number) => Promise<void>
  /** Where the rows of closing windows are. */
  readonly silver: SilverRows
  readonly paths: RowPaths
  readonly recent: RecentSilver
  /** null where batches are not carried from their records on: their windows are computed from files. */
  readonly panes: WindowPanes | null
  readonly sessions: SessionTables
  readonly definitions: BatchDefinitions
  readonly schemas: SchemaStore
  /** Ends the wait for a registry. */
  readonly signal: AbortSignal
}

/** A batch whose rows are in the tables, and whose windows have yet to be closed. */
export type CarriedBatch = {
  readonly plan: BatchPlan
  readonly before: Progress
  readonly recorded: RecordedBatch
  readonly definitions: readonly TableDefinition[]
  readonly rowsByTable: Readonly<Record<string, number>>
  readonly phasesMs: Readonly<Record<string, number>>
}

export type CarriedRows = CarriedBatch & { readonly rows: BatchRows }

export type Carried = Executed & Pick<CarriedRows, 'rows' | 'definitions'>

/** The whole of a batch. */
export async function executeBatch(
  context: BatchContext,
  plan: BatchPlan,
  before: Progress,
  input: BatchInput,
  tables: readonly BatchTable[],
): Promise<Carried> {
  const carried = await carryRows(context, plan, before, input, tables)
  const { rows, definitions } = carried
  return { ...(await closeWindows(context, carried, tables)), rows, definitions }
}

/** Computes and commits the rows that come at once. */
export async function carryRows(
  context: BatchContext,
  plan: BatchPlan,
  before: Progress,
  input: BatchInput,
  tables: readonly BatchTable[],
  fetchMs?: number,
): Promise<CarriedRows> {
  const definitions = await context.definitions.tablesOf(plan)
  const phases = new Phases(plan.batch, context.tell)
  if (fetchMs !== undefined) phases.add('fetch', fetchMs)
  try {
    await step('batch begun')
    context.recent.mark()
    phases.begin('judge')
    await prepareSchemas(context, plan, input)
    const rows = await computeRows(context, plan, definitions, input)
    const recorded = 'recorded' in input ? input.recorded : outcomeOf(rows, plan, before, definitions)
    const run = new BatchRun(context, { plan, before, recorded, tables, definitions })
    phases.begin('write')
    const staged = await run.stageRows(rows)
    await step('all tables staged')
    phases.begin('commit')
    await run.commit(staged)
    phases.begin('state')
    context.recent.commit()
    context.recent.forget(eventsWatermarkOf(context.lakehouse, recorded.progress), plan.settings.parameters)
    const ofSilver = rows.tables.get(context.lakehouse.events.path)
    await context.panes?.add(plan.definitions, ofSilver, recorded.progress.eventTimeMaxMicros)
    const inSilver = { plan, before, recorded, definitions }
    await context.sessions.add(inSilver, ofSilver ?? silverSelect(input), context.rowConnection)
    phases.end()
    const { rowsByTable } = run
    return { plan, before, recorded, definitions, rows, rowsByTable, phasesMs: phases.ms }
  } catch (error) {
    context.recent.rollback()
    throw isOfDuckdb(error) ? batchFailure(plan, error) : error
  }
}

/** The rows of a batch that silver has already; null where none are known. */
function silverSelect(input: BatchInput): string | null {
  if (input.kind === 'silver') return input.select
  return input.kind === 'replay' ? input.silver : null
}

/** Of a batch that is carried again `ops/schemas` has what it knew. */
async function prepareSchemas(context: BatchContext, plan: BatchPlan, input: BatchInput): Promise<void> {
  if (input.kind !== 'records' && input.kind !== 'bronze') return
  const named = await schemasNamed(input, context.rowConnection)
  await context.schemas.prepare(named, plan.timeMicros, context.signal)
}

/** Computes and commits the windows that close with a batch that silver has. */
export async function closeWindows(
  context: BatchContext,
  carried: CarriedBatch,
  tables: readonly BatchTable[],
): Promise<Executed> {
  const { plan, recorded } = carried
  const phases = new Phases(plan.batch, context.tell)
  const run = new BatchRun(context, { ...carried, tables })
  try {
    await run.closeWindows(phases)
    phases.end()
  } catch (error) {
    throw isOfDuckdb(error) ? batchFailure(plan, error) : error
  }
  await step('all tables committed')
  await step('batch ended')
  const rowsByTable = { ...carried.rowsByTable, ...run.rowsByTable }
  const phasesMs = { ...carried.phasesMs, ...phases.ms }
  return { recorded, progress: recorded.progress, rowsByTable, phasesMs }
}

/** What the batch brought, as its rows say. A batch of files has no partitions that could wait. */
function outcomeOf(
  { facts }: BatchRows,
  plan: BatchPlan,
  before: Progress,
  definitions: readonly TableDefinition[],
): RecordedBatch {
  assert(facts !== null, 'rows that were judged say what the batch brought')
  const isOfFiles = plan.ranges.every(({ isFile }) => isFile === true)
  const times = isOfFiles ? { ...facts.times, partitions: [] } : facts.times
  return { plan, progress: progressAfter(before, plan, times, definitions), counts: facts.counts }
}

/** Windows that do not fit are tried again with half of the rows at once, down to so many times fewer. */
const shrinkByMax = 64

type Staged = { readonly table: BatchTable; readonly rows: StagedAppend | null }

type RunFacts = Pick<CarriedBatch, 'plan' | 'before' | 'recorded' | 'definitions'> & {
  readonly tables: readonly BatchTable[]
}

class BatchRun {
  readonly rowsByTable: Record<string, number> = {}
  readonly #context: BatchContext
  readonly #facts: RunFacts

  constructor(context: BatchContext, facts: RunFacts) {
    this.#context = context
    this.#facts = facts
  }

  /** Writes the rows of the tables that lack the batch, but for windows. */
  async stageRows({ tables }: BatchRows): Promise<Staged[]> {
    const { plan } = this.#facts
    const shared = new SharedLeaves()
    const staging = this.#lacking((table) => !this.#hasClosingRows(table)).map(async (table) => {
      const { path } = table.definition
      const { role } = table
      const definition = this.#definitionOf(path)
      const isThere = role === 'records' && plan.readFrom === 'bronze'
      // Events and what is said of each are the same rows: columns that they have in common are encoded once.
      const isShared = role === 'events' || role === 'scored' || expandOf(definition.rows.node) !== null
      const rows = isThere ? [] : rowsOfTable(tables, definition)
      return {
        table,
        rows: rows.length === 0 ? null : await table.delta.stageRows(rows, isShared ? shared : undefined),
      }
    })
    await Promise.allSettled(staging) // No file is written any more when a failure is told.
    return this.#withCommit(await Promise.all(staging))
  }

  /** Bronze, where a replay finds what the others lack, comes first. */
  async commit(staged: readonly Staged[]): Promise<void> {
    const [first, ...others] = staged
    if (first !== undefined) await this.#commitOne(first)
    const committing = others.map((one) => this.#commitOne(one))
    await Promise.allSettled(committing)
    await Promise.all(committing)
  }

  async #commitOne({ table, rows }: Staged): Promise<void> {
    await table.commit(rows, this.#facts.recorded, this.#context)
    await step('table committed')
  }

  /** Silver has the batch. Windows of one table after another: each may need all of the memory. */
  async closeWindows(phases: Phases): Promise<void> {
    for (const table of this.#lacking((one) => this.#hasClosingRows(one))) {
      phases.begin(table.definition.path)
      const definition = this.#definitionOf(table.definition.path)
      const rows =
        sessionsIn(definition.rows.node) === null
          ? await this.#stageWindows(table, definition)
          : await this.#stageSessions(table, definition)
      const [staged] = this.#withCommit([{ table, rows }])
      if (staged !== undefined) await this.#commitOne(staged)
      table.usual.commit()
    }
  }

  #lacking(isOfThese: (table: BatchTable) => boolean): BatchTable[] {
    const { plan, tables } = this.#facts
    return tables.filter((table) => !table.has(plan.batch) && isOfThese(table))
  }

  /** Those whose commit says something, or says that the table has come so far. */
  #withCommit(staged: readonly Staged[]): Staged[] {
    const { plan } = this.#facts
    for (const { table, rows } of staged) {
      this.rowsByTable[table.definition.path] = Number(rows?.rowCount ?? 0n)
    }
    return staged.filter(({ table, rows }) => {
      const isSilent = plan.batch - table.progress.batch >= silentBatchesMax
      return rows !== null || isAlwaysCommitted(this.#context.lakehouse, table.definition.path) || isSilent
    })
  }

  #hasClosingRows({ definition: { path } }: BatchTable): boolean {
    return hasClosingRows(this.#definitionOf(path).rows.node)
  }

  #stageSessions(table: BatchTable, definition: TableDefinition): Promise<StagedAppend | null> {
    const { sessions, connection } = this.#context
    return sessions.stage(table, definition, this.#facts, connection)
  }

  async #stageWindows(table: BatchTable, definition: TableDefinition): Promise<StagedAppend | null> {
    const { before, recorded } = this.#facts
    const closing = closingWindows(definition, before, recorded.progress)
    if (closing === null) return null // Most batches close no window.
    const rows =
      figurePathOf(definition) === null
        ? await this.#rowsOfPanes(definition.path, closing)
        : await this.#figureRows(table, definition, closing)
    const staged =
      rows === null
        ? await this.#stageFromFiles(table, definition, closing)
        : rows.rowCount === 0
          ? null
          : await table.delta.stageRows(rows)
    this.#context.panes?.forget(definition.path, closing.upToMicros)
    return staged
  }

  /** null where panes cannot tell: later rows of silver may be in such windows, or not all were seen. */
  async #rowsOfPanes(path: string, closing: Closing): Promise<Rows | null> {
    const { plan, recorded } = this.#facts
    const silverTo = eventsWatermarkOf(this.#context.lakehouse, recorded.progress)
    if (silverTo === null || silverTo < closing.upToMicros) return null
    const { panes } = this.#context
    return panes?.closed(plan.definitions, path, closing, this.#parameters(closing)) ?? null
  }

  async #figureRows(table: BatchTable, definition: TableDefinition, closing: Closing): Promise<Rows> {
    const path = figurePathOf(definition)
    assert(path !== null, `${definition.path} has figures`)
    const { connection } = this.#context
    const wide = await this.#rowsOfPanes(definition.path, closing)
    const given = wide === null ? await this.#selectedRows(path.wide.node, closing) : rowObjects(wide)
    const baselines = path.baseline === null ? null : await table.usual.take(connection, path.baseline)
    return figureRows(path, given, baselines, this.#parameters(closing))
  }

  #selectedRows(node: PlanNode, closing: Closing): Promise<readonly SourceRow[]> {
    return this.#fromFiles(node, closing, async (sql) => {
      const rows: SourceRow[] = []
      await eachRow(this.#context.connection, sql, (row) => rows.push({ ...row }))
      return rows
    })
  }

  async #stageFromFiles(
    table: BatchTable,
    definition: TableDefinition,
    closing: Closing,
  ): Promise<StagedAppend | null> {
    return this.#fromFiles(definition.rows.node, closing, async (sql) => {
      const staged = await table.delta.stage(this.#context.connection, sql)
      return staged.rowCount === 0n ? null : staged
    })
  }

  /** Windows that do not fit into memory are tried again with fewer of their rows at once. */
  async #fromFiles<T>(node: PlanNode, closing: Closing, take: (sql: string) => Promise<T>): Promise<T> {
    const { plan } = this.#facts
    const dialect = (part: Closing) => boundDuckdb(this.#parameters(part))
    for (let shrinkBy = 1; ; shrinkBy *= 2) {
      try {
        const batch = { ...this.#context, timeMicros: plan.timeMicros, node, dialect, shrinkBy }
        return await take(await closedWindowsSql(batch, closing))
      } catch (error) {
        if (!isOutOfMemory(error) || shrinkBy >= shrinkByMax) throw error
      }
    }
  }

  #definitionOf(path: string): TableDefinition {
    return tableAt(this.#facts.definitions, path)
  }

  #parameters(closing: Closing): ParameterValues {
    const { plan } = this.#facts
    return {
      processing_time: plan.timeMicros,
      watermark: plan.watermarkMicros,
      ...plan.settings.parameters,
      closed_after: closing.closedToMicros,
      closed_up_to: closing.upToMicros,
    }
  }
}

function rowObjects({ columns, rowCount }: Rows): readonly SourceRow[] {
  const entries = Object.entries(columns)
  return Array.from({ length: rowCount }, (_, row) => {
    return Object.fromEntries(entries.map(([name, column]) => [name, column.get(row)]))
  })
}
