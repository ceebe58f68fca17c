// Waits with back-off while Kafka is away and says so: when it begins, now and then while it lasts, and when
// it is over.
import { setTimeout as sleep } from 'node:timers/promises'
import type { OnNotice } from '../batches/notice.ts'
import { LakehouseError } from '../errors/errors.ts'
import { failureOf } from './failures.ts'

export const BACKOFF_MS_MIN = 100
export const BACKOFF_MS_MAX = 5_000
/** Whoever looks into the log during a long outage must not have to look for its beginning. */
const NOTICE_EVERY_MS = 5 * 60_000

export type RetryOptions = {
  readonly giveUpAfterMs?: number
  readonly noticeEveryMs?: number
  readonly onNotice?: OnNotice
}

type Outage = {
  readonly code: 'KAFKA_UNREACHABLE' | 'KAFKA_TOPIC_MISSING'
  readonly sinceMs: number
  failures: number
  /** null before the first notice. */
  noticedAtMs: number | null
}

export class Retrier {
  readonly #where: string
  readonly #giveUpAfterMs: number
  readonly #noticeEveryMs: number
  readonly #onNotice: OnNotice
  #outage: Outage | null = null

  constructor(where: string, options: RetryOptions) {
    this.#where = where
    this.#noticeEveryMs = options.noticeEveryMs ?? NOTICE_EVERY_MS
    this.#giveUpAfterMs = options.giveUpAfterMs ?? Number.POSITIVE_INFINITY
    this.#onNotice = options.onNotice ?? (() => {})
  }

  /** Runs `attempt` until it succeeds, fails for good, or Kafka has been away for too long. */
  async run<Result>(attempt: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    for (;;) {
      signal.throwIfAborted()
      try {
        const result = await attempt()
        this.succeeded()
        return result
      } catch (error) {
        signal.throwIfAborted()
        await this.failed(error, signal)
      }
    }
  }

  /** A request succeeded: an outage, if there was one, is over. */
  succeeded(): void {
    if (this.#outage === null) return
    const outageMs = Math.round(performance.now() - this.#outage.sinceMs)
    if (this.#outage.noticedAtMs !== null) {
      this.#onNotice({
        code: 'KAFKA_BACK',
        message: `Kafka at ${this.#where} answers again after ${outageMs} ms.`,
        details: { outageMs },
      })
    }
    this.#outage = null
  }

  /** Waits before the next attempt, at most `waitMaxMs`; throws what no waiting can heal. */
  async failed(error: unknown, signal: AbortSignal, waitMaxMs = Number.POSITIVE_INFINITY): Promise<void> {
    const failure = retryable(error)
    const now = performance.now()
    if (this.#outage?.code !== failure.code) {
      const sinceMs = this.#outage?.sinceMs ?? now
      this.#outage = { code: failure.code, sinceMs, failures: 0, noticedAtMs: null }
    }
    const outage = this.#outage!
    outage.failures += 1
    const message = failure.missing?.message ?? failure.message ?? this.#unreachableMessage(failure.reason)
    if (now - outage.sinceMs >= this.#giveUpAfterMs) {
      this.#outage = null // Whoever asks again gets the whole time again.
      const details = { ...failure.missing?.details, waitedMs: Math.round(now - outage.sinceMs) }
      throw new LakehouseError(failure.code, message, { cause: error, details })
    }
    // A connection that the broker had closed, or a moved leader, is healed by the first retry: not worth a
    // notice.
    const isDue = outage.noticedAtMs === null || now - outage.noticedAtMs >= this.#noticeEveryMs
    if (isDue && (outage.failures > 1 || failure.missing !== null)) {
      outage.noticedAtMs = now
      const outageMs = Math.round(now - outage.sinceMs)
      const goesOn = failure.missing === null ? 'tries again' : 'starts to read when it is there'
      const details = { reason: failure.reason, outageMs }
      this.#onNotice({ code: failure.code, message: `${message} Assay ${goesOn}.`, details })
    }
    const backoffMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (outage.failures - 1))
    await pause(Math.max(0, Math.min(backoffMs, waitMaxMs)), signal)
  }

  #unreachableMessage(reason: string): string {
    return (
      `Kafka at ${this.#where} does not answer: ${reason} Check that the brokers run, that ` +
      'KAFKA_BOOTSTRAP_SERVERS is right, and that the listener speaks the protocol of ' +
      'KAFKA_SECURITY_PROTOCOL.'
    )
  }
}

function retryable(error: unknown): {
  readonly code: Outage['code']
  readonly reason: string
  readonly message: string | null
  readonly missing: LakehouseError | null
} {
  if (error instanceof LakehouseError && error.code === 'KAFKA_TOPIC_MISSING') {
    return { code: 'KAFKA_TOPIC_MISSING', reason: error.message, message: null, missing: error }
  }
  const failure = failureOf(error)
  if (failure.kind === 'final') throw failure.error
  return { code: 'KAFKA_UNREACHABLE', reason: failure.reason, message: failure.message, missing: null }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // What ended the wait is the signal's own reason, not the timer's error about it.
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}

/** The promise, unless the signal ends the wait first; the request itself goes on until its own time-out. */
export async function abortable<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (signal.aborted) onAbort()
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
