// The stream that reads the input, with the later ones in the same process: the next batch is fetched while
// this one is computed.

import type { OffsetRange, Offsets } from '../../batches/offsets.ts'
import { advanceOffsets, type Batch, planBatch } from '../../batches/planner.ts'
import type { Progress } from '../../batches/progress.ts'
import { isStreamed } from '../../batches/streamed.ts'
import { assert } from '../../errors/errors.ts'
import { step } from '../../steps/step.ts'
import { Backlog } from '../backlog.ts'
import { batchBetween, doneBatch, hasOpenWindows } from '../batch-rules.ts'
import { rowsInRanges, rowsOfBatch } from '../bronze-rows.ts'
import { endQueries } from '../bronze-writers.ts'
import { type Database, rowsOf } from '../database.ts'
import type { PipelineOptions } from '../engine.ts'
import { shownLag } from '../lag.ts'
import { batchReport } from '../report.ts'
import { progressAt } from '../silver-log.ts'
import { isDerived, type OpenTable, tableAt } from '../tables.ts'
import { waitForTrigger } from '../trigger.ts'
import { Upkeep } from '../upkeep.ts'
import { type BatchContext, type BatchInput, executeBatch } from './execute.ts'
import { followSilver, loadRecent } from './follow-silver.ts'
import { type LoadedRecords, loadRecords, noRecords } from './load.ts'
import { compactWith } from './upkeep.ts'

/** How long one wait for new records takes at most. */
const waitMaxMs = 1_000

export async function runFromSource(
  options: PipelineOptions,
  database: Database,
  tables: readonly OpenTable[],
): Promise<void> {
  const pipeline = await Pipeline.resume(options, database, tables)
  try {
    await pipeline.run()
  } finally {
    await pipeline.finish()
  }
}

/** Records of the next batch, or the reason why there is none. */
type Next =
  | {
      readonly kind: 'records'
      readonly ranges: readonly OffsetRange[]
      readonly records: LoadedRecords
      readonly readFrom: Progress['readFrom']
    }
  | { readonly kind: 'end' }

class Pipeline {
  readonly #options: PipelineOptions
  readonly #database: Database
  readonly #tables: readonly OpenTable[]
  readonly #context: BatchContext
  readonly #upkeep: Upkeep
  /** Ends the fetching ahead when a batch fails. */
  readonly #failed = new AbortController()
  #progress: Progress
  /** Rows that Spark left in bronze come first; null when there can be none. */
  #backlog: Backlog | null
  #cutAtMs = Number.NEGATIVE_INFINITY

  private constructor(
    options: PipelineOptions,
    database: Database,
    tables: readonly OpenTable[],
    context: BatchContext,
    progress: Progress,
    backlog: Backlog | null,
  ) {
    this.#backlog = backlog
    this.#options = options
    this.#database = database
    this.#tables = tables
    this.#context = context
    this.#progress = progress
    this.#upkeep = new Upkeep(compactWith(database.upkeep), tables, options)
  }

  /**
   * Goes on from the tables. The last batch of bronze, which this engine commits first, or of silver, where
   * Spark was the last, is the last one that any table can have; it is replayed from bronze, and the tables
   * that have it skip it.
   */
  static async resume(
    options: PipelineOptions,
    database: Database,
    tables: readonly OpenTable[],
  ): Promise<Pipeline> {
    const bronze = tableAt(tables, 'bronze/transactions')
    const silver = tableAt(tables, 'silver/transactions')
    await endQueries(options.deltaBasePath, bronze.delta)
    const last = silver.progress.batch >= bronze.progress.batch ? silver.progress : bronze.progress
    const later = tables.filter(isDerived)
    const isBehind =
      later.length > 0 && last.batch > 0n && (await doneBatch(silver.delta, later)) < last.batch - 1n
    const replayed = isBehind ? tables.filter((table) => !later.includes(table)) : tables
    const isDone = last.batch === 0n || (await doneBatch(silver.delta, tables)) >= last.batch
    // The log need not have the batch before the last one any more where nothing is left to do.
    const before = isDone ? last : await progressAt(silver.delta, last.batch - 1n)
    const contextAt = async (progress: Progress): Promise<BatchContext> => ({
      ...options,
      streams: options.streams,
      connection: database.batch,
      useThreadsFor: (rows) => database.useThreadsFor(rows),
      silver: silver.delta,
      recent: await loadRecent(options, database, silver.delta, progress),
    })
    let context = await contextAt(before)
    if (!isDone) {
      const input = await bronzeInput(bronze, before, last)
      await executeBatch(context, batchBetween(before, last), before, input, replayed)
    }
    if (isBehind) {
      await followSilver(options, database, later, last.batch)
      for (const table of later) await table.markWhole()
      context = await contextAt(last)
    }
    if (!isDone) await silver.markDone(options.streams)
    const { txns } = await bronze.delta.snapshot()
    const backlog = isStreamed(txns) ? new Backlog(database.load, bronze.delta) : null
    return new Pipeline(options, database, tables, context, last, backlog)
  }

