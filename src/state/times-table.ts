// Rows by key and time in shards that grow and are swept one by one, so that no call pauses. Times are
// numbers from 0 to 2^53 - 1.
import { AdditionLog } from './addition-log.ts'
import { highWord, type KeyDigest, lowWord, shardBits, shardCount } from './key-hash.ts'
import { Sweep } from './sweep.ts'
import { TimesShard } from './times-shard.ts'

/** What objects of JavaScript take beside a shard's arrays. */
const shardBytes = 800

export class TimesTable {
  readonly #shards: (TimesShard | null)[] = new Array<TimesShard | null>(shardCount).fill(null)
  readonly #sweep = new Sweep(shardCount)
  readonly #log = new AdditionLog()
  #line = -1
  #rowsOfShard = 0

  get rowCount(): number {
    return this.#shards.reduce((sum, shard) => sum + (shard?.rowCount ?? 0), 0)
  }

  get bytes(): number {
    const shards = this.#shards.reduce(
      (sum, shard) => sum + (shard === null ? 0 : shard.bytes + shardBytes),
      0,
    )
    return shards + this.#log.bytes
  }

  /** Makes room for about so many rows in shards that are still to be made. */
  reserve(rowCount: number): void {
    this.#rowsOfShard = rowCount / this.#shards.length
  }

  countBetween(key: KeyDigest, from: number, to: number): number {
    return this.#shards[key.c >>> (32 - shardBits)]?.countBetween(key.a, key.b, from, to) ?? 0
  }

  /** Adds the row, and gives how many of the key's before it lie from `from` to its time. */
  addAndCount(key: KeyDigest, at: number, from: number): number {
    const { a, b, c } = key
    this.#log.note(a, b, c, lowWord(at), highWord(at))
    return this.#shardOf(c).addAndCount(a, b, at, from, this.#line)
  }

  add(key: KeyDigest, at: number): void {
    const { a, b, c } = key
    this.#log.note(a, b, c, lowWord(at), highWord(at))
    this.#shardOf(c).add(a, b, at, this.#line)
  }

  forgetBefore(line: number, rangeMicros: number): void {
    this.#line = Math.max(this.#line, line)
    this.#sweep.moveTo(line, rangeMicros, (index) => this.#shards[index]?.sweep(this.#line))
  }

  mark(): void {
    this.#log.mark()
  }

  commit(): void {
    this.#log.close()
  }

  rollback(): void {
    this.#log.takeBack((a, b, c, low, high) => {
      this.#shards[c >>> (32 - shardBits)]!.remove(a, b, high * 4_294_967_296 + (low >>> 0))
    })
  }

  #shardOf(c: number): TimesShard {
    const index = c >>> (32 - shardBits)
    const shard = this.#shards[index]!
    if (shard !== null) return shard
    const made = new TimesShard(this.#rowsOfShard)
    this.#shards[index] = made
    return made
  }
}
