// Records that Spark's Kafka source fails on: it takes a record timestamp to microseconds, and one in
// nanoseconds is beyond 64 bits then. They are brought to bronze from here, with all that stand before them
// in their partition, and the query goes on behind them.
import { type OffsetRange, partitionKey } from '../../batches/offsets.ts'
import type { RecordSource } from '../../batches/source.ts'
import { counted, unitOf } from '../../errors/counted.ts'
import { assert } from '../../errors/errors.ts'
import { readWhatFits } from '../embedded/records.ts'
import type { PipelineOptions } from '../engine.ts'
import { addRecords, recordsRowPath } from '../row-path.ts'
import type { OpenTable } from '../tables.ts'

/** The greatest distance from the epoch that has microseconds in 64 bits. */
const millisMax = (2n ** 63n - 1n) / 1000n
/** So many records share a commit: they pass through this process. */
const recordsPerCommitMax = 20_000

export type UnreadableOptions = {
  readonly source: RecordSource
  readonly bronze: OpenTable
  readonly offsetsPerTriggerMax: number
  readonly options: Pick<PipelineOptions, 'lakehouse' | 'clock' | 'tell'>
}

/**
 * Looks for such records among those that the next trigger would read, and brings them to bronze. False where
 * there are none: then something else is wrong. Nothing else may bring records to bronze meanwhile.
 */
export async function bringUnreadable(
  positions: readonly OffsetRange[],
  by: UnreadableOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await find(firstOf(positions, by.offsetsPerTriggerMax), by.source, signal)
  for (const { range, count, last } of found) {
    await bring({ ...range, end: last + 1n }, by, signal)
    const { topic, partition } = range
    by.options.tell({
      kind: 'notice',
      code: 'SPARK_TIMESTAMPS_UNREADABLE',
      message:
        `${topic}, partition ${partition}: ${counted(count, 'record')} up to offset ${last} ` +
        `${unitOf(count, 'has', 'have')} a record timestamp that Spark cannot read (it is no number of ` +
        'milliseconds). Assay has brought them to bronze by itself, without the timestamp, which is slower: ' +
        'correct the producer.',
      details: { topic, partition, count, last },
    })
  }
  return found.length > 0
}

/** What a trigger takes at most: it shares its records among the partitions by what waits in each. */
function firstOf(positions: readonly OffsetRange[], recordsMax: number): OffsetRange[] {
  const waiting = positions.filter(({ start, end }) => start < end)
  const total = waiting.reduce((sum, { start, end }) => sum + (end - start), 0n)
  return waiting.map((range) => {
    const size = range.end - range.start
    // Twice its share: more may wait in it by the time of the trigger.
    const share = (2n * BigInt(recordsMax) * size) / total + 1n
    return { ...range, end: range.start + (size < share ? size : share) }
  })
}

type Found = { readonly range: OffsetRange; count: number; last: bigint }

async function find(
  ranges: readonly OffsetRange[],
  source: RecordSource,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const found = new Map<string, Found>()
  await source.read(
    ranges,
    ({ topic, partition, timestampsMs, offsets }) => {
      const key = partitionKey({ topic, partition })
      timestampsMs?.forEach((millis, index) => {
        if (millis <= millisMax && millis >= -millisMax) return
        const range = ranges.find((one) => partitionKey(one) === key)!
        const one = found.get(key) ?? { range, count: 0, last: 0n }
        one.count += 1
        one.last = offsets[index]!
        found.set(key, one)
      })
    },
    signal,
  )
  return [...found.values()]
}

async function bring(range: OffsetRange, by: UnreadableOptions, signal: AbortSignal): Promise<void> {
  const { source, bronze } = by
  const { lakehouse } = by.options
  const rows = recordsRowPath(lakehouse)
  const step = BigInt(recordsPerCommitMax)
  for (let start = range.start; start < range.end; start += step) {
    const end = start + step < range.end ? start + step : range.end
    const reading = await readWhatFits(source, [{ ...range, start, end }], () => false, signal)
    assert(reading.kind === 'read', 'nothing is too much')
    const parameters = { processing_time: by.options.clock() }
    const batch = rows.start({ parameters, rowCountMax: reading.records.count })
    for (const chunk of reading.records.chunks) addRecords(batch, chunk)
    await bronze.appendUnplanned(await bronze.delta.stageRows(batch.rows(lakehouse.records.path)), by.options)
  }
}
