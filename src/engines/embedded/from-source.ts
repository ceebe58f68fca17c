// The stream that reads the input, with the later ones in the same process: the next batch is fetched while
// this one is computed.

import { type OffsetRange, type Offsets, partitionKey, type TopicPartition } from '../../batches/offsets.ts'
import type { BatchPlan } from '../../batches/plan.ts'
import { advanceOffsets, byHold, planBatch } from '../../batches/planner.ts'
import { type Progress, streamTxns } from '../../batches/progress.ts'
import type { RecordSource } from '../../batches/source.ts'
import { isStreamed } from '../../batches/streamed.ts'
import { assert } from '../../errors/errors.ts'
import { step } from '../../steps/step.ts'
import { Backlog } from '../backlog.ts'
import type { BatchReport } from '../batch-report.ts'
import { isOpen, rulesOf } from '../batch-rules.ts'
import { rowsInRanges } from '../bronze-rows.ts'
import { endQueries } from '../bronze-writers.ts'
import { type Database, rowsOf } from '../database.ts'
import { currentDefinitions } from '../definition-changes.ts'
import type { PipelineOptions } from '../engine.ts'
import { tellOpened } from '../events.ts'
import { Journal } from '../journal.ts'
import { shownLag } from '../lag.ts'
import { lastSessionEnd } from '../last-session-end.ts'
import { type Resumed, resume } from '../resume.ts'
import { Retention } from '../retention.ts'
import { type OpenTable, tableOfRole } from '../tables.ts'
import { Upkeep } from '../upkeep.ts'
import { BatchPace } from './batch-pace.ts'
import { BatchSize } from './batch-size.ts'
import { type BatchContext, type CarriedBatch, carryRows, closeWindows } from './execute.ts'
import { contextOf } from './follow-silver.ts'
import { noRecords, type Records, readWhatFits } from './records.ts'
import { carrierOf } from './replay.ts'
import type { BatchInput } from './row-batch.ts'
import { rowReport } from './row-report.ts'
import { compactWith } from './upkeep.ts'
import { WindowPanes } from './window-panes.ts'
import { WorkBehind } from './work-behind.ts'

/** How long one wait for new records takes at most. */
const waitMaxMs = 1_000

export async function runFromSource(
  options: PipelineOptions,
  database: Database,
  tables: readonly OpenTable[],
): Promise<void> {
  const bronze = tableOfRole(tables, 'records').delta
  const silver = tableOfRole(tables, 'events').delta
  const journal = await Journal.open({ ...options, connection: database.batch, held: tables })
  await endQueries(options, bronze)
  const definitions = await currentDefinitions(options, database.load)
  const carrier = carrierOf(options, database, tables, definitions)
  const resumed = await resume({ options, connection: database.load, tables, journal, definitions }, carrier)
  const rules = rulesOf(options, definitions)
  const paths = tables.map(({ definition }) => definition.path)
  const facts = { definitions, paths, source: 'input' } as const
  const defined = await definitions.tablesOf(rules)
  const panes = new WindowPanes(
    { hash: rules.definitions, tables: defined.filter(({ path }) => paths.includes(path)) },
    silver,
    resumed.progress.eventTimeMaxMicros,
  )
  const context = { ...(await contextOf(options, database, silver, facts, resumed.progress, rules)), panes }
  await context.sessions.load(defined, resumed.progress, database.batch)
  const backlog = isStreamed((await bronze.snapshot()).txns) ? backlogOf(database, tables) : null
  const pipeline = new Pipeline(options, database, tables, { ...resumed, context, journal, backlog })
  const { recent, sessions } = context
  const state = () => ({
    rows: recent.rowCount + sessions.count,
    bytes: recent.bytes + panes.bytes + sessions.bytes,
  })
  tellOpened(options, [...tables, ...journal.tables], resumed.progress, { state })
  try {
    await pipeline.run()
  } catch (error) {
    await pipeline.finish().catch(() => undefined) // The first failure is the one to tell.
    throw error
  }
  await pipeline.finish()
}

