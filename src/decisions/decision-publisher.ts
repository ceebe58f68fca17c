// Writes the decisions of the partitions that are this process's own to their topic, one batch after another,
// and waits for brokers as long as they are away.
import { setTimeout as sleep } from 'node:timers/promises'
import type { OnNotice } from '../batches/notice.ts'
import { partitionKey, type TopicPartition } from '../batches/offsets.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { DecidedRecord, DecisionLedger } from './decision-ledger.ts'

export type PublisherOptions = {
  readonly ledger: DecisionLedger
  /** Resolves when the decisions are in their topic. */
  readonly publish: (decided: readonly DecidedRecord[]) => Promise<void>
  /** Whether this process knows that its partitions are still its own. */
  readonly isSure: () => boolean
  readonly onNotice: OnNotice
  readonly signal: AbortSignal
}

const recordsPerBatchMax = 4_000
const retryFirstMs = 200
const retryMaxMs = 10_000

export class DecisionPublisher {
  readonly #options: PublisherOptions
  #mine: ReadonlySet<string> = new Set()
  #isRunning = false
  #batch: Promise<unknown> = Promise.resolve()

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** By partition key. */
  get mine(): ReadonlySet<string> {
    return this.#mine
  }

  isMine(at: TopicPartition): boolean {
    return this.#mine.has(partitionKey(at))
  }

  /** Decides whose decisions are written from now on. */
  own(mine: ReadonlySet<string>): void {
    this.#mine = mine
    this.kick()
  }

  /** There may be something to write. */
  readonly kick = (): void => {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#batch = this.#run()
    // Told when it is awaited.
    this.#batch.catch(() => undefined)
  }

  /** Resolves when the batch that is on its way is there; fails with what nothing can heal. */
  async batchDone(): Promise<void> {
    await this.#batch
  }

  /** Resolves when all is written that there is now. */
  async allDone(): Promise<void> {
    do await this.#batch
    while (this.#isRunning)
  }

  async #run(): Promise<void> {
    const { ledger, publish, isSure } = this.#options
    const records = isSure() ? ledger.waitingOf(this.#mine, recordsPerBatchMax) : []
    if (records.length === 0) {
      this.#isRunning = false
      return
    }
    const isThere = await this.#tried(() => publish(records))
    if (isThere) for (const { decision, offset } of records) ledger.onPublished(decision, offset)
    this.#batch = this.#run()
    this.#batch.catch(() => undefined)
  }

  #retryMs = retryFirstMs

  async #tried(publish: () => Promise<void>): Promise<boolean> {
    const { onNotice, signal } = this.#options
    try {
      await publish()
      this.#retryMs = retryFirstMs
      return true
    } catch (error) {
      if (!(error instanceof LakehouseError) || error.policy.retry === 'never') throw error
      onNotice({ code: error.code, message: error.message, details: error.details })
      await sleep(this.#retryMs, undefined, { signal })
      this.#retryMs = Math.min(2 * this.#retryMs, retryMaxMs)
      return false
    }
  }
}
