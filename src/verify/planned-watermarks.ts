// The outcome of batches with a plan, computed again: what the records of each partition said of time, and
// where that left the watermarks.

import { partitionKey } from '../batches/offsets.ts'
import { lastWindowEnd } from '../batches/planner.ts'
import { streamOf } from '../engines/database.ts'
import { type Finding, type Findings, findingsToldMax } from './check.ts'
import { erasedInBatches } from './erased.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import type { LoggedBatch } from './logged-batches.ts'
import { prepareParsed, readRecords } from './parsed.ts'
import { type Slice, sliceOf } from './slice.ts'

/** Of a partition in a batch: the greatest event_time of its valid records, and how many follow them. */
type ReadTime = { readonly eventTimeMaxMicros: bigint | null; readonly recordsSinceValid: number }
/** By the batch's time and the partition. */
type ReadTimes = ReadonlyMap<string, ReadTime>

/** `unproved`: outcomes of partitions of which a record was erased. */
export async function judgePlanned(
  lakehouse: WrittenLakehouse,
  slice: Slice,
  doneBatch: bigint,
): Promise<{ readonly findings: Findings; readonly unproved: bigint }> {
  const read = await readTimesOf(lakehouse, slice)
  const ofErased = await erasedTimesOf(lakehouse)
  let unproved = 0n
  const findings: Finding[] = []
  let { before } = slice
  for (const batch of slice.batches) {
    const isDone = batch.batch !== null && batch.batch <= doneBatch
    if (batch.plan !== null && isDone && (before !== null || batch.batch === 1n)) {
      const differences = [
        ...partitionDifferences(before, batch, read).filter((difference) => {
          const isExcused =
            ofErased.has(timeKey(batch.timeMicros, difference.key)) && !difference.isBehindRows
          if (isExcused) unproved += 1n
          return !isExcused
        }),
        ...watermarkDifferences(slice, before, batch),
      ]
      for (const { column, found, expected } of differences) {
        const at = { batch: String(batch.batch) }
        findings.push({
          at,
          problem: 'does not follow the rows',
          column,
          found: String(found),
          expected: String(expected),
        })
      }
    }
    before = batch
  }
  return {
    findings: { count: BigInt(findings.length), first: findings.slice(0, findingsToldMax) },
    unproved,
  }
}

type Difference = { readonly column: string; readonly found: unknown; readonly expected: unknown }
type PartitionDifference = Difference & {
  /** The partition. */
  readonly key: string
  /** True where rows that are there refute what was recorded, whatever else there was. */
  readonly isBehindRows: boolean
}

const timeKey = (time: bigint, key: string): string => `${time}\n${key}`

/** The batches and partitions, as `ReadTimes` has them, of which a record was erased. */
async function erasedTimesOf({
  erased: { isNone },
  connection,
}: WrittenLakehouse): Promise<ReadonlySet<string>> {
  if (isNone) return new Set()
  const reader = await connection.runAndReadAll(`SELECT DISTINCT epoch_us(b.time), e.topic, e.partition
    FROM ${erasedInBatches} AS e JOIN ${sliceOf.batches} AS b ON b.time = coalesce(e.time, b.time)`)
  // As selected.
  const rows = reader.getRows() as [bigint, string, number][]
  return new Set(rows.map(([time, topic, partition]) => timeKey(time, partitionKey({ topic, partition }))))
}

/** Only partitions of Kafka wait for each other: of files nothing is recorded. */
async function readTimesOf(lakehouse: WrittenLakehouse, slice: Slice): Promise<ReadTimes> {
  const times = new Map<string, ReadTime>()
  if (slice.batches.every(({ partitions }) => partitions.size === 0)) return times
  await prepareParsed(lakehouse, slice)
  const result = await streamOf(
    lakehouse.connection,
    `WITH valid AS (
    SELECT batch_time, topic, partition, max(event_time) AS event_time, max("offset") AS last_valid
    FROM ${readRecords} WHERE len(invalid) = 0 GROUP BY ALL
  )
  SELECT epoch_us(p.batch_time), p.topic, p.partition, epoch_us(any_value(v.event_time)),
    count(*) FILTER (v.last_valid IS NULL OR p."offset" > v.last_valid)
  FROM ${readRecords} AS p JOIN ${sliceOf.batches} AS b ON b.time = p.batch_time
  LEFT JOIN valid AS v
    ON v.batch_time = p.batch_time AND v.topic = p.topic AND v.partition = p.partition
  GROUP BY p.batch_time, p.topic, p.partition`,
  )
  for await (const rows of result.yieldRowsJs()) {
    // As selected.
    for (const row of rows as [bigint, string, number, bigint | null, bigint][]) {
      const [time, topic, partition, eventTimeMaxMicros, since] = row
      const recordsSinceValid = Number(since)
      times.set(timeKey(time, partitionKey({ topic, partition })), { eventTimeMaxMicros, recordsSinceValid })
    }
  }
  return times
}

