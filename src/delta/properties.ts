// The table properties of the protocol that this folder obeys.
import type { Metadata } from './actions.ts'

const day = 86_400_000
const unitMs: Readonly<Record<string, number>> = {
  week: 7 * day,
  day,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1,
  microsecond: 0.001,
}

export const checkpointIntervalDefault = 100n
export const logRetentionDefaultMs = 30 * day
export const deletedFileRetentionDefaultMs = 7 * day

export function checkpointInterval(metadata: Metadata): bigint {
  const text = metadata.configuration['delta.checkpointInterval']
  return text !== undefined && /^[1-9]\d{0,8}$/.test(text) ? BigInt(text) : checkpointIntervalDefault
}

/** null: never clean up. */
export function logRetentionMs(metadata: Metadata): number | null {
  if (metadata.configuration['delta.enableExpiredLogCleanup']?.toLowerCase() === 'false') return null
  return retentionMs(metadata, 'delta.logRetentionDuration', logRetentionDefaultMs)
}

/** null: a retention that is set but not understood keeps everything. */
export function deletedFileRetentionMs(metadata: Metadata): number | null {
  return retentionMs(metadata, 'delta.deletedFileRetentionDuration', deletedFileRetentionDefaultMs)
}

function retentionMs(metadata: Metadata, key: string, otherwise: number): number | null {
  const text = metadata.configuration[key]
  return text === undefined ? otherwise : intervalMs(text)
}

/**
 * Spark's intervals of fixed length: `interval 30 days`, `1 week 12 hours`. Months have no fixed length:
 * null.
 */
export function intervalMs(text: string): number | null {
  const words = text.trim().toLowerCase().split(/\s+/)
  if (words[0] === 'interval') words.shift()
  if (words.length === 0 || words.length % 2 !== 0) return null
  let sum = 0
  for (let index = 0; index < words.length; index += 2) {
    const count = Number(words[index])
    const unit = unitMs[words[index + 1]?.replace(/s$/, '') ?? '']
    if (unit === undefined || !Number.isFinite(count) || count < 0) return null
    sum += count * unit
  }
  return sum
}
