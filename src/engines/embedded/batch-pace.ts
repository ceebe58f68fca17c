// When the next batch is cut: as late as its oldest record can wait, so that batches are few; as soon as the
// one before is done where that is later, so that batches grow with the load; at once where more waits than a
// batch can take. See docs/decisions/latency.md.

export type PaceLimits = {
  /** From when a record can be read to when its row is in the tables. */
  readonly latencyTargetMs: number
  /** Between two cuts, whatever the target. */
  readonly intervalMinMs: number
}

/** What loading or carrying a batch took lately at most: what was long before is forgotten bit by bit. */
class LatelyMost {
  ms = 0

  note(tookMs: number): void {
    this.ms = Math.max(tookMs, this.ms - (this.ms - tookMs) / 8)
  }
}

/** Times are of `performance.now()`. */
export class BatchPace {
  readonly #limits: PaceLimits
  readonly #loading = new LatelyMost()
  readonly #carrying = new LatelyMost()
  #cutAtMs = Number.NEGATIVE_INFINITY
  /** No record that waits can have come before. */
  #sinceMs = Number.NEGATIVE_INFINITY
  /** More waits than the last batch took. */
  #isBehind = false
  #carrySinceMs: number | null = null
  #onCarried: () => void = () => undefined

  constructor(limits: PaceLimits) {
    this.#limits = limits
  }

  /** Resolves when the next batch is to be cut, or with the signal. */
  async untilDue(signal: AbortSignal): Promise<void> {
    for (;;) {
      const waitMs = this.#dueAtMs() - performance.now()
      if (waitMs <= 0 || signal.aborted) return
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, waitMs)
        function done(): void {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          resolve()
        }
        signal.addEventListener('abort', done)
        this.#onCarried = done
      })
    }
  }

  #dueAtMs(): number {
    const { latencyTargetMs, intervalMinMs } = this.#limits
    const earliestMs = this.#cutAtMs + intervalMinMs
    if (this.#isBehind) return earliestMs
    const [loadMs, carryMs] = [this.#loading.ms, this.#carrying.ms]
    const byTargetMs = this.#sinceMs + Math.max(0, latencyTargetMs - loadMs - carryMs)
    // What is cut earlier would only wait to be carried, and be less.
    const byCarryMs = (this.#carrySinceMs ?? Number.NEGATIVE_INFINITY) + carryMs - loadMs
    return Math.max(earliestMs, byTargetMs, byCarryMs)
  }

  /** A cut begins. */
  cutting(): void {
    this.#cutAtMs = performance.now()
    this.#sinceMs = this.#cutAtMs
  }

  /** The cut took what there was, or left more. */
  cut(leftMore: boolean): void {
    this.#isBehind = leftMore
  }

  /** What the last cut took is read. */
  loaded(): void {
    this.#loading.note(performance.now() - this.#cutAtMs)
  }

  /** What the last cut took could not be read at once: it has waited. */
  again(): void {
    this.#cutAtMs = Number.NEGATIVE_INFINITY
    this.#isBehind = true
  }

  /** The first record came since a cut that found none. */
  arrived(): void {
    this.#sinceMs = performance.now()
  }

  /** A batch is being carried; nothing of it is held. */
  async during(carry: Promise<void>): Promise<void> {
    const sinceMs = performance.now()
    this.#carrySinceMs = sinceMs
    try {
      await carry
    } finally {
      this.#carrying.note(performance.now() - sinceMs)
      this.#carrySinceMs = null
      this.#onCarried()
    }
  }
}
