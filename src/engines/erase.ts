// Erasing persons: their rows leave bronze, silver, quarantine and fraud_detection, and with them the files
// and log entries that hold their values. What was erased is noted first, so that an erasure which ended
// half-way is carried to its end by the next one. docs/guide/erasure.md says what stays, and what nothing
// here can reach.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { batchAppId, writerAppId } from '../batches/progress.ts'
import { isStreamed } from '../batches/streamed.ts'
import { type CommitOptions, type DeltaSnapshot, DeltaTable } from '../delta/index.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { batchesPath } from '../ops/batches.ts'
import {
  begunAppId,
  carriedAppId,
  type Erasure,
  erasedDefinition,
  erasedPath,
  erasedPositionsSql,
  erasedRowsSql,
  lastErasures,
} from '../ops/erased.ts'
import { filesPath } from '../ops/files.ts'
import { labelsPath } from '../ops/labels.ts'
import { noLakehouse } from '../ops/readable.ts'
import { ruleListsPath } from '../ops/rule-lists.ts'
import { openOpsTable, opsDirectory, tableDirectory } from '../ops/tables.ts'
import { verdictsPath } from '../ops/verdicts.ts'
import { inputStream, type Lakehouse, namedTables } from '../plan/index.ts'
import { step } from '../steps/step.ts'
import { Backlog } from './backlog.ts'
import { doneBatch } from './batch-rules.ts'
import { endQueries } from './bronze-writers.ts'
import { Database } from './database.ts'
import { countErasedLabels, eraseLabels } from './erased-labels.ts'
import { countErasedEntries, eraseEntries } from './erased-lists.ts'
import {
  countAggregates,
  countErased,
  erasedTopics,
  findPersons,
  isErased,
  type PersonId,
  positionRanges,
  positionsTable,
  recordTables,
  setPositions,
} from './erased-rows.ts'
import { eraseVerdicts, verdictsTable } from './erased-verdicts.ts'
import { lockForErasure } from './erasure-pause.ts'
import { tellNobody } from './events.ts'
import { withFileOffsets } from './file-progress.ts'
import { checkpointDirectory } from './lock.ts'
import { SchemaStore } from './schema-store.ts'
import { storageFailure } from './storage-failure.ts'
import { claimTable, OpenTable } from './tables.ts'

export type EraseOptions = {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly tableProperties: Readonly<Record<string, string>>
  readonly leaseMs: number
  /** How long running processes may take to finish their batches and pause. */
  readonly pauseMaxMs: number
  readonly duckdb: { readonly memoryLimitBytes: number | null; readonly threads: number | null }
  /** Microseconds since the epoch. */
  readonly clock: () => bigint
  readonly signal?: AbortSignal
}

/** What an erasure did, or would do. */
export type ErasureReport = {
  /** null where nothing was to be erased, or nothing was asked to be. */
  readonly erase: bigint | null
  /** The number of an earlier erasure that had ended half-way; null where there was none. */
  readonly carriedOn: bigint | null
  readonly records: bigint
  readonly rows: Readonly<Record<string, bigint>>
  /** Rows of windows that are of the persons: they stay. */
  readonly aggregateRows: bigint
  /** Where the records came from: they may be there still. */
  readonly topics: readonly string[]
}

/** All of the lakehouse in the hands of one erasure: its streams are locked, its tables claimed. */
export class LockedLakehouse {
  readonly options: EraseOptions
  readonly database: Database
  readonly tables: ReadonlyMap<string, OpenTable>
  readonly erased: DeltaTable
  readonly #claim: bigint

  private constructor(
    options: EraseOptions,
    database: Database,
    tables: ReadonlyMap<string, OpenTable>,
    erased: { readonly delta: DeltaTable; readonly claim: bigint },
  ) {
    this.options = options
    this.database = database
    this.tables = tables
    this.erased = erased.delta
    this.#claim = erased.claim
  }