  async run(): Promise<void> {
    const { options, signal } = { options: this.#options, signal: this.#options.signal }
    let loading = this.#load(this.#progress.offsets)
    for (;;) {
      const next = await loading
      if (next.kind === 'end') break
      const offsets = advanceOffsets(this.#progress.offsets, next.ranges)
      const isLast = signal.aborted
      loading = isLast ? Promise.resolve({ kind: 'end' }) : this.#load(offsets)
      // Told when it is awaited; a failure of this batch must not hide behind it.
      loading.catch(() => undefined)
      try {
        const { ranges, readFrom } = next
        await this.#carry(planBatch(this.#progress, ranges, options.clock(), { readFrom }), next.records)
      } catch (error) {
        this.#failed.abort()
        await loading.catch(() => undefined)
        throw error
      }
    }
    if (options.finalize && !signal.aborted) await this.#finalize()
  }

  async finish(): Promise<void> {
    await this.#upkeep.finish()
  }

  /** Waits for records and puts them into DuckDB. */
  async #load(offsets: Offsets): Promise<Next> {
    const { source, once, recordsPerBatchMax, triggerIntervalMs } = this.#options
    const stop = this.#options.signal
    const signal = AbortSignal.any([stop, this.#failed.signal])
    assert(source, 'kafka-to-delta has an input')
    try {
      const waiting = await this.#loadBacklog(offsets)
      if (waiting !== null) return waiting
      for (;;) {
        if (!once) await waitForTrigger(this.#cutAtMs, triggerIntervalMs, signal)
        const cut = await source.cut(offsets, recordsPerBatchMax, signal)
        this.#cutAtMs = performance.now()
        await step('batch cut')
        if (cut.ranges.length > 0) {
          const records = await loadRecords(this.#database.load, source, cut.ranges, signal)
          await step('records loaded')
          return { kind: 'records', ranges: cut.ranges, records, readFrom: 'input' }
        }
        if (once || signal.aborted) return { kind: 'end' }
        this.#options.onWait?.()
        await source.waitForData(offsets, waitMaxMs, signal)
      }
    } catch (error) {
      // Stopped while waiting or reading: the tables say where to go on.
      if (signal.aborted) return { kind: 'end' }
      throw error
    }
  }

  /** The next of the rows that bronze has and silver has not; null where there are none. */
  async #loadBacklog(offsets: Offsets): Promise<Next | null> {
    if (this.#backlog === null) return null
    const { ranges } = await this.#backlog.cut(offsets, this.#options.recordsPerBatchMax)
    if (ranges.length === 0) {
      this.#backlog = null // Nothing else writes bronze from here on.
      return null
    }
    const bronze = tableAt(this.#tables, 'bronze/transactions').delta
    const select = rowsInRanges(await bronze.snapshot(), bronze.directory, ranges)
    const [row] = await rowsOf(this.#database.load, `SELECT count(*) AS count FROM (${select})`)
    const records = { count: Number(row?.count), select, drop: async () => undefined }
    return { kind: 'records', ranges, records, readFrom: 'bronze' }
  }

  async #carry(batch: Batch, records: LoadedRecords): Promise<void> {
    const { source, clock, onBatch, alertsMax } = this.#options
    const startedMs = Number(clock() / 1000n)
    const { select, count } = records
    const input: BatchInput =
      batch.readFrom === 'input'
        ? { kind: 'records', select, count }
        : { kind: 'bronze', select, recorded: null }
    const executed = await executeBatch(this.#context, batch, this.#progress, input, this.#tables)
    const finishedMs = Number(clock() / 1000n)
    this.#progress = executed.progress
    const consumed = batch.ranges.reduce((sum, range) => sum + range.end - range.start, 0n)
    const lag = await shownLag(source, executed.progress.offsets, this.#options.signal)
    const facts = {
      records: records.count,
      input: lag === null ? null : { consumed, lag },
      startedMs,
      finishedMs,
      alertsMax,
      hasRecords: true,
    }
    const hasFraud = executed.rowsByTable.fraud_detection !== undefined
    onBatch(await batchReport(this.#context.connection, executed, { ...facts, hasFraud }))
    await records.drop()
    await source?.reportProgress(executed.progress.offsets)
    await step('progress reported')
    this.#upkeep.afterBatch()
  }

  /** A batch without records that moves all watermarks behind the last window. */
  async #finalize(): Promise<void> {
    if (!hasOpenWindows(this.#progress)) return
    await step('finalize begun')
    await this.#carry(planBatch(this.#progress, [], this.#options.clock(), { isFinal: true }), noRecords)
  }
}

/** The rows that bronze has of a batch. */
async function bronzeInput(bronze: OpenTable, before: Progress, recorded: Progress): Promise<BatchInput> {
  const { delta } = bronze
  const select = rowsOfBatch(await delta.snapshot(), delta.directory, before.offsets, recorded)
  return { kind: 'bronze', select, recorded }
}
