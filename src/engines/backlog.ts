// The rows of bronze that silver has not met yet: where another brings records into bronze (Spark's streaming
// query), the planner cuts its batches from there. It reads four narrow columns, of few files.
import type { DuckDBConnection } from '@duckdb/node-api'
import {
  type OffsetRange,
  type Offsets,
  type OfTopic,
  partitionKey,
  type TopicPartition,
} from '../batches/offsets.ts'
import { advanceOffsets } from '../batches/planner.ts'
import { preferredCut } from '../batches/preferred-cut.ts'
import type { Cut } from '../batches/source.ts'
import {
  type AddFile,
  type DeltaSnapshot,
  type DeltaTable,
  fetchedScanSql,
  prunedFiles,
} from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { duckdb } from '../sql/index.ts'
import { rowsOf } from './database.ts'

/**
 * Of all rows of the ranges none has an older processing time, in microseconds; null where that is not known.
 */
export type BacklogCut = Cut & { readonly sinceMicros: bigint | null }

const nothing: BacklogCut = { ranges: [], more: false, waiting: [], sinceMicros: null }

/** What waits in one partition. */
type Waiting = TopicPartition & { readonly first: bigint; readonly end: bigint; readonly count: bigint }

/** A SELECT of the rows that wait behind `next`, and what of them waits in each partition. */
type Rows = { readonly rows: string; readonly waiting: readonly Waiting[]; readonly next: Offsets }

export type CutWishes = {
  /** The partitions that hold the watermark back, the one that holds it most first. */
  readonly preferred?: readonly TopicPartition[]
  /**
   * What the input has now of partitions of which bronze, whose rows end at `here`, has yet to get some: they
   * wait. Without it, bronze gets nothing more.
   */
  readonly inputEnds?: (here: Offsets) => Promise<Offsets>
}

export class Backlog {
  readonly #connection: DuckDBConnection
  readonly #bronze: DeltaTable
  /** All rows that bronze had at this version lie before these offsets; null where that is not known. */
  #met: { readonly version: bigint; readonly before: Offsets } | null = null

  constructor(connection: DuckDBConnection, bronze: DeltaTable) {
    this.#connection = connection
    this.#bronze = bronze
  }

  /**
   * Decides the ranges of the next batch as a source does: all rows from `next` on, or, where they are more
   * than `recordsMax`, the preferred cut of them.
   */
  async cut(
    next: Offsets,
    recordsMax: number,
    { preferred = [], inputEnds }: CutWishes = {},
  ): Promise<BacklogCut> {
    const { version, rows, sinceMicros } = await this.#rowsFrom(next)
    const waiting = rows === null ? [] : await this.#waiting(rows)
    const count = waiting.reduce((sum, one) => sum + one.count, 0n)
    if (rows === null || count === 0n) {
      this.#met = { version, before: next }
      return nothing
    }
    const all = waiting.map((one) => rangeOf(one, next, one.end))
    // Asked after bronze was looked at: what lies beyond its rows was there before them, or came later.
    const ends = (await inputEnds?.(advanceOffsets(next, all))) ?? new Map()
    if (count <= BigInt(recordsMax)) {
      this.#met = { version, before: advanceOffsets(next, all) }
      return { ranges: all, more: false, waiting: waitingBehind(all, waiting, next, ends), sinceMicros }
    }
    const ranges = await this.#cutRows({ rows, waiting, next }, recordsMax, preferred)
    return { ranges, more: true, waiting: waitingBehind(ranges, waiting, next, ends), sinceMicros }
  }

  /** The next offsets behind everything that bronze has. */
  async ends(next: Offsets): Promise<Offsets> {
    const { rows } = await this.#rowsFrom(next)
    const ends = new Map(next)
    for (const { topic, partition, end } of rows === null ? [] : await this.#waiting(rows)) {
      const key = partitionKey({ topic, partition })
      ends.set(key, { topic, partition, ...topicIdOf(next.get(key)), offset: end })
    }
    return ends
  }

