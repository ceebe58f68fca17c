// Silver's Delta log as the record of the batches: one commit for each batch, with its progress.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { noProgress, type Progress, parseProgress } from '../batches/progress.ts'
import { type DeltaCommit, DeltaTable } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { silverTransactions } from '../lakehouse/2-silver/transactions.ts'
import { progressOf, tableDirectory } from '../lakehouse/delta.ts'
import type { PipelineOptions } from './engine.ts'

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
  const newest = await progressOf(silver, await silver.snapshot())
  if (newest?.batch === batch) return newest
  for await (const { progress } of silverBatchesAfter(silver, batch - 1n)) {
    if (progress.batch === batch) return progress
    break
  }
  throw batchGone(silver, batch)
}

function batchGone(silver: DeltaTable, batch: bigint): LakehouseError {
  return new LakehouseError(
    'PROGRESS_UNKNOWN',
    `${silver.directory}: its log has no commit of batch ${batch} any more (it was cleaned up). ` +
      'A stream has to be started before DELTA_LOG_RETENTION has passed; docs/guide/recovery.md says what to do now.',
  )
}

const searchFirst = 16n

/**
 * A version of silver whose commit, and with it all before, holds no batch greater than the given one. Looks
 * back in growing steps, because the batch is nearly always one of the last.
 */
async function versionOf(silver: DeltaTable, batch: bigint): Promise<bigint> {
  const snapshot = await silver.snapshot()
  const { version } = snapshot
  const newest = await progressOf(silver, snapshot)
  if (newest === null || newest.batch <= batch) return version
  const oldest = await silver.oldestCommit()
  for (let back = searchFirst; ; back *= 4n) {
    // Where the log was cleaned up, what is left of it may still be enough.
    const after = version - back < oldest - 1n ? oldest - 1n : version - back
    if (after < 0n) return -1n
    for await (const commit of silver.commits(after)) {
      const progress = parseProgress(commit.commitInfo?.userMetadata)
      if (progress === null) continue
      if (progress.batch <= batch + 1n) return after
      break
    }
    if (after === oldest - 1n) throw batchGone(silver, batch + 1n)
  }
}

/** How long one wait for silver to be made takes at most. */
const waitMaxMs = 1_000

/** Silver; null when stopped while waiting for it. A run with an end does not wait. */
export async function openSilver(options: PipelineOptions): Promise<DeltaTable | null> {
  const directory = tableDirectory(options.deltaBasePath, silverTransactions)
  let told = false
  while (!(await DeltaTable.exists(directory))) {
    if (options.signal.aborted) return null
    const message = `${join(options.deltaBasePath, silverTransactions.path)} is not there yet: start the stream kafka-to-delta.`
    if (options.once) throw new LakehouseError('DELTA_TABLE_NOT_FOUND', message)
    if (!told) options.onNotice({ code: 'SILVER_MISSING', message, details: { directory } })
    told = true
    // Stopped: the loop sees it.
    await sleep(waitMaxMs, undefined, { signal: options.signal }).catch(() => undefined)
  }
  return DeltaTable.open(directory)
}
