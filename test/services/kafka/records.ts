// Reading a source to plain records, for comparisons by content.

import type { SourceNotice } from '../../../src/batches/notice.ts'
import { type OffsetRange, type Offsets, partitionKey } from '../../../src/batches/offsets.ts'
import { advanceOffsets } from '../../../src/batches/planner.ts'
import type { Cut, RecordSource } from '../../../src/batches/source.ts'
import type { KafkaSourceOptions } from '../../../src/kafka/options.ts'
import { openKafkaSource } from '../../../src/kafka/source.ts'

export type PlainRecord = {
  readonly partition: number
  readonly offset: bigint
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[] | null
}

export const NO_SIGNAL = new AbortController().signal

export async function openSource(
  options: Partial<KafkaSourceOptions> & Pick<KafkaSourceOptions, 'bootstrapServers' | 'topic'>,
): Promise<{ source: RecordSource; notices: SourceNotice[] }> {
  const notices: SourceNotice[] = []
  const source = await openKafkaSource({
    groupId: 'assay-test',
    startingOffsets: { kind: 'earliest' },
    onDataLoss: 'fail',
    onNotice: (notice) => notices.push(notice),
    ...options,
  })
  return { source, notices }
}

export async function readRecords(
  source: RecordSource,
  ranges: readonly OffsetRange[],
  signal = NO_SIGNAL,
): Promise<PlainRecord[]> {
  const records: PlainRecord[] = []
  await source.read(
    ranges,
    (chunk) => {
      for (let index = 0; index < chunk.count; index += 1) {
        records.push({
          partition: chunk.partition,
          offset: chunk.offsets[index]!,
          timestampMs: Number(chunk.timestampsMs![index]),
          key: text(chunk.keys[index]!),
          value: text(chunk.values[index]!),
          headers: chunk.headers[index]?.map(({ key, value }) => [key, text(value)] as const) ?? null,
        })
      }
    },
    signal,
  )
  return records
}

/** Everything that is readable now, in the order of partitions and offsets. */
export async function readAll(source: RecordSource, recordsMax = 1_000_000_000): Promise<PlainRecord[]> {
  const records: PlainRecord[] = []
  let next: Offsets = new Map()
  for (;;) {
    const cut = await source.cut(next, recordsMax, NO_SIGNAL)
    for (const record of await readRecords(source, cut.ranges)) records.push(record)
    next = advance(next, cut)
    if (!cut.more) return records.sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
  }
}

export function advance(next: Offsets, cut: Pick<Cut, 'ranges'>): Offsets {
  return advanceOffsets(next, cut.ranges)
}

export function offsetsOf(topic: string, offsets: readonly bigint[]): Offsets {
  return new Map(
    offsets.map((offset, partition) => [partitionKey({ topic, partition }), { topic, partition, offset }]),
  )
}

/** One character a byte, so that any bytes compare and print. */
export function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('latin1')
}
