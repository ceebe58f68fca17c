// The tables as they are: snapshots and progress, read from the logs alone, and a DuckDB to ask them with.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { Delays, Parameters } from '../batches/plan.ts'
import { batchAppId, carriedBatch, type Progress, streamDone } from '../batches/progress.ts'
import {
  type AddFile,
  type DeltaSnapshot,
  DeltaTable,
  fetchFiles,
  type PruneRange,
  prunedFiles,
  scanSql,
} from '../delta/index.ts'
import { quoteIdentifier } from '../delta/sql.ts'
import { DefinitionStore } from '../engines/definition-store.ts'
import { addFunctions } from '../engines/duckdb-functions.ts'
import { withFileOffsets } from '../engines/file-progress.ts'
import { assert } from '../errors/errors.ts'
import { batchesPath } from '../ops/batches.ts'
import { definitionsOf } from '../ops/definitions.ts'
import { filesPath } from '../ops/files.ts'
import { newestRebuild, type Rebuild } from '../ops/rebuilt.ts'
import { opsDirectory, progressOf, recordedBatch, tableDirectory } from '../ops/tables.ts'
import { batchTimeColumn } from '../plan/batch-time.ts'
import { eventsWatermark, expandOf, type Lakehouse, type TableDefinition } from '../plan/index.ts'
import { ErasedRecords } from './erased.ts'
import { RulePeriods } from './rule-periods.ts'

export type VerifyOptions = {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly delays: Delays
  readonly parameters: Parameters
  readonly duckdb: { readonly memoryLimitBytes: number | null; readonly threads: number | null }
  /** Batches before this instant are not judged; null or absent: all of them are. */
  readonly sinceMicros?: bigint | null
  /** About so many rows are judged at a time. */
  readonly rowsAtOnce?: number
  /** How many rows the checks have looked at, of how many. */
  readonly onProgress?: (done: number, total: number) => void
}

export type TableState = {
  readonly definition: TableDefinition
  readonly directory: string
  readonly table: DeltaTable
  readonly snapshot: DeltaSnapshot
  readonly progress: Progress | null
  /** The oldest version whose commit the log still has. */
  readonly oldestVersion: bigint
  /** True where the log goes back to the first version. */
  readonly isLogWhole: boolean
  /** The batch up to which all of its rows are there. */
  readonly doneBatch: bigint
}

/** Why a table could not be opened, in place of its state. */
export type UnopenedTable = {
  readonly definition: TableDefinition
  readonly failure: Error | null
  /** True where silver's log says that its batches were carried to the table: it was there. */
  readonly isLost: boolean
}

export type Rebuilt = Rebuild & {
  readonly definition: TableDefinition
  /** The same with what it read then in it. */
  readonly alone: TableDefinition
}

/** Bytes that DuckDB may hold before it spills, where nothing is configured. */
const memoryLimitDefaultBytes = 1024 * 1024 * 1024
const rowsAtOnceDefault = 1_000_000

/** Instants from one to another, both included; null is without a bound. */
export type InstantRange = { readonly fromMicros: bigint | null; readonly toMicros: bigint | null }

function memoryLimitOf({ duckdb }: VerifyOptions): number {
  return duckdb.memoryLimitBytes ?? memoryLimitDefaultBytes
}

/** null where a file does not say how many it has. */
export function rowsOfFiles(files: readonly AddFile[]): bigint | null {
  let sum = 0n
  for (const { stats } of files) {
    if (stats === null) return null
    sum += stats.numRecords
  }
  return sum
}

/** How much there is to do, in rows that a check looks at, and how much of it is done. */
export class Work {
  total = 0
  #done = 0
  readonly #onProgress: (done: number, total: number) => void

  constructor(onProgress: (done: number, total: number) => void) {
    this.#onProgress = onProgress
  }

  add(rows: bigint | number): void {
    this.#done = Math.min(this.#done + Number(rows), this.total)
    this.#onProgress(this.#done, this.total)
  }
}

