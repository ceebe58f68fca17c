// The stream that reads Kafka, with the later ones in the same process: a query in the cluster brings records
// to bronze; batches are cut from what waits there, and carried through the tables one after another.
import type { OffsetRange, Offsets, TopicPartition } from '../../batches/offsets.ts'
import { partitionKey } from '../../batches/offsets.ts'
import type { BatchPlan } from '../../batches/plan.ts'
import { byHold, noTimes, planBatch, progressAfter } from '../../batches/planner.ts'
import type { Progress } from '../../batches/progress.ts'
import { assert, LakehouseError } from '../../errors/errors.ts'
import { hasClosingRows } from '../../plan/index.ts'
import { step } from '../../steps/step.ts'
import { Backlog } from '../backlog.ts'
import { isOpen, rulesOf } from '../batch-rules.ts'
import { currentDefinitions } from '../definition-changes.ts'
import { noticesTo, tellOpened } from '../events.ts'
import { Journal } from '../journal.ts'
import { shownLag } from '../lag.ts'
import { lastSessionEnd } from '../last-session-end.ts'
import { type Resumed, resume } from '../resume.ts'
import { Retention } from '../retention.ts'
import { SchemaStore } from '../schema-store.ts'
import { type OpenTable, soleCommitter, tableOfRole } from '../tables.ts'
import { Upkeep } from '../upkeep.ts'
import { completeBatch, executeBatch, type SparkContext } from './batch.ts'
import { BronzeQuery } from './bronze-query.ts'
import { followSilver } from './follow-silver.ts'
import type { SparkEngineOptions, StreamedKafka } from './options.ts'
import { reportOf } from './report.ts'
import { contextOf, type SparkRun } from './spark-run.ts'
import { triggerIntervalOf, waitForTrigger } from './trigger.ts'
import { bringUnreadable } from './unreadable-records.ts'
import { compactWith } from './upkeep.ts'

/** How long one wait for new rows of bronze takes at most. */
const waitMaxMs = 1_000

export async function runFromKafka(run: SparkRun & { readonly spark: SparkEngineOptions }): Promise<void> {
  const { kafka } = run.spark
  assert(kafka !== null, 'the first stream has an input')
  const pipeline = await Pipeline.resume(run, kafka)
  try {
    await pipeline.run()
  } catch (error) {
    await pipeline.finish().catch(() => undefined) // The first failure is the one to tell.
    throw error
  }
  await pipeline.finish()
}

