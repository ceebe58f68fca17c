// Work that follows each batch, in the order of the batches, while the next ones are carried: windows that
// close hold no batch back.
import { assert } from '../../errors/errors.ts'

/** So many batches may be ahead of it: what they hold in memory has a bound. */
const batchesAheadMax = 16
/**
 * And so many records: what windows and sessions have of them in memory would be dropped, and be read from
 * files again. One batch may be ahead whatever its size.
 */
const recordsAheadMax = 150_000

export class WorkBehind {
  #last: Promise<void> = Promise.resolve()
  #waitingCount = 0
  #waitingRecords = 0
  #doneBatch: bigint
  #failure: { readonly error: unknown } | null = null

  readonly #onFailure: () => void

  /** `onFailure` ends what waits for other things, so that the failure is told at once. */
  constructor(doneBatch: bigint, onFailure: () => void) {
    this.#doneBatch = doneBatch
    this.#onFailure = onFailure
  }

  /** The last batch whose work is done, and that of all before it. */
  get doneBatch(): bigint {
    return this.#doneBatch
  }

  /** Resolves when one more batch may be ahead. Fails as the work did. */
  async room(): Promise<void> {
    while (this.#isFull && this.#failure === null) await this.#next()
    this.#throwFailure()
  }

  /** After a failure nothing more is done. */
  add(batch: bigint, records: number, work: () => Promise<void>): void {
    assert(batch > this.#doneBatch, 'batches come in their order')
    this.#waitingRecords += records
    this.#append(async () => {
      try {
        await work()
        this.#doneBatch = batch
      } finally {
        this.#waitingRecords -= records
      }
    })
  }

  get #isFull(): boolean {
    return this.#waitingCount >= batchesAheadMax || this.#waitingRecords > recordsAheadMax
  }

  /** Work of no batch; not done while there is other work. */
  whenIdle(work: () => Promise<void>): void {
    if (this.#waitingCount === 0) this.#append(work)
  }

  #append(work: () => Promise<void>): void {
    this.#waitingCount++
    this.#last = this.#last.then(async () => {
      try {
        if (this.#failure === null) await work()
      } catch (error) {
        this.#failure = { error }
        this.#onFailure()
      } finally {
        this.#waitingCount--
        for (const resolve of this.#waiters.splice(0)) resolve()
      }
    })
  }

  /** Resolves when all is done. Fails as the work did. */
  async finish(): Promise<void> {
    await this.#last
    this.#throwFailure()
  }

  readonly #waiters: (() => void)[] = []

  async #next(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error
  }
}
