// The tables as they are: snapshots, progress and batches, read from the logs alone, and a DuckDB to ask them
// with.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { Delays } from '../batches/planner.ts'
import { type Progress, parseProgress, sinceAppId, streamDone } from '../batches/progress.ts'
import { type DeltaSnapshot, DeltaTable, scanSql } from '../delta/index.ts'
import { listLog } from '../delta/log-files.ts'
import { quoteIdentifier } from '../delta/sql.ts'
import { assert } from '../errors/errors.ts'
import { progressOf, tableDirectory } from '../lakehouse/delta.ts'
import { tables } from '../lakehouse/pipeline.ts'
import type { TableDefinition } from '../plan/index.ts'

export type VerifyOptions = {
  readonly deltaBasePath: string
  readonly delays: Delays
  readonly dedupMicros: bigint
  readonly highRiskCountries: readonly string[]
  readonly duckdb: { readonly memoryLimitBytes: number | null; readonly threads: number | null }
}

/** One commit of a table that carries a batch. */
export type BatchCommit = { readonly version: bigint; readonly progress: Progress }

export type TableState = {
  readonly definition: TableDefinition
  readonly directory: string
  readonly snapshot: DeltaSnapshot
  readonly progress: Progress | null
  /** The commits that the log still has, oldest first. */
  readonly commits: readonly BatchCommit[]
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

/** Bytes that DuckDB may hold before it spills, where nothing is configured. */
const memoryLimitDefaultBytes = 1024 * 1024 * 1024

function memoryLimitOf({ duckdb }: VerifyOptions): number {
  return duckdb.memoryLimitBytes ?? memoryLimitDefaultBytes
}

export class Lakehouse {
  readonly options: VerifyOptions
  readonly connection: DuckDBConnection
  readonly states: ReadonlyMap<string, TableState>
  /** Tables that are not there, or whose log cannot be read. */
  readonly unopened: readonly UnopenedTable[]
  readonly #instance: DuckDBInstance
  readonly #spillDirectory: string
  readonly #prepared = new Map<string, Promise<void>>()
  readonly #readable = new Map<string, DeltaSnapshot>()

  private constructor(
    options: VerifyOptions,
    database: { instance: DuckDBInstance; connection: DuckDBConnection; spillDirectory: string },
    states: ReadonlyMap<string, TableState>,
    unopened: readonly UnopenedTable[],
  ) {
    this.options = options
    this.connection = database.connection
    this.#instance = database.instance
    this.#spillDirectory = database.spillDirectory
    this.states = states
    this.unopened = unopened
  }

  static async open(options: VerifyOptions): Promise<Lakehouse> {
    const { states, unopened } = await readStates(options.deltaBasePath)
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
    return new Lakehouse(options, { instance, connection, spillDirectory }, states, unopened)
  }

  get memoryLimitBytes(): bigint {
    return BigInt(memoryLimitOf(this.options))
  }

  async close(): Promise<void> {
    this.connection.closeSync()
    this.#instance.closeSync()
    await rm(this.#spillDirectory, { recursive: true, force: true })
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

  /** A SELECT of the same rows, each with the column `filename`. */
  rowsWithFiles(state: TableState): string {
    const snapshot = this.#readable.get(state.definition.path) ?? state.snapshot
    return scanSql(snapshot, state.directory, { naiveTimestamps: true, fileNames: true })
  }

  /** Runs `make` once, however many checks need what it makes. */
  prepare(name: string, make: () => Promise<void>): Promise<void> {
    const made = this.#prepared.get(name) ?? make()
    this.#prepared.set(name, made)
    return made
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
async function readStates(
  deltaBasePath: string,
): Promise<{ states: Map<string, TableState>; unopened: UnopenedTable[] }> {
  const claims = await silverTxns(deltaBasePath)
  const isCarried = ({ stream }: TableDefinition): boolean => streamDone(claims, stream) > 0n
  const states = new Map<string, TableState>()
  const unopened: UnopenedTable[] = []
  for (const definition of tables.toReversed()) {
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
  return { states, unopened }
}

async function silverTxns(deltaBasePath: string): Promise<DeltaSnapshot['txns']> {
  const directory = join(deltaBasePath, 'silver', 'transactions')
  try {
    return (await (await DeltaTable.open(directory)).snapshot()).txns
  } catch {
    return new Map() // Told with the table's own failure.
  }
}

async function readState(
  definition: TableDefinition,
  directory: string,
  claims: DeltaSnapshot['txns'],
): Promise<TableState> {
  const table = await DeltaTable.open(directory)
  const snapshot = await table.snapshot()
  const { commits: versions } = await listLog(directory)
  const oldest = versions[0] ?? snapshot.version
  const commits: BatchCommit[] = []
  for await (const { version, commitInfo } of table.commits(oldest - 1n)) {
    if (version > snapshot.version) break
    const progress = parseProgress(commitInfo?.userMetadata)
    if (progress !== null) commits.push({ version, progress })
  }
  const progress = await progressOf(table, snapshot)
  const own = progress?.batch ?? 0n
  // Of a table that was made again the claims are true when it has caught up.
  const isWhole = (snapshot.txns.get(sinceAppId)?.version ?? 0n) === 0n
  const carried = isWhole ? streamDone(claims, definition.stream) : 0n
  const doneBatch = own > carried ? own : carried
  return { definition, directory, snapshot, progress, commits, isLogWhole: oldest === 0n, doneBatch }
}
