// The desk of reviewers behind the dashboard: opened when somebody first asks for it, or where there are
// verdicts already; its figures become metrics.
import { setTimeout as sleep } from 'node:timers/promises'
import { DeltaTable } from '../delta/index.ts'
import type { OnEvent } from '../engines/events.ts'
import { opsDirectory } from '../ops/tables.ts'
import { verdictsPath } from '../ops/verdicts.ts'
import type { ReviewDesk } from '../review/desk.ts'
import { openReview, type ReviewConfig } from '../review/open-review.ts'
import { Refusal } from './http.ts'

const figuresEveryMs = 30_000
const waitingMax = 50
const closingMaxMs = 5_000

export class ServedReview {
  readonly #config: ReviewConfig
  readonly #tell: OnEvent
  #desk: Promise<ReviewDesk | null> | null = null
  #figuresAtMs = 0
  #figuring: Promise<void> | null = null

  constructor(config: ReviewConfig, tell: OnEvent) {
    this.#config = config
    this.#tell = tell
  }

  /** Fails where no transactions are scored, and where too many wait. */
  async desk(): Promise<ReviewDesk> {
    this.#desk ??= openReview(this.#config)
    const desk = await this.#desk
    if (desk === null) throw new Refusal(404, 'NOTHING_SCORED', 'this lakehouse scores no transactions')
    if (desk.waiting >= waitingMax)
      throw new Refusal(503, 'BUSY', 'too many reviewers ask at once: try again', 2)
    return desk
  }

  /** To be called now and then: tells the figures when it is time. What fails is told the next time. */
  tick(nowMs: number): void {
    if (this.#figuring !== null || nowMs - this.#figuresAtMs < figuresEveryMs) return
    this.#figuresAtMs = nowMs
    this.#figuring = this.#tellFigures()
      .catch(() => undefined)
      .finally(() => {
        this.#figuring = null
      })
  }

  /** Something was decided. */
  changed(): void {
    this.#figuresAtMs = 0
  }

  async #tellFigures(): Promise<void> {
    const { lakehouse, deltaBasePath } = this.#config
    if (lakehouse.scored === null) return
    if (this.#desk === null && !(await DeltaTable.exists(opsDirectory(deltaBasePath, verdictsPath)))) return
    this.#tell({ kind: 'reviewed', ...(await (await this.desk()).figures()) })
  }

  /** A run that is over does not wait long for its store. */
  async close(): Promise<void> {
    const closing = (async () => {
      await this.#figuring
      await (await this.#desk)?.close()
    })().catch(() => undefined)
    await Promise.race([closing, sleep(closingMaxMs, undefined, { ref: false })])
  }
}