  /** A SELECT of the rows that may wait, and their record timestamps; null where bronze has none. */
  async #rowsFrom(next: Offsets): Promise<{
    readonly version: bigint
    readonly rows: string | null
    readonly sinceMicros: bigint | null
  }> {
    const snapshot = await this.#bronze.snapshot()
    const { version } = snapshot
    const none = { version, rows: null, sinceMicros: null }
    // A batch that was cut and then failed waits again.
    if (this.#met !== null && !isBehind(this.#met.before, next)) this.#met = null
    const since = await this.#since(version)
    if (since === 'nothing') return none
    const where = since === 'unknown' ? [] : [{ column: 'processing_time', min: since }]
    const files = prunedFiles(snapshot, where).filter((file) => mayWait(snapshot, file, next))
    if (files.length === 0) return none
    const scan = await fetchedScanSql(
      { ...snapshot, files: new Map(files.map((file) => [file.path, file])) },
      this.#bronze.directory,
      { columns: ['topic', 'partition', 'offset', 'kafka_timestamp'], naiveTimestamps: true },
    )
    const starts = [...next.values()].map(
      ({ topic, partition, offset }) => `(${duckdb.text(topic)}, ${partition}, ${offset})`,
    )
    const read = starts.length === 0 ? '(NULL, NULL, NULL)' : starts.join(', ')
    const rows =
      `(SELECT topic, partition, "offset", coalesce(epoch_ms(kafka_timestamp), -1) AS ms FROM (${scan}) ` +
      `LEFT JOIN (VALUES ${read}) AS read(read_topic, read_partition, next) ` +
      'ON topic = read_topic AND partition = read_partition WHERE next IS NULL OR "offset" >= next)'
    return { version, rows, sinceMicros: leastTime(files) }
  }

  /**
   * From which processing time on rows can wait, in microseconds: the least of what came to the table since
   * all was met. No clock is trusted: a row may come with an older time than those before it.
   */
  async #since(version: bigint): Promise<bigint | 'nothing' | 'unknown'> {
    if (this.#met === null) return 'unknown'
    const added: AddFile[] = []
    try {
      for await (const commit of this.#bronze.commits(this.#met.version)) {
        if (commit.version > version) break
        added.push(...commit.adds.filter(({ dataChange }) => dataChange))
      }
    } catch (error) {
      if (error instanceof LakehouseError && error.code === 'DELTA_LOG_TRUNCATED') return 'unknown'
      throw error
    }
    return added.length === 0 ? 'nothing' : (leastTime(added) ?? 'unknown')
  }

  async #waiting(rows: string): Promise<Waiting[]> {
    const found = await rowsOf(
      this.#connection,
      `SELECT topic, partition, min("offset") AS first, max("offset") + 1 AS end, count(*) AS count
      FROM ${rows} GROUP BY topic, partition ORDER BY topic, partition`,
    )
    return found as Waiting[] // As selected.
  }

  /**
   * The cut that a source of records makes. Of a partition no more rows can be taken than the batch may have
   * in all, so no others are looked at.
   */
  async #cutRows(
    { rows, waiting, next }: Rows,
    recordsMax: number,
    preferred: readonly TopicPartition[],
  ): Promise<OffsetRange[]> {
    const all = waiting.map((one) => rangeOf(one, next, one.end))
    const indexes = new Map(waiting.map((one, index) => [partitionKey(one), index]))
    await this.#connection.run(
      `CREATE OR REPLACE TEMP TABLE backlog_rows AS SELECT topic, partition, "offset", ms FROM ${rows}
      QUALIFY row_number() OVER (PARTITION BY topic, partition ORDER BY "offset") <= ${recordsMax + 1}`,
    )
    try {
      const { ends } = await preferredCut({
        bounds: all,
        recordsMax,
        preferred: preferred.flatMap((one) => indexes.get(partitionKey(one)) ?? []),
        ...(await this.#timesOfRows()),
        offsetsAfter: async (timestampMs) => {
          const later = await rowsOf(
            this.#connection,
            `SELECT topic, partition, min("offset") AS "offset" FROM backlog_rows
            WHERE ms > ${timestampMs} GROUP BY topic, partition`,
          )
          const offsets = new Map(
            later.map((row) => [partitionKey(row as unknown as TopicPartition), row.offset as bigint]),
          ) // As selected.
          return all.map((range) => offsets.get(partitionKey(range)) ?? null)
        },
      })
      return all
        .map((range, index) => ({ ...range, end: ends[index]! }))
        .filter(({ start, end }) => start < end)
    } finally {
      await this.#connection.run('DROP TABLE IF EXISTS backlog_rows')
    }
  }

  async #timesOfRows(): Promise<{ readonly fromMs: number; readonly toMs: number }> {
    const [row] = await rowsOf(
      this.#connection,
      'SELECT CAST(min(ms) AS DOUBLE) AS "fromMs", CAST(max(ms) AS DOUBLE) AS "toMs" FROM backlog_rows',
    )
    return row as { fromMs: number; toMs: number } // As selected.
  }
}

