// The decisions of a topic as lines of a file, for SQL to read.
import type { FileHandle } from 'node:fs/promises'
import type { RecordChunk, RecordSource } from '../batches/source.ts'
import type { KafkaPositions } from '../kafka/source.ts'
import { isOfGroup } from './decision-group.ts'

/** The header of a decision that says which of its process's decisions it is, as `process/number`. */
export const decidedHeader = 'assay-decided'

/** A decision as it is on its topic. */
export type DecidedLine = {
  /** Of the record, in hexadecimal. */
  readonly record_key: string | null
  /** The process that decided, and which of its decisions this is; null where the decision does not say. */
  readonly decided_by: string | null
  readonly decided_as: number | null
}

/** Gives how many lines there are, how many decisions are of other groups, and how many records are none. */
export async function writeDecisions(
  source: RecordSource & KafkaPositions,
  file: FileHandle,
  groupId: string,
  signal: AbortSignal,
): Promise<{ readonly decisions: number; readonly ofOthers: number; readonly others: number }> {
  const counts = { decisions: 0, ofOthers: 0, others: 0 }
  const ranges = await source.positions(new Map(), signal)
  await source.read(
    ranges,
    async ({ count, keys, values, headers }) => {
      const lines: string[] = []
      for (let index = 0; index < count; index++) {
        const text = decisionText(values[index] ?? null)
        if (text === null) {
          counts.others++
          continue
        }
        if (!isOfGroup(headers[index] ?? null, groupId)) {
          counts.ofOthers++
          continue
        }
        const key = keys[index] ?? null
        const about: DecidedLine = {
          record_key: key === null ? null : Buffer.from(key).toString('hex'),
          ...decidedOf(headers[index] ?? null),
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

function decidedOf(headers: RecordChunk['headers'][number]): Omit<DecidedLine, 'record_key'> {
  const value = headers?.findLast(({ key }) => key === decidedHeader)?.value
  const found =
    value == null ? null : /^([\w-]{1,32})\/(\d{1,15})$/.exec(Buffer.from(value).toString('latin1'))
  if (found == null) return { decided_by: null, decided_as: null }
  return { decided_by: found[1]!, decided_as: Number(found[2]) }
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
