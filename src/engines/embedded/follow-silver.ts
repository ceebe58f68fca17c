// A stream of its own behind silver: it takes silver's batches as they are, one by one and whole, so its
// tables are the same as if it ran in the process that writes silver.
import type { BatchPlan } from '../../batches/plan.ts'
import type { Progress } from '../../batches/progress.ts'
import { fetchedScanSql } from '../../delta/index.ts'
import { inputStream, storedText } from '../../plan/index.ts'
import { step } from '../../steps/step.ts'
import { BatchHistory, openSilver, type SilverBatch } from '../batch-history.ts'
import { doneBatch, eventsWatermarkOf, planOf, rulesOf } from '../batch-rules.ts'
import { beginTables } from '../begun-tables.ts'
import { rowsAtTime } from '../bronze-rows.ts'
import type { Database } from '../database.ts'
import { definitionsOfRun } from '../definition-changes.ts'
import type { DefinitionStore } from '../definition-store.ts'
import { computableFrom, tellPassedOver } from '../dropped-history.ts'
import type { PipelineOptions } from '../engine.ts'
import { type StateSize, tellOpened } from '../events.ts'
import { FollowedSilver, type SilverRows } from '../followed-silver.ts'
import { journalTxns } from '../journal.ts'
import type { BatchDefinitions } from '../rebuilt-definitions.ts'
import { Retention } from '../retention.ts'
import type { RowSource } from '../row-path.ts'
import { SchemaStore } from '../schema-store.ts'
import { type OpenTable, soleCommitter } from '../tables.ts'
import { Upkeep } from '../upkeep.ts'
import { type BatchContext, executeBatch } from './execute.ts'
import { RecentSilver } from './recent.ts'
import { type BatchInput, RowPaths } from './row-batch.ts'
import { rowReport } from './row-report.ts'
import { SessionTables } from './session-tables.ts'
import { compactWith } from './upkeep.ts'

/** How long one wait for a new commit of silver takes at most. */
const waitMaxMs = 1_000

/**
 * What a process that carries silver too gives to the tables behind it: they are brought up to this batch.
 */
export type Within = { readonly upTo: bigint; readonly definitions: DefinitionStore }

/**
 * Brings the tables up to silver and keeps them there; `within` another stream only to a batch. A silver
 * that is not there yet is waited for, unless the run is `once`.
 */
export async function followSilver(
  options: PipelineOptions,
  database: Database,
  tables: readonly OpenTable[],
  within: Within | null,
): Promise<void> {
  const silver = await openSilver(options)
  if (silver === null) return
  const definitions = within?.definitions ?? definitionsOfRun(options, database.load)
  const history = new BatchHistory(options.deltaBasePath, silver, database.load)
  if (within === null) await beginTables(options, tables, definitions, history, await history.newest())
  const claims = [(await silver.snapshot()).txns, await journalTxns(options.deltaBasePath)]
  const done = await history.progressAt(doneBatch(tables, claims))
  let before = await computableFrom(options, definitions, history, done)
  if (before.batch > done.batch) tellPassedOver(options.tell, tables, claims, before)
  const paths = tables.map(({ definition }) => definition.path)
  const facts = { definitions, paths, source: 'events' } as const
  const followed = new FollowedSilver(silver, inputStream(options.lakehouse))
  const contexts = new BatchContexts(options, database, followed, facts)
  const upkeep = new Upkeep(
    compactWith(database.upkeep),
    tables,
    options,
    new Retention(options, tables, database.upkeep),
  )
  let version = (await silver.snapshot()).version
  const silverBatch = () => followed.newestBatch
  if (within === null) tellOpened(options, tables, before, { state: () => contexts.state, silverBatch })
  try {
    for (;;) {
      for await (const next of history.after(before.batch)) {
        if (options.signal.aborted && within === null) break
        if (within !== null && next.progress.batch > within.upTo) return
        const plan = planOf(before, next, rulesOf(options, definitions))
        followed.batch = plan.batch
        before = await follow(options, await contexts.of(before, plan), { plan, before, next }, tables)
        if (within === null) upkeep.betweenBatches()
      }
      if (options.once || within !== null || options.signal.aborted) break
      options.tell({ kind: 'waiting' })
      upkeep.betweenBatches()
      version = await silver.waitForVersion(version, waitMaxMs, options.signal).catch((error: unknown) => {
        if (options.signal.aborted) return version // Stopped: the loop sees it.
        throw error
      })
    }
    if (within === null) await markReached(options, tables, history, before)
    if (options.once && within === null) await upkeep.runDue()
  } finally {
    await upkeep.finish()
  }
}

/**
 * Says in each table how far the stream is, so that the next start need not go through batches without
 * rows.
 */
async function markReached(
  options: PipelineOptions,
  tables: readonly OpenTable[],
  history: BatchHistory,
  { batch }: Progress,
): Promise<void> {
  const behind = tables.filter((table) => !table.has(batch))
  if (behind.length === 0) return
  const recorded = await history.recorded(batch)
  for (const table of behind) await table.commit(null, recorded, soleCommitter(options))
}