  /**
   * Runs pause meanwhile. Fails with STREAM_LOCKED where one does not, with BATCHES_LEFT where a batch is not
   * in all tables, unless that is no matter (`mayLeaveBatches`).
   */
  static async use<T>(
    options: EraseOptions,
    work: (lakehouse: LockedLakehouse) => Promise<T>,
    { mayLeaveBatches = false }: { readonly mayLeaveBatches?: boolean } = {},
  ): Promise<T> {
    const { lakehouse: of, deltaBasePath, tableProperties: properties } = options
    const found = await existing(options)
    if (!found.has(of.events.path)) throw noLakehouse(deltaBasePath)
    try {
      const lock = await lockForErasure(deltaBasePath, { ...options, streams: of.streams })
      try {
        const database = await openDatabase(options)
        try {
          const opened = new Map<string, OpenTable>()
          for (const definition of of.tables.filter(({ path }) => found.has(path))) {
            opened.set(definition.path, await OpenTable.open(of, deltaBasePath, definition, properties))
          }
          const delta = await openOpsTable(deltaBasePath, erasedPath, { ...erasedDefinition, properties })
          const erased = { delta, claim: await claimTable(delta) }
          const lakehouse = new LockedLakehouse(options, database, opened, erased)
          if (!mayLeaveBatches) await lakehouse.#checkAllCarried()
          const result = await work(lakehouse)
          lock.lost.throwIfAborted()
          await Promise.all([...opened.values()].map((table) => table.delta.settled()))
          await delta.settled()
          return result
        } finally {
          database.close()
        }
      } finally {
        await lock.release()
      }
    } catch (error) {
      throw storageFailure(error, deltaBasePath) ?? error
    }
  }

  /** The last batch that the tables have. */
  get lastBatch(): bigint {
    return [...this.tables.values()].reduce(
      (most, { progress }) => (progress.batch > most ? progress.batch : most),
      0n,
    )
  }

  /** Of what is left to be carried, bronze has rows that silver would get from it after they were erased. */
  async #checkAllCarried(): Promise<void> {
    const { lakehouse, deltaBasePath } = this.options
    const stream = inputStream(lakehouse)
    const own = [...this.tables.values()].filter(({ definition }) => definition.stream === stream)
    const silver = this.tables.get(lakehouse.events.path)!
    const journal = await journalOf(deltaBasePath)
    const claims = [(await silver.delta.snapshot()).txns, ...(journal === null ? [] : [journal.txns])]
    const noted = journal?.txns.get(batchAppId)?.version ?? 0n
    const last = this.lastBatch
    const done = doneBatch(own, claims)
    const isCarried = done >= last && noted >= last && !(await this.#hasBacklog(silver))
    if (isCarried) return
    throw new LakehouseError(
      'BATCHES_LEFT',
      `${deltaBasePath}: the last batch is not in all tables yet, or bronze has rows that no batch took. ` +
        `A run that goes on does that by itself: erase again later. Else run "assay run ${stream} --once" first.`,
      { details: { last, done, noted } },
    )
  }

