// Silver's recent rows: all that is kept between batches. They are a copy of what silver holds, read again at
// every start, so there is no state of its own that could be lost, half-written or ahead of the tables.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type DeltaSnapshot, scanSql } from '../../delta/index.ts'
import { silverHistory, silverRecent } from '../../lakehouse/2-silver/transactions.ts'
import { columnDefinitions, duckdb } from '../../sql/index.ts'
import { setView } from '../database.ts'

const table = 'recent'
const columns = Object.keys(silverRecent.schema)
const columnList = columns.map(duckdb.name).join(', ')

/** Rows are dropped when so much event time of them is of no more use: each time costs a look at all rows. */
const trimEveryMicros = 5n * 60_000_000n

export class RecentSilver {
  readonly #connection: DuckDBConnection
  #trimmedTo: bigint | null = null
  #rowCount = 0

  private constructor(connection: DuckDBConnection) {
    this.#connection = connection
  }

  /**
   * Silver's rows from event time `fromMicros` on (null: all) that arrived up to the batch of time
   * `upToMicros`. Only files whose statistics may hold such rows are read.
   */
  static async load(
    connection: DuckDBConnection,
    silver: { readonly snapshot: DeltaSnapshot; readonly directory: string },
    fromMicros: bigint | null,
    upToMicros: bigint,
  ): Promise<RecentSilver> {
    const definitions = columnDefinitions(duckdb, silverRecent.schema)
    await connection.run(`CREATE OR REPLACE TABLE ${table} (${definitions})`)
    const min = fromMicros === null ? {} : { min: fromMicros }
    const rows = scanSql(silver.snapshot, silver.directory, {
      columns: [...columns, 'processing_time'].filter((name, index, all) => all.indexOf(name) === index),
      where: [
        { column: 'event_time', ...min },
        { column: 'processing_time', max: upToMicros },
      ],
      naiveTimestamps: true,
    })
    const isRecent = fromMicros === null ? 'true' : `event_time >= make_timestamp(${fromMicros})`
    const recent = new RecentSilver(connection)
    const loaded = await connection.run(
      `INSERT INTO ${table} SELECT ${columnList} FROM (${rows}) ` +
        `WHERE processing_time <= make_timestamp(${upToMicros}) AND ${isRecent}`,
    )
    recent.#rowCount = loaded.rowsChanged
    await setView(connection, 'silver_recent', `SELECT ${columnList} FROM ${table}`)
    return recent
  }

  get rowCount(): number {
    return this.#rowCount
  }

  /** Shows the rows of before the batch as `silver_history`, from an event time on. */
  async showHistory(fromMicros: bigint | null): Promise<void> {
    const names = Object.keys(silverHistory.schema).map(duckdb.name).join(', ')
    const where = fromMicros === null ? 'true' : `event_time >= make_timestamp(${fromMicros})`
    await setView(this.#connection, 'silver_history', `SELECT ${names} FROM ${table} WHERE ${where}`)
  }

  /** Takes the batch's rows in. After this `silver_history` would show them. */
  async add(): Promise<void> {
    const added = await this.#connection.run(`INSERT INTO ${table} SELECT ${columnList} FROM silver_batch`)
    this.#rowCount += added.rowsChanged
  }

  /** Forgets rows that no later batch can ask for. */
  async trim(fromMicros: bigint | null): Promise<void> {
    if (fromMicros === null) return
    if (this.#trimmedTo !== null && fromMicros < this.#trimmedTo + trimEveryMicros) return
    const old = `event_time < make_timestamp(${fromMicros})`
    this.#rowCount -= (await this.#connection.run(`DELETE FROM ${table} WHERE ${old}`)).rowsChanged
    this.#trimmedTo = fromMicros
  }
}
