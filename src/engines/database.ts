// The DuckDB inside of the process. It lives in memory and holds nothing that cannot be computed from the
// tables again; what does not fit into memory is spilled below the checkpoint directory.
import { availableParallelism } from 'node:os'
import { type DuckDBConnection, DuckDBInstance, type DuckDBResult, type DuckDBValue } from '@duckdb/node-api'
import { duckdb } from '../sql/index.ts'
import { addFunctions } from './duckdb-functions.ts'

export type DatabaseOptions = {
  readonly spillDirectory: string
  readonly memoryLimitBytes: number | null
  readonly threads: number | null
}

/**
 * Bytes that DuckDB may hold before it spills, where nothing is configured: the process stays below 2 GiB.
 */
const memoryLimitDefaultBytes = 1024 * 1024 * 1024

/**
 * Work on fewer rows than this is cheaper on one thread: waking others costs more than they save. See
 * docs/decisions/threads.md.
 */
const rowsForManyThreads = 10_000

export class Database {
  /** Closes windows, and notes batches. */
  readonly batch: DuckDBConnection
  /** Streams rows of tables to the row path. A second statement would end the first one's rows unsaid. */
  readonly rows: DuckDBConnection
  /** Looks things up meanwhile. */
  readonly load: DuckDBConnection
  /** Compacts tables meanwhile. */
  readonly upkeep: DuckDBConnection
  readonly #instance: DuckDBInstance
  readonly #threadsMax: number
  #threads: number

  private constructor(
    instance: DuckDBInstance,
    threadsMax: number,
    { batch, rows, load, upkeep }: Record<'batch' | 'rows' | 'load' | 'upkeep', DuckDBConnection>,
  ) {
    this.#instance = instance
    this.#threadsMax = threadsMax
    this.#threads = threadsMax
    this.batch = batch
    this.rows = rows
    this.load = load
    this.upkeep = upkeep
  }

  static async open(options: DatabaseOptions): Promise<Database> {
    const threadsMax = options.threads ?? availableParallelism()
    const memoryLimitBytes = options.memoryLimitBytes ?? memoryLimitDefaultBytes
    const instance = await DuckDBInstance.create(':memory:', {
      preserve_insertion_order: 'false', // No relation has an order, and keeping one costs memory.
      temp_directory: options.spillDirectory,
      memory_limit: `${memoryLimitBytes}B`,
      threads: String(threadsMax),
      // A file is read a few times within minutes: the kernel's cache does. DuckDB's own would hold all that
      // was ever read, up to the limit.
      enable_external_file_cache: 'false',
      autoinstall_known_extensions: 'false', // Nothing is fetched from anywhere at run time.
      autoload_known_extensions: 'false',
    })
    const [batch, rows, load, upkeep] = [
      await instance.connect(),
      await instance.connect(),
      await instance.connect(),
      await instance.connect(),
    ]
    await batch.run(`SET GLOBAL TimeZone = 'UTC'`) // Instants are UTC, whatever the machine's zone is.
    addFunctions(batch)
    return new Database(instance, threadsMax, { batch, rows, load, upkeep })
  }

  /** Chooses how many threads the next statements have, by the rows that they work on. */
  async useThreadsFor(rows: number): Promise<void> {
    const wanted = rows < rowsForManyThreads ? 1 : this.#threadsMax
    if (wanted === this.#threads) return
    await this.batch.run(`SET GLOBAL threads = ${wanted}`)
    this.#threads = wanted
  }

  close(): void {
    for (const one of [this.batch, this.rows, this.load, this.upkeep]) one.closeSync()
    this.#instance.closeSync()
  }
}

/** A DuckDB of its own, of one thread, for a small piece of work. */
export async function withSmallDatabase<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    return await work(connection)
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** Replaces a view of this connection. */
export async function setView(connection: DuckDBConnection, name: string, select: string): Promise<void> {
  await connection.run(`CREATE OR REPLACE TEMP VIEW ${duckdb.name(name)} AS ${select}`)
}

/** Puts the rows of a SELECT into a table of this connection. */
export async function setTable(connection: DuckDBConnection, name: string, select: string): Promise<void> {
  await connection.run(`CREATE OR REPLACE TEMP TABLE ${duckdb.name(name)} AS ${select}`)
}

/** The rows of a SELECT as plain objects: bigints are bigint, decimals are text. */
export async function rowsOf(
  connection: DuckDBConnection,
  select: string,
): Promise<Record<string, unknown>[]> {
  const reader = await connection.runAndReadAll(select)
  return reader.getRowObjectsJS() as Record<string, unknown>[]
}

/**
 * The rows of a SELECT as they come, without all of them in memory. DuckDB ends its stream where it fails as
 * if there were no more rows; here the failure is told. Until the last row no other statement may run on the
 * connection: that ends the stream, which is a failure too.
 */
export async function streamOf(
  connection: DuckDBConnection,
  select: string,
  parameters: Readonly<Record<string, DuckDBValue>> = {},
): Promise<DuckDBResult> {
  const result = await connection.stream(select, { ...parameters })
  if (!result.isStreaming) return result // DuckDB has all of it already.
  const fetchChunk = result.fetchChunk.bind(result)
  result.fetchChunk = async () => {
    const chunk = await fetchChunk()
    if (chunk !== null && chunk.rowCount > 0) return chunk
    if (!result.isStreaming) throw await failureOf(connection, select, parameters)
    return chunk
  }
  return result
}

/** Why a stream failed: it does not say, but the statement fails again, now without one. */
async function failureOf(
  connection: DuckDBConnection,
  select: string,
  parameters: Readonly<Record<string, DuckDBValue>>,
): Promise<Error> {
  try {
    await connection.run(`EXPLAIN ANALYZE ${select}`, { ...parameters })
  } catch (error) {
    if (error instanceof Error) return error
  }
  return new Error('the rows of a query ended before the last one: it was interrupted')
}