  /** True where a streaming query brought rows to bronze that no batch has taken. */
  async #hasBacklog(silver: OpenTable): Promise<boolean> {
    const bronze = this.tables.get(this.options.lakehouse.records.path)
    if (bronze === undefined) return false
    await endQueries(this.options, bronze.delta)
    if (!isStreamed((await bronze.delta.snapshot()).txns)) return false
    const connection = this.database.load
    const { progress } = await withFileOffsets(silver.progress, {
      files: await tableIfThere(opsDirectory(this.options.deltaBasePath, filesPath)),
      notedBatch: silver.progress.batch, // As was checked before.
      bronze: bronze.delta,
      connection,
      isOfFiles: false,
    })
    const waiting = await new Backlog(connection, bronze.delta).cut(progress.offsets, 1)
    return waiting.ranges.length > 0
  }

  /** Notes that the records in `erased_positions` are erased, with further txn actions. */
  async note(more: (erase: bigint) => Readonly<Record<string, bigint>> = () => ({})): Promise<Erasure> {
    const snapshot = await this.erased.snapshot()
    const erase = lastErasures(snapshot.txns).begun + 1n
    const erasure = { erase, erasedAtMicros: this.options.clock(), afterBatch: this.lastBatch }
    const staged = await this.erased.stage(this.database.batch, erasedRowsSql(positionsTable, erasure))
    await this.#commit(staged, { operation: 'ERASE', txns: { ...more(erase), [begunAppId]: erase } })
    await step('erasure noted')
    return erasure
  }

  /** Erases what is noted from `after` on in all tables, with files and log entries. */
  async carry({ begun, carried }: { readonly begun: bigint; readonly carried: bigint }) {
    const connection = this.database.batch
    const { directory } = this.erased
    await setPositions(connection, await erasedPositionsSql(await this.erased.snapshot(), directory, carried))
    const rows: Record<string, bigint> = {}
    const prune = await positionRanges(connection)
    const { lakehouse, deltaBasePath, signal } = this.options
    const events = this.tables.get(lakehouse.events.path)!.delta
    const labels = {
      connection,
      lakehouse,
      deltaBasePath,
      events,
      mark: { appId: begunAppId, version: begun },
    }
    const labelRows = await eraseLabels({ ...labels, ...(signal === undefined ? {} : { signal }) })
    if (labelRows !== null) rows[labelsPath] = labelRows
    for (const [path, table] of this.#recordTables()) {
      const options = { ...this.#ofTable(table, begun), prune, ...(signal === undefined ? {} : { signal }) }
      const result = await table.delta.deleteRows(connection, isErased, options)
      if (result.kind !== 'deleted' && result.kind !== 'nothing') throw overtaken(table.delta)
      rows[path] = result.kind === 'deleted' ? result.rowsDeleted : 0n
      await step('rows erased')
    }
    const verdicts = await verdictsTable(this.options.deltaBasePath)
    if (verdicts !== null) {
      const { signal } = this.options
      const options = { prune, ...(signal === undefined ? {} : { signal }) }
      rows[verdictsPath] = await eraseVerdicts(verdicts, connection, begun, options)
      await step('rows erased')
    }
    for (const [, table] of this.#recordTables()) {
      // Deleted by this erasure, before a crash or now.
      if ((await table.delta.snapshot()).txns.get(begunAppId)?.version !== begun) continue
      const { operation: _, ...options } = this.#ofTable(table, begun)
      if ((await table.delta.purgeLog(options)).kind !== 'committed') throw overtaken(table.delta)
      await step('log purged')
    }
    await this.#commit(null, { operation: 'ERASE', txns: { [carriedAppId]: begun } })
    await step('erasure carried')
    return rows
  }

  /** Carries an erasure to its end that was begun and not finished; returns its number. */
  async carryOn(): Promise<bigint | null> {
    const last = lastErasures((await this.erased.snapshot()).txns)
    if (last.carried >= last.begun) return null
    await this.carry(last)
    return last.begun
  }

  #recordTables(): [string, OpenTable][] {
    return recordTables(this.options.lakehouse).flatMap(({ path }): [string, OpenTable][] => {
      const table = this.tables.get(path)
      return table === undefined ? [] : [[path, table]]
    })
  }

  #ofTable(table: OpenTable, erase: bigint) {
    return {
      operation: 'ERASE',
      operationParameters: {},
      fence: { appId: writerAppId, version: table.claim },
      txns: { [begunAppId]: erase },
    } satisfies CommitOptions
  }

  async #commit(staged: Parameters<DeltaTable['commit']>[0], options: CommitOptions): Promise<void> {
    const fence = { appId: writerAppId, version: this.#claim }
    const outcome = await this.erased.commit(staged, { operationParameters: {}, ...options, fence })
    if (outcome.kind !== 'committed') throw overtaken(this.erased)
  }
}

