// What is kept of silver between batches: the ids that a transaction may repeat, and when each user was
// active. Both are read from silver at every start, so there is no state of its own that could be lost,
// half-written or ahead of the tables. Rows of windows are not kept: they are read when one closes.
import { randomBytes } from 'node:crypto'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Parameters } from '../../batches/plan.ts'
import { whole } from '../../columns/whole.ts'
import { type AddFile, type DeltaSnapshot, prunedFiles, scanSql } from '../../delta/index.ts'
import type { RowBatch, RowState } from '../../javascript/index.ts'
import { duckdb } from '../../sql/index.ts'
import { KeyHash } from '../../state/key-hash.ts'
import { ManyRows } from '../../state/many-rows.ts'
import { RecentIds } from '../../state/recent-ids.ts'
import { RecentTimes } from '../../state/recent-times.ts'
import { lookBack, rangeOf } from '../batch-rules.ts'
import { takeRows } from './recent-rows.ts'

/** One operator that remembers rows, and its rows. */
type Kept = { readonly hash: KeyHash } & (
  | { readonly node: Extract<RowState, { kind: 'deduplicate' }>; readonly rows: RecentIds }
  | { readonly node: Extract<RowState, { kind: 'velocity' }>; readonly rows: RecentTimes }
)

export class RecentSilver {
  readonly #kept: readonly Kept[]

  private constructor(kept: readonly Kept[]) {
    this.#kept = kept
  }

  /**
   * Silver's rows that arrived up to the batch of time `upToMicros` and can matter to later ones, for each of
   * the operators. Only files whose statistics may hold such rows are read.
   */
  static async load(
    connection: DuckDBConnection,
    silver: { readonly snapshot: DeltaSnapshot; readonly directory: string },
    states: readonly RowState[],
    parameters: Parameters,
    { watermarkMicros, upToMicros }: { readonly watermarkMicros: bigint | null; readonly upToMicros: bigint },
  ): Promise<RecentSilver> {
    const kept = states.map((node) => keptFor(node, parameters))
    for (const { node, rows, hash } of kept) {
      const fromMicros = lookBack(node, watermarkMicros, parameters)
      const columns = [node.key, node.eventTime]
      const where = [
        { column: node.eventTime, ...(fromMicros === null ? {} : { min: fromMicros }) },
        { column: 'processing_time', max: upToMicros },
      ]
      const scan = scanSql(silver.snapshot, silver.directory, {
        columns: [...columns, 'processing_time'],
        where,
        naiveTimestamps: true,
      })
      const [key, time] = columns.map(duckdb.name) as [string, string]
      const isRecent = fromMicros === null ? 'true' : `${time} >= make_timestamp(${fromMicros})`
      const relation =
        `SELECT ${key}, ${time} FROM (${scan}) ` +
        `WHERE processing_time <= make_timestamp(${upToMicros}) AND ${isRecent}`
      const isText = silver.snapshot.metadata.fields.find(({ name }) => name === node.key)?.type === 'string'
      rows.reserve(rowsAbout(prunedFiles(silver.snapshot, where), node.eventTime, fromMicros))
      const many = new ManyRows(hash, (micros) => rows.addDigested(micros))
      await takeRows(connection, relation, { key, time, isText }, many)
    }
    return new RecentSilver(kept)
  }

  /** Rows in memory. */
  get rowCount(): number {
    return this.#kept.reduce((sum, { rows }) => sum + rows.rowCount, 0)
  }

  /** Of these rows. */
  get bytes(): number {
    return this.#kept.reduce((sum, { rows }) => sum + rows.bytes, 0)
  }

  /** For a batch with these settings. */
  for(parameters: Parameters): Pick<RowBatch, 'repeats' | 'counts'> {
    const repeats: Record<string, RecentIds> = {}
    const counts: Record<string, RecentTimes> = {}
    for (const { node, rows } of this.#kept) {
      if (rows instanceof RecentTimes) counts[node.as] = rows
      else {
        rows.rangeMicros = whole(rangeOf(node, parameters))
        repeats[node.as] = rows
      }
    }
    return { repeats, counts }
  }

  /** What a batch adds from here on can be taken back, until `commit`. */
  mark(): void {
    for (const { rows } of this.#kept) rows.mark()
  }

  commit(): void {
    for (const { rows } of this.#kept) rows.commit()
  }

  rollback(): void {
    for (const { rows } of this.#kept) rows.rollback()
  }

  /** Drops what no later row can ask for. */
  forget(watermarkMicros: bigint | null, parameters: Parameters): void {
    for (const { node, rows } of this.#kept) {
      const fromMicros = lookBack(node, watermarkMicros, parameters)
      if (fromMicros !== null) rows.forgetBefore(whole(fromMicros))
    }
  }
}

function keptFor(node: RowState, parameters: Parameters): Kept {
  // Nobody who sends records can know which of them share a place.
  const seed = randomBytes(16)
  const hash = new KeyHash([
    seed.readInt32LE(0),
    seed.readInt32LE(4),
    seed.readInt32LE(8),
    seed.readInt32LE(12),
  ])
  if (node.kind === 'deduplicate') {
    return { node, hash, rows: new RecentIds({ hash, rangeMicros: whole(rangeOf(node, parameters)) }) }
  }
  return { node, hash, rows: new RecentTimes({ hash, rangeMicros: whole(node.rangeMicros) }) }
}

/** About how many rows are not earlier, as if those of a file were spread evenly over its time. */
function rowsAbout(files: readonly AddFile[], eventTime: string, fromMicros: bigint | null): number {
  return files.reduce((sum, { stats }) => {
    const bounds = [stats?.minValues[eventTime], stats?.maxValues[eventTime]]
    const [first, last] = bounds.map((bound) => Date.parse(String(bound)) * 1000) as [number, number]
    const share = fromMicros === null ? 1 : (last - Number(fromMicros)) / (last - first)
    return sum + Number(stats?.numRecords ?? 0n) * (share > 0 ? Math.min(share, 1) : 0)
  }, 0)
}
