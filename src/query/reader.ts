// DuckDB over the tables of the lakehouse, for reading only.
//
// Three locks: only one SELECT is run (no COPY, ATTACH, INSTALL or SET), as DuckDB's own parser judges it;
// DuckDB may open files below the directories of the tables and nowhere else; and its configuration is
// locked.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance, type DuckDBResult, type DuckDBValue } from '@duckdb/node-api'
import type { Config } from '../config/config.ts'
import { fetchedScanSql } from '../delta/index.ts'
import { literalPattern, quoteIdentifier, quoteText } from '../delta/sql.ts'
import { streamOf } from '../engines/database.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type NamedTable, notWrittenAdvice, readableTables } from '../ops/readable.ts'
import { tableDirectory } from '../ops/tables.ts'
import type { Lakehouse, TableDefinition } from '../plan/index.ts'
import { liveName, liveTables, openWindowsSql } from './open-windows.ts'
import { isShowTables, type NamedTables, parseSelect } from './select-statement.ts'
import { nearestNames, sqlName } from './table-name.ts'
import { createTableView, openWritten } from './table-view.ts'

export type ReaderOptions = {
  /** What stands for `*` of the tables, by their columns: for who may not see all of them. */
  readonly columns?: (columns: readonly TypedColumn[], table: NamedTable) => string
  /** Tables are read by their names alone: no file of theirs, no catalogue. */
  readonly tablesAlone?: boolean
  /** On disk, for work that does not fit into memory. */
  readonly spillBytesMax?: number
  /** A directory for files with the rows of a query. */
  readonly writesTo?: string
}

/** The type is DuckDB's. */
export type TypedColumn = { readonly name: string; readonly type: string }

export async function openReader(config: Config, options: ReaderOptions = {}): Promise<LakehouseReader> {
  const { spillBytesMax } = options
  const spill = spillBytesMax === undefined ? {} : { max_temp_directory_size: `${spillBytesMax}B` }
  const instance = await DuckDBInstance.create(':memory:', { ...instanceOptions(config), ...spill })
  const connection = await instance.connect()
  const directories = readableTables(config.lakehouse)
    .map((table) => tableDirectory(config.deltaBasePath, table))
    .concat(options.writesTo ?? [])
    .flatMap((directory) => [...new Set([directory, literalPattern(directory)])])
  await connection.run("SET TimeZone = 'UTC'")
  await connection.run(`SET allowed_directories = [${directories.map(quoteText).join(', ')}]`)
  await connection.run('SET enable_external_access = false')
  await connection.run('SET lock_configuration = true')
  return new LakehouseReader(config, options, instance, connection)
}

/** A DuckDB of its own for one command, within the configured limits. */
export function instanceOptions({ duckdb }: Config): Record<string, string> {
  return {
    temp_directory: join(tmpdir(), `assay-query-${process.pid}`),
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    ...(duckdb.threads === null ? {} : { threads: String(duckdb.threads) }),
    ...(duckdb.memoryLimitBytes === null ? {} : { memory_limit: `${duckdb.memoryLimitBytes}B` }),
  }
}

/** Each table is read at the version that it has when a query first names it. */
export class LakehouseReader {
  readonly #of: Pick<Config, 'lakehouse' | 'deltaBasePath'>
  readonly #options: ReaderOptions
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection
  /** By path: true for a table that has a view, false for one that nobody has written. */
  readonly #views = new Map<string, boolean>()

  constructor(
    of: Pick<Config, 'lakehouse' | 'deltaBasePath'>,
    options: ReaderOptions,
    instance: DuckDBInstance,
    connection: DuckDBConnection,
  ) {
    this.#of = of
    this.#options = options
    this.#instance = instance
    this.#connection = connection
  }

  get lakehouse(): Lakehouse {
    return this.#of.lakehouse
  }

  /** Runs one SELECT. Fails with QUERY_FAILED, whose message is DuckDB's, or with QUERY_NOT_READ_ONLY. */
  async select(sql: string, parameters: Readonly<Record<string, DuckDBValue>> = {}): Promise<DuckDBResult> {
    return await this.#run(sql, (select) => streamOf(this.#connection, select, parameters))
  }