/** Erases all that the tables have of these persons; without any what an earlier erasure left undone. */
export function erasePersons(options: EraseOptions, persons: readonly PersonId[]): Promise<ErasureReport> {
  return LockedLakehouse.use(options, async (lakehouse) => {
    const carriedOn = await lakehouse.carryOn()
    const nothing = { erase: null, carriedOn, records: 0n, rows: {}, aggregateRows: 0n, topics: [] }
    if (persons.length === 0) return nothing
    const connection = lakehouse.database.batch
    const tables = new Map([...lakehouse.tables].map(([path, { delta }]) => [path, delta]))
    const of = { connection, lakehouse: options.lakehouse, tables }
    const schemas = await SchemaStore.open({ ...options, tell: tellNobody }, connection)
    const entries = await eraseEntries(options.deltaBasePath, connection, persons, options.signal)
    const ofLists = entries === null ? {} : { [ruleListsPath]: entries }
    const records = await findPersons({ ...of, schemas }, persons)
    const aggregateRows = await countAggregates(of, persons)
    if (records === 0n) return { ...nothing, rows: entries === 0n ? {} : ofLists, aggregateRows }
    const topics = await erasedTopics(connection)
    const { erase } = await lakehouse.note()
    const rows = { ...(await lakehouse.carry({ begun: erase, carried: erase - 1n })), ...ofLists }
    return { erase, carriedOn, records, rows, aggregateRows, topics }
  })
}

/** What `erasePersons` would erase; it locks nothing and writes nothing. */
export async function findErasable(
  options: EraseOptions,
  persons: readonly PersonId[],
): Promise<ErasureReport> {
  const { lakehouse, deltaBasePath } = options
  const tables = await existing(options)
  if (!tables.has(lakehouse.events.path)) throw noLakehouse(deltaBasePath)
  const spillDirectory = await mkdtemp(join(tmpdir(), 'assay-erase-')) // A run may be at work in its own.
  const database = await Database.open({ spillDirectory, ...options.duckdb })
  try {
    const connection = database.batch
    const of = { connection, lakehouse, tables }
    const schemas = await SchemaStore.open({ ...options, tell: tellNobody }, connection)
    const records = await findPersons({ ...of, schemas }, persons)
    const rows: Record<string, bigint> = {}
    for (const { path } of recordTables(lakehouse)) {
      const table = tables.get(path)
      if (table !== undefined) rows[path] = await countErased(connection, table)
    }
    const events = tables.get(lakehouse.events.path)!
    const labels = await countErasedLabels({ connection, lakehouse, deltaBasePath, events })
    if (labels !== null) rows[labelsPath] = labels
    const verdicts = await verdictsTable(deltaBasePath)
    if (verdicts !== null) rows[verdictsPath] = await countErased(connection, verdicts)
    const entries = await countErasedEntries(deltaBasePath, connection, persons)
    if (entries !== null) rows[ruleListsPath] = entries
    const aggregateRows = await countAggregates(of, persons)
    return {
      erase: null,
      carriedOn: null,
      records,
      rows,
      aggregateRows,
      topics: await erasedTopics(connection),
    }
  } finally {
    database.close()
    await rm(spillDirectory, { recursive: true, force: true })
  }
}

/** The tables of the lakehouse that are there. */
async function existing({ lakehouse, deltaBasePath }: EraseOptions): Promise<Map<string, DeltaTable>> {
  const found = new Map<string, DeltaTable>()
  for (const definition of namedTables(lakehouse)) {
    const table = await tableIfThere(tableDirectory(deltaBasePath, definition))
    if (table !== null) found.set(definition.path, table)
  }
  return found
}

async function journalOf(deltaBasePath: string): Promise<DeltaSnapshot | null> {
  return (await tableIfThere(opsDirectory(deltaBasePath, batchesPath)))?.snapshot() ?? null
}

async function tableIfThere(directory: string): Promise<DeltaTable | null> {
  return (await DeltaTable.exists(directory)) ? DeltaTable.open(directory) : null
}

/** What killed runs spilled may hold values of any row: it goes with them. */
async function openDatabase({ lakehouse, deltaBasePath, duckdb }: EraseOptions): Promise<Database> {
  const directories = lakehouse.streams.map((stream) =>
    join(checkpointDirectory(deltaBasePath, stream), 'spill'),
  )
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
  const [spillDirectory] = directories
  assert(spillDirectory !== undefined)
  await mkdir(spillDirectory, { recursive: true })
  return Database.open({ spillDirectory, ...duckdb })
}

function overtaken({ directory }: DeltaTable): LakehouseError {
  return new LakehouseError(
    'WRITER_FENCED',
    `${directory} was taken over by another process while rows were erased: this one gave no sign of life ` +
      'for a lease (it was paused, or the machine was). Run "assay erase" again: it carries the erasure to its end.',
  )
}
