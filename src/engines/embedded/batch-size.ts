// How many records a batch may take, so that it fits into memory: learnt from the bytes of the records
// before, and from batches that did not fit. docs/decisions/state.md has the figures.

/** DuckDB computes so many rows at once, each with all that its JSON functions make of it. */
const rowsAtOnce = 2048
/** So many times its own bytes a record takes while it is judged. */
const judgedFactor = 40
/** Of the memory, so much is for rows that are judged at once. */
const judgedShare = 0.5
/** Of what is allowed so much is aimed at: records differ. */
const aim = 0.8
/** After a batch that fitted, the next may have so many times its records. */
const growth = 2

export type BatchLimits = {
  readonly recordsMax: number
  readonly bytesMax: number
  /** What DuckDB may have. */
  readonly memoryBytes: number
}

export class BatchSize {
  readonly #limits: BatchLimits
  #bytesPerRecord = 0
  /** What was learnt from batches that did not fit; infinite where none did not. */
  #fitting = Number.POSITIVE_INFINITY

  constructor(limits: BatchLimits) {
    this.#limits = limits
  }

  /** The records that the next batch may take; at least one. */
  get records(): number {
    const { recordsMax, bytesMax } = this.#limits
    const bytes = this.#bytesPerRecord / aim
    const byBytes = bytes === 0 ? recordsMax : bytesMax / bytes
    const byMemory = bytes === 0 ? recordsMax : this.#judgedBytesMax / bytes
    const judged = byMemory < rowsAtOnce ? byMemory : recordsMax
    return Math.max(1, Math.floor(Math.min(recordsMax, byBytes, judged, this.#fitting)))
  }

  /** True where so many records with so many bytes are more than a batch may have; one record never is. */
  isTooMuch(count: number, bytes: number): boolean {
    if (count <= 1) return false
    return (
      bytes > this.#limits.bytesMax || (bytes / count) * Math.min(count, rowsAtOnce) > this.#judgedBytesMax
    )
  }

  /** What DuckDB needs beside all else for a batch of one record that is larger than it has memory for. */
  memoryFor(count: number, bytes: number): number {
    const { memoryBytes } = this.#limits
    const needed = bytes * judgedFactor
    return count === 1 && needed > memoryBytes * judgedShare
      ? memoryBytes * judgedShare + needed
      : memoryBytes
  }

  /** A batch of so many records was read. What was large before is not forgotten at once. */
  noteLoaded(count: number, bytes: number): void {
    if (count > 0) this.#bytesPerRecord = Math.max(bytes / count, this.#bytesPerRecord / growth)
  }

  /** A batch that may have taken `wanted` records was too much with these already. */
  noteTooMuch(wanted: number, count: number, bytes: number): void {
    this.noteLoaded(count, bytes)
    this.#fitting = Math.max(1, Math.floor(wanted / 2))
  }

  /** A batch of so many records did not fit. */
  noteTooLarge(count: number): void {
    this.#fitting = Math.max(1, Math.floor(count / 2))
  }

  /** A batch of so many records was carried. */
  noteCarried(count: number): void {
    if (count * growth >= this.#fitting) this.#fitting *= growth
    if (this.#fitting >= this.#limits.recordsMax) this.#fitting = Number.POSITIVE_INFINITY
  }

  get #judgedBytesMax(): number {
    return (this.#limits.memoryBytes * judgedShare) / judgedFactor
  }
}