/** Records of the next batch, or the reason why there is none. */
type Next =
  | {
      readonly kind: 'records'
      readonly ranges: readonly OffsetRange[]
      readonly input: Extract<BatchInput, { kind: 'records' | 'bronze' }>
      readonly count: number
      readonly readFrom: Progress['readFrom']
      readonly waiting: readonly TopicPartition[]
      /** How long they were read. */
      readonly fetchMs: number
    }
  | { readonly kind: 'end' }

/** A batch that is on its way; a promise alone would be awaited where it is handed over. */
type Loads = { readonly loading: Promise<Next> }

type Carriable = Pick<Extract<Next, { kind: 'records' }>, 'input' | 'count' | 'fetchMs'>

class Pipeline {
  readonly #options: PipelineOptions
  readonly #database: Database
  readonly #tables: readonly OpenTable[]
  readonly #context: BatchContext
  readonly #journal: Journal
  readonly #upkeep: Upkeep
  /** Ends the fetching ahead when a batch fails, or the work behind one. */
  readonly #failed = new AbortController()
  #progress: Progress
  /** The partitions that waited in the last batch. */
  #waited: readonly TopicPartition[]
  /** Rows that Spark left in bronze come first; null when there can be none. */
  #backlog: Backlog | null
  /** Nobody is told that the run waits while it has a batch at hand. */
  #isCarrying = false
  readonly #pace: BatchPace
  readonly #size: BatchSize
  readonly #behind: WorkBehind

