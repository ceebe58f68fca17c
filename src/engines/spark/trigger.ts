// Batches begin as soon as there is something to carry, but at most once in an interval.
import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineOptions } from '../engine.ts'

const intervalDefaultMs = 200

export function triggerIntervalOf({ triggerIntervalMs }: PipelineOptions): number {
  return triggerIntervalMs ?? intervalDefaultMs
}

/** Resolves when the interval since the last cut (of `performance.now()`) is over, or with the signal. */
export async function waitForTrigger(
  cutAtMs: number,
  triggerIntervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  const waitMs = cutAtMs + triggerIntervalMs - performance.now()
  if (waitMs <= 0 || signal.aborted) return
  await sleep(waitMs, undefined, { signal }).catch(() => undefined) // Stopped: the caller sees it.
}
