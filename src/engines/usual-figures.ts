// What a table's own rows say is usual for its figures, kept between batches: read from the table before the
// first one, and again whenever it is not known to be what the table has.
import type { DuckDBConnection } from '@duckdb/node-api'
import { baselineKey } from '../javascript/index.ts'
import { type BaselineNode, storedText } from '../plan/index.ts'
import { duckdb, latestSql } from '../sql/index.ts'
import { Baselines } from '../state/baselines.ts'
import { eachRow } from './embedded/selected-rows.ts'

type Known = { readonly of: string; readonly baselines: Baselines }

/** The rows of a table. */
export type OwnRows = {
  /** A SELECT; null where there are none. */
  readonly select: () => Promise<string | null>
  /** Another where rows were taken out. */
  readonly state: () => Promise<string>
}

export class UsualFigures {
  readonly #rows: OwnRows
  #committed: Known | null = null
  #pending: Known | null = null

  constructor(rows: OwnRows) {
    this.#rows = rows
  }

  /** By all rows that the table has. What is added to it counts once `commit` is called. */
  async take(connection: DuckDBConnection, node: BaselineNode): Promise<Baselines> {
    const { input: _, columns: __, ...itself } = node
    const of = `${storedText(itself)} ${await this.#rows.state()}`
    const known = this.#committed
    this.#committed = null
    const baselines = known?.of === of ? known.baselines : await this.#read(connection, node)
    this.#pending = { of, baselines }
    return baselines
  }

  /** The table has the rows of the batch. */
  commit(): void {
    if (this.#pending !== null) this.#committed = this.#pending
    this.#pending = null
  }

  async #read(connection: DuckDBConnection, node: BaselineNode): Promise<Baselines> {
    const baselines = new Baselines(node)
    const select = await this.#rows.select()
    if (select === null) return baselines
    const latest = latestSql(duckdb, node, `(${select})`)
    await eachRow(connection, `${latest} ORDER BY ${duckdb.name(node.order)}`, (row) => {
      const value = row[node.value]
      if (typeof value === 'number') baselines.add(baselineKey(node, row), value)
    })
    return baselines
  }
}
