// A log of what people did, as a Delta table: rows with numbers, read whole and added to. Of two processes
// that write at once the second looks at what the first wrote, and decides anew.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { DeltaTable, type DeltaTableDefinition } from '../delta/index.ts'
import { duckdbType } from '../delta/schema.ts'
import { rowsOf } from '../engines/database.ts'
import { SequencedTable } from '../engines/sequenced-table.ts'
import { LakehouseError } from '../errors/errors.ts'
import { opsDirectory } from '../ops/tables.ts'
import { duckdb } from '../sql/index.ts'

const news = 'new_rows'
const attemptsMax = 20
const memoryMaxBytes = 64 * 2 ** 20

/** Of a row that is written, by the names of the columns; times are microseconds since the epoch. */
export type LogCells = Readonly<Record<string, string | number | bigint | null>>
/** Of a row that is read: texts, times in microseconds. */
export type ReadCells = Readonly<Record<string, string | null>>

export type SequencedLogTable = {
  readonly path: string
  readonly definition: Omit<DeltaTableDefinition, 'properties'>
  readonly appId: string
}

/** Opens the log for one piece of work. */
export async function withSequencedLog<T>(
  deltaBasePath: string,
  table: SequencedLogTable,
  work: (log: SequencedLog) => Promise<T>,
): Promise<T> {
  const limits = { memory_limit: `${memoryMaxBytes}B`, threads: '1' }
  const instance = await DuckDBInstance.create(':memory:', limits)
  let connection: DuckDBConnection | null = null
  try {
    connection = await instance.connect()
    await connection.run("SET TimeZone = 'UTC'")
    return await work(new SequencedLog(deltaBasePath, table, connection))
  } finally {
    connection?.closeSync()
    instance.closeSync()
  }
}

/** The version of the Delta table; null where nobody has written it. */
export async function logVersion(
  deltaBasePath: string,
  { path }: Pick<SequencedLogTable, 'path'>,
): Promise<bigint | null> {
  const directory = opsDirectory(deltaBasePath, path)
  if (!(await DeltaTable.exists(directory))) return null
  return (await (await DeltaTable.open(directory)).snapshot()).version
}

export class SequencedLog {
  readonly #of: SequencedLogTable
  readonly #connection: DuckDBConnection
  readonly #table: SequencedTable
  #rows: ReadCells[] = []

  constructor(deltaBasePath: string, of: SequencedLogTable, connection: DuckDBConnection) {
    this.#of = of
    this.#connection = connection
    this.#table = new SequencedTable({ deltaBasePath, ...of, connection, news, operation: 'RULES' })
  }

  /** All rows, in the order of their numbers. */
  async read(): Promise<readonly ReadCells[]> {
    const kind = await this.#table.refresh()
    if (kind === 'same') return this.#rows
    const cells = this.#of.definition.fields.map(({ name, type }) => {
      const column = duckdb.name(name)
      return `CAST(${type === 'timestamp' ? `epoch_us(${column})` : column} AS VARCHAR) AS ${column}`
    })
    const select = `SELECT ${cells.join(', ')} FROM ${news} ORDER BY CAST(sequence AS BIGINT)`
    const added = (await rowsOf(this.#connection, select)) as ReadCells[] // As they are cast.
    this.#rows = [...(kind === 'anew' ? [] : this.#rows), ...added]
    return this.#rows
  }

  /**
   * Writes the rows that `decide` makes of those that there are, which it numbers from `next` on; none where
   * it gives none.
   */
  async change(decide: (rows: readonly ReadCells[], next: bigint) => readonly LogCells[]): Promise<void> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const rows = decide(await this.read(), this.#table.sequence + 1n)
      if (rows.length === 0) return
      if (!(await this.#append(rows))) continue
      await this.#table.upkeep(null)
      await this.#table.settled()
      return
    }
    throw new LakehouseError(
      'RULES_VERSION_REFUSED',
      `${this.#of.path} was written by others ${attemptsMax} times in between: try again.`,
    )
  }

  async #append(rows: readonly LogCells[]): Promise<boolean> {
    const parameters: Record<string, string | null> = {}
    const selects = rows.map((row, index) => {
      const cells = this.#of.definition.fields.map(({ name, type }) => {
        const [cell, parameter] = [row[name] ?? null, `${name}_${index}`]
        parameters[parameter] = cell === null ? null : String(cell)
        const given = `$${parameter}::VARCHAR`
        const value =
          type === 'timestamp' ? `make_timestamptz(${given}::BIGINT)` : `${given}::${duckdbType(type)}`
        return `${value} AS ${duckdb.name(name)}`
      })
      return `SELECT ${cells.join(', ')}`
    })
    return await this.#table.append(selects.join('\nUNION ALL\n'), parameters, BigInt(rows.length))
  }
}
