// The stream that reads Kafka, with the later ones in the same process: a query in the cluster brings records
// to bronze; batches are cut from what waits there, and carried through the tables one after another.
import type { OffsetRange, Offsets } from '../../batches/offsets.ts'
import { partitionKey } from '../../batches/offsets.ts'
import { type Batch, planBatch, progressAfter } from '../../batches/planner.ts'
import type { Progress } from '../../batches/progress.ts'
import { assert, LakehouseError } from '../../errors/errors.ts'
import { tables as allTables } from '../../lakehouse/pipeline.ts'
import { Backlog } from '../backlog.ts'
import { batchBetween, doneBatch, hasOpenWindows } from '../batch-rules.ts'
import { shownLag } from '../lag.ts'
import { progressAt, silverBatchesAfter } from '../silver-log.ts'
import { isDerived, type OpenTable, tableAt } from '../tables.ts'
import { waitForTrigger } from '../trigger.ts'
import { Upkeep } from '../upkeep.ts'
import { completeBatch, executeBatch, type SparkContext } from './batch.ts'
import { BronzeQuery } from './bronze-query.ts'
import { contextOf, followSilver, type SparkRun } from './follow-silver.ts'
import type { SparkEngineOptions, StreamedKafka } from './options.ts'
import { reportOf } from './report.ts'
import { compactWith } from './upkeep.ts'

/** How long one wait for new rows of bronze takes at most. */
const waitMaxMs = 1_000

export async function runFromKafka(run: SparkRun & { readonly spark: SparkEngineOptions }): Promise<void> {
  const { kafka } = run.spark
  assert(kafka !== null, 'kafka-to-delta has an input')
  const pipeline = await Pipeline.resume(run, kafka)
  try {
    await pipeline.run()
  } finally {
    await pipeline.finish()
  }
}

