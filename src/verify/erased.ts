// Records that were erased on purpose, as `ops/erased` has them: where each was, and nothing of what it held.
// What depends on one cannot be proved any more. How far it can have mattered is bounded by what its batch is
// known for: silver's rows of a batch are not before the watermark that it began with, nor behind the
// greatest event time that it recorded.
import type { DuckDBConnection } from '@duckdb/node-api'
import { partitionKey, type TopicPartition } from '../batches/offsets.ts'
import { type DeltaSnapshot, DeltaTable } from '../delta/index.ts'
import { quoteText } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { adoptedAppId, adoptedErasures, erasedPath, erasedPositionsSql } from '../ops/erased.ts'
import { opsDirectory } from '../ops/tables.ts'
import { keys, samePosition } from './position.ts'

const tuplesPerInsert = 1_000

/** Every erased record: its position, the last batch before it was erased, and whether that was adopted. */
export const erased = 'erased_records'

/**
 * The erased records of the batches so far, each with the time of its batch, the bounds of its event time,
 * and the time of the last batch before it was erased (`until`). null is without a bound.
 */
export const erasedInBatches = 'erased_in_batches'

/** What is known of a batch: its time, and what it read; null where nobody knows that. */
type BatchOfRanges = {
  readonly timeMicros: bigint
  readonly ranges:
    | readonly (TopicPartition & { readonly start: bigint | null; readonly end: bigint })[]
    | null
}

type Span = { readonly first: bigint; readonly last: bigint }

export class ErasedRecords {
  readonly count: bigint
  readonly #connection: DuckDBConnection
  readonly #txns: DeltaSnapshot['txns']
  /** By partition, from the first erased offset to the last. */
  readonly #spans: ReadonlyMap<string, Span>
  #hasUnknownRanges = false

  private constructor(
    connection: DuckDBConnection,
    txns: DeltaSnapshot['txns'],
    spans: ReadonlyMap<string, Span>,
    count: bigint,
  ) {
    this.#connection = connection
    this.#txns = txns
    this.#spans = spans
    this.count = count
  }