  /** Writes the rows of one SELECT into a file below `writesTo`. Fails as `select` does. */
  async writeParquet(sql: string, path: string): Promise<void> {
    await this.#run(sql, async (select) => {
      // A view takes the SELECT as it stands, with a semicolon and a comment at its end.
      await this.#connection.run(`CREATE TEMP VIEW written_result AS ${select}`)
      const described = await this.#connection.runAndReadAll('DESCRIBE written_result')
      // Sums of whole numbers are of 128 bits, which DuckDB would write as doubles.
      const casts = described
        .getRows()
        .filter(([, type]) => type === 'HUGEINT')
        .map(([name]) => quoteIdentifier(String(name)))
        .map((name) => `CAST(${name} AS DECIMAL(38,0)) AS ${name}`)
      const columns = casts.length === 0 ? '*' : `* REPLACE (${casts.join(', ')})`
      await this.#connection.run(
        `COPY (SELECT ${columns} FROM written_result) TO ${quoteText(path)} (FORMAT parquet, COMPRESSION zstd)`,
      )
    })
  }

  async #run<T>(sql: string, run: (select: string) => Promise<T>): Promise<T> {
    try {
      const only = this.#options.tablesAlone === true ? knownNames(this.#of.lakehouse) : null
      const named = await parseSelect(this.#connection, sql, only)
      const absent = await this.#makeViews(named)
      try {
        return await run(isShowTables(sql) ? namesSql : sql)
      } catch (error) {
        const known = knownNames(this.#of.lakehouse)
        const unknown = [...(named ?? [])].filter((name) => !known.includes(name))
        if (unknown.length > 0) throw unknownTables(error, unknown, known)
        throw absent.length === 0 ? error : this.#withAbsentTables(error, absent)
      }
    } catch (error) {
      throw queryFailure(error)
    }
  }

  /** Whether the table has been written. */
  async has(table: NamedTable): Promise<boolean> {
    const known = this.#views.get(table.path) ?? (await this.#makeView(table))
    this.#views.set(table.path, known)
    return known
  }

  /** Ends the query that runs, with QUERY_FAILED. */
  interrupt(): void {
    this.#connection.interrupt()
  }

  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }

  /**
   * A view costs the reading of a log, so only those are made that the query names. Returns the absent ones.
   */
  async #makeViews(named: NamedTables): Promise<NamedTable[]> {
    const absent: NamedTable[] = []
    for (const table of readableTables(this.#of.lakehouse)) {
      const isNamed = named === null || named.has(sqlName(table))
      if (isNamed && !(await this.has(table)) && named !== null) absent.push(table)
    }
    for (const table of liveTables(this.#of.lakehouse)) {
      if (named === null || named.has(liveName(table))) await this.#makeLiveView(table)
    }
    return absent
  }

  async #makeView(definition: NamedTable): Promise<boolean> {
    const table = await openWritten(this.#of.deltaBasePath, definition)
    if (table === null) return false
    const scan = await fetchedScanSql(await table.snapshot(), table.directory)
    await createTableView(this.#connection, definition, await this.#visible(scan, definition))
    return true
  }

  /** The rows in the columns that who asks may see. */
  async #visible(select: string, table: NamedTable): Promise<string> {
    const { columns } = this.#options
    if (columns === undefined) return select
    const described = await this.#connection.runAndReadAll(`DESCRIBE ${select}`)
    const typed = described.getRows().map(([name, type]) => ({ name: String(name), type: String(type) }))
    return `SELECT ${columns(typed, table)} FROM (${select})`
  }

  async #makeLiveView(definition: TableDefinition): Promise<void> {
    const select = await openWindowsSql(this.#of, definition)
    if (select === null) return
    await this.#connection.run('CREATE SCHEMA IF NOT EXISTS live')
    const view = liveName(definition).split('.').map(quoteIdentifier).join('.')
    await this.#connection.run(`CREATE OR REPLACE VIEW ${view} AS ${await this.#visible(select, definition)}`)
  }

  /** DuckDB says that a table does not exist; why it does not is for us to say. */
  #withAbsentTables(error: unknown, absent: readonly NamedTable[]): LakehouseError {
    const names = absent.map(sqlName).join(', ')
    const message = `${names}: not written yet in ${this.#of.deltaBasePath}; ${notWrittenAdvice}`
    return new LakehouseError('QUERY_FAILED', message, { cause: error })
  }
}

function knownNames(lakehouse: Lakehouse): readonly string[] {
  return [...readableTables(lakehouse).map(sqlName), ...liveTables(lakehouse).map(liveName)]
}

/** With the nearest names, or else all of them. */
function unknownTables(cause: unknown, unknown: readonly string[], known: readonly string[]): LakehouseError {
  const sentences = unknown.map((name) => {
    const near = nearestNames(name, known)
    const advice = near.length > 0 ? `did you mean ${near.join(' or ')}?` : `there are ${known.join(', ')}`
    return `there is no table ${JSON.stringify(name)}: ${advice}`
  })
  return new LakehouseError('QUERY_FAILED', sentences.join('\n'), { cause })
}

/** All tables, as a query names them. */
const namesSql = `SELECT if(schema = 'main', name, schema || '.' || name) AS name
  FROM (SHOW ALL TABLES) ORDER BY name`

/** DuckDB's own failures, while it prepares a query and while its rows are read. */
export function queryFailure(error: unknown): unknown {
  if (error instanceof LakehouseError || !(error instanceof Error)) return error
  // The binding's own prefix says nothing to who wrote the SQL.
  const message = error.message.replace(/^Failed to extract statements: /, '')
  const advice = outOfMemory.test(message) ? `\n${memoryAdvice}` : ''
  return new LakehouseError('QUERY_FAILED', message + advice, { cause: error })
}

/** The driver tells the class of a failure of DuckDB by the first words of the message alone. */
const outOfMemory = /^Out of Memory Error:/
const memoryAdvice =
  'Give the query more by --memory or DUCKDB_MEMORY_LIMIT, let DUCKDB_THREADS be fewer, or ask for less at once.'