class Pipeline {
  readonly #run: SparkRun
  readonly #context: SparkContext
  readonly #bronze: OpenTable
  readonly #silver: OpenTable
  readonly #backlog: Backlog
  readonly #query: BronzeQuery
  readonly #upkeep: Upkeep
  #progress: Progress
  #cutAtMs = Number.NEGATIVE_INFINITY
  /** The end of the queue of what changes the progress: batches, and where new partitions start. */
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(run: SparkRun, context: SparkContext, kafka: StreamedKafka) {
    const { options, session, database, tables } = run
    this.#run = run
    this.#context = context
    this.#bronze = tableAt(tables, 'bronze/transactions')
    this.#silver = tableAt(tables, 'silver/transactions')
    this.#progress = this.#silver.progress
    this.#backlog = new Backlog(database.load, this.#bronze.delta)
    this.#upkeep = new Upkeep(compactWith(session), tables, options)
    this.#query = new BronzeQuery({
      session,
      kafka,
      deltaBasePath: options.deltaBasePath,
      bronze: this.#bronze.delta,
      retries: options,
      triggerIntervalMs: options.triggerIntervalMs,
      ends: () => this.#exclusive(() => this.#ends()),
      onPositions: (positions) => this.#exclusive(() => this.#recordStarts(positions)),
      onNotice: options.onNotice,
    })
  }

  /**
   * Goes on from the tables: those that lack what silver has are brought up to it. The tables of this stream
   * can lack silver's last batch alone.
   */
  static async resume(run: SparkRun, kafka: StreamedKafka): Promise<Pipeline> {
    const { options, tables } = run
    const silver = tableAt(tables, 'silver/transactions')
    const context = contextOf(run, silver.delta)
    const last = silver.progress
    if (last.batch > 0n) {
      const own = tables.filter((table) => !isDerived(table))
      const before = await progressAt(silver.delta, last.batch - 1n)
      for await (const recorded of silverBatchesAfter(silver.delta, before.batch)) {
        await completeBatch(context, batchBetween(before, recorded.progress), before, recorded, own)
      }
      const later = tables.filter((table) => !own.includes(table))
      const isBehind = later.length > 0 && (await doneBatch(silver.delta, later)) < last.batch
      if (isBehind) await followSilver({ ...run, options, tables: later }, last.batch)
      for (const table of later) await table.markWhole()
    }
    return new Pipeline(run, context, kafka)
  }

  async run(): Promise<void> {
    const { options } = this.#run
    if (options.once) {
      await this.#query.once(options.signal)
      while (!options.signal.aborted && (await this.#exclusive(() => this.#carryNext()))) {
        // One batch after another, until nothing waits.
      }
      if (options.finalize && !options.signal.aborted) await this.#finalize()
      return
    }
    const failed = new AbortController()
    const signal = AbortSignal.any([options.signal, failed.signal])
    const query = this.#query.follow(signal).catch((error: unknown) => failed.abort(error))
    try {
      await this.#carryUntil(signal)
    } finally {
      failed.abort()
      await query
    }
    if (!options.signal.aborted) failed.signal.throwIfAborted()
  }

  async finish(): Promise<void> {
    await this.#upkeep.finish()
    try {
      await this.#query.stop()
    } catch (error) {
      // Where the session is gone, so is the query; what went wrong before is the failure to tell.
      if (!(error instanceof LakehouseError)) throw error
      this.#run.options.onNotice({ code: error.code, message: error.message, details: {} })
    }
  }

  async #carryUntil(signal: AbortSignal): Promise<void> {
    const { delta } = this.#bronze
    let { version } = await delta.snapshot()
    while (!signal.aborted) {
      await waitForTrigger(this.#cutAtMs, this.#run.options.triggerIntervalMs, signal)
      if (signal.aborted || (await this.#exclusive(() => this.#carryNext()))) continue
      if (this.#query.isCaughtUp) this.#run.gotOn()
      this.#run.options.onWait?.()
      version = await delta.waitForVersion(version, waitMaxMs, signal).catch((error: unknown) => {
        if (signal.aborted) return version // Stopped: the loop sees it.
        throw error
      })
    }
  }

  /** Carries the next batch; false where nothing waits. */
  async #carryNext(): Promise<boolean> {
    const { clock, recordsPerBatchMax, once } = this.#run.options
    this.#cutAtMs = performance.now()
    const inputEnds = once ? new Map() : this.#query.inputEnds
    const cut = await this.#backlog.cut(this.#progress.offsets, recordsPerBatchMax, inputEnds)
    if (cut.ranges.length === 0) return false
    await this.#carry(planBatch(this.#progress, cut.ranges, clock(), { readFrom: 'bronze' }), cut.sinceMicros)
    return true
  }

  async #carry(batch: Batch, sinceMicros: bigint | null): Promise<void> {
    const { options, tables } = this.#run
    const startedMs = Number(options.clock() / 1000n)
    const written = await executeBatch(this.#context, batch, this.#progress, tables, sinceMicros)
    const finishedMs = Number(options.clock() / 1000n)
    this.#progress = written.progress
    const consumed = batch.ranges.reduce((sum, range) => sum + range.end - range.start, 0n)
    const { offsets } = written.progress
    const lag = await shownLag(options.source, offsets, options.signal)
    const input = lag === null ? null : { consumed, lag }
    options.onBatch(
      await reportOf(this.#run, written, { ranges: batch.ranges, input, startedMs, finishedMs }),
    )
    await options.source?.reportProgress(offsets)
    // The query writes a file for each partition in a trigger, and a trigger makes a batch or less.
    this.#bronze.filesSinceUpkeep += batch.ranges.length
    this.#upkeep.afterBatch()
  }

  /** A batch without records that moves all watermarks behind the last window. */
  async #finalize(): Promise<void> {
    if (!hasOpenWindows(this.#progress)) return
    const now = this.#run.options.clock()
    await this.#carry(planBatch(this.#progress, [], now, { readFrom: 'bronze', isFinal: true }), null)
  }

  /** The next offsets behind all that the tables know: of silver, of bronze's own progress, of its rows. */
  async #ends(): Promise<Offsets> {
    const known = new Map(this.#progress.offsets)
    for (const [key, at] of this.#bronze.progress.offsets) {
      if (at.offset > (known.get(key)?.offset ?? -1n)) known.set(key, at)
    }
    const ends = new Map(await this.#backlog.ends(this.#progress.offsets))
    for (const [key, at] of known) if (at.offset > (ends.get(key)?.offset ?? -1n)) ends.set(key, at)
    return ends
  }

  /**
   * Where a partition starts of which the tables know nothing is recorded in silver before anything is read:
   * `latest` and a time would mean another place later. So is where one goes on behind a loss, which would be
   * met again; not while bronze has rows before it that silver has yet to take.
   */
  async #recordStarts(positions: readonly OffsetRange[]): Promise<void> {
    const { clock, delays } = this.#run.options
    const ends = await this.#ends()
    const isNew = (position: OffsetRange): boolean => {
      const end = ends.get(partitionKey(position))?.offset
      const taken = this.#progress.offsets.get(partitionKey(position))?.offset
      return end === undefined || (end === taken && end < position.start)
    }
    const started = positions.filter(isNew).map((position) => ({ ...position, end: position.start }))
    if (started.length === 0) return
    const batch = planBatch(this.#progress, started, clock(), { readFrom: 'bronze' })
    const after = progressAfter(this.#progress, batch, null, delays, allTables)
    await this.#silver.commit(null, after, { clock, streams: [] })
    this.#progress = after
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined) // The caller has the failure; the queue goes on.
    return result
  }
}
