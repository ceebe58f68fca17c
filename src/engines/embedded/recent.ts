// What is kept of silver between batches: digests of the ids that a transaction may repeat, and when each
// user was active. Both are copies of what silver holds, read again at every start, so there is no state
// of its own that could be lost, half-written or ahead of the tables. Rows of windows are not kept: they
// are read when one closes.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type DeltaSnapshot, scanSql } from '../../delta/index.ts'
import { silverIds, silverUsers } from '../../lakehouse/2-silver/transactions.ts'
import { columnDefinitions, duckdb, keyDigestSql } from '../../sql/index.ts'
import type { LookBack } from '../batch-rules.ts'

/** The tables have the names that the plan reads them by. An id takes more memory than its digest. */
const kept = [
  {
    table: 'silver_ids',
    schema: silverIds.schema,
    columns: 'transaction_id UHUGEINT, event_time TIMESTAMP',
    select: `${keyDigestSql('transaction_id')} AS transaction_id, event_time`,
    reach: 'idsMicros',
  },
  {
    table: 'silver_users',
    schema: silverUsers.schema,
    columns: columnDefinitions(duckdb, silverUsers.schema),
    select: Object.keys(silverUsers.schema).map(duckdb.name).join(', '),
    reach: 'usersMicros',
  },
] as const

/** Rows are dropped when so much event time of them is of no more use: each time costs about 20 ms. */
const trimEveryMicros = 60_000_000n

export class RecentSilver {
  readonly #connection: DuckDBConnection
  readonly #trimmedTo = new Map<string, bigint>()
  #rowCount = 0

  private constructor(connection: DuckDBConnection) {
    this.#connection = connection
  }

  /**
   * Silver's rows as far back as `reach` says that arrived up to the batch of time `upToMicros`. Only files
   * whose statistics may hold such rows are read.
   */
  static async load(
    connection: DuckDBConnection,
    silver: { readonly snapshot: DeltaSnapshot; readonly directory: string },
    reach: LookBack,
    upToMicros: bigint,
  ): Promise<RecentSilver> {
    const recent = new RecentSilver(connection)
    for (const one of kept) {
      const fromMicros = reach[one.reach]
      const rows = scanSql(silver.snapshot, silver.directory, {
        columns: [...Object.keys(one.schema), 'processing_time'],
        where: [
          { column: 'event_time', ...(fromMicros === null ? {} : { min: fromMicros }) },
          { column: 'processing_time', max: upToMicros },
        ],
        naiveTimestamps: true,
      })
      const isRecent = fromMicros === null ? 'true' : `event_time >= make_timestamp(${fromMicros})`
      await connection.run(`CREATE OR REPLACE TABLE ${one.table} (${one.columns})`)
      const loaded = await connection.run(
        `INSERT INTO ${one.table} SELECT ${one.select} FROM (${rows}) ` +
          `WHERE processing_time <= make_timestamp(${upToMicros}) AND ${isRecent}`,
      )
      recent.#rowCount += loaded.rowsChanged
    }
    return recent
  }

  /** Rows in memory: each batch looks at all of them. */
  get rowCount(): number {
    return this.#rowCount
  }

  /** Takes the batch's rows in, for the batches after it, and forgets those that none of them can ask for. */
  async take(reach: LookBack): Promise<void> {
    await this.#connection.run('BEGIN')
    try {
      await this.#add()
      await this.#trim(reach)
      await this.#connection.run('COMMIT')
    } catch (error) {
      await this.#connection.run('ROLLBACK').catch(() => undefined) // The first failure is the one to tell.
      throw error
    }
  }

  async #add(): Promise<void> {
    for (const one of kept) {
      const added = await this.#connection.run(
        `INSERT INTO ${one.table} SELECT ${one.select} FROM silver_batch`,
      )
      this.#rowCount += added.rowsChanged
    }
  }

  async #trim(reach: LookBack): Promise<void> {
    for (const { table, reach: name } of kept) {
      const fromMicros = reach[name]
      const trimmedTo = this.#trimmedTo.get(table)
      if (fromMicros === null) continue
      if (trimmedTo !== undefined && fromMicros < trimmedTo + trimEveryMicros) continue
      const old = `event_time < make_timestamp(${fromMicros})`
      const deleted = await this.#connection.run(`DELETE FROM ${table} WHERE ${old}`)
      this.#rowCount -= deleted.rowsChanged
      this.#trimmedTo.set(table, fromMicros)
    }
  }
}
