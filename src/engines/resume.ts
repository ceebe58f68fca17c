// Going on from the tables: what the process before left undone is carried to its end, by the plans of its
// batches, before anything new is read. The order of it is the same on both engines.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { TopicPartition } from '../batches/offsets.ts'
import type { BatchPlan } from '../batches/plan.ts'
import type { Progress, RecordedBatch } from '../batches/progress.ts'
import type { DeltaSnapshot } from '../delta/index.ts'
import { tableHash } from '../ops/definitions.ts'
import { rebuiltTxns } from '../ops/rebuilt.ts'
import { expandOf } from '../plan/index.ts'
import { BatchHistory } from './batch-history.ts'
import { doneBatch, planOf, rulesOf } from './batch-rules.ts'
import { beginTables } from './begun-tables.ts'
import type { DefinitionStore } from './definition-store.ts'
import type { PipelineOptions } from './engine.ts'
import { withFileOffsets } from './file-progress.ts'
import { completeJournal, type Journal } from './journal.ts'
import { refuseRestoredBronze } from './restored.ts'
import { tellChanges } from './start-changes.ts'
import { isDerived, type OpenTable, tableOfRole } from './tables.ts'

/** A batch that some table has, and others may lack. */
export type BegunBatch = {
  readonly plan: BatchPlan
  readonly before: Progress
  readonly recorded: RecordedBatch
}

/** How an engine carries what was left undone. */
export type Carrier = {
  /** Carries a batch to those of the tables that lack it. What silver has of it is taken from silver. */
  replay(batch: BegunBatch, tables: readonly OpenTable[]): Promise<void>
  /** Brings tables behind silver up to a batch of silver. */
  follow(tables: readonly OpenTable[], upTo: bigint): Promise<void>
}

export type ResumeFacts = {
  readonly options: PipelineOptions
  readonly connection: DuckDBConnection
  readonly tables: readonly OpenTable[]
  readonly journal: Journal
  readonly definitions: DefinitionStore
}

/** Where the stream that reads the input goes on. */
export type Resumed = {
  /** After the last batch that any table has; now all have it. */
  readonly progress: Progress
  /** The partitions that waited in the last batch. */
  readonly waited: readonly TopicPartition[]
}

/** The last batch that any table had is carried to the tables that lack it, and with it those before it. */
export async function resume(facts: ResumeFacts, carrier: Carrier): Promise<Resumed> {
  const { options, connection, tables, journal, definitions } = facts
  const bronze = tableOfRole(tables, 'records')
  const silver = tableOfRole(tables, 'events')
  const history = new BatchHistory(options.deltaBasePath, silver.delta, connection)
  const last = await lastBatch(history, bronze, silver)
  const { batch, offsets } = last.progress
  await refuseRestoredBronze(connection, bronze.delta, offsets)
  await completeJournal(journal, history, batch)
  await tellChanges(options, definitions, last)
  await beginTables(options, tables, definitions, history, last)
  const claims = [(await silver.delta.snapshot()).txns, await journal.txns()]
  if (batch > 0n && doneBatch(tables, claims) < batch) {
    await carryUndone(facts, carrier, { history, last, claims })
  }
  await journal.noteComplete(last, options.streams)
  const { progress, unnoted } = await withFileOffsets(last.progress, {
    files: journal.files,
    notedBatch: journal.lastBatch,
    bronze: bronze.delta,
    connection,
    isOfFiles: options.source?.kind === 'files',
  })
  journal.noteFiles(unnoted.map((at) => ({ ...at, start: 0n, end: at.offset })))
  return { progress, waited: last.plan?.waiting ?? [] }
}

/**
 * That of bronze, which the embedded engine commits first, or of silver, where Spark was the last: by what it
 * had before another program put it back to older rows.
 */
async function lastBatch(
  history: BatchHistory,
  bronze: OpenTable,
  silver: OpenTable,
): Promise<RecordedBatch> {
  const furthest = silver.progress.batch >= bronze.progress.batch ? silver : bronze
  if (silver.rewoundFrom > furthest.progress.batch) return history.had(silver.rewoundFrom)
  return history.last(furthest.delta, furthest.progress)
}

/** A batch that bronze alone has is carried to silver, which all other tables can follow at any time. */
export async function carryToSilver(
  { options, connection, tables, definitions }: Omit<ResumeFacts, 'journal'>,
  carrier: Carrier,
): Promise<void> {
  const [bronze, silver] = [tableOfRole(tables, 'records'), tableOfRole(tables, 'events')]
  const history = new BatchHistory(options.deltaBasePath, silver.delta, connection)
  const recorded = await lastBatch(history, bronze, silver)
  const { batch } = recorded.progress
  if (silver.progress.batch !== batch - 1n) return
  const before = silver.progress
  await carrier.replay(
    { plan: planOf(before, recorded, rulesOf(options, definitions)), before, recorded },
    tables,
  )
}

type Undone = {
  readonly history: BatchHistory
  readonly last: RecordedBatch
  readonly claims: readonly DeltaSnapshot['txns'][]
}

/**
 * Carries the batches that silver or quarantine lacks, by their own plans: after a crash that is the last
 * one, after a RESTORE by another program there may be many. Tables behind silver have all but the last
 * batch, or are brought up to silver afterwards.
 */
async function carryUndone(
  { options, tables, definitions }: ResumeFacts,
  carrier: Carrier,
  { history, last, claims }: Undone,
): Promise<void> {
  const { batch } = last.progress
  const own = tables.filter((table) => !isDerived(table))
  const later = tables.filter(isDerived)
  const isBehind = later.length > 0 && doneBatch(later, claims) < batch - 1n
  const judged = [tableOfRole(tables, 'events'), tableOfRole(tables, 'refused')]
  const done = doneBatch(judged, claims)
  const first = done < batch ? done + 1n : batch
  let before = await history.progressAt(first - 1n)
  for await (const recorded of batchesFrom(history, first, last)) {
    const plan = planOf(before, recorded, rulesOf(options, definitions))
    await carrier.replay({ plan, before, recorded }, recorded === last && !isBehind ? tables : own)
    before = recorded.progress
  }
  if (isBehind) await carrier.follow(later, batch)
  const atLast = last.plan === null ? null : await definitions.at(last.plan.definitions)
  for (const table of tables) {
    const { path } = table.definition
    // The last batch knew no such table: its rows go by the definition of today, which a start asks about.
    const isFilled = expandOf(table.definition.rows.node) === null
    const isNew = isFilled && atLast !== null && !atLast.tables.some((one) => one.path === path)
    const hash = isNew ? tableHash(definitions.current, path) : null
    const { txns } = await table.delta.snapshot()
    const rebuilt = hash === null ? null : { hash, set: definitions.current.hash, batch }
    await table.markWhole(rebuilt === null ? {} : rebuiltTxns(txns, rebuilt))
  }
}

async function* batchesFrom(
  history: BatchHistory,
  first: bigint,
  last: RecordedBatch,
): AsyncGenerator<RecordedBatch> {
  if (first < last.progress.batch) yield* history.between(first, last.progress.batch)
  yield last
}