export class WrittenLakehouse {
  readonly options: VerifyOptions
  readonly connection: DuckDBConnection
  readonly states: ReadonlyMap<string, TableState>
  /** Tables that are not there, or whose log cannot be read. */
  readonly unopened: UnopenedTable[]
  /** The definitions of today, and those that `ops/definitions` keeps. */
  readonly definitions: DefinitionStore
  /** `ops/batches`; null where the lakehouse has none. */
  readonly journal: DeltaSnapshot | null
  /** Of `ops/erased`. */
  readonly erased: ErasedRecords
  readonly work: Work
  readonly defined: Lakehouse
  /** Of the tables by their roles. */
  readonly paths: { readonly records: string; readonly events: string; readonly refused: string }
  readonly eventsWatermark: string
  readonly watermarkNames: readonly string[]
  /** Of the slices so far. */
  periods = new RulePeriods()
  #sinceMicros: bigint | null
  readonly #instance: DuckDBInstance
  readonly #connections: DuckDBConnection[]
  /** A directory for what the proof puts aside; it goes with the proof. */
  readonly spillDirectory: string
  readonly #rebuilt = new Map<string, Rebuilt>()
  readonly #readable = new Map<string, DeltaSnapshot>()

  private constructor(
    options: VerifyOptions,
    database: { instance: DuckDBInstance; connection: DuckDBConnection; spillDirectory: string },
    read: Awaited<ReturnType<typeof readStates>>,
    erased: ErasedRecords,
  ) {
    this.options = options
    this.#sinceMicros = options.sinceMicros ?? null
    this.defined = options.lakehouse
    const { records, events, refused } = options.lakehouse
    this.paths = { records: records.path, events: events.path, refused: refused.path }
    this.eventsWatermark = eventsWatermark(options.lakehouse)
    this.watermarkNames = options.lakehouse.watermarks.map(({ name }) => name)
    this.work = new Work(options.onProgress ?? (() => undefined))
    this.connection = database.connection
    this.#connections = [database.connection]
    this.#instance = database.instance
    this.spillDirectory = database.spillDirectory
    this.states = read.states
    this.unopened = read.unopened
    this.journal = read.journal
    this.erased = erased
    const current = definitionsOf(options.lakehouse, { ...options, recordsPerBatchMax: 0 })
    const { connection } = database
    this.definitions = new DefinitionStore(options.deltaBasePath, connection, options.lakehouse, current)
  }

  static async open(options: VerifyOptions): Promise<WrittenLakehouse> {
    const { states, unopened, journal } = await readStates(options)
    const spillDirectory = await mkdtemp(join(tmpdir(), 'assay-verify-'))
    const { threads } = options.duckdb
    const instance = await DuckDBInstance.create(':memory:', {
      preserve_insertion_order: 'false',
      temp_directory: spillDirectory,
      memory_limit: `${memoryLimitOf(options)}B`,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      ...(threads === null ? {} : { threads: String(threads) }),
    })
    const connection = await instance.connect()
    await connection.run(`SET TimeZone = 'UTC'`)
    addFunctions(connection)
    await addFileOffsets(states, options, connection)
    const erased = await ErasedRecords.open(connection, options.deltaBasePath)
    const database = { instance, connection, spillDirectory }
    const lakehouse = new WrittenLakehouse(options, database, { states, unopened, journal }, erased)
    await lakehouse.#readRebuilt()
    await lakehouse.#judgeUnopened()
    return lakehouse
  }

  /** How a table's rows were computed anew, up to a batch; null for a table that was not rebuilt. */
  rebuilt(path: string): Rebuilt | null {
    return this.#rebuilt.get(path) ?? null
  }

