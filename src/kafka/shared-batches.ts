// Calls that come while a batch is on its way share the next ones: one answer of a broker serves all of them.
import { LakehouseError } from '../errors/errors.ts'
import { contentBytes, type ProducedRecord } from './produced-record.ts'

const RECORD_OVERHEAD_BYTES = 32

export type SharedBatchesOptions = {
  /** Of all partitions together, so that no batch of several records is too large for the topic. */
  readonly bytesMax: number
  /** Resolves when the records are written. */
  readonly send: (records: readonly ProducedRecord[]) => Promise<void>
  /** After a record that the broker refused: the next batch has nothing to do with it. */
  readonly reopen: () => Promise<void>
}

type Call = {
  readonly records: readonly ProducedRecord[]
  /** Records that are not written yet. */
  left: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}
type RecordOfCall = { readonly record: ProducedRecord; readonly call: Call }

/**
 * One batch at a time. The broker knows a repeated batch by its sequence number, but takes a later batch that
 * arrives before the repeat for lost state; the client then repeats both under a new producer id, which no
 * broker recognises.
 */
export class SharedBatches {
  readonly #options: SharedBatchesOptions
  #waiting: Call[] = []
  #isSending = false
  #failed: { readonly error: unknown } | null = null

  constructor(options: SharedBatchesOptions) {
    this.#options = options
  }

  /** Records keep the order of the calls: after a failure every later call fails with it. */
  send(records: readonly ProducedRecord[]): Promise<void> {
    if (records.length === 0) return Promise.resolve()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ records, left: records.length, resolve, reject })
    if (!this.#isSending) void this.#sendWaiting()
    return promise
  }

  async #sendWaiting(): Promise<void> {
    this.#isSending = true
    while (this.#waiting.length > 0) {
      const calls = this.#waiting
      this.#waiting = []
      try {
        if (this.#failed === null) await this.#sendShared(calls)
      } catch (error) {
        this.#failed = { error }
      }
      // Those that are written are settled already.
      if (this.#failed !== null) for (const call of calls) call.reject(this.#failed.error)
    }
    this.#isSending = false
  }

  async #sendShared(calls: readonly Call[]): Promise<void> {
    for (const batch of batchesOf(calls, this.#options.bytesMax)) {
      try {
        await this.#options.send(batch.map(({ record }) => record))
      } catch (error) {
        if (batch.length > 1 || !isTooLarge(error)) throw error
        // Nothing of it was written, and the other calls have done nothing wrong.
        batch[0]!.call.reject(error)
        await this.#options.reopen()
      }
      for (const { call } of batch) {
        call.left--
        if (call.left === 0) call.resolve()
      }
    }
  }
}

function* batchesOf(calls: readonly Call[], bytesMax: number): Generator<readonly RecordOfCall[]> {
  let batch: RecordOfCall[] = []
  let bytes = 0
  for (const call of calls) {
    for (const record of call.records) {
      const size = RECORD_OVERHEAD_BYTES + contentBytes(record)
      if (bytes + size > bytesMax && batch.length > 0) {
        yield batch
        batch = []
        bytes = 0
      }
      batch.push({ record, call })
      bytes += size
    }
  }
  if (batch.length > 0) yield batch
}

function isTooLarge(error: unknown): boolean {
  return error instanceof LakehouseError && error.code === 'KAFKA_RECORD_TOO_LARGE'
}
