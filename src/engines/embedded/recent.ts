// What is kept of silver between batches, for each operator that looks back: the ids that a transaction may
// repeat, when each user was active, the values of rows. All is read from silver at every start, so there is
// no state of its own that could be lost, half-written or ahead of the tables. Rows of windows are not kept:
// they are read when one closes.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Parameters } from '../../batches/plan.ts'
import { whole } from '../../columns/whole.ts'
import type { DeltaSnapshot } from '../../delta/index.ts'
import { assert } from '../../errors/errors.ts'
import type { RowState, StateOfRows } from '../../javascript/index.ts'
import { RecentIds } from '../../state/recent-ids.ts'
import { lookBack, rangeOf } from '../batch-rules.ts'
import { type Kept, keptFor, loadRows, nameOf, rowsAbout } from './history-rows.ts'
import { canLookUp } from './looked-up.ts'

/** What bounds the rows that are kept. */
export type KeptBounds = {
  readonly watermarkMicros: bigint | null
  /** The time of the last batch whose rows are taken. */
  readonly upToMicros: bigint
  /** An operator that would keep more rows has them looked up for each batch, where that can be done. */
  readonly stateRowsMax: number
}

export class RecentSilver {
  #kept: readonly Kept[]
  readonly #rowsMax: number
  #isLookedUp: boolean

  private constructor(kept: readonly Kept[], rowsMax: number, isLookedUp: boolean) {
    this.#kept = kept
    this.#rowsMax = rowsMax
    this.#isLookedUp = isLookedUp
  }

  /** Whether there are operators that keep nothing: their rows are looked up for each batch. */
  get isLookedUp(): boolean {
    return this.#isLookedUp
  }

  /** Of a lakehouse that has no rows yet. */
  static empty(states: readonly RowState[], parameters: Parameters, stateRowsMax: number): RecentSilver {
    return new RecentSilver(
      states.map((node) => keptFor(node, parameters)),
      stateRowsMax,
      false,
    )
  }

  /**
   * Silver's rows that arrived up to the batch of time `upToMicros`, for each of the operators as far back as
   * it looks. Only files whose statistics may hold such rows are read.
   */
  static async load(
    connection: DuckDBConnection,
    silver: { readonly snapshot: DeltaSnapshot; readonly directory: string },
    states: readonly RowState[],
    parameters: Parameters,
    { watermarkMicros, upToMicros, stateRowsMax }: KeptBounds,
  ): Promise<RecentSilver> {
    const kept: Kept[] = []
    for (const node of states) {
      const fromMicros = lookBack(node, watermarkMicros, parameters)
      const history = { connection, ...silver, fromMicros, upToMicros, keys: null }
      if (canLookUp(node) && rowsAbout(node, history) > stateRowsMax) continue
      const one = keptFor(node, parameters)
      await loadRows(one, history)
      kept.push(one)
    }
    return new RecentSilver(kept, stateRowsMax, kept.length < states.length)
  }

  /** Rows in memory. */
  get rowCount(): number {
    return this.#kept.reduce((sum, { rows }) => sum + rows.rowCount, 0)
  }

  /** Of these rows. */
  get bytes(): number {
    return this.#kept.reduce((sum, { rows }) => sum + rows.bytes, 0)
  }

  /** What the operator keeps, for a batch with these settings; null where its rows are looked up. */
  of(node: RowState, parameters: Parameters): StateOfRows | null {
    const name = nameOf(node)
    const kept = this.#kept.find((one) => one.name === name)
    if (kept === undefined) {
      assert(this.#isLookedUp && canLookUp(node), 'what an operator remembers was loaded')
      return null
    }
    if (kept.rows instanceof RecentIds) kept.rows.rangeMicros = whole(rangeOf(node, parameters))
    return kept.rows
  }

  /** What a batch adds from here on can be taken back, until `commit`. */
  mark(): void {
    for (const { rows } of this.#kept) rows.mark()
  }

  commit(): void {
    for (const { rows } of this.#kept) rows.commit()
  }

  rollback(): void {
    for (const { rows } of this.#kept) rows.rollback()
  }

  /** Drops what no later row can ask for, and what has become more than an operator keeps. */
  forget(watermarkMicros: bigint | null, parameters: Parameters): void {
    for (const { node, rows } of this.#kept) {
      const fromMicros = lookBack(node, watermarkMicros, parameters)
      if (fromMicros !== null) rows.forgetBefore(whole(fromMicros))
    }
    const isTooMuch = ({ node, rows }: Kept): boolean => canLookUp(node) && rows.rowCount > this.#rowsMax
    if (!this.#kept.some(isTooMuch)) return
    this.#kept = this.#kept.filter((one) => !isTooMuch(one))
    this.#isLookedUp = true
  }
}
