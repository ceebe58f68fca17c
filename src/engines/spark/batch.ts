// One batch on Spark: records are parsed and judged once, each table is one Delta write with the progress in
// it. Silver's commit is the durable plan of the batch; what comes after it is computed again from there.
import type { BatchPlan } from '../../batches/plan.ts'
import { type BatchTimes, noTimes, progressAfter } from '../../batches/planner.ts'
import { encodeBatch, type Progress, type RecordedBatch } from '../../batches/progress.ts'
import type { DeltaCommit, DeltaTable } from '../../delta/index.ts'
import { assert, LakehouseError } from '../../errors/errors.ts'
import {
  alreadyDecoded,
  decodeOf,
  expandOf,
  hasClosingRows,
  historiesOf,
  type InputNode,
  inputsOf,
  judgedOf,
  type TableDefinition,
  tableAt,
  windowOf,
} from '../../plan/index.ts'
import { type BusyKeys, boundSpark, type CompiledTable, compileTable, spark } from '../../sql/index.ts'
import { step } from '../../steps/step.ts'
import type { SilverBatch } from '../batch-history.ts'
import {
  closingSessions,
  closingWindows,
  isAlwaysCommitted,
  lookBackOfInput,
  silentBatchesMax,
} from '../batch-rules.ts'
import type { DefinitionStore } from '../definition-store.ts'
import type { PipelineOptions } from '../engine.ts'
import { Phases } from '../phases.ts'
import { type OpenTable, soleCommitter } from '../tables.ts'
import { busyKeysOf } from './busy-keys.ts'
import { mayCloseSessions, sessionInputs, windowInputs } from './closing-rows.ts'
import { inputsNamed, type Relation, sqlRelation } from './connect/relations.ts'
import type { CallOptions, SparkSession } from './connect/session.ts'
import { type Decoding, decodedRecordsSql } from './decoded-records.ts'
import { HeldRows } from './held-rows.ts'
import { batchRowsSql, deltaRows, fileUri, instantsAndDays, ownRows, recordsSql } from './rows.ts'

export type SparkContext = {
  readonly session: SparkSession
  readonly options: PipelineOptions
  readonly bronzeDirectory: string
  readonly silver: DeltaTable
  readonly definitions: DefinitionStore
  /** null where no records are judged. */
  readonly decoding: Decoding | null
}

export type Written = {
  readonly recorded: RecordedBatch
  readonly progress: Progress
  readonly rowsByTable: Readonly<Record<string, number>>
  readonly silverRows: number
  readonly phasesMs: Readonly<Record<string, number>>
  /** The commits that brought rows, by table. */
  readonly commits: ReadonlyMap<string, DeltaCommit>
}

/** A small batch is one task and one file for each partition of a table; larger ones are spread. */
const rowsPerTask = 100_000

/** A batch whose records are in bronze: silver first, then the tables after it. */
export async function executeBatch(
  context: SparkContext,
  plan: BatchPlan,
  before: Progress,
  tables: readonly OpenTable[],
  sinceMicros: bigint | null,
): Promise<Written> {
  const definitions = await context.definitions.tablesOf(plan)
  const run = new BatchRun(context, plan, before, definitions, null)
  try {
    await step('batch begun')
    if (plan.ranges.length > 0) {
      run.phases.begin('judge')
      await run.judge(recordsSql(recordsOf(context), plan.ranges, sinceMicros), true)
    }
    const { accepted, refused, times } = run.facts
    const counts = { records: accepted + refused, silver: accepted, quarantined: refused }
    run.recorded = { plan, progress: progressAfter(before, plan, times, definitions), counts }
    run.phases.begin('write')
    await run.write(tables)
    return run.written()
  } finally {
    await run.close()
  }
}

/**
 * A batch that is in some table already, or in the journal: it is carried to the tables that lack it. What
 * silver has of it is taken from there; the stream of a table behind silver follows what silver has.
 */
