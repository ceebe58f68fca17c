// One batch on Spark: records are parsed and judged once, each table is one Delta write with the progress in
// it. Silver's commit is the durable plan of the batch; what comes after it is computed again from there.
import { type Batch, progressAfter } from '../../batches/planner.ts'
import { encodeProgress, type Progress, progressJson } from '../../batches/progress.ts'
import type { DeltaCommit, DeltaTable } from '../../delta/index.ts'
import { assert, LakehouseError } from '../../errors/errors.ts'
import {
  silverIds,
  silverRecent,
  silverTransactions,
  silverUsers,
} from '../../lakehouse/2-silver/transactions.ts'
import { tables as allTables } from '../../lakehouse/pipeline.ts'
import { boundSpark, type CompiledTable, compileTable, spark } from '../../sql/index.ts'
import {
  alwaysCommitted,
  closingWindows,
  eventTimesOf,
  type LookBack,
  lookBack,
  silentBatchesMax,
} from '../batch-rules.ts'
import type { PipelineOptions } from '../engine.ts'
import type { OpenTable } from '../tables.ts'
import { type Relation, sqlRelation } from './connect/relations.ts'
import type { CallOptions, HeldRelation, SparkSession } from './connect/session.ts'
import { batchRowsSql, deltaRows, fileUri, instantsAndDays, recordsSql } from './rows.ts'

export type SparkContext = {
  readonly session: SparkSession
  readonly options: PipelineOptions
  readonly bronzeDirectory: string
  readonly silver: DeltaTable
}

export type Written = {
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
  batch: Batch,
  before: Progress,
  tables: readonly OpenTable[],
  sinceMicros: bigint | null,
): Promise<Written> {
  const run = new BatchRun(context, batch, before)
  try {
    if (batch.ranges.length > 0) {
      await run.judge(recordsSql(context.bronzeDirectory, batch.ranges, sinceMicros))
    }
    const { delays } = context.options
    run.after = progressAfter(before, batch, run.facts.eventTimeMaxMicros, delays, allTables)
    const silver = tables.filter(({ definition }) => definition.path === 'silver/transactions')
    await run.write(silver)
    await run.write(tables)
    return run.written()
  } finally {
    await run.close()
  }
}

/** A batch that silver has: the tables that lack it are brought up to it. */
export async function completeBatch(
  context: SparkContext,
  batch: Batch,
  before: Progress,
  recorded: { readonly progress: Progress; readonly commit: DeltaCommit },
  tables: readonly OpenTable[],
): Promise<Written> {
  const run = new BatchRun(context, batch, before, recorded.commit)
  try {
    run.after = recorded.progress
    const quarantine = tables.find(({ definition }) => definition.path === 'silver/quarantine')
    if (quarantine !== undefined && !quarantine.has(batch.batch)) {
      await run.judge(batchRowsSql(context.bronzeDirectory, before.offsets, recorded.progress))
    }
    await run.write(tables)
    return run.written()
  } finally {
    await run.close()
  }
}

type Facts = {
  readonly accepted: number
  readonly refused: number
  readonly eventTimeMaxMicros: bigint | null
}

class BatchRun {
  after: Progress
  facts: Facts = { accepted: 0, refused: 0, eventTimeMaxMicros: null }
  readonly #context: SparkContext
  readonly #batch: Batch
  readonly #before: Progress
  readonly #rowsByTable: Record<string, number> = {}
  readonly #commits = new Map<string, DeltaCommit>()
  /** Silver's commit, where the batch is in it already. */
  readonly #silverCommit: DeltaCommit | null
  #judged: HeldRelation | null = null

