// An input in memory, for records that no file can hold: line feeds, tombstones, keys, headers, timestamps.
import { type OffsetRange, partitionKey, type TopicPartition } from '../../../src/batches/offsets.ts'
import type { RecordChunk, RecordSource } from '../../../src/batches/source.ts'
import type { RawRecord } from '../../oracle/rows.ts'

/** The records of each partition are in the order of their offsets; more may be pushed while it is read. */
export function memorySource(records: readonly RawRecord[]): RecordSource {
  const rangesAfter: RecordSource['cut'] = async (next, recordsMax) => {
    let left = recordsMax
    const ranges: OffsetRange[] = []
    let more = false
    const unread: TopicPartition[] = []
    for (const [key, all] of Map.groupBy(records, partitionKey)) {
      const from = next.get(key)?.offset ?? all[0]!.offset
      const waiting = all.filter((record) => record.offset >= from)
      const taken = waiting.slice(0, left)
      left -= taken.length
      more ||= waiting.length > taken.length
      const { topic, partition } = all[0]!
      if (waiting.length > taken.length) unread.push({ topic, partition })
      if (taken.length > 0) ranges.push({ topic, partition, start: from, end: taken.at(-1)!.offset + 1n })
    }
    return { ranges, more, waiting: unread }
  }
  return {
    kind: 'kafka',
    cut: rangesAfter,
    async read(ranges, onChunk) {
      for (const range of ranges)
        await onChunk(
          chunkOf(
            range,
            records.filter((record) => isIn(range, record)),
          ),
        )
    },
    waitForData: async () => undefined,
    lag: async () => 0n,
    reportProgress: async () => undefined,
    close: async () => undefined,
  }
}

function isIn(range: OffsetRange, { topic, partition, offset }: RawRecord): boolean {
  return topic === range.topic && partition === range.partition && offset >= range.start && offset < range.end
}

/** A record without a timestamp has one before all that count. */
const noTimestamp = -(2n ** 62n)

function chunkOf({ topic, partition }: OffsetRange, records: readonly RawRecord[]): RecordChunk {
  return {
    topic,
    partition,
    count: records.length,
    offsets: BigInt64Array.from(records, ({ offset }) => offset),
    timestampsMs: BigInt64Array.from(records, ({ timestampMs }) =>
      timestampMs === null ? noTimestamp : BigInt(timestampMs),
    ),
    keys: records.map(({ key }) => key),
    values: records.map(({ value }) => value),
    headers: records.map(({ headers }) => headers),
  }
}
