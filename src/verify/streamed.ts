// A bronze that a streaming query wrote: its rows have a time of their own, and silver's log says which batch
// took them.
import { type OffsetRange, type Offsets, partitionKey } from '../batches/offsets.ts'
import { isStreamed } from '../batches/streamed.ts'
import { quoteText } from '../delta/sql.ts'
import type { Lakehouse } from './lakehouse.ts'

const bronze = 'bronze/transactions'
const silver = 'silver/transactions'
const tuplesPerInsert = 1_000

export function isStreamedLakehouse(lakehouse: Lakehouse): boolean {
  return lakehouse.has(bronze) && isStreamed(lakehouse.state(bronze).snapshot.txns)
}

/** What silver has taken: rows of bronze behind it wait for their batch. */
function takenUpTo(lakehouse: Lakehouse): Offsets {
  if (!lakehouse.has(silver)) return new Map()
  return lakehouse.state(silver).progress?.offsets ?? new Map()
}

/**
 * A SELECT that gives rows of bronze's columns the time and day of their batch in place of their own; the
 * time of those that wait is infinite.
 */
export async function withBatchTimes(lakehouse: Lakehouse, rows: string): Promise<string> {
  if (!isStreamedLakehouse(lakehouse)) return rows
  await prepareTakenRanges(lakehouse)
  return `SELECT r.* REPLACE (
    CASE WHEN t.time IS NOT NULL THEN t.time WHEN u.next IS NULL OR r."offset" >= u.next THEN TIMESTAMP 'infinity'
      ELSE r.processing_time END AS processing_time,
    CAST(CASE WHEN t.time IS NOT NULL THEN t.time ELSE r.processing_time END AS DATE) AS processing_date
  )
  FROM (${rows}) AS r
  LEFT JOIN taken_ranges AS t ON t.topic = r.topic AND t.partition = r.partition
    AND r."offset" >= t.first AND r."offset" < t.next
  LEFT JOIN taken_up_to AS u ON u.topic = r.topic AND u.partition = r.partition`
}

function prepareTakenRanges(lakehouse: Lakehouse): Promise<void> {
  return lakehouse.prepare('taken ranges', async () => {
    const columns = 'topic VARCHAR, partition INTEGER, first BIGINT, next BIGINT, time TIMESTAMP'
    await lakehouse.connection.run(`CREATE TEMP TABLE taken_ranges (${columns})`)
    await lakehouse.connection.run(
      'CREATE TEMP TABLE taken_up_to (topic VARCHAR, partition INTEGER, next BIGINT)',
    )
    const ranges = takenRanges(lakehouse).map(
      ({ topic, partition, start, end, timeMicros }) =>
        `(${quoteText(topic)}, ${partition}, ${start}, ${end}, make_timestamp(${timeMicros}))`,
    )
    const ends = [...takenUpTo(lakehouse).values()].map(
      ({ topic, partition, offset }) => `(${quoteText(topic)}, ${partition}, ${offset})`,
    )
    await insert(lakehouse, 'taken_ranges', ranges)
    await insert(lakehouse, 'taken_up_to', ends)
  })
}

async function insert(lakehouse: Lakehouse, table: string, tuples: readonly string[]): Promise<void> {
  for (let from = 0; from < tuples.length; from += tuplesPerInsert) {
    await lakehouse.connection.run(
      `INSERT INTO ${table} VALUES ${tuples.slice(from, from + tuplesPerInsert).join(', ')}`,
    )
  }
}

/** Of the batches that were cut from bronze, as far as silver's log goes back. */
function takenRanges(lakehouse: Lakehouse): (OffsetRange & { readonly timeMicros: bigint })[] {
  if (!lakehouse.has(silver)) return []
  let before: Offsets = new Map()
  return lakehouse.state(silver).commits.flatMap(({ progress }, index) => {
    const { readFrom, timeMicros } = progress
    const ranges = [...progress.offsets.values()].flatMap(({ topic, partition, offset }) => {
      const start = before.get(partitionKey({ topic, partition }))?.offset
      // Of the first commit of a log that was cleaned up, nobody knows where it began.
      const isKnown = index > 0 || lakehouse.state(silver).isLogWhole
      if (readFrom !== 'bronze' || !isKnown || (start ?? 0n) >= offset) return []
      return [{ topic, partition, start: start ?? 0n, end: offset, timeMicros }]
    })
    before = progress.offsets
    return ranges
  })
}
