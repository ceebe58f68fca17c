// One batch on Spark: records are parsed and judged once, each table is one Delta write with the progress in
// it. Silver's commit is the durable plan of the batch; what comes after it is computed again from there.
import type { BatchPlan } from '../../batches/plan.ts'
import { type BatchTimes, noTimes, progressAfter } from '../../batches/planner.ts'
import { encodeBatch, type Progress, type RecordedBatch } from '../../batches/progress.ts'
import type { DeltaCommit, DeltaTable } from '../../delta/index.ts'
import { assert, LakehouseError } from '../../errors/errors.ts'
import {
  silverIds,
  silverRecent,
  silverTransactions,
  silverUsers,
} from '../../lakehouse/2-silver/transactions.ts'
import type { PlanNode, TableDefinition } from '../../plan/index.ts'
import { boundSpark, busyKeysSql, type CompiledTable, compileTable, spark } from '../../sql/index.ts'
import type { SilverBatch } from '../batch-history.ts'
import {
  alwaysCommitted,
  closingWindows,
  eventTimesOf,
  type LookBack,
  lookBack,
  silentBatchesMax,
} from '../batch-rules.ts'
import type { DefinitionStore } from '../definition-store.ts'
import type { PipelineOptions } from '../engine.ts'
import { type OpenTable, soleCommitter } from '../tables.ts'
import { type Inputs, type Relation, sqlRelation } from './connect/relations.ts'
import type { CallOptions, HeldRelation, SparkSession } from './connect/session.ts'
import { batchRowsSql, deltaRows, fileUri, instantsAndDays, recordsSql } from './rows.ts'

export type SparkContext = {
  readonly session: SparkSession
  readonly options: PipelineOptions
  readonly bronzeDirectory: string
  readonly silver: DeltaTable
  readonly definitions: DefinitionStore
}

