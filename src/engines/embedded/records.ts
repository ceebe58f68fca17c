// The records of a batch in memory, as they came: views of the fetched buffers, which nothing copies.
import type { OffsetRange } from '../../batches/offsets.ts'
import type { RecordChunk, RecordSource } from '../../batches/source.ts'
import { compareText } from '../../expr/index.ts'

export type Records = {
  readonly count: number
  /** Of keys and values. */
  readonly bytes: number
  /** In the order of arrival: by topic, partition and offset. */
  readonly chunks: readonly RecordChunk[]
}

/** A batch without records: it only closes windows. */
export const noRecords: Records = { count: 0, bytes: 0, chunks: [] }

/** The records, or how many of them were too much already. */
export type Reading =
  | { readonly kind: 'read'; readonly records: Records }
  | { readonly kind: 'too much'; readonly count: number; readonly bytes: number }

export async function readWhatFits(
  source: RecordSource,
  ranges: readonly OffsetRange[],
  isTooMuch: (count: number, bytes: number) => boolean,
  signal: AbortSignal,
): Promise<Reading> {
  const chunks: RecordChunk[] = []
  const enough = new AbortController()
  let [count, bytes] = [0, 0]
  try {
    await source.read(
      ranges,
      (chunk) => {
        count += chunk.count
        bytes += bytesOf(chunk)
        if (isTooMuch(count, bytes)) {
          enough.abort()
          enough.signal.throwIfAborted()
        }
        chunks.push(chunk)
      },
      AbortSignal.any([signal, enough.signal]),
    )
  } catch (error) {
    if (enough.signal.aborted && !signal.aborted) return { kind: 'too much', count, bytes }
    throw error
  }
  chunks.sort((a, b) => compareText(a.topic, b.topic) || a.partition - b.partition)
  return { kind: 'read', records: { count, bytes, chunks } }
}

function bytesOf({ keys, values }: RecordChunk): number {
  let bytes = 0
  for (const key of keys) bytes += key?.length ?? 0
  for (const value of values) bytes += value?.length ?? 0
  return bytes
}
