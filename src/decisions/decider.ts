// Decides records as they come, by the compiled row path that batches go through, on what the lakehouse
// knows: the ids and features of the events are in memory. It reads the tables and writes none.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NextOffset, OffsetRange, Offsets, TopicPartition } from '../batches/offsets.ts'
import type { Delays, Parameters } from '../batches/plan.ts'
import { type BatchRules, planBatch, progressAfter } from '../batches/planner.ts'
import { noProgress, type Progress } from '../batches/progress.ts'
import type { RecordChunk } from '../batches/source.ts'
import { DeltaTable } from '../delta/index.ts'
import { BatchHistory } from '../engines/batch-history.ts'
import { eventsWatermarkOf, settingsOf } from '../engines/batch-rules.ts'
import { Database } from '../engines/database.ts'
import { RecentSilver } from '../engines/embedded/recent.ts'
import { schemasNamedIn } from '../engines/embedded/schemas-named.ts'
import { tellNobody } from '../engines/events.ts'
import { addRecords, decisionRowPath, factsOutput } from '../engines/row-path.ts'
import { SchemaStore } from '../engines/schema-store.ts'
import { counted } from '../errors/counted.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { JudgedFacts, type RowPath, type StateOfRows } from '../javascript/index.ts'
import { definitionsOf } from '../ops/definitions.ts'
import { progressOf, tableDirectory } from '../ops/tables.ts'
import { eventsWatermark, type Lakehouse } from '../plan/index.ts'
import type { SchemaRegistry } from '../registry/registry.ts'
import { DecisionWriter } from './decision.ts'
import type { Decision } from './decision-answer.ts'
import { decisionVersion } from './decision-version.ts'
import { decidedBefore } from './group-offsets.ts'
import { knownBefore } from './known-before.ts'

export type DeciderOptions = {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly parameters: Parameters
  readonly delays: Delays
  readonly recordsPerBatchMax: number
  /** Asked for schemas that no run has met; what it says is recorded by runs alone. */
  readonly registry: SchemaRegistry | null
  /** More than this of rows in memory is a failure: all of them can still be asked for. */
  readonly stateBytesMax: number
  readonly duckdb: { readonly memoryLimitBytes: number | null; readonly threads: number | null }
  /**
   * What the group of decisions has: what the tables have from there on is not known yet. Absent: all that
   * they have is known.
   */
  readonly ofGroup?: Offsets
}

/** Records as they come, one poll after another: chunks in the order of arrival. */
export type ComingRecords = {
  readonly chunks: readonly RecordChunk[]
  readonly ranges: readonly OffsetRange[]
  /** As `Cut` has them. */
  readonly waiting: readonly TopicPartition[]
}

/** No operator has its rows looked up: whose they are is not known before a record comes. */
const stateRowsMax = Number.MAX_SAFE_INTEGER

/** So many records are decided between two looks at how much is in memory. */
const recordsPerLook = 10_000

type DecidingOptions = Pick<DeciderOptions, 'lakehouse' | 'parameters' | 'delays' | 'recordsPerBatchMax'>

type Known = {
  readonly recent: RecentSilver
  readonly schemas: SchemaStore
  readonly progress: Progress
  readonly decidedBefore: Offsets
  readonly close: () => Promise<void>
}

/** All that follows from the rules and the definitions by which records are decided. */
type Deciding = {
  readonly lakehouse: Lakehouse
  readonly rules: BatchRules
  readonly path: RowPath
  readonly states: readonly StateOfRows[]
  readonly paths: { readonly scored: string; readonly events: string; readonly refused: string }
  readonly writer: DecisionWriter
}