  static async open(connection: DuckDBConnection, deltaBasePath: string): Promise<ErasedRecords> {
    const directory = opsDirectory(deltaBasePath, erasedPath)
    const isThere = await DeltaTable.exists(directory)
    const snapshot = isThere ? await (await DeltaTable.open(directory)).snapshot() : null
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE ${erased} (topic VARCHAR, partition INTEGER, "offset" BIGINT, after_batch BIGINT,
        is_adopted BOOLEAN, is_placed BOOLEAN)`,
    )
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE ${erasedInBatches} (topic VARCHAR, partition INTEGER, "offset" BIGINT,
        after_batch BIGINT, is_adopted BOOLEAN, time TIMESTAMP, late_before TIMESTAMP, seen TIMESTAMP, until TIMESTAMP)`,
    )
    if (snapshot === null) return new ErasedRecords(connection, new Map(), new Map(), 0n)
    const adopted = adoptedErasures(snapshot.txns)
    const rows = await erasedPositionsSql(snapshot, directory)
    const isAdopted = `list_has_any(erases, [${adopted.join(', ')}]::BIGINT[])`
    await connection.run(
      `INSERT INTO ${erased} SELECT ${keys}, after_batch, ${isAdopted}, false FROM (${rows})`,
    )
    const found = await connection.runAndReadAll(
      `SELECT topic, partition, min("offset"), max("offset"), count(*) FROM ${erased} GROUP BY topic, partition`,
    )
    // As selected.
    const spans = found.getRows() as [string, number, bigint, bigint, bigint][]
    return new ErasedRecords(
      connection,
      snapshot.txns,
      new Map(
        spans.map(([topic, partition, first, last]) => [partitionKey({ topic, partition }), { first, last }]),
      ),
      spans.reduce((sum, [, , , , count]) => sum + count, 0n),
    )
  }

  /** True where nothing was erased: then nothing is excused either. */
  get isNone(): boolean {
    return this.count === 0n
  }

  /** Whether it was said that rows which another program removed in this version were meant to go. */
  isAdopted(path: string, version: bigint): boolean {
    return this.#txns.has(adoptedAppId(path, version))
  }

  /** Takes up the erased records of these batches, whose table has the name `batches`. */
  async place(those: readonly BatchOfRanges[], batches: string): Promise<void> {
    if (this.isNone) return
    const connection = this.#connection
    await connection.run(`UPDATE ${erasedInBatches} SET until = b.time FROM ${batches} AS b
      WHERE b.batch = after_batch`)
    const tuples: string[] = []
    for (const { ranges, timeMicros } of those) {
      if (ranges === null) this.#hasUnknownRanges = true
      for (const { topic, partition, start, end } of ranges ?? []) {
        const span = this.#spans.get(partitionKey({ topic, partition }))
        if (span === undefined || end <= span.first || (start ?? 0n) > span.last) continue
        const place = `${quoteText(topic)}, ${partition}, ${start ?? 0n}, ${end}`
        tuples.push(`(${place}, make_timestamp(${timeMicros}))`)
      }
    }
    const ranges = 'erased_ranges'
    await connection.run(`CREATE OR REPLACE TEMP TABLE ${ranges}
      (topic VARCHAR, partition INTEGER, first BIGINT, next BIGINT, time TIMESTAMP)`)
    for (let from = 0; from < tuples.length; from += tuplesPerInsert) {
      const some = tuples.slice(from, from + tuplesPerInsert)
      await connection.run(`INSERT INTO ${ranges} VALUES ${some.join(', ')}`)
    }
    await this.#insert(`SELECT e.topic, e.partition, e."offset", e.after_batch, e.is_adopted, r.time, b.late_before, b.seen,
        u.time AS until
      FROM ${erased} AS e JOIN ${ranges} AS r
        ON r.topic = e.topic AND r.partition = e.partition AND e."offset" >= r.first AND e."offset" < r.next
      JOIN ${batches} AS b ON b.time = r.time LEFT JOIN ${batches} AS u ON u.batch = e.after_batch
      WHERE NOT e.is_placed`)
    await connection.run(`DROP TABLE ${ranges}`)
    // Nobody knows what such a batch read: all that is left may be of it.
    if (this.#hasUnknownRanges) {
      await this.#insert(
        `SELECT ${keys}, after_batch, is_adopted, NULL, NULL, NULL, NULL FROM ${erased} WHERE NOT is_placed`,
      )
    }
  }

  async #insert(select: string): Promise<void> {
    await this.#connection.run(`INSERT INTO ${erasedInBatches} ${select}`)
    await this.#connection.run(`UPDATE ${erased} AS e SET is_placed = true FROM ${erasedInBatches} AS p
      WHERE ${samePosition('e', 'p')} AND NOT e.is_placed`)
  }
}

/** The rows of a SELECT, with topic, partition and offset, that are of no erased record. */
export function ofNoErased(select: string): string {
  return `SELECT * FROM (${select}) ANTI JOIN ${erased} USING (${keys})`
}

/** A condition: an erased record of the batches so far, `e`, can have had an event time within these bounds. */
export function mayLieWithin(from: string, to: string): string {
  return `coalesce(e.late_before <= ${to}, true) AND coalesce(e.seen >= ${from}, true)`
}

/** A condition: when the batch of this time was carried, the record `e` was there. */
export function wasThereAt(time: string): string {
  return `coalesce(e.time <= ${time}, true) AND coalesce(e.until >= ${time}, true)`
}

/** What is told of things that erased records leave without a proof. */
export function unprovedNote(count: bigint, what: string, whats = `${what}s`): string[] {
  if (count === 0n) return []
  return [`not provable, because of erased records: ${counted(count, what, whats)}`]
}