class Pipeline {
  readonly #run: SparkRun
  readonly #context: SparkContext
  readonly #journal: Journal
  readonly #bronze: OpenTable
  readonly #silver: OpenTable
  readonly #backlog: Backlog
  readonly #query: BronzeQuery
  readonly #upkeep: Upkeep
  #progress: Progress
  /** The partitions that waited in the last batch. */
  #waited: readonly TopicPartition[]
  #cutAtMs = Number.NEGATIVE_INFINITY
  /** The end of the queue of what changes the progress: batches, and where new partitions start. */
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(
    run: SparkRun,
    context: SparkContext,
    kafka: StreamedKafka,
    { journal, progress, waited }: Resumed & { readonly journal: Journal },
  ) {
    this.#journal = journal
    this.#waited = waited
    const { options, session, database, tables } = run
    this.#run = run
    this.#context = context
    this.#bronze = tableOfRole(tables, 'records')
    this.#silver = tableOfRole(tables, 'events')
    this.#progress = progress
    this.#backlog = new Backlog(database.load, this.#bronze.delta)
    const retention = new Retention(options, tables, database.upkeep)
    this.#upkeep = new Upkeep(compactWith(session), [...tables, ...journal.tables], options, retention)
    this.#query = new BronzeQuery({
      session,
      kafka,
      lakehouse: options.lakehouse,
      deltaBasePath: options.deltaBasePath,
      bronze: this.#bronze.delta,
      retries: options,
      triggerIntervalMs: triggerIntervalOf(options),
      ends: () => this.#exclusive(() => this.#ends()),
      onPositions: (positions) => this.#exclusive(() => this.#recordStarts(positions)),
      bringUnreadable: (positions, signal) =>
        this.#exclusive(() => this.#bringUnreadable(positions, kafka, signal)),
      onNotice: noticesTo(options.tell),
    })
  }

  /** Goes on from the tables. */
  static async resume(run: SparkRun, kafka: StreamedKafka): Promise<Pipeline> {
    const { options, tables, database } = run
    const connection = database.load
    const journal = await Journal.open({ ...options, connection, held: tables })
    const definitions = await currentDefinitions(options, connection)
    const decoding = {
      schemas: await SchemaStore.open(options, connection),
      bronze: tableOfRole(tables, 'records').delta,
      connection: database.rows,
    }
    const context = contextOf(run, tableOfRole(tables, 'events').delta, definitions, decoding)
    const resumed = await resume(
      { options, connection, tables, journal, definitions },
      {
        async replay({ plan, before, recorded }, lacking) {
          await completeBatch(context, plan, before, recorded, lacking)
        },
        follow: (later, upTo) => followSilver({ ...run, tables: later }, upTo),
      },
    )
    return new Pipeline(run, context, kafka, { ...resumed, journal })
  }

  async run(): Promise<void> {
    tellOpened(this.#run.options, [...this.#run.tables, ...this.#journal.tables], this.#progress)
    const { once, signal, stop = signal } = this.#run.options
    await (once ? this.#runToEnd() : this.#runOn())
    if (signal.aborted && !stop.aborted) await this.#drain(stop)
  }

  async #runToEnd(): Promise<void> {
    const { options } = this.#run
    await this.#query.once(options.signal)
    while (!options.signal.aborted && (await this.#exclusive(() => this.#carryNext(options.signal)))) {
      // One batch after another, until nothing waits.
    }
    if (options.finalize && !options.signal.aborted) await this.#finalize()
    await this.#upkeep.runDue()
  }

  async #runOn(): Promise<void> {
    const { options } = this.#run
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

  /** Before a pause: whose the rows are that wait in bronze is not known before their batch. */
  async #drain(stop: AbortSignal): Promise<void> {
    await this.#query.stop()
    while (!stop.aborted && (await this.#exclusive(() => this.#carryNext(stop)))) {
      // One batch after another, until nothing waits.
    }
  }

  async finish(): Promise<void> {
    try {
      await this.#journal.flush()
    } finally {
      await this.#upkeep.finish()
    }
    try {
      await this.#query.stop()
    } catch (error) {
      // Where the session is gone, so is the query; what went wrong before is the failure to tell.
      if (!(error instanceof LakehouseError)) throw error
      this.#run.options.tell({ kind: 'notice', code: error.code, message: error.message, details: {} })
    }
  }

  async #carryUntil(signal: AbortSignal): Promise<void> {
    const { delta } = this.#bronze
    let { version } = await delta.snapshot()
    while (!signal.aborted) {
      await waitForTrigger(this.#cutAtMs, triggerIntervalOf(this.#run.options), signal)
      if (signal.aborted || (await this.#exclusive(() => this.#carryNext(this.#run.options.signal)))) continue
      if (this.#query.isCaughtUp) this.#run.gotOn()
      this.#run.options.tell({ kind: 'waiting' })
      await this.#exclusive(() => this.#journal.flushQuiet())
      this.#upkeep.betweenBatches()
      version = await delta.waitForVersion(version, waitMaxMs, signal).catch((error: unknown) => {
        if (signal.aborted) return version // Stopped: the loop sees it.
        throw error
      })
    }
  }

  /** Carries the next batch; false where nothing waits. */
  async #carryNext(signal: AbortSignal): Promise<boolean> {
    const { recordsPerBatchMax, once } = this.#run.options
    this.#cutAtMs = performance.now()
    await this.#bronze.checkNotRestored()
    const preferred = byHold(this.#progress, this.#waited)
    // A run with an end has brought to bronze all that there was at its start.
    const inputEnds = (here: Offsets) => this.#query.inputEnds(here, signal)
    const wishes = { preferred, ...(once ? {} : { inputEnds }) }
    const cut = await this.#backlog.cut(this.#progress.offsets, recordsPerBatchMax, wishes)
    if (cut.ranges.length === 0) return false
    await this.#carry(this.#plan(cut.ranges, { waiting: cut.waiting }), cut.sinceMicros)
    return true
  }

  #plan(ranges: readonly OffsetRange[], more: Partial<BatchPlan> = {}): BatchPlan {
    const rules = rulesOf(this.#run.options, this.#context.definitions)
    const now = this.#run.options.clock()
    return planBatch(this.#progress, ranges, now, rules, { ...more, readFrom: 'bronze' })
  }

  async #carry(plan: BatchPlan, sinceMicros: bigint | null): Promise<void> {
    const { options, tables } = this.#run
    const startedMs = Number(options.clock() / 1000n)
    await step('batch cut')
    const written = await executeBatch(this.#context, plan, this.#progress, tables, sinceMicros)
    const finishedMs = Number(options.clock() / 1000n)
    this.#progress = written.progress
    this.#waited = plan.waiting
    const consumed = plan.ranges.reduce((sum, range) => sum + range.end - range.start, 0n)
    const { offsets } = written.progress
    const lag = await shownLag(options.source, offsets, options.signal)
    const input = lag === null ? null : { consumed, lag }
    const report = await reportOf(this.#run, written, { ranges: plan.ranges, input, startedMs, finishedMs })
    const { recorded, rowsByTable, phasesMs } = written
    options.tell({ kind: 'batch', report, recorded })
    const { quarantineReasons: reasons, overflows } = report
    const { streams } = options
    await this.#journal.note({ recorded, streams, rowsByTable, reasons, overflows, phasesMs })
    await step('batch ended')
    await options.source?.reportProgress(offsets)
    await step('progress reported')
    // The query writes a file for each partition in a trigger, and a trigger makes a batch or less.
    this.#bronze.filesSinceUpkeep += plan.ranges.length
    this.#upkeep.betweenBatches()
  }

  /** A batch without records that moves all watermarks behind the last window and session. */
  async #finalize(): Promise<void> {
    const { options, database } = this.#run
    const { tables } = this.#context.definitions.current
    const { eventTimeMaxMicros: seenMicros } = this.#progress
    const { delta } = this.#silver
    const end = await lastSessionEnd(delta, options.deltaBasePath, tables, seenMicros, database.load)
    if (!isOpen(this.#progress, tables, end)) return
    await step('finalize begun')
    const more = { isFinal: true, ...(end === null ? {} : { sessionsEndMicros: end }) }
    await this.#carry(this.#plan([], more), null)
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
    const ends = await this.#ends()
    const isNew = (position: OffsetRange): boolean => {
      const end = ends.get(partitionKey(position))?.offset
      const taken = this.#progress.offsets.get(partitionKey(position))?.offset
      return end === undefined || (end === taken && end < position.start)
    }
    const started = positions.filter(isNew).map((position) => ({ ...position, end: position.start }))
    if (started.length === 0) return
    const plan = this.#plan(started)
    const before = this.#progress
    const progress = progressAfter(before, plan, noTimes, this.#context.definitions.current.tables)
    const counts = { records: 0, silver: 0, quarantined: 0 }
    const recorded = { plan, progress, counts }
    await this.#silver.commit(null, recorded, soleCommitter(this.#run.options))
    // Its watermarks move where their delays are others than in the batch before: what they close closes
    // with it.
    const names = Object.keys(progress.watermarks)
    if (names.some((name) => progress.watermarks[name] !== before.watermarks[name])) {
      const closing = this.#run.tables.filter(({ definition }) => hasClosingRows(definition.rows.node))
      await completeBatch(this.#context, plan, before, recorded, closing)
    }
    const { streams } = this.#run.options
    await this.#journal.note({ recorded, streams, rowsByTable: {}, reasons: {}, overflows: {}, phasesMs: {} })
    this.#progress = progress
  }

  async #bringUnreadable(
    positions: readonly OffsetRange[],
    { offsetsPerTriggerMax }: StreamedKafka,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { options, database } = this.#run
    assert(options.source !== null, 'the first stream has an input')
    const connection = database.load
    const by = { source: options.source, bronze: this.#bronze, connection, offsetsPerTriggerMax, options }
    return await bringUnreadable(positions, by, signal)
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined) // The caller has the failure; the queue goes on.
    return result
  }
}
