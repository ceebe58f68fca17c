// Dropping old days: rows of batches before a day leave a table in one commit, which says before which day.
// Nothing is dropped that a start, a window, an operator over earlier rows or a table behind silver can still
// ask for; docs/guide/retention.md says what holds a day.

import type { DuckDBConnection } from '@duckdb/node-api'
import { batchAppId, carriedBatch, type Progress, writerAppId } from '../batches/progress.ts'
import { isStreamed } from '../batches/streamed.ts'
import { DeltaTable, fetchedScanSql, prunedFiles } from '../delta/index.ts'
import { counted } from '../errors/counted.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { batchesPath } from '../ops/batches.ts'
import { filesPath } from '../ops/files.ts'
import { dayText, retainedOf, retentionOperation, retentionTxns } from '../ops/retained.ts'
import { opsDirectory, progressOf, tableDirectory } from '../ops/tables.ts'
import { batchTimeColumn } from '../plan/batch-time.ts'
import { type SessionsNode, sessionsIn, type TableDefinition } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { step } from '../steps/step.ts'
import { BatchHistory } from './batch-history.ts'
import { sessionsFrom } from './batch-rules.ts'
import { rowsOf } from './database.ts'
import { definitionsOfRun } from './definition-changes.ts'
import { dayBeginning, neededFrom, reachOf, reachOfBatch } from './dropped-history.ts'
import type { PipelineOptions } from './engine.ts'
import { journalTxns } from './journal.ts'
import type { OpenTable } from './tables.ts'

/** What held a day may go soon: it is looked at again, at the earliest after this. */
const lookAgainMs = 600_000

/** What holds days: before which instant all may go, and why not more. */
type Hold = { readonly beforeMicros: bigint; readonly why: string }

/** How far the lakehouse is: its last batch, and the last one that all tables and the journal have. */
type Reached = {
  readonly silver: DeltaTable
  readonly history: BatchHistory
  readonly last: bigint
  readonly done: Progress
  /** The table that is the furthest behind. */
  readonly slowest: string
}

function earlier(a: Hold | null, b: Hold | null): Hold | null {
  if (a === null || b === null) return a ?? b
  return b.beforeMicros < a.beforeMicros ? b : a
}

export class Retention {
  readonly #options: PipelineOptions
  readonly #tables: readonly OpenTable[]
  readonly #connection: DuckDBConnection
  #looked: { readonly dayMicros: bigint; readonly atMs: number; readonly isHeld: boolean } | null = null
  /** By table: what was told last. */
  readonly #told = new Map<string, string>()

  /** For the tables that this process writes. */
  constructor(options: PipelineOptions, tables: readonly OpenTable[], connection: DuckDBConnection) {
    this.#options = options
    // What is computed from another goes first.
    this.#tables = tables.filter(({ definition: { path } }) => this.#retentionOf(path) !== null).toReversed()
    this.#connection = connection
  }