export async function completeBatch(
  context: SparkContext,
  plan: BatchPlan,
  before: Progress,
  recorded: RecordedBatch & Partial<SilverBatch>,
  tables: readonly OpenTable[],
): Promise<Written> {
  const definitions = await context.definitions.tablesOf(plan)
  const lacking = tables.filter((table) => !table.has(plan.batch))
  const isInSilver = !lacking.some(({ role }) => role === 'events')
  const inSilver = isInSilver ? { commit: null, ...recorded } : null
  const run = new BatchRun(context, plan, before, definitions, inSilver)
  run.recorded = recorded
  try {
    if (lacking.some(({ role }) => role === 'events' || role === 'refused')) {
      run.phases.begin('judge')
      await run.judge(batchRowsSql(recordsOf(context), plan), false)
    }
    run.phases.begin('write')
    await run.write(lacking)
    return run.written()
  } finally {
    await run.close()
  }
}

type Facts = {
  readonly accepted: number
  readonly refused: number
  readonly times: BatchTimes
}

class BatchRun {
  readonly phases: Phases
  facts: Facts = { accepted: 0, refused: 0, times: noTimes }
  readonly #context: SparkContext
  readonly #plan: BatchPlan
  readonly #before: Progress
  readonly #definitions: readonly TableDefinition[]
  readonly #rowsByTable: Record<string, number> = {}
  readonly #commits = new Map<string, DeltaCommit>()
  /** The batch as silver has it, where it is in silver already. */
  readonly #inSilver: SilverBatch | null
  #recorded: RecordedBatch | null = null
  readonly #held: HeldRows
  #judged: Relation | null = null

  constructor(
    context: SparkContext,
    plan: BatchPlan,
    before: Progress,
    definitions: readonly TableDefinition[],
    inSilver: SilverBatch | null,
  ) {
    this.#context = context
    this.#plan = plan
    this.#before = before
    this.#definitions = definitions
    this.#inSilver = inSilver
    this.#held = new HeldRows(context.session, (what) => this.#call(what))
    this.phases = new Phases(plan.batch, context.options.tell)
  }

