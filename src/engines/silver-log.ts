// Silver's Delta log as the record of the batches: one commit for each batch, with its progress.
import { noProgress, type Progress, parseProgress } from '../batches/progress.ts'
import type { DeltaCommit, DeltaTable } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'

/** One batch as silver has it. */
export type SilverBatch = { readonly progress: Progress; readonly commit: DeltaCommit }

/**
 * Silver's batches after `batch`, oldest first, up to the newest that is there now. Other writers' commits
 * are passed over.
 */
export async function* silverBatchesAfter(silver: DeltaTable, batch: bigint): AsyncGenerator<SilverBatch> {
  const from = await versionOf(silver, batch)
  for await (const commit of silver.commits(from)) {
    const progress = parseProgress(commit.commitInfo?.userMetadata)
    if (progress !== null && progress.batch > batch) yield { progress, commit }
  }
}

/** The progress of the lakehouse after a batch. */
export async function progressAt(silver: DeltaTable, batch: bigint): Promise<Progress> {
  if (batch === 0n) return noProgress
  for await (const { progress } of silverBatchesAfter(silver, batch - 1n)) {
    if (progress.batch === batch) return progress
    break
  }
  throw new LakehouseError(
    'PROGRESS_UNKNOWN',
    `${silver.directory}: its log has no commit of batch ${batch} any more (it was cleaned up). ` +
      'Start the stream before DELTA_LOG_RETENTION has passed, or make its tables anew: remove their directories.',
  )
}

const searchFirst = 16n

/**
 * A version of silver whose commit, and with it all before, holds no batch greater than the given one. Looks
 * back in growing steps, because the batch is nearly always one of the last.
 */
async function versionOf(silver: DeltaTable, batch: bigint): Promise<bigint> {
  const { version } = await silver.snapshot()
  for (let back = searchFirst; ; back *= 4n) {
    const after = version - back
    if (after < 0n) return -1n
    for await (const commit of silver.commits(after)) {
      const progress = parseProgress(commit.commitInfo?.userMetadata)
      if (progress === null) continue
      if (progress.batch <= batch + 1n) return after
      break
    }
  }
}
