// A bronze that a streaming query wrote: its rows have a time of their own, and silver's log says which batch
// took them.
import type { OffsetRange, Offsets } from '../batches/offsets.ts'
import { quoteText } from '../delta/sql.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import type { LoggedBatch } from './logged-batches.ts'

const tuplesPerInsert = 1_000

/**
 * A SELECT of bronze's rows of these batches, each with the time of its batch as `batch_time`. With the last
 * slice come those that no batch has taken yet, of an infinite time; with the first those of batches whose
 * ranges nobody knows any more: silver and quarantine say which batch took them.
 */
export async function streamedRowsSql(
  lakehouse: WrittenLakehouse,
  batches: readonly LoggedBatch[],
  isLast: boolean,
): Promise<string> {
  const ranges = batches.flatMap(({ ranges, timeMicros }) => {
    // A batch that only records where a partition starts takes nothing of it.
    return (ranges ?? [])
      .map((range) => ({ ...range, start: range.start ?? 0n, timeMicros }))
      .filter(({ start, end }) => start < end)
  })
  const unknownUpTo = batches.findLast(({ ranges }) => ranges === null)?.nextOffsets ?? new Map()
  await insertRanges(lakehouse, ranges)
  await insertOffsets(lakehouse, 'unknown_up_to', unknownUpTo)
  await insertOffsets(lakehouse, 'taken_up_to', takenUpTo(lakehouse))
  const isBounded = unknownUpTo.size === 0 && !isLast
  const { records, events, refused } = lakehouse.paths
  const rows = lakehouse.rowsOf(records, isBounded ? boundsOf(ranges) : [])
  const takers = [events, refused].filter((path) => lakehouse.has(path))
  const taken = takers.map((path) => {
    return `SELECT topic, partition, "offset", processing_time AS time FROM ${lakehouse.rows(path)}`
  })
  const taker =
    unknownUpTo.size === 0 || taken.length === 0
      ? 'SELECT NULL::VARCHAR AS topic, NULL::INTEGER AS partition, NULL::BIGINT AS "offset", NULL::TIMESTAMP AS time WHERE false'
      : taken.join(' UNION ALL ')
  return `SELECT r.*, CASE WHEN r."offset" < t.next THEN t.time
    WHEN r."offset" < n.next THEN coalesce(k.time, r.processing_time) ELSE TIMESTAMP 'infinity' END AS batch_time
  FROM (${rows}) AS r
  ASOF LEFT JOIN taken_ranges AS t ON t.topic = r.topic AND t.partition = r.partition AND r."offset" >= t.first
  LEFT JOIN unknown_up_to AS n ON n.topic = r.topic AND n.partition = r.partition
  LEFT JOIN taken_up_to AS u ON u.topic = r.topic AND u.partition = r.partition
  LEFT JOIN (SELECT topic, partition, "offset", min(time) AS time FROM (${taker}) GROUP BY ALL) AS k
    ON k.topic = r.topic AND k.partition = r.partition AND k."offset" = r."offset"
  WHERE r."offset" < t.next OR r."offset" < n.next OR (${isLast} AND (u.next IS NULL OR r."offset" >= u.next))`
}

type TimedRange = OffsetRange & { readonly timeMicros: bigint }

/** Files whose offsets lie outside are not read. */
function boundsOf(ranges: readonly TimedRange[]) {
  const starts = ranges.map(({ start }) => start)
  const ends = ranges.map(({ end }) => end)
  const min = starts.reduce((a, b) => (b < a ? b : a), starts[0] ?? 0n)
  const max = ends.reduce((a, b) => (b > a ? b : a), 0n)
  return [{ column: 'offset', min, max }]
}

/**
 * What silver has taken: rows of bronze behind it wait for their batch. Of files, which no streaming query
 * reads, bronze's progress tells.
 */
function takenUpTo(lakehouse: WrittenLakehouse): Offsets {
  const { records, events } = lakehouse.paths
  if (!lakehouse.has(events)) return new Map()
  const [inBronze, inSilver] = [records, events].map((path) => lakehouse.state(path).progress?.offsets ?? [])
  return new Map([...inBronze!, ...inSilver!])
}

async function insertRanges(lakehouse: WrittenLakehouse, ranges: readonly TimedRange[]): Promise<void> {
  await lakehouse.connection.run(
    'CREATE OR REPLACE TEMP TABLE taken_ranges (topic VARCHAR, partition INTEGER, first BIGINT, next BIGINT, time TIMESTAMP)',
  )
  const tuples = ranges.map(
    ({ topic, partition, start, end, timeMicros }) =>
      `(${quoteText(topic)}, ${partition}, ${start}, ${end}, make_timestamp(${timeMicros}))`,
  )
  await insert(lakehouse, 'taken_ranges', tuples)
}

async function insertOffsets(lakehouse: WrittenLakehouse, table: string, offsets: Offsets): Promise<void> {
  const columns = 'topic VARCHAR, partition INTEGER, next BIGINT'
  await lakehouse.connection.run(`CREATE OR REPLACE TEMP TABLE ${table} (${columns})`)
  const tuples = [...offsets.values()].map(
    ({ topic, partition, offset }) => `(${quoteText(topic)}, ${partition}, ${offset})`,
  )
  await insert(lakehouse, table, tuples)
}

async function insert(lakehouse: WrittenLakehouse, table: string, tuples: readonly string[]): Promise<void> {
  for (let from = 0; from < tuples.length; from += tuplesPerInsert) {
    await lakehouse.connection.run(
      `INSERT INTO ${table} VALUES ${tuples.slice(from, from + tuplesPerInsert).join(', ')}`,
    )
  }
}
