// The rows of each key as far back as a range reaches, with their values: what `over` asks for each row where
// it does more than count, for which RecentTimes needs less. Meaning: `OverNode` in src/plan/relation.ts.
// What a row costs grows with the logarithm of its key's rows, in whatever order they come.
import type { Whole } from '../columns/whole.ts'
import { whole } from '../columns/whole.ts'
import type { Value } from '../expr/index.ts'
import { columnType, type OverNode, overColumns } from '../plan/index.ts'
import { InternedValues } from './interned-values.ts'
import { digestKey, type KeyDigest, type KeyValue } from './key-hash.ts'
import { type OverShape, OverShard, type ValueUse } from './over-shard.ts'
import { Sweep } from './sweep.ts'

const shardBits = 10
const shardCount = 1 << shardBits
/** A shard is made anew when so much of it is too old. */
const oldShareMax = 0.25

export class RecentAggregates {
  /** The columns whose values a row has to bring, in the order of `values`. */
  readonly columns: readonly string[]
  /** Set before `add`. */
  readonly values: Value[]
  /** What the aggregates come to for the last row, in their order. */
  readonly results: Value[]
  readonly #hash: KeyDigest
  readonly #shape: OverShape
  readonly #uses: readonly ValueUse[]
  /** Of columns whose values are texts that are given back. */
  readonly #texts: readonly (InternedValues | null)[]
  /** What a result is made of the number that stands for it. */
  readonly #decoders: readonly (((value: Whole | null) => Value) | null)[]
  readonly #shards: (OverShard | null)[] = new Array<OverShard | null>(shardCount).fill(null)
  readonly #sweep = new Sweep(shardCount)
  readonly #given
  readonly #found: (Whole | null)[]
  #rowsOfShard = 0
  /** By shard, how many rows it had at the mark; null where nothing is marked. */
  #marked: Map<number, number> | null = null

  constructor(options: { readonly hash: KeyDigest; readonly node: OverNode }) {
    this.#hash = options.hash
    this.#shape = shapeOf(options.node)
    this.columns = [...this.#shape.values.keys()]
    this.#uses = [...this.#shape.values.values()]
    this.values = this.columns.map(() => null)
    this.#texts = this.#uses.map(({ type, isStored }) =>
      type === 'string' && isStored ? new InternedValues(type) : null,
    )
    this.#decoders = this.#shape.aggregates.map((one) => {
      if (one.function !== 'previous') return null
      if (one.type === 'boolean') return (value) => (value === null ? null : value === 1)
      const texts = this.#texts[this.columns.indexOf(one.of)]
      if (texts === null || texts === undefined) return null
      return (value) => (value === null ? null : (texts.valueOf(Number(value)) as string))
    })
    this.results = this.#shape.aggregates.map(() => null)
    this.#found = this.#shape.aggregates.map(() => null)
    this.#given = {
      stored: this.columns.map((): Whole | null => null),
      digests: new Int32Array(2 * this.columns.length),
      isNull: new Uint8Array(this.columns.length),
    }
  }

  /** It looks at each shard, so it is for once a batch, not for each row. */
  get rowCount(): number {
    return this.#shards.reduce((sum, shard) => sum + (shard?.rowCount ?? 0), 0)
  }

  /** As `rowCount`. */
  get bytes(): number {
    const texts = this.#texts.reduce((sum, one) => sum + (one?.bytes ?? 0), 0)
    return this.#shards.reduce((sum, shard) => sum + (shard?.bytes ?? 0), texts)
  }

  /** Makes room for about so many rows in shards that are still to be made. */
  reserve(rowCount: number): void {
    this.#rowsOfShard = rowCount / shardCount
  }

  /** Adds the row whose `values` are set, and sets `results`. A null key or time has nulls, and is not added. */
  add(key: KeyValue | null, micros: Whole | null): void {
    if (key === null || micros === null) {
      this.results.fill(null)
      return
    }
    this.#put(key, micros, this.#found)
    for (let index = 0; index < this.#found.length; index++) {
      const found = this.#found[index]!
      const decode = this.#decoders[index]
      this.results[index] = decode === null || decode === undefined ? found : decode(found)
    }
  }

  /** Adds a row of history, as `add` does, without `results`. Rows come in the order of their arrival. */
  load(key: KeyValue | null, micros: Whole | null): void {
    if (key !== null && micros !== null) this.#put(key, micros, null)
  }

  /** Drops what is older, a part with each call, unless something is marked; what is of use stays. */
  forgetBefore(micros: Whole): void {
    if (this.#marked !== null) return
    this.#sweep.moveTo(micros, this.#shape.rangeMicros, (index) => {
      const shard = this.#shards[index]
      if (shard === null || shard === undefined) return
      const old = shard.rowsBefore(micros)
      if (old === shard.rowCount) this.#shards[index] = null
      else if (old > shard.rowCount * oldShareMax) this.#shards[index] = shard.kept(micros)
    })
    for (const texts of this.#texts) texts?.forgetBefore(Number(micros))
  }

  /** What is added from here on can be taken back, until the next mark or `commit`. */
  mark(): void {
    this.#marked = new Map()
  }

  commit(): void {
    this.#marked = null
  }

  /** Takes back what was added since the mark, which stays. */
  rollback(): void {
    for (const [index, rowCount] of this.#marked ?? []) {
      this.#shards[index] = rowCount === 0 ? null : this.#shards[index]!.kept(null, rowCount)
    }
    this.#marked?.clear()
  }

  #put(key: KeyValue, micros: Whole, results: (Whole | null)[] | null): void {
    const { stored, digests, isNull } = this.#given
    const hash = this.#hash
    for (let column = 0; column < this.values.length; column++) {
      const value = this.values[column]! as KeyValue | null
      isNull[column] = value === null ? 1 : 0
      const use = this.#uses[column]!
      if (use.isStored) stored[column] = this.#storedOf(column, value, micros)
      if (!use.isCounted || value === null) continue
      digestKey(hash, value)
      digests[2 * column] = hash.a
      digests[2 * column + 1] = hash.b
    }
    digestKey(hash, key)
    const index = hash.c >>> (32 - shardBits)
    let shard = this.#shards[index]!
    if (shard === null) {
      shard = new OverShard(this.#shape, this.#rowsOfShard)
      this.#shards[index] = shard
    }
    if (this.#marked !== null && !this.#marked.has(index)) this.#marked.set(index, shard.rowCount)
    shard.add(hash.a, hash.b, micros, this.#given, results)
  }

  #storedOf(column: number, value: KeyValue | null, micros: Whole): Whole | null {
    if (typeof value === 'string') return this.#texts[column]!.idOf(value, Number(micros))
    return typeof value === 'boolean' ? Number(value) : value
  }
}

function shapeOf(node: OverNode): OverShape {
  const aggregates = Object.values(node.aggregates)
  const values = new Map<string, ValueUse>()
  for (const column of overColumns(node)) {
    const uses = aggregates.filter((one) => 'of' in one && one.of === column)
    values.set(column, {
      type: columnType(node.input, column),
      isStored: uses.some((one) => one.function !== 'distinct'),
      isCounted: uses.some((one) => one.function === 'distinct'),
    })
  }
  return { rangeMicros: whole(node.rangeMicros), aggregates, values }
}