/** The partitions of which bronze or the input has more than the ranges take. */
function waitingBehind(
  ranges: readonly OffsetRange[],
  inBronze: readonly Waiting[],
  next: Offsets,
  inputEnds: Offsets,
): TopicPartition[] {
  const taken = advanceOffsets(next, ranges)
  const ends = new Map<string, TopicPartition & { readonly offset: bigint }>(inputEnds)
  for (const { topic, partition, end } of inBronze) {
    const key = partitionKey({ topic, partition })
    if ((ends.get(key)?.offset ?? -1n) < end) ends.set(key, { topic, partition, offset: end })
  }
  return [...ends]
    .filter(([key, { offset }]) => offset > (taken.get(key)?.offset ?? 0n))
    .map(([, { topic, partition }]) => ({ topic, partition }))
}

function rangeOf({ topic, partition, first }: Waiting, next: Offsets, end: bigint): OffsetRange {
  const known = next.get(partitionKey({ topic, partition }))
  const start = known?.offset ?? first
  return { topic, partition, ...topicIdOf(known), start, end: end < start ? start : end }
}

/** Rows do not tell which topic of that name they are of: it is the one that was read before. */
function topicIdOf(known: OfTopic | undefined): OfTopic {
  return known?.topicId === undefined ? {} : { topicId: known.topicId }
}

/** The least processing time of the files' rows; null where the statistics of one do not tell. */
function leastTime(files: readonly AddFile[]): bigint | null {
  let least: bigint | null = null
  for (const { stats } of files) {
    const text = stats?.minValues.processing_time
    const ms = typeof text === 'string' ? Date.parse(text) : Number.NaN
    if (Number.isNaN(ms)) return null
    const micros = BigInt(ms) * 1000n
    if (least === null || micros < least) least = micros
  }
  return least
}

/** True where no offset lies beyond that of `next`. */
function isBehind(offsets: Offsets, next: Offsets): boolean {
  return [...offsets].every(([key, { offset }]) => offset <= (next.get(key)?.offset ?? -1n))
}

/** False where the file's statistics prove that silver has met all of its rows. */
function mayWait(snapshot: DeltaSnapshot, file: AddFile, next: Offsets): boolean {
  const only = { ...snapshot, files: new Map([[file.path, file]]) }
  if (file.stats === null) return true
  const { minValues, maxValues } = file.stats
  const [from, to] = [Number(minValues.partition ?? Number.NaN), Number(maxValues.partition ?? Number.NaN)]
  const { topic } = minValues
  // A partition that silver does not know yet waits whole.
  if (typeof topic !== 'string' || topic !== maxValues.topic || !(from <= to)) return true
  for (let partition = from; partition <= to; partition++) {
    const known = next.get(partitionKey({ topic, partition }))
    if (known === undefined) return true
    const where = [
      { column: 'partition', min: partition, max: partition },
      { column: 'offset', min: known.offset },
    ]
    if (prunedFiles(only, where).length > 0) return true
  }
  return false
}
