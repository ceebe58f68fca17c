// What both engines hold to when they carry a batch: which tables say how far they are, how far back silver's
// rows matter, and how a batch looks that is in the tables already.
import type { Batch } from '../batches/planner.ts'
import type { Progress } from '../batches/progress.ts'
import type { DeltaTable } from '../delta/index.ts'
import { velocityRangeMinutes } from '../fraud/rules.ts'
import { minutes } from '../lakehouse/batch.ts'
import type { OpenTable } from './tables.ts'

/**
 * The tables that every batch commits to, with rows or without: the progress of the streams that start there.
 */
export const alwaysCommitted: ReadonlySet<string> = new Set(['bronze/transactions', 'silver/transactions'])
/**
 * The others say how far they are after so many batches without a row, so that a restart need not go through
 * them.
 */
export const silentBatchesMax = 500n

/** How far behind silver's watermark a row can matter to a new one: as its repeat, or for its velocity. */
export function lookBackMicros(settings: { readonly dedupMicros: bigint }): bigint {
  const velocity = minutes(velocityRangeMinutes)
  return settings.dedupMicros > velocity ? settings.dedupMicros : velocity
}

/** The batch that led from one progress to the next, for a replay: it reads nothing of the input. */
export function batchBetween(before: Progress, after: Progress): Batch {
  return {
    batch: after.batch,
    timeMicros: after.timeMicros,
    ranges: [],
    readFrom: after.readFrom,
    watermarkMicros: before.watermarks.silver,
    isFinal: after.finalizedToMicros !== before.finalizedToMicros,
  }
}

/** The last batch that all these tables are known to be complete with. */
export async function doneBatch(silver: DeltaTable, tables: readonly OpenTable[]): Promise<bigint> {
  const { txns } = await silver.snapshot()
  return tables.map((table) => table.doneBatch(txns)).reduce((a, b) => (a < b ? a : b))
}