/** What is remembered of rows is the same by whatever rules: no feature is a part of them. */
function decidingBy(options: DecidingOptions, recent: RecentSilver): Deciding {
  const { lakehouse, parameters } = options
  const path = decisionRowPath(lakehouse, lakehouse.tables)
  const settings = settingsOf(options)
  const definitions = definitionsOf(lakehouse, settings)
  const scored = scoredPath(lakehouse)
  return {
    ...{ lakehouse, path },
    rules: { settings, definitions: definitions.hash, eventsWatermark: eventsWatermark(lakehouse) },
    states: path.states.map((node) => {
      const kept = recent.of(node, parameters)
      assert(kept !== null, 'all rows that an operator looks back at are kept')
      return kept
    }),
    paths: { scored, events: lakehouse.events.path, refused: lakehouse.refused.path },
    writer: new DecisionWriter(lakehouse, scored, decisionVersion(definitions, lakehouse)),
  }
}

/** Fails with CONFIG_INVALID where the lakehouse scores nothing. */
function scoredPath({ scored }: Lakehouse): string {
  if (scored !== null) return scored.path
  throw new LakehouseError('CONFIG_INVALID', 'this lakehouse scores nothing: there is nothing to decide.')
}

export class Decider {
  /** Where the records begin that are still to be decided, by partition; absent ones are so as a whole. */
  readonly decidedBefore: Offsets
  readonly #options: DeciderOptions
  readonly #recent: RecentSilver
  readonly #schemas: SchemaStore
  readonly #close: () => Promise<void>
  #deciding: Deciding
  #progress: Progress
  #sinceLook = 0

  private constructor(options: DeciderOptions, known: Known) {
    this.#options = options
    this.#recent = known.recent
    this.#deciding = decidingBy(options, known.recent)
    this.#schemas = known.schemas
    this.#close = known.close
    this.#progress = known.progress
    this.decidedBefore = known.decidedBefore
    this.#refuseTooLarge()
  }

  /** Knows what the tables have. Fails with CONFIG_INVALID where the lakehouse scores nothing. */
  static async open(options: DeciderOptions): Promise<Decider> {
    const { lakehouse, deltaBasePath, registry } = options
    scoredPath(lakehouse)
    const path = decisionRowPath(lakehouse, lakehouse.tables)
    const spillDirectory = await mkdtemp(join(tmpdir(), 'assay-decide-'))
    const database = await Database.open({ ...options.duckdb, spillDirectory })
    const close = async (): Promise<void> => {
      database.close()
      await rm(spillDirectory, { recursive: true, force: true })
    }
    const store = { deltaBasePath, tableProperties: {}, tell: tellNobody, registry, isReadOnly: true }
    try {
      const schemas = await SchemaStore.open(store, database.load)
      const history = await knownHistory(options, database, path)
      return new Decider(options, { ...history, schemas, close })
    } catch (error) {
      await close()
      throw error
    }
  }

  /** Decides by other rules from the next record on. */
  goBy(rules: Pick<DeciderOptions, 'lakehouse' | 'parameters'>): void {
    this.#deciding = decidingBy({ ...this.#options, ...rules }, this.#recent)
  }

  /** The next record of each partition that is not known yet. */
  get offsets(): Offsets {
    return this.#progress.offsets
  }

  /** Where partitions begin of which nothing is known. */
  beginAt(offsets: Offsets): void {
    const known = this.#progress.offsets
    const begins = [...offsets].filter(([key]) => !known.has(key))
    this.#progress = { ...this.#progress, offsets: new Map([...known, ...begins]) }
  }

  /** Rows of the events in memory. */
  get rowCount(): number {
    return this.#recent.rowCount
  }