export type Written = {
  readonly recorded: RecordedBatch
  readonly progress: Progress
  readonly rowsByTable: Readonly<Record<string, number>>
  readonly silverRows: number
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
    if (plan.ranges.length > 0) {
      await run.judge(recordsSql(context.bronzeDirectory, plan.ranges, sinceMicros))
    }
    const { accepted, refused, times } = run.facts
    const counts = { records: accepted + refused, silver: accepted, quarantined: refused }
    run.recorded = { plan, progress: progressAfter(before, plan, times, definitions), counts }
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
  const isInSilver = !lacking.some(({ definition }) => definition.path === 'silver/transactions')
  const inSilver = isInSilver ? { commit: null, ...recorded } : null
  const run = new BatchRun(context, plan, before, definitions, inSilver)
  run.recorded = recorded
  try {
    if (lacking.some(({ definition }) => judgedTables.has(definition.path))) {
      await run.judge(batchRowsSql(context.bronzeDirectory, plan))
    }
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
  #judged: HeldRelation | null = null

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
  async judge(records: string): Promise<void> {
    const { session } = this.#context
    const { shared } = this.#compiled('silver/transactions')
    const held: Record<string, HeldRelation> = {}
    const inputs: Record<string, Relation> = {
      bronze_batch: sqlRelation(records),
      silver_ids: sqlRelation(this.#historySql(silverIds, this.#lookBack.idsMicros)),
    }
    try {
      for (const { name, sql } of shared) {
        const relation = sqlRelation(sql, inputs)
        held[name] = await session.checkpoint(relation, this.#call(`${name} could not be computed`))
        inputs[name] = held[name].relation
      }
    } catch (error) {
      // The server would hold them for as long as the session lives.
      for (const each of Object.values(held)) await each.drop(this.#call('drop')).catch(() => undefined)
      throw error
    }
    for (const [name, relation] of Object.entries(held)) {
      if (name === judgedName) this.#judged = relation
      else await relation.drop(this.#call(`${name} could not be dropped`))
    }
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
        FROM ${judgedName}
        GROUP BY topic, \`partition\`
      )`,
      { inputs: { [judgedName]: this.#judged!.relation }, ...this.#call('The batch could not be counted') },
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
    const isSilver = ({ definition }: OpenTable) => definition.path === 'silver/transactions'
    await this.#writeAtOnce(tables.filter(isSilver))
    await this.#writeAtOnce(tables.filter((table) => !isSilver(table)))
  }

  async #writeAtOnce(tables: readonly OpenTable[]): Promise<void> {
    const outcomes = await Promise.allSettled(tables.map((table) => this.#write(table)))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #write(table: OpenTable): Promise<void> {
    const { path } = table.definition
    if (path === 'bronze/transactions' || table.has(this.#plan.batch)) return
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
    if (alwaysCommitted.has(path) || isSilent) {
      await table.commit(null, this.recorded, soleCommitter(this.#context.options.clock))
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
    return { recorded, progress: recorded.progress, rowsByTable, silverRows, commits: this.#commits }
  }

  async close(): Promise<void> {
    // A session that is gone holds nothing any more.
    await this.#judged?.drop(this.#call('The batch could not be dropped')).catch(() => undefined)
  }

  /** null where the batch has no row for the table. */
  async #rowsOf(table: OpenTable): Promise<Relation | null> {
    const { path } = table.definition
    const { sql } = this.#compiled(path)
    switch (path) {
      case 'silver/transactions':
        return this.facts.accepted === 0 ? null : this.#silverRows()
      case 'silver/quarantine':
        return this.#quarantineRows(sql)
      case 'fraud_detection': {
        if (this.#silverRowCount() === 0) return null
        const inputs = {
          silver_batch: this.#silverRows(),
          silver_users: sqlRelation(this.#historySql(silverUsers, this.#lookBack.usersMicros)),
        }
        const { sql: counted } = this.#compiled(path, await this.#busyKeys(path, inputs))
        return sqlRelation(inTasks(counted, this.#silverRowCount()), inputs)
      }
      default: {
        const closing = closingWindows(this.#definitionOf(path), this.#before, this.recorded.progress)
        if (closing === null) return null
        const { fromMicros, toMicros } = eventTimesOf(closing)
        const recent = deltaRows(this.#context.silver.directory, Object.keys(silverRecent.schema), {
          ...instantsAndDays('event_time', 'transaction_date', fromMicros, toMicros),
          processing_time: { max: this.#plan.timeMicros },
        })
        return sqlRelation(sql, { silver_recent: sqlRelation(recent) })
      }
    }
  }

  /** The keys whose velocity Spark has to count in another way, as literals. */
  async #busyKeys(path: string, inputs: Inputs): Promise<readonly string[]> {
    const velocity = velocityOf(this.#definitionOf(path).rows.node)
    if (velocity === null) return []
    const dialect = boundSpark({})
    const [batch, past] = [velocity.input, velocity.history].map((node) => compileTable(dialect, node).sql)
    const rows = await this.#context.session.rows(busyKeysSql(velocity, `(${batch})`, `(${past})`), {
      inputs,
      ...this.#call('The busy users of the batch could not be counted'),
    })
    return rows.map(({ row_key: key }) => (typeof key === 'string' ? spark.text(key) : String(key)))
  }

  /** Where silver has the batch already, all records that it lacks are refused, whatever is judged today. */
  #quarantineRows(sql: string): Relation | null {
    // A batch without records was not judged.
    if (this.#judged === null || (this.#inSilver === null && this.facts.refused === 0)) return null
    const judged = this.#judged.relation
    if (this.#inSilver === null)
      return sqlRelation(inTasks(sql, this.facts.refused), { [judgedName]: judged })
    const decided = `SELECT j.* EXCEPT (is_accepted, reasons), s.topic IS NOT NULL AS is_accepted,
        CASE WHEN s.topic IS NULL AND size(j.reasons) = 0 THEN array('duplicate') ELSE j.reasons END AS reasons
      FROM judged AS j LEFT JOIN silver AS s
      ON s.topic = j.topic AND s.\`partition\` = j.\`partition\` AND s.\`offset\` = j.\`offset\``
    const inputs = { judged, silver: this.#silverRows() }
    return sqlRelation(sql, { [judgedName]: sqlRelation(decided, inputs) })
  }

  #silverRowCount(): number {
    if (this.#inSilver === null) return this.facts.accepted
    const { commit, counts } = this.#inSilver
    return commit === null ? (counts?.silver ?? Number.POSITIVE_INFINITY) : rowsOfCommit(commit)
  }

  /** The batch's rows of silver: from what was judged, or as silver has them. */
  #silverRows(): Relation {
    if (this.#inSilver === null) {
      const { sql } = this.#compiled('silver/transactions')
      return sqlRelation(inTasks(sql, this.facts.accepted), { [judgedName]: this.#judged!.relation })
    }
    const { timeMicros } = this.#plan
    const columns = Object.keys(silverTransactions.rows.schema)
    const rows = deltaRows(this.#context.silver.directory, columns, {
      processing_time: { min: timeMicros, max: timeMicros },
    })
    const { commit } = this.#inSilver
    if (commit === null || commit.adds.length === 0) return sqlRelation(rows)
    const days = [...new Set(commit.adds.map((file) => file.partitionValues.transaction_date))]
    const list = days.map((day) => `DATE ${spark.text(String(day))}`).join(', ')
    return sqlRelation(`${rows} AND transaction_date IN (${list})`)
  }

  get #lookBack(): LookBack {
    return lookBack(this.#plan.watermarkMicros, this.#plan.settings, this.#definitions)
  }

  /** Columns of silver's rows of earlier batches. */
  #historySql(history: { readonly schema: object }, fromMicros: bigint | null): string {
    return deltaRows(this.#context.silver.directory, Object.keys(history.schema), {
      ...instantsAndDays('event_time', 'transaction_date', fromMicros, null),
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
      return commit
    }
    throw new LakehouseError(
      'WRITER_FENCED',
      `${table.delta.directory} has got batch ${version} from another process. This one wrote nothing to it. ` +
        'One process at a time can write a stream.',
    )
  }

  #compiled(path: string, busyKeys: readonly string[] = []): CompiledTable {
    const { settings } = this.#plan
    const { rows, watermark } = this.#definitionOf(path)
    // Which windows close is asked of the outcome: silver's own SQL is made before there is one.
    const after = watermark === null ? null : this.recorded.progress.watermarks[watermark]
    const dialect = boundSpark({
      processing_time: this.#plan.timeMicros,
      watermark: this.#plan.watermarkMicros,
      dedup_micros: settings.dedupMicros,
      high_risk_countries: settings.highRiskCountries,
      closed_after: watermark === null ? null : this.#before.watermarks[watermark],
      closed_up_to: after,
    })
    return compileTable({ ...dialect, busyKeys }, rows.node)
  }

  /** A table that came later than the batch is as it is defined today. */
  #definitionOf(path: string): TableDefinition {
    const isIt = (table: TableDefinition): boolean => table.path === path
    const found = this.#definitions.find(isIt) ?? this.#context.definitions.current.tables.find(isIt)
    assert(found, `no table ${path} is defined`)
    return found
  }

  /** A batch that has begun is finished on SIGTERM: nothing here is aborted. */
  #call(what: string): CallOptions {
    return { signal: new AbortController().signal, what }
  }
}

const judgedName = 'judged_batch'
/** The tables whose rows are the records as they were judged. */
const judgedTables: ReadonlySet<string> = new Set(['silver/transactions', 'silver/quarantine'])

function velocityOf(node: PlanNode): Extract<PlanNode, { kind: 'velocity' }> | null {
  if (node.kind === 'velocity') return node
  return 'input' in node ? velocityOf(node.input) : null
}

function inTasks(sql: string, rows: number): string {
  if (rows > 2 * rowsPerTask) return sql
  const tasks = Math.max(1, Math.ceil(rows / rowsPerTask))
  return `SELECT /*+ COALESCE(${tasks}) */ * FROM (\n${sql}\n)`
}

function rowsOfCommit(commit: DeltaCommit): number {
  return commit.adds.reduce((sum, file) => sum + Number(file.stats?.numRecords ?? 0n), 0)
}