type FollowedBatch = { readonly plan: BatchPlan; readonly before: Progress; readonly next: SilverBatch }

async function follow(
  options: PipelineOptions,
  context: BatchContext,
  { plan, before, next }: FollowedBatch,
  tables: readonly OpenTable[],
): Promise<Progress> {
  const startedMs = Number(options.clock() / 1000n)
  const select = await batchRowsSql(context.silver, next)
  const silverRows = rowsOfCommit(next)
  const input: BatchInput = { kind: 'silver', select, recorded: next }
  const executed = await executeBatch(context, plan, before, input, tables)
  const report = rowReport(options.lakehouse, executed, {
    records: silverRows,
    chunks: [],
    input: null,
    startedMs,
    finishedMs: Number(options.clock() / 1000n),
    alertsMax: options.alertsMax,
  })
  const told = { ...report, silverRows }
  options.tell({ kind: 'batch', report: told, recorded: executed.recorded })
  return executed.progress
}

/** Silver's rows of a batch: its own files, or, where those were compacted away, what came with its time. */
export async function batchRowsSql(silver: SilverRows, { progress, commit }: SilverBatch): Promise<string> {
  const snapshot = await silver.snapshot()
  const { directory } = silver
  if (commit?.adds.every(({ path }) => snapshot.files.has(path))) {
    const files = new Map(commit.adds.map((file) => [file.path, file]))
    return fetchedScanSql({ ...snapshot, files }, directory, { naiveTimestamps: true })
  }
  return rowsAtTime(snapshot, directory, progress.timeMicros)
}

function rowsOfCommit({ commit, counts }: SilverBatch): number {
  const rows = commit?.adds.reduce((sum, file) => sum + Number(file.stats?.numRecords ?? 0n), 0)
  return rows ?? counts?.silver ?? 0
}

/** What a run goes by: its definitions, the tables that it writes, and where their rows come from. */
export type RowPathFacts = {
  readonly definitions: BatchDefinitions
  readonly paths: readonly string[]
  readonly source: RowSource
}

type DecidingRules = Pick<BatchPlan, 'settings' | 'definitions'>

/**
 * For batches one after another. What is kept of silver is as the rules of the first one ask for it: a batch
 * of others gets it anew.
 */
export class BatchContexts {
  readonly #load: (before: Progress, rules: DecidingRules) => Promise<BatchContext>
  readonly #sessions: SessionTables
  #last: { readonly rules: string; readonly context: BatchContext } | null = null

  constructor(options: PipelineOptions, database: Database, silver: SilverRows, facts: RowPathFacts) {
    const sessions = new SessionTables(options, silver, facts.paths)
    this.#sessions = sessions
    this.#load = async (before, rules) => ({
      ...(await contextOf(options, database, silver, facts, before, rules)),
      sessions,
    })
  }

  /** What is kept for the last batch. */
  get state(): StateSize {
    const recent = this.#last?.context.recent
    const { count, bytes } = this.#sessions
    return { rows: (recent?.rowCount ?? 0) + count, bytes: (recent?.bytes ?? 0) + bytes }
  }

  async of(before: Progress, plan: DecidingRules): Promise<BatchContext> {
    const rules = `${plan.definitions} ${storedText(plan.settings.parameters)}`
    if (this.#last?.rules !== rules) this.#last = { rules, context: await this.#load(before, plan) }
    return this.#last.context
  }
}

/** What executing batches needs, with silver's rows before a batch as far back as its rules ask for them. */
export async function contextOf(
  options: PipelineOptions,
  database: Database,
  silver: SilverRows,
  facts: RowPathFacts,
  before: Progress,
  rules: DecidingRules,
): Promise<BatchContext> {
  const { definitions, paths, source } = facts
  const tables = await definitions.tablesOf(rules)
  const { lakehouse } = options
  const rowPaths = new RowPaths(lakehouse, paths)
  const states = rowPaths.states(rules.definitions, tables, source)
  const of = { snapshot: await silver.snapshot(), directory: silver.directory }
  const recent = await RecentSilver.load(database.rows, of, states, rules.settings.parameters, {
    watermarkMicros: eventsWatermarkOf(lakehouse, before),
    upToMicros: before.timeMicros,
    stateRowsMax: options.stateRowsMax,
  })
  await step('recent silver loaded')
  return {
    lakehouse,
    connection: database.batch,
    rowConnection: database.rows,
    useThreadsFor: (rows) => database.useThreadsFor(rows),
    silver,
    paths: rowPaths,
    recent,
    panes: null,
    sessions: new SessionTables(options, silver, facts.paths),
    definitions,
    schemas: await SchemaStore.open(options, database.load),
    signal: options.signal,
    ...soleCommitter(options),
  }
}
