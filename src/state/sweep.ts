// Which part of a table is swept of what is too old, and when. A sweep goes once round in an eighth of the
// range as event time goes on, a few shards at a time, so no call pauses and an eighth more than needed
// stays.
import { subtractWhole, type Whole } from '../columns/whole.ts'

const roundsOfRange = 8
/** Of one call: a bound for its pause, and all is swept in 128 calls at most. */
const partsOfRound = 128

export class Sweep {
  readonly #shardCount: number
  #line: Whole | null = null
  #due: number
  #next = 0

  constructor(shardCount: number) {
    this.#shardCount = shardCount
    this.#due = 0
  }

  /** Rows before it are of no use any more. */
  get line(): Whole | null {
    return this.#line
  }

  /** Moves the line, and calls `sweep` for the shards whose turn it is. */
  moveTo(line: Whole, rangeMicros: Whole, sweep: (shard: number) => void): void {
    if (this.#line === null) this.#due = this.#shardCount
    if (this.#line === null || line > this.#line) {
      const micros = this.#line === null ? 0 : Number(subtractWhole(line, this.#line))
      this.#line = line
      const rounds = (micros * roundsOfRange) / Math.max(Number(rangeMicros), 1)
      this.#due = Math.min(this.#due + rounds * this.#shardCount, this.#shardCount)
    }
    const count = Math.min(Math.floor(this.#due), Math.ceil(this.#shardCount / partsOfRound))
    this.#due -= count
    for (let index = 0; index < count; index++) {
      sweep(this.#next)
      this.#next = (this.#next + 1) % this.#shardCount
    }
  }
}