  constructor(
    context: SparkContext,
    batch: Batch,
    before: Progress,
    silverCommit: DeltaCommit | null = null,
  ) {
    this.#context = context
    this.#batch = batch
    this.#before = before
    this.after = before
    this.#silverCommit = silverCommit
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
    const [row] = await session.rows(
      'SELECT count_if(is_accepted) AS accepted, count_if(NOT is_accepted) AS refused, ' +
        `max(CASE WHEN is_accepted THEN event_time END) AS seen FROM ${judgedName}`,
      { inputs: { [judgedName]: this.#judged!.relation }, ...this.#call('The batch could not be counted') },
    )
    assert(row !== undefined)
    const seen = row.seen as bigint | null // As selected.
    this.facts = { accepted: Number(row.accepted), refused: Number(row.refused), eventTimeMaxMicros: seen }
  }

  /**
   * Writes the batch to the tables that lack it, to all at the same time: a write leaves the cluster idle
   * while it is planned and committed.
   */
  async write(tables: readonly OpenTable[]): Promise<void> {
    const outcomes = await Promise.allSettled(tables.map((table) => this.#write(table)))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #write(table: OpenTable): Promise<void> {
    const { path } = table.definition
    if (path === 'bronze/transactions' || table.has(this.#batch.batch)) return
    const relation = this.#rowsOf(table)
    if (relation !== null) {
      const commit = await this.#append(table, relation)
      const count = rowsOfCommit(commit)
      this.#rowsByTable[path] = count
      if (count > 0) this.#commits.set(path, commit)
      return
    }
    this.#rowsByTable[path] = 0
    const isSilent = this.#batch.batch - table.progress.batch >= silentBatchesMax
    // Progress alone needs no Spark.
    if (alwaysCommitted.has(path) || isSilent) {
      await table.commit(null, this.after, { clock: this.#context.options.clock, streams: [] })
    }
  }

  written(): Written {
    // They were written in any order, and are told in that of the pipeline.
    const rowsByTable = Object.fromEntries(
      allTables.flatMap(({ path }) => {
        const count = this.#rowsByTable[path]
        return count === undefined ? [] : [[path, count]]
      }),
    )
    const silverRows = this.#silverRowCount()
    return { progress: this.after, rowsByTable, silverRows, commits: this.#commits }
  }

  async close(): Promise<void> {
    // A session that is gone holds nothing any more.
    await this.#judged?.drop(this.#call('The batch could not be dropped')).catch(() => undefined)
  }

  /** null where the batch has no row for the table. */
  #rowsOf(table: OpenTable): Relation | null {
    const { path } = table.definition
    const { sql } = this.#compiled(path)
    switch (path) {
      case 'silver/transactions':
        return this.facts.accepted === 0 ? null : this.#silverRows()
      case 'silver/quarantine': {
        if (this.facts.refused === 0) return null
        return sqlRelation(inTasks(sql, this.facts.refused), { [judgedName]: this.#judged!.relation })
      }
      case 'fraud_detection':
        if (this.#silverRowCount() === 0) return null
        return sqlRelation(inTasks(sql, this.#silverRowCount()), {
          silver_batch: this.#silverRows(),
          silver_users: sqlRelation(this.#historySql(silverUsers, this.#lookBack.usersMicros)),
        })
      default: {
        const closing = closingWindows(table.definition, this.#before, this.after)
        if (closing === null) return null
        const { fromMicros, toMicros } = eventTimesOf(closing)
        const recent = deltaRows(this.#context.silver.directory, Object.keys(silverRecent.schema), {
          ...instantsAndDays('event_time', 'transaction_date', fromMicros, toMicros),
          processing_time: { max: this.#batch.timeMicros },
        })
        return sqlRelation(sql, { silver_recent: sqlRelation(recent) })
      }
    }
  }

  #silverRowCount(): number {
    return this.#silverCommit === null ? this.facts.accepted : rowsOfCommit(this.#silverCommit)
  }

  /** The batch's rows of silver: from what was judged, or as silver has them. */
  #silverRows(): Relation {
    if (this.#silverCommit === null) {
      const { sql } = this.#compiled('silver/transactions')
      return sqlRelation(inTasks(sql, this.facts.accepted), { [judgedName]: this.#judged!.relation })
    }
    const days = [...new Set(this.#silverCommit.adds.map((file) => file.partitionValues.transaction_date))]
    const { timeMicros } = this.#batch
    const rows = deltaRows(this.#context.silver.directory, Object.keys(silverTransactions.rows.schema), {
      processing_time: { min: timeMicros, max: timeMicros },
    })
    const list = days.map((day) => `DATE ${spark.text(String(day))}`).join(', ')
    return sqlRelation(`${rows} AND transaction_date IN (${list})`)
  }

  get #lookBack(): LookBack {
    return lookBack(this.#batch.watermarkMicros, this.#context.options)
  }

  /** Columns of silver's rows of earlier batches. */
  #historySql(history: { readonly schema: object }, fromMicros: bigint | null): string {
    return deltaRows(this.#context.silver.directory, Object.keys(history.schema), {
      ...instantsAndDays('event_time', 'transaction_date', fromMicros, null),
      processing_time: { max: this.#before.timeMicros },
    })
  }

  async #append(table: OpenTable, relation: Relation): Promise<DeltaCommit> {
    const { version: versionBefore } = await table.delta.snapshot()
    const { appId, version, userMetadata } = encodeProgress(this.after)
    await this.#context.session.writeDelta(
      relation,
      { path: fileUri(table.delta.directory), mode: 'append', transaction: { appId, version }, userMetadata },
      this.#call(`Batch ${version} could not be written to ${table.definition.path}`),
    )
    for await (const commit of table.delta.commits(versionBefore)) {
      if (commit.commitInfo?.userMetadata !== progressJson(this.after)) continue
      table.progress = this.after
      table.filesSinceUpkeep += commit.adds.length
      return commit
    }
    throw new LakehouseError(
      'WRITER_FENCED',
      `${table.delta.directory} has got batch ${version} from another process. This one wrote nothing to it. ` +
        'One process at a time can write a stream.',
    )
  }

  #compiled(path: string): CompiledTable {
    const { options } = this.#context
    const table = allTables.find((one) => one.path === path)!
    const { watermark } = table
    const dialect = boundSpark({
      processing_time: this.#batch.timeMicros,
      watermark: this.#batch.watermarkMicros,
      dedup_micros: options.dedupMicros,
      high_risk_countries: options.highRiskCountries,
      closed_after: watermark === null ? null : this.#before.watermarks[watermark],
      closed_up_to: watermark === null ? null : this.after.watermarks[watermark],
    })
    return compileTable(dialect, table.rows.node)
  }

  /** A batch that has begun is finished on SIGTERM: nothing here is aborted. */
  #call(what: string): CallOptions {
    return { signal: new AbortController().signal, what }
  }
}

const judgedName = 'judged_batch'

function inTasks(sql: string, rows: number): string {
  if (rows > 2 * rowsPerTask) return sql
  const tasks = Math.max(1, Math.ceil(rows / rowsPerTask))
  return `SELECT /*+ COALESCE(${tasks}) */ * FROM (\n${sql}\n)`
}

function rowsOfCommit(commit: DeltaCommit): number {
  return commit.adds.reduce((sum, file) => sum + Number(file.stats?.numRecords ?? 0n), 0)
}
