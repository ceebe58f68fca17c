// What a lock asks of the place where it lies, whether that is a disk or an object store.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Holder } from './lock-holder.ts'

export type LeaseTerms = {
  /** A lock whose holder has given no sign of life for so long can be taken over. */
  readonly leaseMs: number
  /** Ends the wait for a holder that may be gone. */
  readonly signal?: AbortSignal
}

/** A lock as it was at one moment. */
export type LockSight = {
  /** null where it is no lock of ours: only its beat then says whether it is stale. */
  readonly holder: Holder | null
  /** Another after each sign of life. */
  readonly beat: string
}

export type Lease = {
  /** The time between two looks at a lock that is waited for, or that may come. */
  readonly lookMs: number
  /** False where another was faster, and who asks again may get it; STREAM_LOCKED where a holder lives. */
  take(holder: Holder, terms: LeaseTerms): Promise<boolean>
  /** null where nobody has it. */
  look(): Promise<LockSight | null>
  /** Gives a sign of life. A place that fails for a moment says nothing of who holds the lock: then held. */
  sign(holder: Holder): Promise<'held' | 'lost'>
  /** Lets it go, where that owner has it. */
  remove(owner: string): Promise<void>
}

/** True where a whole lease passes in which each of so many looks finds the last beat still there. */
export async function staysSilent<Beat>(
  last: Beat,
  look: () => Promise<Beat>,
  looksPerLease: number,
  { leaseMs, signal }: LeaseTerms,
): Promise<boolean> {
  const endMs = performance.now() + leaseMs
  while (performance.now() < endMs) {
    await sleep(leaseMs / looksPerLease, undefined, { signal })
    if ((await look()) !== last) return false
  }
  return true
}