function partitionDifferences(
  before: LoggedBatch | null,
  { timeMicros, partitions }: LoggedBatch,
  read: ReadTimes,
): PartitionDifference[] {
  return [...partitions].flatMap(([key, found]): PartitionDifference[] => {
    const known = before?.partitions.get(key)
    const now = read.get(timeKey(timeMicros, key))
    const eventTimeMax = greatest(known?.eventTimeMaxMicros ?? null, now?.eventTimeMaxMicros ?? null)
    const hasValid = now !== undefined && now.eventTimeMaxMicros !== null
    const since = (now?.recordsSinceValid ?? 0) + (hasValid ? 0 : (known?.recordsSinceValid ?? 0))
    const name = `${found.topic}-${found.partition}`
    const differences: PartitionDifference[] = []
    if (found.eventTimeMaxMicros !== eventTimeMax) {
      const isBehindRows = greatest(found.eventTimeMaxMicros, eventTimeMax) !== found.eventTimeMaxMicros
      const column = `greatest event time of ${name}`
      differences.push({ column, found: found.eventTimeMaxMicros, expected: eventTimeMax, key, isBehindRows })
    }
    if (found.recordsSinceValid !== since) {
      const column = `records since a valid one of ${name}`
      const facts = { found: found.recordsSinceValid, expected: since }
      differences.push({ column, ...facts, key, isBehindRows: false })
    }
    return differences
  })
}

function watermarkDifferences(slice: Slice, before: LoggedBatch | null, batch: LoggedBatch): Difference[] {
  const { plan, eventTimeMaxMicros: seen } = batch
  if (plan === null) return []
  const { tables } = slice.rules.definitions
  const finalizedBefore = before?.finalizedToMicros ?? null
  const lastEnd = greatest(lastWindowEnd(tables, seen), plan.sessionsEndMicros ?? null)
  const finalized = plan.isFinal ? greatest(finalizedBefore, lastEnd) : finalizedBefore
  const followed = plan.isFinal ? seen : heldEventTime(batch)
  const compared: Difference[] = [
    {
      column: 'watermark at its start',
      found: plan.watermarkMicros,
      expected: before?.watermarks[slice.lakehouse.eventsWatermark] ?? null,
    },
    { column: 'finalized_to', found: batch.finalizedToMicros, expected: finalized },
    ...Object.entries(plan.settings.delays).map(([name, delay]): Difference => {
      const following = followed === null ? null : followed - delay
      const expected = greatest(before?.watermarks[name] ?? null, greatest(following, finalized))
      return { column: `watermark ${name}`, found: batch.watermarks[name] ?? null, expected }
    }),
  ]
  return compared.filter(({ found, expected }) => found !== expected)
}

/**
 * The event time that the watermarks follow: a partition that has more to read holds it at what its own
 * records have shown. null where nothing is known of one: the watermarks stay where they are.
 */
function heldEventTime({ plan, partitions, eventTimeMaxMicros }: LoggedBatch): bigint | null {
  let held = eventTimeMaxMicros
  for (const waiting of plan?.waiting ?? []) {
    const time = partitions.get(partitionKey(waiting))
    // So many records without a valid one: the partition is not waited for.
    if (time !== undefined && time.recordsSinceValid >= plan!.settings.recordsPerBatchMax) continue
    const hold = time?.eventTimeMaxMicros ?? null
    if (hold === null || held === null) return null
    if (hold < held) held = hold
  }
  return held
}

function greatest(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}
