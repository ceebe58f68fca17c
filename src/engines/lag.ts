// How much the input holds behind what the tables have.
import type { Offsets } from '../batches/offsets.ts'
import type { RecordSource } from '../batches/source.ts'

const lagMaxMs = 2_000

/** null where that is not known in time. It is only shown, and no batch waits for an input that is away. */
export async function shownLag(
  source: Pick<RecordSource, 'lag'> | null | undefined,
  offsets: Offsets,
  signal: AbortSignal,
): Promise<bigint | null> {
  if (source === null || source === undefined) return null
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(lagMaxMs)])
  return await source.lag(offsets, inTime).catch(() => null)
}
