// When each key had rows, and how many of them lie in the time before a row: what `over` asks for each row
// where it counts alone. Meaning: `OverNode` in src/plan/relation.ts.
import { subtractWhole, type Whole } from '../columns/whole.ts'
import { digestKey, type KeyDigest, type KeyValue } from './key-hash.ts'
import { TimesTable } from './times-table.ts'

/**
 * A table holds the 285 years that a number counts exactly in microseconds. Those from 1970 on have one of
 * their own, which nearly all rows are in; others have tables that are made when a row needs one.
 */
const eraBits = 53n
const eraMax = Number.MAX_SAFE_INTEGER
const nearEra = 0

export class RecentTimes {
  readonly rangeMicros: Whole
  readonly #hash: KeyDigest
  #near = new TimesTable()
  readonly #far = new Map<number, TimesTable>()
  #isMarked = false

  constructor(options: { readonly hash: KeyDigest; readonly rangeMicros: Whole }) {
    this.#hash = options.hash
    this.rangeMicros = options.rangeMicros
  }

  /** It looks at each shard, so it is for once a batch, not for each row. */
  get rowCount(): number {
    return this.#tables().reduce((sum, table) => sum + table.rowCount, 0)
  }

  /** As `rowCount`. */
  get bytes(): number {
    return this.#tables().reduce((sum, table) => sum + table.bytes, 0)
  }

  /** Makes room for about so many rows as they come, which is faster than to grow row by row. */
  reserve(rowCount: number): void {
    this.#near.reserve(rowCount)
  }

  /** Adds the row, and gives how many rows of the key lie in [micros - range, micros], itself included. */
  count(key: KeyValue, micros: Whole): number {
    this.#digest(key)
    const range = this.rangeMicros
    if (typeof micros === 'number' && micros >= 0 && typeof range === 'number') {
      const from = micros - range
      if (from >= 0) return this.#near.addAndCount(this.#hash, micros, from) + 1
    }
    const count = this.countDigested(subtractWhole(micros, range), micros)
    this.addDigested(micros)
    return count + 1
  }

  add(key: KeyValue, micros: Whole): void {
    this.#digest(key)
    this.addDigested(micros)
  }

  /** As `add`, of the key whose digest the hash has. */
  addDigested(micros: Whole): void {
    const era = eraOf(micros)
    let table = this.#table(era)
    if (table === undefined) {
      table = new TimesTable()
      if (this.#isMarked) table.mark()
      this.#far.set(era, table)
    }
    table.add(this.#hash, inEra(micros))
  }

  /** How many rows of the key lie in [from, to]. */
  countBetween(key: KeyValue, from: Whole, to: Whole): number {
    this.#digest(key)
    return this.countDigested(from, to)
  }

  /** As `countBetween`, of the key whose digest the hash has. */
  countDigested(from: Whole, to: Whole): number {
    const [first, last] = [eraOf(from), eraOf(to)]
    let count = 0
    for (const era of [nearEra, ...this.#far.keys()]) {
      if (era < first || era > last) continue
      const least = era === first ? inEra(from) : 0
      const most = era === last ? inEra(to) : eraMax
      count += this.#table(era)!.countBetween(this.#hash, least, most)
    }
    return count
  }

  /** Drops what is older, a part with each call; what is of use stays in any case. */
  forgetBefore(micros: Whole): void {
    const era = eraOf(micros)
    for (const one of this.#far.keys()) if (one < era) this.#far.delete(one)
    if (era > nearEra && this.#near.rowCount > 0) {
      this.#near = new TimesTable()
      if (this.#isMarked) this.#near.mark()
    }
    this.#table(era)?.forgetBefore(inEra(micros), Number(this.rangeMicros))
  }

  /** What is added from here on can be taken back, until the next mark or `commit`. */
  mark(): void {
    this.#isMarked = true
    for (const table of this.#tables()) table.mark()
  }

  commit(): void {
    this.#isMarked = false
    for (const table of this.#tables()) table.commit()
  }

  /** Takes back what was added since the mark, which stays. What was forgotten meanwhile stays forgotten. */
  rollback(): void {
    for (const table of this.#tables()) table.rollback()
  }

  #digest(key: KeyValue): void {
    digestKey(this.#hash, key)
  }

  #tables(): TimesTable[] {
    return [this.#near, ...this.#far.values()]
  }

  #table(era: number): TimesTable | undefined {
    return era === nearEra ? this.#near : this.#far.get(era)
  }
}

function eraOf(micros: Whole): number {
  if (typeof micros === 'number' && micros >= 0) return nearEra
  return Number(BigInt(micros) >> eraBits)
}

function inEra(micros: Whole): number {
  if (typeof micros === 'number' && micros >= 0) return micros
  return Number(BigInt.asUintN(Number(eraBits), BigInt(micros)))
}
