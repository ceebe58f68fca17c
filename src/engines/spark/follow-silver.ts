// The tables behind silver: brought up to silver's batches, one by one and whole, as its log tells them.
import { inputStream } from '../../plan/index.ts'
import { BatchHistory, openSilver } from '../batch-history.ts'
import { doneBatch, planOf, rulesOf } from '../batch-rules.ts'
import { beginTables } from '../begun-tables.ts'
import { definitionsOfRun } from '../definition-changes.ts'
import { computableFrom, tellPassedOver } from '../dropped-history.ts'
import { tellOpened } from '../events.ts'
import { FollowedSilver } from '../followed-silver.ts'
import { journalTxns } from '../journal.ts'
import { Retention } from '../retention.ts'
import { Upkeep } from '../upkeep.ts'
import { completeBatch, type Written } from './batch.ts'
import { reportOf } from './report.ts'
import { contextOf, type SparkRun } from './spark-run.ts'
import { compactWith } from './upkeep.ts'

/** How long one wait for a new commit of silver takes at most. */
const waitMaxMs = 1_000

/**
 * Brings the tables up to silver and keeps them there; with `upTo` only to that batch. A silver that is not
 * there yet is waited for, unless the run is `once`.
 */
export async function followSilver(run: SparkRun, upTo: bigint | null): Promise<void> {
  const { options, tables } = run
  const { signal } = options
  const silver = await openSilver(options)
  if (silver === null) return
  const definitions = definitionsOfRun(options, run.database.load)
  const context = contextOf(run, silver, definitions)
  const followed = new FollowedSilver(silver, inputStream(options.lakehouse))
  const history = new BatchHistory(options.deltaBasePath, silver, run.database.load)
  if (upTo === null) await beginTables(options, tables, definitions, history, await history.newest())
  const claims = [(await silver.snapshot()).txns, await journalTxns(options.deltaBasePath)]
  const upkeep = new Upkeep(
    compactWith(run.session),
    tables,
    options,
    new Retention(options, tables, run.database.upkeep),
  )
  const done = await history.progressAt(doneBatch(tables, claims))
  let before = await computableFrom(options, definitions, history, done)
  if (before.batch > done.batch) tellPassedOver(options.tell, tables, claims, before)
  let version = (await silver.snapshot()).version
  if (upTo === null) tellOpened(options, tables, before, { silverBatch: () => followed.newestBatch })
  try {
    for (;;) {
      for await (const next of history.after(before.batch)) {
        if (signal.aborted && upTo === null) break
        if (upTo !== null && next.progress.batch > upTo) return
        const startedMs = Number(options.clock() / 1000n)
        const plan = planOf(before, next, rulesOf(options, definitions))
        followed.batch = plan.batch
        await followed.snapshot()
        const written = await completeBatch(context, plan, before, next, tables)
        before = next.progress
        // Batches that are only looked at on the way to where the tables are have been told before.
        const hasRows = Object.values(written.rowsByTable).some((count) => count > 0)
        if (hasRows || upTo === null) await tell(run, written, startedMs)
        if (upTo === null) upkeep.betweenBatches()
      }
      if (upTo === null) run.gotOn()
      if (options.once || upTo !== null || signal.aborted) break
      options.tell({ kind: 'waiting' })
      upkeep.betweenBatches()
      version = await silver.waitForVersion(version, waitMaxMs, signal).catch((error: unknown) => {
        if (signal.aborted) return version // Stopped: the loop sees it.
        throw error
      })
    }
    if (options.once && upTo === null) await upkeep.runDue()
  } finally {
    await upkeep.finish()
  }
}

async function tell(run: SparkRun, written: Written, startedMs: number): Promise<void> {
  const { options } = run
  const finishedMs = Number(options.clock() / 1000n)
  const report = await reportOf(run, written, { ranges: null, input: null, startedMs, finishedMs })
  options.tell({ kind: 'batch', report, recorded: written.recorded })
}