  async #readRebuilt(): Promise<void> {
    for (const [path, { snapshot }] of this.states) {
      const rebuild = newestRebuild(snapshot.txns)
      const definition = rebuild === null ? null : await this.definitions.table(rebuild.hash)
      if (rebuild === null || definition === null) continue
      const alone = await this.definitions.alone(rebuild.set, definition)
      this.#rebuilt.set(path, { ...rebuild, definition, alone })
    }
  }

  /** A table that is in no batch's definitions yet was never there. */
  async #judgeUnopened(): Promise<void> {
    for (const [index, one] of this.unopened.entries()) {
      if (!one.isLost || expandOf(one.definition.rows.node) === null) continue
      const events = this.states.get(this.paths.events)
      const recorded = events?.progress ? await recordedBatch(events.table, events.progress) : null
      const defined = recorded?.plan ? await this.definitions.at(recorded.plan.definitions) : null
      const isOfBatch = defined?.tables.some(({ path }) => path === one.definition.path) === true
      this.unopened[index] = { ...one, isLost: isOfBatch }
    }
  }

  get rowsAtOnce(): number {
    return this.options.rowsAtOnce ?? rowsAtOnceDefault
  }

  get sinceMicros(): bigint | null {
    return this.#sinceMicros
  }

  /** Batches before this instant are not judged from here on. */
  judgeFrom(sinceMicros: bigint | null): void {
    this.#sinceMicros = sinceMicros
    this.periods = new RulePeriods()
  }

  /** For a result that is read while others are at work; it sees none of their views. */
  async connect(): Promise<DuckDBConnection> {
    const connection = await this.#instance.connect()
    this.#connections.push(connection)
    await connection.run(`SET TimeZone = 'UTC'`)
    return connection
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.closeSync()
    this.#instance.closeSync()
    await rm(this.spillDirectory, { recursive: true, force: true })
  }

  has(path: string): boolean {
    return this.states.has(path)
  }

  state(path: string): TableState {
    const state = this.states.get(path)
    assert(state, `the lakehouse has no ${path}`)
    return state
  }

  /** The name of the view of a table's rows; instants are TIMESTAMP in UTC. */
  rows(path: string): string {
    return quoteIdentifier(path)
  }

  /** Makes the table's view, without files that cannot be read: the checks then tell what is missing. */
  async showFiles(state: TableState, unreadable: ReadonlySet<string>): Promise<void> {
    const files = new Map([...state.snapshot.files].filter(([path]) => !unreadable.has(path)))
    const snapshot = { ...state.snapshot, files }
    this.#readable.set(state.definition.path, snapshot)
    const select = scanSql(snapshot, state.directory, { naiveTimestamps: true })
    await this.connection.run(`CREATE OR REPLACE TEMP VIEW ${this.rows(state.definition.path)} AS ${select}`)
  }

  /** The files that may hold rows of the batches that are judged. */
  filesToJudge({ definition, snapshot }: TableState): AddFile[] {
    const { sinceMicros } = this
    const column = batchTimeColumn(this.defined, definition)
    if (sinceMicros === null || column === null) return [...snapshot.files.values()]
    return prunedFiles(snapshot, [{ column, min: sinceMicros }])
  }

  /** A SELECT of the same rows, each with the column `filename`. */
  rowsWithFiles(state: TableState): string {
    const snapshot = this.#readable.get(state.definition.path) ?? state.snapshot
    return scanSql(snapshot, state.directory, { naiveTimestamps: true, fileNames: true })
  }

  /**
   * A SELECT of the rows whose instant in `column` is within the range. Files and parts of files that cannot
   * hold one are skipped.
   */
  rowsWithin(path: string, column: string, { fromMicros, toMicros }: InstantRange): string {
    const range: PruneRange = {
      column,
      ...(fromMicros === null ? {} : { min: fromMicros }),
      ...(toMicros === null ? {} : { max: toMicros }),
    }
    const name = quoteIdentifier(column)
    // Compared as it is stored, before it becomes a TIMESTAMP: DuckDB then skips by a file's statistics.
    const bounds = [
      ...(fromMicros === null ? [] : [`${name} >= make_timestamptz(${fromMicros})`]),
      ...(toMicros === null ? [] : [`${name} <= make_timestamptz(${toMicros})`]),
    ]
    return this.rowsOf(path, bounds.length === 0 ? [] : [range], bounds)
  }

  /**
   * A SELECT of the rows that meet the conditions; instants are TIMESTAMP in UTC. Files that cannot hold a
   * row within the ranges are skipped.
   */
  rowsOf(path: string, where: readonly PruneRange[], conditions: readonly string[] = []): string {
    const { directory, snapshot: all } = this.state(path)
    const snapshot = this.#readable.get(path) ?? all
    const scan = scanSql(snapshot, directory, { where })
    const instants = snapshot.metadata.fields
      .filter(({ type }) => type === 'timestamp')
      .map(({ name }) => `make_timestamp(epoch_us(${quoteIdentifier(name)})) AS ${quoteIdentifier(name)}`)
    const filter = conditions.length === 0 ? '' : `\nWHERE ${conditions.join(' AND ')}`
    return `SELECT * REPLACE (${instants.join(', ')})\nFROM (${scan})${filter}`
  }

  async number(select: string): Promise<bigint> {
    const value = (await this.connection.runAndReadAll(select)).getRows()[0]?.[0]
    return typeof value === 'bigint' ? value : 0n
  }
}

