// Silver as the streams behind it read it. After a RESTORE by another program its log still tells of batches
// whose rows are gone, until the stream that writes silver has carried them again.
import type { DeltaSnapshot, DeltaTable } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { progressOf } from '../ops/tables.ts'
import { restoredSince } from './restored.ts'

/** What reads silver's rows needs of it. */
export type SilverRows = Pick<DeltaTable, 'directory' | 'snapshot' | 'lastRemoval'>

export class FollowedSilver implements SilverRows {
  /** The batch that is followed: silver has to have it, and all before it. */
  batch = 0n
  /** The newest that silver was seen to have. */
  newestBatch = 0n
  readonly #delta: DeltaTable
  /** The stream that writes it. */
  readonly #stream: string
  /** The newest RESTORE whose batches silver has again; null before the first look at its log. */
  #carriedAgain: bigint | null = null

  constructor(delta: DeltaTable, stream: string) {
    this.#delta = delta
    this.#stream = stream
  }

  get directory(): string {
    return this.#delta.directory
  }

  get lastRemoval(): DeltaTable['lastRemoval'] {
    return this.#delta.lastRemoval
  }

  /** Fails with SILVER_RESTORED where silver lacks the batch that is followed, or one before it. */
  async snapshot(): Promise<DeltaSnapshot> {
    const snapshot = await this.#delta.snapshot()
    const reached = await this.#reached(snapshot)
    this.newestBatch = reached
    if (reached >= this.batch) return snapshot
    const { directory, batch } = this
    const message =
      `${directory} was put back to batch ${reached} by another program (RESTORE), and batch ${batch} is not there again ` +
      `yet: start the stream ${this.#stream}, which carries it again.`
    throw new LakehouseError('SILVER_RESTORED', message, { details: { batch, reached } })
  }

  /** The last batch of which the snapshot has the rows. */
  async #reached(snapshot: DeltaSnapshot): Promise<bigint> {
    const newest = this.#delta.lastRestore?.version ?? -1n
    if (this.#carriedAgain === null || newest > this.#carriedAgain) {
      const restored = await restoredSince(this.#delta, snapshot)
      if (restored !== null) return restored.progress.batch
      // Of a RESTORE that came after the snapshot nothing is known yet.
      if (newest <= snapshot.version) this.#carriedAgain = newest
    }
    return (await progressOf(this.#delta, snapshot))?.batch ?? 0n
  }
}
