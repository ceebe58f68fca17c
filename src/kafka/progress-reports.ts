// Tells the consumer group how far the tables are, in the background: no batch waits for a coordinator.
import { setTimeout as sleep } from 'node:timers/promises'
import type { OnNotice } from '../batches/notice.ts'
import type { Offsets } from '../batches/offsets.ts'
import type { Cluster } from './cluster.ts'
import { failureOf } from './failures.ts'
import { commitOffsets } from './group.ts'
import { Retrier } from './retry.ts'

/** The coordinator of a group may have to be found or made first. */
const REPORT_MAX_MS = 10_000
/** How long the end of a run waits for the last report, and how long where the one before it failed. */
const FLUSH_MAX_MS = 3_000
const FLUSH_AFTER_FAILURE_MAX_MS = 1_000

export type ProgressReportsOptions = {
  readonly cluster: Cluster
  readonly groupId: string
  readonly onNotice: OnNotice
}

export class ProgressReports {
  readonly #options: ProgressReportsOptions
  readonly #closed = new AbortController()
  /** The newest offsets that are not on their way yet: older ones need not be told any more. */
  #waiting: Offsets | null = null
  #sending: Promise<void> | null = null
  #hasFailed = false

  constructor(options: ProgressReportsOptions) {
    this.#options = options
  }

  report(offsets: Offsets): void {
    if (offsets.size === 0 || this.#closed.signal.aborted) return
    this.#waiting = offsets
    this.#sending ??= this.#sendAll()
  }

  /** Waits a moment for what is still to be told, and ends. */
  async close(): Promise<void> {
    if (this.#sending !== null) {
      const waited = new AbortController()
      const limitMs = this.#hasFailed ? FLUSH_AFTER_FAILURE_MAX_MS : FLUSH_MAX_MS
      const limit = sleep(limitMs, undefined, { signal: waited.signal }).catch(() => undefined)
      await Promise.race([this.#sending, limit])
      waited.abort()
    }
    this.#closed.abort()
    await this.#sending
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting !== null) {
      const offsets = this.#waiting
      this.#waiting = null
      await this.#send(offsets)
    }
    this.#sending = null
  }

  async #send(offsets: Offsets): Promise<void> {
    const { cluster, groupId, onNotice } = this.#options
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(REPORT_MAX_MS)])
    // The absence of a coordinator is no outage of reading.
    const retrier = new Retrier(groupId, { giveUpAfterMs: REPORT_MAX_MS })
    try {
      await retrier.run(() => commitOffsets(cluster, groupId, offsets, signal), signal)
      this.#hasFailed = false
    } catch (error) {
      if (this.#hasFailed) return
      this.#hasFailed = true
      const message =
        `The offsets of consumer group ${groupId} were not committed: ${reasonOf(error)} Only tools that ` +
        'show the lag of the group notice; the tables hold the progress.'
      onNotice({ code: 'KAFKA_PROGRESS_NOT_REPORTED', message, details: { groupId } })
    }
  }
}

function reasonOf(error: unknown): string {
  const failure = failureOf(error)
  if (failure.kind === 'retry') return failure.message ?? failure.reason
  return failure.error instanceof Error ? failure.error.message : String(failure.error)
}
