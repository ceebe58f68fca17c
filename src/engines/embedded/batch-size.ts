// How many records a batch may take, so that it has no more bytes than it may: learnt from the records
// before.

/** Of the bytes that are allowed so much is aimed at: records differ. */
const aim = 0.8
/** What was large before is forgotten by so much with each batch. */
const forgetting = 2

export type BatchLimits = {
  readonly recordsMax: number
  /** Of keys and values. */
  readonly bytesMax: number
}

export class BatchSize {
  readonly #limits: BatchLimits
  #bytesPerRecord = 0

  constructor(limits: BatchLimits) {
    this.#limits = limits
  }

  /** The records that the next batch may take; at least one. */
  get records(): number {
    const { recordsMax, bytesMax } = this.#limits
    if (this.#bytesPerRecord === 0) return recordsMax
    return Math.max(1, Math.floor(Math.min(recordsMax, (bytesMax * aim) / this.#bytesPerRecord)))
  }

  /** True where so many records with so many bytes are more than a batch may have; one record never is. */
  isTooMuch(count: number, bytes: number): boolean {
    return count > 1 && bytes > this.#limits.bytesMax
  }

  /** So many records were read, for a batch or until they were too much for one. */
  noteRead(count: number, bytes: number): void {
    if (count > 0) this.#bytesPerRecord = Math.max(bytes / count, this.#bytesPerRecord / forgetting)
  }
}
