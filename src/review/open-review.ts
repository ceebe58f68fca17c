// The desk of a lakehouse, by its configuration.
import type { Config } from '../config/config.ts'
import { RunPauses } from '../engines/erasure-pause.ts'
import { tellNobody } from '../engines/events.ts'
import { ReviewDesk } from './desk.ts'

export type ReviewConfig = Pick<Config, 'lakehouse' | 'deltaBasePath' | 'writerLeaseMs' | 'dashboard'>

/** null where no transactions are scored. Nothing is read yet. */
export async function openReview(
  { lakehouse, deltaBasePath, writerLeaseMs: leaseMs, dashboard }: ReviewConfig,
  nowMs: () => number = Date.now,
): Promise<ReviewDesk | null> {
  const { scored, names } = lakehouse
  if (scored === null) return null
  const { signal } = new AbortController()
  const pauses = await RunPauses.of({ deltaBasePath, streams: [], leaseMs, signal, tell: tellNobody })
  const lockMs = dashboard.reviewLockMs
  return await ReviewDesk.open({ scored, event: names.event.column, deltaBasePath, lockMs, pauses, nowMs })
}