  /** Whether a day has ended since the last look. */
  get isDue(): boolean {
    if (this.#tables.length === 0) return false
    if (this.#looked === null) return true
    const { dayMicros: day, atMs, isHeld } = this.#looked
    const isLater = performance.now() - atMs >= lookAgainMs
    return (isHeld && isLater) || dayBeginning(this.#options.clock()) > day
  }

  /** Drops the days whose time is over. */
  async drop(signal: AbortSignal): Promise<void> {
    const nowMicros = this.#options.clock()
    // A failure is met again a while later, not with each batch.
    this.#looked = { dayMicros: dayBeginning(nowMicros), atMs: performance.now(), isHeld: true }
    let isHeld = false
    let reached: Reached | null = null
    for (const table of this.#tables) {
      signal.throwIfAborted()
      const { path } = table.definition
      const wanted = dayBeginning(nowMicros - this.#retentionOf(path)!)
      if (!(await this.#hasBefore(table, wanted))) continue
      reached ??= await this.#reached()
      const hold = await this.#holdOf(table, wanted, reached)
      const heldFrom = hold === null ? wanted : dayBeginning(hold.beforeMicros)
      if (heldFrom < wanted) {
        isHeld = true
        this.#tellHeld(path, wanted, heldFrom, hold!.why)
      }
      const before = heldFrom < wanted ? heldFrom : wanted
      if (await this.#hasBefore(table, before)) await this.#dropBefore(table, before, reached, signal)
    }
    this.#looked = { ...this.#looked, isHeld }
  }

  #retentionOf(path: string): bigint | null {
    return this.#options.retention?.[path] ?? null
  }

  /** Whether the table may have rows of batches before the instant. */
  async #hasBefore({ delta, definition }: OpenTable, instant: bigint): Promise<boolean> {
    const column = this.#timeColumn(definition)
    return prunedFiles(await delta.snapshot(), [{ column, max: instant - 1n }]).length > 0
  }

  #timeColumn(definition: TableDefinition): string {
    const column = batchTimeColumn(this.#options.lakehouse, definition)
    assert(column !== null, `${definition.path} has the time of its batches, as its retention asks for`)
    return column
  }

  async #reached(): Promise<Reached> {
    const { lakehouse, deltaBasePath } = this.#options
    const silver = await DeltaTable.open(tableDirectory(deltaBasePath, lakehouse.events))
    const journal = await journalTxns(deltaBasePath)
    const claims = [(await silver.snapshot()).txns, journal]
    let least = journal.get(batchAppId)?.version ?? 0n
    let [last, slowest] = [least, batchesPath]
    for (const { path, stream } of lakehouse.tables) {
      const directory = tableDirectory(deltaBasePath, { path })
      if (!(await DeltaTable.exists(directory))) continue
      const delta = await DeltaTable.open(directory)
      const snapshot = await delta.snapshot()
      const own = (await progressOf(delta, snapshot))?.batch ?? 0n
      const done = carriedBatch(snapshot.txns, own, stream, claims)
      if (done < least) [least, slowest] = [done, path]
      if (done > last) last = done
    }
    const history = new BatchHistory(deltaBasePath, silver, this.#connection)
    return { silver, history, last, done: await history.progressAt(least), slowest }
  }

  async #holdOf(table: OpenTable, wanted: bigint, reached: Reached): Promise<Hold | null> {
    const { silver, last, done, slowest } = reached
    const { lakehouse } = this.#options
    const lag: Hold | null =
      done.batch === last
        ? null
        : { beforeMicros: done.timeMicros, why: `${slowest} is at batch ${done.batch} of ${last}` }
    const sessions = sessionsIn(table.definition.rows.node)
    if (sessions !== null) return await this.#sessionsHold(table, sessions, wanted, done, lag)
    if (table.role !== 'events') return lag
    const names = lakehouse.watermarks.map(({ name }) => name)
    const from = neededFrom(done, names, await this.#reachFrom(reached))
    const why = 'windows that are open, or operators over earlier rows, need rows of it'
    if (from === null) return { beforeMicros: 0n, why }
    const first = await this.#firstOf(silver, 'processing_time', { column: 'event_time', from }, wanted)
    return earlier(lag, first === null ? null : { beforeMicros: first, why })
  }

  /** What a table has of its last sessions says where those begin that are still open. */
  async #sessionsHold(
    { definition, delta }: OpenTable,
    node: SessionsNode,
    wanted: bigint,
    done: Progress,
    lag: Hold | null,
  ): Promise<Hold | null> {
    const { watermark } = definition
    const closedToMicros = watermark === null ? null : (done.watermarks[watermark] ?? null)
    const openFrom = sessionsFrom({ node, closedToMicros })
    const why = 'sessions that are open go on behind those of it'
    if (openFrom === null) return { beforeMicros: 0n, why }
    const ends = { column: 'session_end', from: openFrom - node.gapMicros }
    const first = await this.#firstOf(delta, this.#timeColumn(definition), ends, wanted)
    return earlier(lag, first === null ? null : { beforeMicros: first, why })
  }

  /** When the first batch was, among those before `wanted`, of a row which is needed by its event time. */
  async #firstOf(
    delta: DeltaTable,
    batchTime: string,
    needed: { readonly column: string; readonly from: bigint },
    wanted: bigint,
  ): Promise<bigint | null> {
    const { column, from } = needed
    const scan = await fetchedScanSql(await delta.snapshot(), delta.directory, {
      columns: [column, batchTime],
      where: [
        { column, min: from },
        { column: batchTime, max: wanted - 1n },
      ],
      naiveTimestamps: true,
    })
    const [eventTime, time] = [duckdb.name(column), duckdb.name(batchTime)]
    return await this.#instant(
      `SELECT min(epoch_us(${time})) AS instant FROM (${scan}) WHERE ${eventTime} >= make_timestamp(${from})
        AND ${time} < make_timestamp(${wanted})`,
    )
  }

  /** By the definitions of today, and by those of the batches that some table is still to get. */
  async #reachFrom({ history, done }: Reached): Promise<bigint> {
    const { lakehouse, parameters } = this.#options
    const definitions = definitionsOfRun(this.#options, this.#connection)
    let most = reachOf(lakehouse.tables, parameters)
    for await (const batch of history.after(done.batch)) {
      most = await reachOfBatch(definitions, batch, most)
    }
    return most
  }

  async #dropBefore(table: OpenTable, before: bigint, reached: Reached, signal: AbortSignal): Promise<void> {
    const { delta, definition, claim } = table
    const snapshot = await delta.snapshot()
    const column = this.#timeColumn(definition)
    const isOld = `${duckdb.name(column)} < make_timestamptz(${before})`
    const isOfQueries = table.role === 'records' && isStreamed(snapshot.txns)
    await step('days chosen')
    const where = isOfQueries ? await this.#ofBatchesBefore(before, reached, isOld) : isOld
    const result = await delta.deleteRows(this.#connection, where, {
      prune: [{ column, max: before - 1n }],
      ...(isOfQueries ? {} : { staying: { column, min: before } }),
      operation: retentionOperation,
      operationParameters: { before: dayText(before) },
      fence: { appId: writerAppId, version: claim },
      txns: retentionTxns({
        keptFromMicros: before,
        droppedTimeMicros: table.role === 'events' ? await this.#greatestTime(table, before) : null,
      }),
      timestampMs: Number(this.#options.clock() / 1000n),
      signal,
    })
    if (result.kind === 'nothing') return
    if (result.kind !== 'deleted') throw overtaken(delta)
    await step('days dropped')
    const { path } = definition
    const message = `${path}: ${counted(result.rowsDeleted, 'row')} of batches before ${dayText(before)} were dropped, as its retention says`
    const details = { table: path, rows: String(result.rowsDeleted), before: dayText(before) }
    this.#options.tell({ kind: 'notice', code: 'DAYS_DROPPED', message, details })
  }

  /** The rows of a streaming query have times of their own: which batch took a row, its place says. */
  async #ofBatchesBefore(before: bigint, { history }: Reached, isOld: string): Promise<string> {
    const journal = await DeltaTable.open(opsDirectory(this.#options.deltaBasePath, batchesPath))
    const scan = await fetchedScanSql(await journal.snapshot(), journal.directory, {
      columns: ['batch', 'processing_time'],
      where: [{ column: 'processing_time', max: before - 1n }],
    })
    const [row] = await rowsOf(
      this.#connection,
      `SELECT max(batch) AS batch FROM (${scan}) WHERE processing_time < make_timestamptz(${before})`,
    )
    const batch = (row?.batch ?? 0n) as bigint // As selected.
    const { offsets } = await history.progressAt(batch)
    const taken = [...offsets.values()].map(
      ({ topic, partition, offset }) =>
        `(topic = ${duckdb.text(topic)} AND partition = ${partition} AND "offset" < ${offset})`,
    )
    // No query brings lines of files: their rows have the times of their batches.
    const ofFile = (await this.#filesRead()).map((topic) => `topic = ${duckdb.text(topic)}`)
    return `${isOld} AND (${[...taken, ...ofFile, 'false'].join(' OR ')})`
  }

  async #filesRead(): Promise<string[]> {
    const directory = opsDirectory(this.#options.deltaBasePath, filesPath)
    if (!(await DeltaTable.exists(directory))) return []
    const files = await DeltaTable.open(directory)
    const scan = await fetchedScanSql(await files.snapshot(), directory, { columns: ['topic'] })
    const rows = await rowsOf(this.#connection, `SELECT DISTINCT topic FROM (${scan})`)
    return rows.map(({ topic }) => String(topic))
  }

  /** Of the events that are dropped now, and were before. */
  async #greatestTime({ delta }: OpenTable, before: bigint): Promise<bigint | null> {
    const snapshot = await delta.snapshot()
    const scan = await fetchedScanSql(snapshot, delta.directory, {
      columns: ['event_time', 'processing_time'],
      where: [{ column: 'processing_time', max: before - 1n }],
      naiveTimestamps: true,
    })
    const now = await this.#instant(
      `SELECT max(epoch_us(event_time)) AS instant FROM (${scan}) WHERE processing_time < make_timestamp(${before})`,
    )
    const known = retainedOf(snapshot.txns)?.droppedTimeMicros ?? null
    return now === null || (known !== null && known > now) ? known : now
  }

  async #instant(select: string): Promise<bigint | null> {
    const [row] = await rowsOf(this.#connection, select)
    return (row?.instant ?? null) as bigint | null // As selected.
  }

  #tellHeld(path: string, wanted: bigint, before: bigint, why: string): void {
    const days = before <= 0n ? 'all of its days' : `its days from ${dayText(before)} on`
    const message = `${path} keeps ${days}, although its retention ended those before ${dayText(wanted)}: ${why}`
    if (this.#told.get(path) === message) return
    this.#told.set(path, message)
    this.#options.tell({ kind: 'notice', code: 'DAYS_HELD', message, details: { table: path } })
  }
}

function overtaken({ directory }: DeltaTable): LakehouseError {
  return new LakehouseError(
    'WRITER_FENCED',
    `${directory} has been taken over by another process: its old days are left to that one.`,
  )
}
