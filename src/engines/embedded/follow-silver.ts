// A stream of its own behind silver: it takes silver's batches as they are, one by one and whole, so its
// tables are the same as if it ran in the process that writes silver.
import type { Progress } from '../../batches/progress.ts'
import { type DeltaTable, scanSql } from '../../delta/index.ts'
import { step } from '../../steps/step.ts'
import { batchBetween, doneBatch, lookBack } from '../batch-rules.ts'
import type { Database } from '../database.ts'
import type { PipelineOptions } from '../engine.ts'
import { batchReport } from '../report.ts'
import { openSilver, progressAt, type SilverBatch, silverBatchesAfter } from '../silver-log.ts'
import type { OpenTable } from '../tables.ts'
import { Upkeep } from '../upkeep.ts'
import { type BatchContext, type BatchInput, executeBatch } from './execute.ts'
import { RecentSilver } from './recent.ts'
import { compactWith } from './upkeep.ts'

/** How long one wait for a new commit of silver takes at most. */
const waitMaxMs = 1_000

/**
 * Brings the tables up to silver and keeps them there; with `upTo` only to that batch. A silver that is not
 * there yet is waited for, unless the run is `once`.
 */
export async function followSilver(
  options: PipelineOptions,
  database: Database,
  tables: readonly OpenTable[],
  upTo: bigint | null,
): Promise<void> {
  const silver = await openSilver(options)
  if (silver === null) return
  let before = await progressAt(silver, await doneBatch(silver, tables))
  const context: BatchContext = {
    ...options,
    streams: [],
    connection: database.batch,
    useThreadsFor: (rows) => database.useThreadsFor(rows),
    silver,
    recent: await loadRecent(options, database, silver, before),
  }
  const upkeep = new Upkeep(compactWith(database.upkeep), tables, options)
  let version = (await silver.snapshot()).version
  try {
    for (;;) {
      for await (const next of silverBatchesAfter(silver, before.batch)) {
        if (options.signal.aborted && upTo === null) break
        if (upTo !== null && next.progress.batch > upTo) return
        before = await follow(options, context, silver, before, next, tables)
        upkeep.afterBatch()
      }
      if (options.once || upTo !== null || options.signal.aborted) break
      options.onWait?.()
      version = await silver.waitForVersion(version, waitMaxMs, options.signal).catch((error: unknown) => {
        if (options.signal.aborted) return version // Stopped: the loop sees it.
        throw error
      })
    }
  } finally {
    await upkeep.finish() // Before the database is closed, in which it works.
  }
}

async function follow(
  options: PipelineOptions,
  context: BatchContext,
  silver: DeltaTable,
  before: Progress,
  next: SilverBatch,
  tables: readonly OpenTable[],
): Promise<Progress> {
  const startedMs = Number(options.clock() / 1000n)
  const { progress } = next
  const select = await batchRowsSql(silver, next)
  const batch = batchBetween(before, progress)
  const silverRows = next.commit.adds.reduce((sum, file) => sum + Number(file.stats?.numRecords ?? 0n), 0)
  const input: BatchInput = { kind: 'silver', select, count: silverRows, recorded: progress }
  const executed = await executeBatch(context, batch, before, input, tables)
  const report = await batchReport(context.connection, executed, {
    records: silverRows,
    input: null,
    startedMs,
    finishedMs: Number(options.clock() / 1000n),
    alertsMax: options.alertsMax,
    hasRecords: false,
    hasFraud: executed.rowsByTable.fraud_detection !== undefined,
  })
  options.onBatch({ ...report, silverRows })
  return executed.progress
}

/** Silver's rows of a batch: its own files, or, where those were compacted away, what came with its time. */
async function batchRowsSql(silver: DeltaTable, { progress, commit }: SilverBatch): Promise<string> {
  const snapshot = await silver.snapshot()
  const { directory } = silver
  if (commit.adds.every(({ path }) => snapshot.files.has(path))) {
    const files = new Map(commit.adds.map((file) => [file.path, file]))
    return scanSql({ ...snapshot, files }, directory, { naiveTimestamps: true })
  }
  const { timeMicros } = progress
  const where = [{ column: 'processing_time', min: timeMicros, max: timeMicros }]
  const rows = scanSql(snapshot, directory, { where, naiveTimestamps: true })
  return `SELECT * FROM (${rows}) WHERE processing_time = make_timestamp(${timeMicros})`
}

export async function loadRecent(
  options: PipelineOptions,
  database: Database,
  silver: DeltaTable,
  before: Progress,
): Promise<RecentSilver> {
  const reach = lookBack(before.watermarks.silver, options)
  const snapshot = await silver.snapshot()
  const { directory } = silver
  const recent = await RecentSilver.load(database.batch, { snapshot, directory }, reach, before.timeMicros)
  await step('recent silver loaded')
  return recent
}
