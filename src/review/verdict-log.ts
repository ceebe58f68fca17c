// review/verdicts read and written: the verdicts that stand, in a table of the connection.
import type { DuckDBConnection } from '@duckdb/node-api'
import { rowsOf } from '../engines/database.ts'
import { SequencedTable } from '../engines/sequenced-table.ts'
import { verdictsAppId, verdictsDefinition, verdictsPath } from '../ops/verdicts.ts'

/** A case whose verdict was taken back; `micros` is when its row was scored. */
export type ReopenedCase = {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly micros: bigint | null
}

/** The places of transactions that have a final verdict. */
export const finalPlacesSql = `SELECT topic, "partition", "offset" FROM verdicts WHERE verdict IN ('fraud', 'legitimate')`

export type VerdictNews =
  | { readonly kind: 'same' }
  | { readonly kind: 'anew' }
  | { readonly kind: 'added'; readonly reopened: readonly ReopenedCase[] }

const news = 'new_verdicts'

export class VerdictLog {
  readonly #connection: DuckDBConnection
  readonly table: SequencedTable

  constructor(deltaBasePath: string, connection: DuckDBConnection) {
    this.#connection = connection
    const of = { path: verdictsPath, definition: verdictsDefinition, appId: verdictsAppId }
    this.table = new SequencedTable({ deltaBasePath, ...of, connection, news })
  }

  async refresh(): Promise<VerdictNews> {
    const kind = await this.table.refresh()
    if (kind === 'same') return { kind }
    const undone = `SELECT undoes FROM ${news} WHERE undoes IS NOT NULL`
    const standing = `SELECT * FROM ${news} WHERE verdict IS NOT NULL AND sequence NOT IN (${undone})`
    if (kind === 'anew') {
      await this.#connection.run(`CREATE OR REPLACE TEMP TABLE verdicts AS ${standing}`)
      return { kind }
    }
    const rows = await rowsOf(
      this.#connection,
      `SELECT topic, "partition", "offset", epoch_us(processing_time) AS micros FROM verdicts
       WHERE sequence IN (${undone}) AND verdict IN ('fraud', 'legitimate')`,
    )
    await this.#connection.run(`DELETE FROM verdicts WHERE sequence IN (${undone})`)
    await this.#connection.run(`INSERT INTO verdicts BY NAME ${standing}`)
    const reopened = rows.map(({ topic, partition, offset, micros }) => ({
      topic: String(topic),
      partition: Number(partition),
      offset: BigInt(String(offset)),
      micros: micros === null ? null : BigInt(String(micros)),
    }))
    return { kind, reopened }
  }
}
