// The stream that reads the input, with the later ones in the same process: the next batch is fetched while
// this one is computed.

import type { OffsetRange, Offsets } from '../../batches/offsets.ts'
import { advanceOffsets, type Batch, planBatch } from '../../batches/planner.ts'
import type { Progress } from '../../batches/progress.ts'
import { scanSql } from '../../delta/index.ts'
import { assert } from '../../errors/errors.ts'
import { step } from '../../steps/step.ts'
import type { PipelineOptions } from '../engine.ts'
import type { Database } from './database.ts'
import { type BatchContext, type BatchInput, executeBatch } from './execute.ts'
import { doneBatch, followSilver, loadRecent } from './follow-silver.ts'
import { type LoadedRecords, loadRecords, noRecords } from './load.ts'
import { batchReport } from './report.ts'
import { progressAt } from './silver-log.ts'
import type { OpenTable } from './tables.ts'
import { Upkeep } from './upkeep.ts'

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
      readonly more: boolean
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
  #cutAtMs = Number.NEGATIVE_INFINITY

  private constructor(
    options: PipelineOptions,
    database: Database,
    tables: readonly OpenTable[],
    context: BatchContext,
    progress: Progress,
  ) {
    this.#options = options
    this.#database = database
    this.#tables = tables
    this.#context = context
    this.#progress = progress
    this.#upkeep = new Upkeep(database.upkeep, tables, options)
  }

  /**
   * Goes on from the tables. Bronze is committed first, so the last batch of bronze is the last one that any
   * table can have; it is replayed from bronze, and the tables that have it skip it.
   */
  static async resume(
    options: PipelineOptions,
    database: Database,
    tables: readonly OpenTable[],
  ): Promise<Pipeline> {
    const bronze = tableAt(tables, 'bronze/transactions')
    const silver = tableAt(tables, 'silver/transactions')
    const last = bronze.progress
    const later = tables.filter((table) => table.definition.stream !== 'kafka-to-delta')
    const isBehind =
      later.length > 0 && last.batch > 0n && (await doneBatch(silver.delta, later)) < last.batch - 1n
    const replayed = isBehind ? tables.filter((table) => !later.includes(table)) : tables
    const before = last.batch === 0n ? last : await progressAt(silver.delta, last.batch - 1n)
    const contextAt = async (progress: Progress): Promise<BatchContext> => ({
      ...options,
      streams: options.streams,
      connection: database.batch,
      recent: await loadRecent(options, database, silver.delta, progress),
    })
    let context = await contextAt(before)
    if (last.batch > 0n) {
      const input = await bronzeInput(bronze, last)
      await executeBatch(context, batchBetween(before, last), before, input, replayed)
    }
    if (isBehind) {
      await followSilver(options, database, later, last.batch)
      context = await contextAt(last)
    }
    return new Pipeline(options, database, tables, context, last)
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
        await this.#carry(planBatch(this.#progress, next.ranges, options.clock()), next.records)
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
    const { source, once, recordsPerBatchMax } = this.#options
    const stop = this.#options.signal
    const signal = AbortSignal.any([stop, this.#failed.signal])
    assert(source, 'kafka-to-delta has an input')
    try {
      for (;;) {
        await this.#waitForTrigger(signal)
        const cut = await source.cut(offsets, recordsPerBatchMax, signal)
        this.#cutAtMs = performance.now()
        await step('batch cut')
        if (cut.ranges.length > 0) {
          const records = await loadRecords(this.#database.load, source, cut.ranges, signal)
          await step('records loaded')
          return { kind: 'records', ranges: cut.ranges, records, more: cut.more }
        }
        if (once || signal.aborted) return { kind: 'end' }
        await source.waitForData(offsets, waitMaxMs, signal)
      }
    } catch (error) {
      // Stopped while waiting or reading: the tables say where to go on.
      if (signal.aborted) return { kind: 'end' }
      throw error
    }
  }

  /** As soon as there is data, but at most once in TRIGGER_INTERVAL_MS; never while catching up. */
  async #waitForTrigger(signal: AbortSignal): Promise<void> {
    const { once, triggerIntervalMs } = this.#options
    const waitMs = this.#cutAtMs + triggerIntervalMs - performance.now()
    if (once || waitMs <= 0 || signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, waitMs)
      function done(): void {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
    })
  }

  async #carry(batch: Batch, records: LoadedRecords): Promise<void> {
    const { source, clock, onBatch, alertsMax } = this.#options
    const startedMs = Number(clock() / 1000n)
    const input: BatchInput = { kind: 'records', select: records.select }
    const executed = await executeBatch(this.#context, batch, this.#progress, input, this.#tables)
    const finishedMs = Number(clock() / 1000n)
    this.#progress = executed.progress
    const consumed = batch.ranges.reduce((sum, range) => sum + range.end - range.start, 0n)
    // Only to be shown.
    const lag = await source?.lag(executed.progress.offsets, this.#options.signal).catch(() => null)
    const facts = {
      records: records.count,
      input: lag === null || lag === undefined ? null : { consumed, lag },
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
    const { finalizedToMicros, eventTimeMaxMicros } = this.#progress
    if (eventTimeMaxMicros === null) return // No row, no window.
    // Nothing came since the last time.
    if (finalizedToMicros !== null && eventTimeMaxMicros < finalizedToMicros) return
    await step('finalize begun')
    await this.#carry(planBatch(this.#progress, [], this.#options.clock(), true), noRecords)
  }
}

function tableAt(tables: readonly OpenTable[], path: string): OpenTable {
  const found = tables.find((table) => table.definition.path === path)
  assert(found, `the run has no table ${path}`)
  return found
}

/**
 * The batch that led from one progress to the next, for a replay from bronze: it reads nothing of the input.
 */
function batchBetween(before: Progress, after: Progress): Batch {
  return {
    batch: after.batch,
    timeMicros: after.timeMicros,
    ranges: [],
    watermarkMicros: before.watermarks.silver,
    isFinal: after.finalizedToMicros !== before.finalizedToMicros,
  }
}

/** The rows that bronze has of a batch. */
async function bronzeInput(bronze: OpenTable, recorded: Progress): Promise<BatchInput> {
  const { timeMicros } = recorded
  const rows = scanSql(await bronze.delta.snapshot(), bronze.delta.directory, {
    where: [{ column: 'processing_time', min: timeMicros, max: timeMicros }],
    naiveTimestamps: true,
  })
  const select = `SELECT * FROM (${rows}) WHERE processing_time = make_timestamp(${timeMicros})`
  return { kind: 'bronze', select, recorded }
}
