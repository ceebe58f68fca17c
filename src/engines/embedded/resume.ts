// Going on from the tables: what the process before left undone is carried to its end, by the plan of its
// batch, before anything new is read.
import type { TopicPartition } from '../../batches/offsets.ts'
import type { BatchPlan } from '../../batches/plan.ts'
import type { Progress, RecordedBatch } from '../../batches/progress.ts'
import type { DeltaSnapshot } from '../../delta/index.ts'
import { BatchHistory } from '../batch-history.ts'
import { doneBatch, planOf, settingsOf } from '../batch-rules.ts'
import { rowsAtTime, rowsOfBatch } from '../bronze-rows.ts'
import { endQueries } from '../bronze-writers.ts'
import type { Database } from '../database.ts'
import { currentDefinitions, tellChanges } from '../definition-changes.ts'
import type { DefinitionStore } from '../definition-store.ts'
import type { PipelineOptions } from '../engine.ts'
import { withFileOffsets } from '../file-progress.ts'
import { completeJournal, type Journal } from '../journal.ts'
import { isDerived, type OpenTable, tableAt } from '../tables.ts'
import { isOutOfMemory } from './duckdb-failure.ts'
import { type BatchContext, type BatchInput, executeBatch } from './execute.ts'
import { contextOf, followSilver } from './follow-silver.ts'

/** Where the stream that reads the input goes on. */
export type Resumed = {
  /** After the last batch that any table has; now all have it. */
  readonly progress: Progress
  readonly definitions: DefinitionStore
  readonly context: BatchContext
  /** The partitions that waited in the last batch. */
  readonly waited: readonly TopicPartition[]
}

/**
 * The last batch of bronze, which this engine commits first, or of silver, where Spark was the last, is the
 * last one that any table can have. It is replayed from bronze; tables that have it skip it.
 */
export async function resume(
  options: PipelineOptions,
  database: Database,
  tables: readonly OpenTable[],
  journal: Journal,
): Promise<Resumed> {
  const bronze = tableAt(tables, 'bronze/transactions')
  const silver = tableAt(tables, 'silver/transactions')
  await endQueries(options.deltaBasePath, bronze.delta)
  const definitions = await currentDefinitions(options, database.load)
  const history = new BatchHistory(options.deltaBasePath, silver.delta, database.load)
  const furthest = silver.progress.batch >= bronze.progress.batch ? silver : bronze
  const last = await history.last(furthest.delta, furthest.progress)
  await completeJournal(journal, history, last.progress.batch)
  await tellChanges(definitions, last, options.onNotice)

  const claims = [(await silver.delta.snapshot()).txns, await journal.txns()]
  const isDone = last.progress.batch === 0n || doneBatch(tables, claims) >= last.progress.batch
  if (!isDone) {
    await carryUndone({ options, database, tables, definitions, history, last, claims })
  }
  await journal.noteComplete(last, options.streams)
  const { progress, unnoted } = await withFileOffsets(last.progress, {
    files: journal.files,
    notedBatch: journal.lastBatch,
    bronze: bronze.delta,
    connection: database.load,
    isOfFiles: options.source?.kind === 'files',
  })
  journal.noteFiles(unnoted.map((at) => ({ ...at, start: 0n, end: at.offset })))
  const rules = { settings: settingsOf(options), definitions: definitions.current.hash }
  const context = await contextOf(options, database, silver.delta, definitions, progress, rules)
  const waited = last.plan?.waiting ?? []
  return { progress, definitions, waited, context: { ...context, streams: options.streams } }
}

type Undone = {
  readonly options: PipelineOptions
  readonly database: Database
  readonly tables: readonly OpenTable[]
  readonly definitions: DefinitionStore
  readonly history: BatchHistory
  readonly last: RecordedBatch
  readonly claims: readonly DeltaSnapshot['txns'][]
}

async function carryUndone(undone: Undone): Promise<void> {
  const { options, database, tables, definitions, last, claims } = undone
  const { batch } = last.progress
  const later = tables.filter(isDerived)
  const isBehind = later.length > 0 && doneBatch(later, claims) < batch - 1n
  await replay(undone, isBehind ? tables.filter((table) => !later.includes(table)) : tables)
  if (isBehind) await followSilver(options, database, later, { upTo: batch, definitions })
  for (const table of tables) await table.markWhole()
}

/**
 * Carries the batches that silver or quarantine lacks to the tables, by their own plans. After a crash that
 * is the last one, after a RESTORE by another program there may be many.
 */
async function replay(undone: Undone, tables: readonly OpenTable[]): Promise<void> {
  const { options, database, definitions, history, last, claims } = undone
  const { batch } = last.progress
  const all = undone.tables
  const [silver, quarantine] = [tableAt(all, 'silver/transactions'), tableAt(all, 'silver/quarantine')]
  const done = doneBatch([silver, quarantine], claims)
  const first = done < batch ? done + 1n : batch
  const rules = { settings: settingsOf(options), definitions: definitions.current.hash }
  let before = await history.progressAt(first - 1n)
  let context: BatchContext | null = null
  for await (const recorded of recordedFrom(history, first, last)) {
    const plan = planOf(before, recorded, rules)
    context ??= await contextOf(options, database, silver.delta, definitions, before, plan)
    const input = await replayInput(all, plan, recorded)
    // Tables behind silver have all but the last batch, or are brought up to silver afterwards.
    const lacking = recorded === last ? tables : tables.filter((table) => !isDerived(table))
    const replayed = { ...context, streams: options.streams }
    try {
      await executeBatch(replayed, plan, before, input, lacking)
    } catch (error) {
      if (!(error instanceof Error) || !isOutOfMemory(error.cause)) throw error
      // A batch that has begun cannot be made smaller, but each thread that it has needs memory of its own.
      const useThreadsFor = () => database.useThreadsFor(1)
      await executeBatch({ ...replayed, useThreadsFor }, plan, before, input, lacking)
    }
    before = recorded.progress
  }
}

async function* recordedFrom(
  history: BatchHistory,
  first: bigint,
  last: RecordedBatch,
): AsyncGenerator<RecordedBatch> {
  if (first < last.progress.batch) yield* history.between(first, last.progress.batch)
  yield last
}

/** What bronze and silver have of the batch is taken from there. */
async function replayInput(
  tables: readonly OpenTable[],
  plan: BatchPlan,
  recorded: RecordedBatch,
): Promise<BatchInput> {
  const silver = tableAt(tables, 'silver/transactions')
  const bronze = tableAt(tables, 'bronze/transactions').delta
  const select = rowsOfBatch(await bronze.snapshot(), bronze.directory, plan)
  const rows = silver.has(plan.batch) ? await silverRows(silver, plan) : null
  return { kind: 'replay', select, silver: rows, recorded }
}

async function silverRows({ delta }: OpenTable, { timeMicros }: BatchPlan): Promise<string> {
  return rowsAtTime(await delta.snapshot(), delta.directory, timeMicros)
}