  constructor(
    options: PipelineOptions,
    database: Database,
    tables: readonly OpenTable[],
    from: Resumed & {
      readonly context: BatchContext
      readonly journal: Journal
      readonly backlog: Backlog | null
    },
  ) {
    this.#options = options
    const { latencyTargetMs, triggerIntervalMs } = options
    this.#pace = new BatchPace({ latencyTargetMs, intervalMinMs: triggerIntervalMs ?? 0 })
    const { recordsPerBatchMax: recordsMax, bytesPerBatchMax: bytesMax } = options
    this.#size = new BatchSize({ recordsMax, bytesMax })
    this.#database = database
    this.#tables = tables
    this.#journal = from.journal
    this.#behind = new WorkBehind(from.progress.batch, () => this.#failed.abort())
    const claims = () => streamTxns(options.streams, this.#behind.doneBatch + 1n)
    this.#context = { ...from.context, claims }
    this.#backlog = from.backlog
    this.#progress = from.progress
    this.#waited = from.waited
    const { upkeep } = database
    const retention = new Retention(options, tables, upkeep)
    const kept = [...tables, ...from.journal.tables]
    this.#upkeep = new Upkeep(compactWith(upkeep), kept, options, retention)
  }

  async run(): Promise<void> {
    const { options, signal } = { options: this.#options, signal: this.#options.signal }
    let loads: Loads | null = { loading: this.#load(this.#progress.offsets) }
    while (loads !== null) loads = await this.#carryNext(loads)
    if (options.finalize && !signal.aborted) await this.#finalize()
    await this.#behind.finish()
    if (!options.once) return
    await this.#journal.flush()
    await this.#upkeep.runDue()
  }

  /**
   * Carries the batch that is loaded, and gives what is loaded meanwhile; null at the end. The loop that
   * calls it has no batch in its hands: it would hold the rows of the last one while it waits for the next.
   */
  async #carryNext({ loading: loaded }: Loads): Promise<Loads | null> {
    const next = await loaded
    if (next.kind === 'end') return null
    const offsets = advanceOffsets(this.#progress.offsets, next.ranges)
    this.#isCarrying = true
    const carrying = this.#pace.during(this.#carry(this.#plan(next.ranges, next), next))
    const isLast = this.#options.signal.aborted
    const loading = isLast ? Promise.resolve({ kind: 'end' } as const) : this.#load(offsets)
    // Told when it is awaited; a failure of this batch must not hide behind it.
    loading.catch(() => undefined)
    try {
      await carrying
    } catch (error) {
      this.#failed.abort()
      await loading.catch(() => undefined)
      throw error
    }
    this.#isCarrying = false
    return { loading }
  }

  /** Leaves nothing that the next start would have to do again. */
  async finish(): Promise<void> {
    try {
      await this.#behind.finish()
    } finally {
      try {
        await this.#journal.flush() // Of the batches whose work is done.
      } finally {
        await this.#upkeep.finish()
      }
    }
  }

  #plan(ranges: readonly OffsetRange[], more: Partial<BatchPlan>): BatchPlan {
    const rules = rulesOf(this.#options, this.#context.definitions)
    return planBatch(this.#progress, ranges, this.#options.clock(), rules, more)
  }

  /** Waits for records and reads them. */
  async #load(offsets: Offsets): Promise<Next> {
    const { source, once } = this.#options
    const stop = this.#options.signal
    const signal = AbortSignal.any([stop, this.#failed.signal])
    assert(source, 'the first stream has an input')
    try {
      const waiting = await this.#loadBacklog(offsets)
      if (waiting !== null) return waiting
      for (;;) {
        if (!once) await this.#pace.untilDue(signal)
        const preferred = byHold(this.#progress, this.#waited)
        const wanted = this.#size.records
        this.#pace.cutting()
        const cut = await source.cut(offsets, wanted, signal, preferred)
        this.#pace.cut(cut.more)
        await step('batch cut')
        if (cut.ranges.length > 0) {
          const startedMs = performance.now()
          const records = await this.#readCut(source, cut.ranges, wanted, signal)
          if (records === null) continue
          this.#pace.loaded()
          await step('records loaded')
          const ranges = source.kind === 'files' ? cut.ranges.map(ofFile) : cut.ranges
          const { count } = records
          const input = { kind: 'records', records } as const
          const fetchMs = performance.now() - startedMs
          return { kind: 'records', ranges, input, count, readFrom: 'input', waiting: cut.waiting, fetchMs }
        }
        if (once || signal.aborted) return { kind: 'end' }
        if (!this.#isCarrying) this.#onWait()
        await source.waitForData(offsets, waitMaxMs, signal)
        this.#pace.arrived()
      }
    } catch (error) {
      // Stopped while waiting or reading: the tables say where to go on.
      if (signal.aborted) return { kind: 'end' }
      throw error
    }
  }

  #onWait(): void {
    this.#behind.whenIdle(async () => {
      this.#options.tell({ kind: 'waiting' })
      await this.#journal.flushQuiet()
      this.#upkeep.betweenBatches()
    })
  }

  /** null where the records of these ranges are too many: what they are like is known now. */
  async #readCut(
    source: RecordSource,
    ranges: readonly OffsetRange[],
    wanted: number,
    signal: AbortSignal,
  ): Promise<Records | null> {
    const isTooMuch = (count: number, bytes: number) => wanted > 1 && this.#size.isTooMuch(count, bytes)
    const reading = await readWhatFits(source, ranges, isTooMuch, signal)
    if (reading.kind === 'read') {
      this.#size.noteRead(reading.records.count, reading.records.bytes)
      return reading.records
    }
    this.#size.noteRead(reading.count, reading.bytes)
    this.#pace.again()
    return null
  }

  /** The next of the rows that bronze has and silver has not; null where there are none. */
  async #loadBacklog(offsets: Offsets): Promise<Next | null> {
    if (this.#backlog === null) return null
    const startedMs = performance.now()
    const inputEnds = (here: Offsets) => this.#unread(here)
    const { ranges, waiting } = await this.#backlog.cut(offsets, this.#size.records, {
      inputEnds,
    })
    if (ranges.length === 0) {
      this.#backlog = null // Nothing else writes bronze from here on.
      return null
    }
    const bronze = tableOfRole(this.#tables, 'records').delta
    const select = await rowsInRanges(await bronze.snapshot(), bronze.directory, ranges)
    const [row] = await rowsOf(this.#database.load, `SELECT count(*) AS count FROM (${select})`)
    const input = { kind: 'bronze', select } as const
    const fetchMs = performance.now() - startedMs
    return { kind: 'records', ranges, input, count: Number(row?.count), readFrom: 'bronze', waiting, fetchMs }
  }

  /** The partitions of which the input has more than what bronze has, at an offset behind that. */
  async #unread(here: Offsets): Promise<Offsets> {
    const { source, signal } = this.#options
    if (source?.kind !== 'kafka') return new Map()
    const { ranges, waiting } = await source.cut(here, 1, signal)
    const more = [...waiting, ...ranges.filter(({ start, end }) => start < end)]
    return new Map(
      more.map(({ topic, partition }) => {
        const key = partitionKey({ topic, partition })
        return [key, { topic, partition, offset: (here.get(key)?.offset ?? 0n) + 1n }]
      }),
    )
  }

  async #carry(plan: BatchPlan, { input, count, fetchMs }: Carriable): Promise<void> {
    const { source, clock, alertsMax } = this.#options
    await this.#behind.room()
    const startedMs = Number(clock() / 1000n)
    const carried = await carryRows(this.#context, plan, this.#progress, input, this.#tables, fetchMs)
    const finishedMs = Number(clock() / 1000n)
    const { progress } = carried.recorded
    this.#progress = progress
    this.#waited = plan.waiting
    const lag = await shownLag(source, progress.offsets, this.#options.signal)
    const consumed = plan.ranges.reduce((sum, range) => sum + range.end - range.start, 0n)
    const report = rowReport(this.#options.lakehouse, carried, {
      records: count,
      chunks: input.kind === 'records' ? input.records.chunks : [],
      input: lag === null ? null : { consumed, lag },
      startedMs,
      finishedMs,
      alertsMax,
    })
    const { rows: _, ...behind } = carried // What waits for its windows holds no rows.
    this.#behind.add(plan.batch, count, () => this.#complete(behind, report))
    await source?.reportProgress(progress.offsets)
    await step('progress reported')
  }

  /** What comes after the rows of a batch, while the next one is carried. */
  async #complete(carried: CarriedBatch, report: BatchReport): Promise<void> {
    const { streams, tell } = this.#options
    const { recorded, rowsByTable, phasesMs } = await closeWindows(this.#context, carried, this.#tables)
    tell({ kind: 'batch', report: { ...report, rowsByTable }, recorded })
    const { quarantineReasons: reasons, overflows } = report
    await this.#journal.note({ recorded, streams, rowsByTable, reasons, overflows, phasesMs })
    this.#upkeep.betweenBatches()
  }

  /** A batch without records that moves all watermarks behind the last window and session. */
  async #finalize(): Promise<void> {
    const { tables } = this.#context.definitions.current
    const { eventTimeMaxMicros: seenMicros } = this.#progress
    const { delta } = tableOfRole(this.#tables, 'events')
    const { deltaBasePath } = this.#options
    const end = await lastSessionEnd(delta, deltaBasePath, tables, seenMicros, this.#database.load)
    if (!isOpen(this.#progress, tables, end)) return
    await step('finalize begun')
    const input = { kind: 'records', records: noRecords } as const
    const more = { isFinal: true, ...(end === null ? {} : { sessionsEndMicros: end }) }
    await this.#carry(this.#plan([], more), { input, count: 0, fetchMs: 0 })
  }
}

function backlogOf({ load }: Database, tables: readonly OpenTable[]): Backlog {
  return new Backlog(load, tableOfRole(tables, 'records').delta)
}

function ofFile(range: OffsetRange): OffsetRange {
  return { ...range, isFile: true }
}