  /** Asks for the schemas that records name, before they are decided; waits while the registry is away. */
  async prepare(chunks: readonly RecordChunk[], nowMicros: bigint, signal: AbortSignal): Promise<void> {
    if (!this.#schemas.mayKnow) return
    await this.#schemas.prepare(schemasNamedIn(chunks), nowMicros, signal)
  }

  /** Of these rows. */
  get bytes(): number {
    return this.#recent.bytes
  }

  /** Decides records that have come, each with what came before it, and remembers them. */
  follow({ chunks, ranges, waiting }: ComingRecords, nowMicros: bigint): Decision[] {
    const { lakehouse, rules } = this.#deciding
    const plan = planBatch(this.#progress, ranges, nowMicros, rules, { waiting })
    const facts = new JudgedFacts()
    this.#recent.mark()
    const decisions = this.#decided(chunks, plan.timeMicros, facts)
    this.#recent.commit()
    this.#progress = progressAfter(this.#progress, plan, facts.times, lakehouse.tables)
    const watermarkMicros = eventsWatermarkOf(lakehouse, this.#progress)
    this.#recent.forget(watermarkMicros, rules.settings.parameters)
    this.#sinceLook += decisions.length
    if (this.#sinceLook >= recordsPerLook) this.#refuseTooLarge()
    return decisions
  }

  /** Decides records as if they came now, one after another; nothing is remembered of them afterwards. */
  tryOut(chunk: RecordChunk, nowMicros: bigint): Decision[] {
    this.#recent.mark()
    try {
      return this.#decided([chunk], nowMicros, new JudgedFacts())
    } finally {
      this.#recent.rollback()
      this.#recent.commit()
    }
  }

  async close(): Promise<void> {
    await this.#close()
  }

  /** What no later record can reach is forgotten by now: a decision without one of the others were wrong. */
  #refuseTooLarge(): void {
    this.#sinceLook = 0
    const { bytes, rowCount } = this
    if (bytes <= this.#options.stateBytesMax) return
    const message =
      `Decisions look back at ${counted(rowCount, 'row')}, which take ${counted(bytes, 'byte')} in memory, and ` +
      `DECISIONS_STATE_MAX is ${this.#options.stateBytesMax}. Raise it, or let operators look back less far: DEDUP_WINDOW, the windows of ` +
      'features.'
    throw new LakehouseError('DECISIONS_STATE_FULL', message, { details: { rowCount, bytes } })
  }

  #decided(chunks: readonly RecordChunk[], timeMicros: bigint, facts: JudgedFacts): Decision[] {
    const { lakehouse, rules, path, states, paths, writer } = this.#deciding
    const { scored, events, refused } = paths
    const decisions: Decision[] = []
    let event: readonly unknown[] = []
    const functions = {
      [factsOutput]: facts.add,
      [events]: (...values: unknown[]) => {
        event = values
      },
      [scored]: (...values: unknown[]) => void decisions.push(writer.scored(event, values)),
      [refused]: (...values: unknown[]) => void decisions.push(writer.refused(values)),
    }
    const batch = path.start({
      parameters: {
        ...rules.settings.parameters,
        processing_time: timeMicros,
        watermark: eventsWatermarkOf(lakehouse, this.#progress),
      },
      functions,
      states,
      decoder: this.#schemas.decoderAt(timeMicros),
    })
    let count = 0
    for (const chunk of chunks) {
      addRecords(batch, chunk)
      count += chunk.count
    }
    assert(decisions.length === count, 'each record has one decision')
    return decisions
  }
}

/** The events that are known, and how far they go. */
async function knownHistory(
  { lakehouse, deltaBasePath, parameters, ofGroup }: DeciderOptions,
  database: Database,
  { states }: RowPath,
): Promise<Pick<Known, 'recent' | 'progress' | 'decidedBefore'>> {
  const recent = RecentSilver.empty(states, parameters, stateRowsMax)
  const none = { recent, progress: noProgress, decidedBefore: ofGroup ?? new Map<string, NextOffset>() }
  const directory = tableDirectory(deltaBasePath, lakehouse.events)
  if (!(await DeltaTable.exists(directory))) return none
  const silver = await DeltaTable.open(directory)
  const snapshot = await silver.snapshot()
  const newest = await progressOf(silver, snapshot)
  if (newest === null) return none
  const history = new BatchHistory(deltaBasePath, silver, database.load)
  const decided = decidedBefore(ofGroup ?? new Map(), newest.offsets)
  const progress = await knownBefore(history, newest, decided)
  if (progress.batch === 0n) return { recent, progress, decidedBefore: decided }
  const loaded = await RecentSilver.load(database.rows, { snapshot, directory }, states, parameters, {
    watermarkMicros: eventsWatermarkOf(lakehouse, progress),
    upToMicros: progress.timeMicros,
    stateRowsMax,
  })
  return { recent: loaded, progress, decidedBefore: decided }
}