  /** What the commits carry; known when the records are judged. */
  get recorded(): RecordedBatch {
    assert(this.#recorded !== null, 'the batch is judged')
    return this.#recorded
  }

  set recorded(recorded: RecordedBatch) {
    this.#recorded = recorded
  }

  /**
   * Parses the records and judges them against silver before the batch. Both results are held: what is
   * written later is these rows, and never computed against a silver that has them already.
   */
  async judge(records: string, isNew: boolean): Promise<void> {
    const { options, decoding } = this.#context
    const { events } = options.lakehouse
    const definition = tableAt(this.#definitions, events.path)
    const decode = decodeOf(definition.rows.node)
    const batch = { plan: this.#plan, records, isNew }
    const decoded =
      decode === null || decoding === null ? null : await decodedRecordsSql(decoding, options, decode, batch)
    const { shared } = this.#compiled(events.path, new Map(), decoded !== null)
    const inputs: Record<string, Relation> = {}
    for (const input of inputsOf(definition.rows.node)) {
      const { of } = input.reads
      assert(of === 'batch' || of === 'history', 'records are judged by their batch and a history')
      inputs[input.name] = sqlRelation(
        of === 'batch' ? (decoded ?? records) : this.#historySql(definition, input),
      )
    }
    const held = await this.#held.holdShared(shared, inputs)
    this.#judged = held[this.#judgedName] ?? null
    await this.#held.dropOthers(this.#judgedName)
    this.facts = await this.#judgedFacts()
  }

  /**
   * Of each partition: what was accepted, how far its valid rows are in event time, and how many came after
   * the last of them. Only the offsets of invalid rows are collected: a window would sort the whole batch.
   */
  async #judgedFacts(): Promise<Facts> {
    const rows = await this.#context.session.rows(
      `SELECT topic, \`partition\`, accepted, refused, seen, valid,
        size(filter(invalid_offsets, one -> one > coalesce(last_valid, -1))) AS since_valid
      FROM (
        SELECT topic, \`partition\`, count_if(is_accepted) AS accepted, count_if(NOT is_accepted) AS refused,
          max(CASE WHEN is_accepted THEN event_time END) AS seen,
          max(CASE WHEN size(invalid) = 0 THEN event_time END) AS valid,
          max(CASE WHEN size(invalid) = 0 THEN \`offset\` END) AS last_valid,
          collect_list(CASE WHEN size(invalid) > 0 THEN \`offset\` END) AS invalid_offsets
        FROM judged
        GROUP BY topic, \`partition\`
      )`,
      { inputs: { judged: this.#judged! }, ...this.#call('The batch could not be counted') },
    )
    const sum = (name: string): number => rows.reduce((total, row) => total + Number(row[name]), 0)
    const seen = rows.flatMap(({ seen: one }) => (typeof one === 'bigint' ? [one] : []))
    const partitions = rows.map((row) => ({
      topic: String(row.topic),
      partition: Number(row.partition),
      eventTimeMaxMicros: typeof row.valid === 'bigint' ? row.valid : null,
      recordsSinceValid: Number(row.since_valid),
    }))
    const greatest = seen.reduce<bigint | null>(
      (most, one) => (most === null || one > most ? one : most),
      null,
    )
    return {
      accepted: sum('accepted'),
      refused: sum('refused'),
      times: { eventTimeMaxMicros: greatest, partitions },
    }
  }

  /**
   * Writes the batch to the tables that lack it: to silver first, then to the others at the same time,
   * because a write leaves the cluster idle while it is planned and committed.
   */
  async write(tables: readonly OpenTable[]): Promise<void> {
    const isSilver = ({ role }: OpenTable) => role === 'events'
    await this.#writeAtOnce(tables.filter(isSilver))
    await this.#writeAtOnce(tables.filter((table) => !isSilver(table)))
    await step('all tables committed')
  }

  async #writeAtOnce(tables: readonly OpenTable[]): Promise<void> {
    const outcomes = await Promise.allSettled(tables.map((table) => this.#write(table)))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #write(table: OpenTable): Promise<void> {
    const { path } = table.definition
    if (table.role === 'records' || table.has(this.#plan.batch)) return
    const relation = await this.#rowsOf(table)
    if (relation !== null) {
      const commit = await this.#append(table, relation)
      const count = rowsOfCommit(commit)
      this.#rowsByTable[path] = count
      if (count > 0) this.#commits.set(path, commit)
      return
    }
    this.#rowsByTable[path] = 0
    const isSilent = this.#plan.batch - table.progress.batch >= silentBatchesMax
    // Progress alone needs no Spark.
    if (isAlwaysCommitted(this.#context.options.lakehouse, path) || isSilent) {
      await table.commit(null, this.recorded, soleCommitter(this.#context.options))
    }
  }

  written(): Written {
    // They were written in any order, and are told in that of the pipeline.
    const rowsByTable = Object.fromEntries(
      this.#definitions.flatMap(({ path }) => {
        const count = this.#rowsByTable[path]
        return count === undefined ? [] : [[path, count]]
      }),
    )
    const silverRows = this.#silverRowCount()
    const { recorded } = this
    this.phases.end()
    const phasesMs = this.phases.ms
    return {
      recorded,
      progress: recorded.progress,
      rowsByTable,
      silverRows,
      phasesMs,
      commits: this.#commits,
    }
  }

  async close(): Promise<void> {
    await this.#held.dropOthers(null)
  }

  /** null where the batch has no row for the table. */
  async #rowsOf(table: OpenTable): Promise<Relation | null> {
    if (table.role === 'events') return this.facts.accepted === 0 ? null : this.#silverRows()
    if (table.role === 'refused') return this.#quarantineRows(this.#compiled(table.definition.path).sql)
    const definition = tableAt(this.#definitions, table.definition.path)
    if (hasClosingRows(definition.rows.node)) return this.#closingRows(table, definition)
    if (expandOf(definition.rows.node)?.copies.length === 0) return null
    return this.#silverRowCount() === 0 ? null : await this.#rowsBehindSilver(definition)
  }

  /** The rows of a table that follow one by one from those that the batch brings to silver. */
  async #rowsBehindSilver(definition: TableDefinition): Promise<Relation> {
    const { path } = definition
    const { lakehouse } = this.#context.options
    const inputs: Record<string, Relation> = {}
    for (const input of inputsOf(definition.rows.node)) {
      const { reads } = input
      assert(reads.of === 'batch' || reads.of === 'history', `${path} has rows of the batch`)
      if (reads.of === 'history') inputs[input.name] = sqlRelation(this.#historySql(definition, input))
      else if (reads.table === lakehouse.events.path)
        inputs[input.name] = await this.#silverRowsFor(definition)
      else inputs[input.name] = await this.#rowsBehindSilver(tableAt(this.#definitions, reads.table))
    }
    const call = this.#call('The busy keys of the batch could not be counted')
    const busyKeys = await busyKeysOf(this.#context.session, definition.rows.node, inputs, call)
    const { shared, sql, reads } = this.#compiled(path, busyKeys)
    const held = await this.#held.holdShared(shared, inputs)
    return sqlRelation(inTasks(sql, this.#silverRowCount()), inputsNamed(reads, { ...inputs, ...held }))
  }

  /** The batch's rows of silver. Operators that look back read them several times each: then they are held. */
  async #silverRowsFor({ path, rows }: TableDefinition): Promise<Relation> {
    const isHeld = this.#inSilver === null
    if (isHeld || historiesOf(rows.node).length < 2) return this.#silverRows()
    return await this.#held.hold(`The batch of ${path}`, this.#silverRows())
  }

  /** null where nothing closes. */
  async #closingRows(table: OpenTable, definition: TableDefinition): Promise<Relation | null> {
    const progress = this.recorded.progress
    const { sql } = this.#compiled(definition.path)
    const { options, silver } = this.#context
    const { partitionBy } = options.lakehouse.events
    const rows = { directory: silver.directory, partitionBy, timeMicros: this.#plan.timeMicros }
    if (windowOf(definition.rows.node) !== null) {
      const closing = closingWindows(definition, this.#before, progress)
      if (closing === null) return null
      const own = ownRows(options.deltaBasePath, definition)
      return sqlRelation(sql, { ...windowInputs(rows, definition, closing), ...own })
    }
    const closing = closingSessions(definition, this.#before, progress)
    if (closing === null || !mayCloseSessions(await silver.snapshot(), closing)) return null
    return sqlRelation(sql, sessionInputs(rows, closing, table.delta.directory))
  }

  /** A range of event times, and of the days that silver is partitioned by. */
  #eventTimes(fromMicros: bigint | null, toMicros: bigint | null) {
    const { partitionBy } = this.#context.options.lakehouse.events
    return instantsAndDays('event_time', partitionBy, fromMicros, toMicros)
  }

  /** Where silver has the batch already, all records that it lacks are refused, whatever is judged today. */
  #quarantineRows(sql: string): Relation | null {
    // A batch without records was not judged.
    if (this.#judged === null || (this.#inSilver === null && this.facts.refused === 0)) return null
    const judged = this.#judged
    if (this.#inSilver === null) {
      return sqlRelation(inTasks(sql, this.facts.refused), { [this.#judgedName]: judged })
    }
    const decided = `SELECT j.* EXCEPT (is_accepted, reasons), s.topic IS NOT NULL AS is_accepted,
        CASE WHEN s.topic IS NULL AND size(j.reasons) = 0 THEN array('duplicate') ELSE j.reasons END AS reasons
      FROM judged AS j LEFT JOIN silver AS s
      ON s.topic = j.topic AND s.\`partition\` = j.\`partition\` AND s.\`offset\` = j.\`offset\``
    const inputs = { judged, silver: this.#silverRows() }
    return sqlRelation(sql, { [this.#judgedName]: sqlRelation(decided, inputs) })
  }

  #silverRowCount(): number {
    if (this.#inSilver === null) return this.facts.accepted
    const { commit, counts } = this.#inSilver
    return commit === null ? (counts?.silver ?? Number.POSITIVE_INFINITY) : rowsOfCommit(commit)
  }

  /** The batch's rows of silver: from what was judged, or as silver has them. */
  #silverRows(): Relation {
    const { events } = this.#context.options.lakehouse
    if (this.#inSilver === null) {
      const { sql } = this.#compiled(events.path)
      return sqlRelation(inTasks(sql, this.facts.accepted), { [this.#judgedName]: this.#judged! })
    }
    const { timeMicros } = this.#plan
    const columns = Object.keys(events.rows.schema)
    const rows = deltaRows(this.#context.silver.directory, columns, {
      processing_time: { min: timeMicros, max: timeMicros },
    })
    const { commit } = this.#inSilver
    const { partitionBy } = events
    if (commit === null || commit.adds.length === 0 || partitionBy === null) return sqlRelation(rows)
    const days = [...new Set(commit.adds.map((file) => file.partitionValues[partitionBy]))]
    const list = days.map((day) => `DATE ${spark.text(String(day))}`).join(', ')
    return sqlRelation(`${rows} AND ${spark.name(partitionBy)} IN (${list})`)
  }

  /** Of silver's rows of earlier batches the columns of the input, as far back as the table looks. */
  #historySql(table: TableDefinition, input: InputNode): string {
    const { watermarkMicros, settings } = this.#plan
    const fromMicros = lookBackOfInput(table, input.name, watermarkMicros, settings.parameters)
    return deltaRows(this.#context.silver.directory, Object.keys(input.schema), {
      ...this.#eventTimes(fromMicros, null),
      processing_time: { max: this.#before.timeMicros },
    })
  }

  async #append(table: OpenTable, relation: Relation): Promise<DeltaCommit> {
    const versionBefore = await table.checkNotRestored()
    const { appId, version, userMetadata } = encodeBatch(this.recorded)
    await this.#context.session.writeDelta(
      relation,
      { path: fileUri(table.delta.directory), mode: 'append', transaction: { appId, version }, userMetadata },
      this.#call(`Batch ${version} could not be written to ${table.definition.path}`),
    )
    for await (const commit of table.delta.commits(versionBefore)) {
      if (commit.commitInfo?.userMetadata !== userMetadata) continue
      // A table that was restored meanwhile is for the next start, which takes this batch out of it again.
      await table.checkNotRestored()
      table.progress = this.recorded.progress
      table.filesSinceUpkeep += commit.adds.length
      table.tellOfCommit(this.#context.options, commit.version, rowsOfCommit(commit))
      await step('table committed')
      return commit
    }
    throw new LakehouseError(
      'WRITER_FENCED',
      `${table.delta.directory} has got batch ${version} from another process. This one wrote nothing to it. ` +
        'One process at a time can write a stream.',
    )
  }

  #compiled(path: string, busyKeys: BusyKeys = new Map(), isDecoded = false): CompiledTable {
    const { settings } = this.#plan
    const { rows, watermark } = tableAt(this.#definitions, path)
    // Which windows close is asked of the outcome: silver's own SQL is made before there is one.
    const after = watermark === null ? null : (this.recorded.progress.watermarks[watermark] ?? null)
    const dialect = boundSpark({
      processing_time: this.#plan.timeMicros,
      watermark: this.#plan.watermarkMicros,
      ...settings.parameters,
      closed_after: watermark === null ? null : (this.#before.watermarks[watermark] ?? null),
      closed_up_to: after,
    })
    const rowsAbout = this.#plan.ranges.reduce((sum, { start, end }) => sum + Number(end - start), 0)
    return compileTable(
      { ...dialect, busyKeys, rowsAbout },
      isDecoded ? alreadyDecoded(rows.node) : rows.node,
    )
  }

  /** The relation of the judged records, within the plans that read it. */
  get #judgedName(): string {
    const judged = judgedOf(tableAt(this.#definitions, this.#context.options.lakehouse.events.path).rows.node)
    assert(judged !== null, 'events are a part of the judged records')
    return judged.name
  }

  /** A batch that has begun is finished on SIGTERM: nothing here is aborted. */
  #call(what: string): CallOptions {
    return { signal: new AbortController().signal, what }
  }
}

function recordsOf({ bronzeDirectory, options }: SparkContext) {
  return { directory: bronzeDirectory, table: options.lakehouse.records }
}

function inTasks(sql: string, rows: number): string {
  if (rows > 2 * rowsPerTask) return sql
  const tasks = Math.max(1, Math.ceil(rows / rowsPerTask))
  return `SELECT /*+ COALESCE(${tasks}) */ * FROM (\n${sql}\n)`
}

function rowsOfCommit(commit: DeltaCommit): number {
  return commit.adds.reduce((sum, file) => sum + Number(file.stats?.numRecords ?? 0n), 0)
}
