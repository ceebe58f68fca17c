// Rows of bronze by their offsets, as SQL for DuckDB over the few files that can hold them.
import { type OffsetRange, type Offsets, partitionKey } from '../batches/offsets.ts'
import type { BatchPlan } from '../batches/plan.ts'
import { type AddFile, type DeltaSnapshot, fetchedScanSql, prunedFiles } from '../delta/index.ts'
import { duckdb } from '../sql/index.ts'

/** A SELECT of all columns of the rows in the ranges. */
export async function rowsInRanges(
  snapshot: DeltaSnapshot,
  directory: string,
  ranges: readonly OffsetRange[],
): Promise<string> {
  const withRows = ranges.filter(({ start, end }) => start < end)
  const files = new Map<string, AddFile>()
  for (const { topic, partition, start, end } of withRows) {
    const where = [
      { column: 'topic', min: topic, max: topic },
      { column: 'partition', min: partition, max: partition },
      { column: 'offset', min: start, max: end - 1n },
    ]
    for (const file of prunedFiles(snapshot, where)) files.set(file.path, file)
  }
  const conditions = withRows.map(
    ({ topic, partition, start, end }) =>
      `(topic = ${duckdb.text(topic)} AND partition = ${partition} AND "offset" >= ${start} AND "offset" < ${end})`,
  )
  const rows = await fetchedScanSql({ ...snapshot, files }, directory, { naiveTimestamps: true })
  return `SELECT * FROM (${rows}) WHERE ${conditions.length === 0 ? 'false' : conditions.join(' OR ')}`
}

/** The rows of a batch that bronze has. */
export async function rowsOfBatch(
  snapshot: DeltaSnapshot,
  directory: string,
  plan: BatchPlan,
): Promise<string> {
  if (plan.readFrom === 'bronze') return rowsInRanges(snapshot, directory, plan.ranges)
  return rowsAtTime(snapshot, directory, plan.timeMicros)
}

/** The rows of a table that came with the batch of a time. */
export async function rowsAtTime(
  snapshot: DeltaSnapshot,
  directory: string,
  timeMicros: bigint,
): Promise<string> {
  const where = [{ column: 'processing_time', min: timeMicros, max: timeMicros }]
  const rows = await fetchedScanSql(snapshot, directory, { where, naiveTimestamps: true })
  return `SELECT * FROM (${rows}) WHERE processing_time = make_timestamp(${timeMicros})`
}

export function rangesBetween(before: Offsets, after: Offsets): OffsetRange[] {
  return [...after.values()].flatMap(({ topic, partition, offset }) => {
    const start = before.get(partitionKey({ topic, partition }))?.offset ?? 0n
    return start < offset ? [{ topic, partition, start, end: offset }] : []
  })
}
