// The batches of a lakehouse, one after another: by silver's log, which has one commit for each, or, where
// the log was cleaned up, by the journal.
import { setTimeout as sleep } from 'node:timers/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import {
  noProgress,
  type Progress,
  parseBatch,
  parseProgress,
  type RecordedBatch,
} from '../batches/progress.ts'
import { type DeltaCommit, DeltaTable } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { batchesPath } from '../ops/batches.ts'
import { opsDirectory, progressOf, recordedBatch, tableDirectory } from '../ops/tables.ts'
import { inputStream } from '../plan/index.ts'
import type { PipelineOptions } from './engine.ts'
import { journalAfter } from './journal.ts'

/** One batch as silver has it. `commit` is silver's; null where the log no longer has it. */
export type SilverBatch = RecordedBatch & { readonly commit: DeltaCommit | null }

export class BatchHistory {
  readonly silver: DeltaTable
  /** Reads the journal; null where there is none to read. */
  readonly #connection: DuckDBConnection | null
  readonly #journalDirectory: string

  constructor(deltaBasePath: string, silver: DeltaTable, connection: DuckDBConnection | null) {
    this.silver = silver
    this.#connection = connection
    this.#journalDirectory = opsDirectory(deltaBasePath, batchesPath)
  }

  /** The batches after `batch`, oldest first, up to the newest that silver has now. */
  async *after(batch: bigint): AsyncGenerator<SilverBatch> {
    let last = batch
    let version = await versionBefore(this.silver, last + 1n)
    if (version === null) {
      for await (const recorded of this.#journalAfter(last)) {
        if (recorded.progress.batch !== last + 1n) throw batchGone(this.silver, last + 1n)
        last = recorded.progress.batch
        yield { ...recorded, commit: null }
      }
      version = await versionBefore(this.silver, last + 1n)
    }
    if (version === null) throw batchGone(this.silver, last + 1n)
    // Commits of other writers carry no batch.
    for await (const commit of this.silver.commits(version)) {
      const recorded = parseBatch(commit.commitInfo?.userMetadata)
      // After a RESTORE by another program a batch may have been carried again.
      if (recorded === null || recorded.progress.batch <= last) continue
      last = recorded.progress.batch
      yield { ...recorded, commit }
    }
  }

  /**
   * The batches from one to before another, as the journal has them: silver may have lost them.
   */
  async *between(first: bigint, end: bigint): AsyncGenerator<RecordedBatch> {
    let next = first
    for await (const recorded of this.#journalAfter(first - 1n)) {
      if (recorded.progress.batch >= end) break
      if (recorded.progress.batch !== next) break
      next += 1n
      yield recorded
    }
    if (next !== end) throw batchGone(this.silver, next)
  }

  /**
   * The last batch of a table with its plan: by the table's commits, or, where none of it is left, by the
   * journal.
   */
  async last(table: DeltaTable, progress: Progress): Promise<RecordedBatch> {
    const recorded = await recordedBatch(table, progress)
    if (recorded.plan !== null) return recorded
    for await (const { plan, counts, progress: noted } of this.#journalAfter(progress.batch - 1n)) {
      if (noted.batch === progress.batch) return { plan, progress, counts }
      break
    }
    return recorded
  }

  /** The last batch that silver has. */
  async newest(): Promise<RecordedBatch> {
    const progress = (await progressOf(this.silver, await this.silver.snapshot())) ?? noProgress
    return this.last(this.silver, progress)
  }

  /** A batch that silver had before it was put back to older rows: by its commit, or by the journal. */
  async had(batch: bigint): Promise<RecordedBatch> {
    const recorded = await recordedBatch(this.silver, { ...noProgress, batch })
    if (recorded.progress.timeMicros !== noProgress.timeMicros) return recorded
    for await (const noted of this.#journalAfter(batch - 1n)) {
      if (noted.progress.batch === batch) return noted
      break
    }
    throw batchGone(this.silver, batch)
  }

  /** A batch that silver has, or had before it was put back to an older one. */
  async recorded(batch: bigint): Promise<RecordedBatch> {
    const newest = await progressOf(this.silver, await this.silver.snapshot())
    const isBehind = newest === null || newest.batch < batch
    return isBehind ? this.had(batch) : this.#at(batch)
  }

  async #at(batch: bigint): Promise<SilverBatch> {
    for await (const found of this.after(batch - 1n)) {
      if (found.progress.batch === batch) return found
      break
    }
    throw batchGone(this.silver, batch)
  }

  /** The progress of the lakehouse after a batch that silver has, or had. */
  async progressAt(batch: bigint): Promise<Progress> {
    if (batch === 0n) return noProgress
    const newest = await progressOf(this.silver, await this.silver.snapshot())
    return newest?.batch === batch ? newest : (await this.recorded(batch)).progress
  }

  async *#journalAfter(batch: bigint): AsyncGenerator<RecordedBatch> {
    if (this.#connection === null || !(await DeltaTable.exists(this.#journalDirectory))) return
    yield* journalAfter(this.#connection, await DeltaTable.open(this.#journalDirectory), batch)
  }
}

function batchGone(silver: DeltaTable, batch: bigint): LakehouseError {
  return new LakehouseError(
    'PROGRESS_UNKNOWN',
    `${silver.directory}: its log has no commit of batch ${batch} any more (it was cleaned up), and ops/batches has ` +
      'no row of it. docs/guide/recovery.md says what to do now.',
  )
}

const searchFirst = 16n

/**
 * A version of the table whose commit, and with it all before, is of no batch from the given one on; null
 * where the log does not go back so far. Looks back in growing steps, because the batch is nearly always
 * one of the last.
 */
export async function versionBefore(table: DeltaTable, batch: bigint): Promise<bigint | null> {
  const snapshot = await table.snapshot()
  const { version } = snapshot
  const newest = await progressOf(table, snapshot)
  if (newest === null || newest.batch < batch) return version
  const oldest = await table.oldestCommit()
  for (let back = searchFirst; ; back *= 4n) {
    // Where the log was cleaned up, what is left of it may still be enough.
    const after = version - back < oldest - 1n ? oldest - 1n : version - back
    if (after < 0n) return -1n
    for await (const commit of table.commits(after)) {
      const progress = parseProgress(commit.commitInfo?.userMetadata)
      if (progress === null) continue
      if (progress.batch <= batch) return after
      break
    }
    if (after === oldest - 1n) return null
  }
}

/** How long one wait for silver to be made takes at most. */
const waitMaxMs = 1_000

/** Silver; null when stopped while waiting for it. A run with an end does not wait. */
export async function openSilver(options: PipelineOptions): Promise<DeltaTable | null> {
  const { lakehouse } = options
  const directory = tableDirectory(options.deltaBasePath, lakehouse.events)
  let told = false
  while (!(await DeltaTable.exists(directory))) {
    if (options.signal.aborted) return null
    const message = `${directory} is not there yet: start the stream ${inputStream(lakehouse)}.`
    if (options.once) throw new LakehouseError('DELTA_TABLE_NOT_FOUND', message)
    if (!told) options.tell({ kind: 'notice', code: 'SILVER_MISSING', message, details: { directory } })
    told = true
    // Stopped: the loop sees it.
    await sleep(waitMaxMs, undefined, { signal: options.signal }).catch(() => undefined)
  }
  return DeltaTable.open(directory)
}
