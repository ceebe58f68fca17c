// The decisions of a topic as lines of a file, for SQL to read.
import type { FileHandle } from 'node:fs/promises'
import { isInstantMs, NO_TIMESTAMP_MS, type RecordSource } from '../batches/source.ts'
import type { KafkaPositions } from '../kafka/source.ts'

/** A decision as it is on its topic. */
export type DecidedLine = {
  /** Of the record, in hexadecimal. */
  readonly record_key: string | null
  readonly decided_ms: number
  readonly decided_partition: number
  readonly decided_offset: number
}

/** Gives how many lines there are, and how many records are no decision. */
export async function writeDecisions(
  source: RecordSource & KafkaPositions,
  file: FileHandle,
  signal: AbortSignal,
): Promise<{ readonly decisions: number; readonly others: number }> {
  const counts = { decisions: 0, others: 0 }
  const ranges = await source.positions(new Map(), signal)
  await source.read(
    ranges,
    async ({ count, partition, offsets, keys, values, timestampsMs }) => {
      const lines: string[] = []
      for (let index = 0; index < count; index++) {
        const text = decisionText(values[index] ?? null)
        if (text === null) {
          counts.others++
          continue
        }
        const ms = timestampsMs?.[index] ?? NO_TIMESTAMP_MS
        const key = keys[index] ?? null
        const about: DecidedLine = {
          record_key: key === null ? null : Buffer.from(key).toString('hex'),
          decided_ms: isInstantMs(ms) ? Number(ms) : 0,
          decided_partition: partition,
          decided_offset: Number(offsets[index]!),
        }
        lines.push(`{"decision":${text},${JSON.stringify(about).slice(1)}\n`)
        counts.decisions++
      }
      await file.write(lines.join(''))
    },
    signal,
  )
  return counts
}

/** null where it is none: anybody may write to a topic. */
function decisionText(value: Uint8Array | null): string | null {
  if (value === null) return null
  const text = Buffer.from(value).toString()
  try {
    const parsed: unknown = JSON.parse(text)
    const isOne = typeof parsed === 'object' && parsed !== null && 'decision' in parsed && 'offset' in parsed
    return isOne && !text.includes('\n') ? text : null
  } catch {
    return null
  }
}