/**
 * A running pipeline goes on while the snapshots are taken. A table is read before those that it is computed
 * from, so that nothing in it is ahead of them; and what silver claims of the others is read before them all.
 */
async function readStates({ lakehouse, deltaBasePath }: VerifyOptions): Promise<{
  states: Map<string, TableState>
  unopened: UnopenedTable[]
  journal: DeltaSnapshot | null
}> {
  const journal = await snapshotOf(opsDirectory(deltaBasePath, batchesPath))
  const silver = await snapshotOf(tableDirectory(deltaBasePath, lakehouse.events))
  const claims = [silver, journal].flatMap((one) => (one === null ? [] : [one.txns]))
  const isCarried = ({ stream }: TableDefinition): boolean =>
    claims.some((txns) => streamDone(txns, stream) > 0n)
  const states = new Map<string, TableState>()
  const unopened: UnopenedTable[] = []
  for (const definition of lakehouse.tables.toReversed()) {
    const directory = tableDirectory(deltaBasePath, definition)
    try {
      if (await DeltaTable.exists(directory)) {
        states.set(definition.path, await readState(definition, directory, claims))
      } else unopened.unshift({ definition, failure: null, isLost: isCarried(definition) })
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      unopened.unshift({ definition, failure, isLost: false })
    }
  }
  return { states, unopened, journal }
}

/** null where it is not there, or cannot be read: that is told with the table itself. */
async function snapshotOf(directory: string): Promise<DeltaSnapshot | null> {
  try {
    return await (await DeltaTable.open(directory)).snapshot()
  } catch {
    return null
  }
}

async function readState(
  definition: TableDefinition,
  directory: string,
  claims: readonly DeltaSnapshot['txns'][],
): Promise<TableState> {
  const table = await DeltaTable.open(directory)
  const snapshot = await table.snapshot()
  await fetchFiles(snapshot.files.values(), directory)
  const oldestVersion = await table.oldestCommit()
  const progress = await progressOf(table, snapshot)
  const doneBatch = carriedBatch(snapshot.txns, progress?.batch ?? 0n, definition.stream, claims)
  const isLogWhole = oldestVersion === 0n
  return { definition, directory, table, snapshot, progress, oldestVersion, isLogWhole, doneBatch }
}

/** The commits of bronze do not say how far files were read that were done before. */
async function addFileOffsets(
  states: Map<string, TableState>,
  { lakehouse: { records }, deltaBasePath }: VerifyOptions,
  connection: DuckDBConnection,
): Promise<void> {
  const bronze = states.get(records.path)
  if (bronze?.progress == null) return
  const directory = opsDirectory(deltaBasePath, filesPath)
  const files = (await DeltaTable.exists(directory)) ? await DeltaTable.open(directory) : null
  const notes = await snapshotOf(opsDirectory(deltaBasePath, batchesPath))
  const notedBatch = notes?.txns.get(batchAppId)?.version ?? 0n
  const facts = { files, notedBatch, bronze: bronze.table, connection, isOfFiles: false }
  const { progress } = await withFileOffsets(bronze.progress, facts)
  states.set(records.path, { ...bronze, progress })
}
