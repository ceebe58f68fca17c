// A flag that is a day or an instant.
import { parseInstantMs } from '../config/values.ts'
import { LakehouseError } from '../errors/errors.ts'

const dayMs = 86_400_000

/** Microseconds since the epoch. A day is its begin, or, as an end, that of the next one. */
export function instantFlag(
  flag: string,
  given: string | undefined,
  as: 'begin' | 'end' = 'begin',
): bigint | null {
  if (given === undefined) return null
  const ms = parseInstantMs(given)
  if (ms === null) {
    const message = `${flag} is a day or an instant, as in 2026-10-01 or 2026-10-01T08:00:00Z, not ${given}.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(given)
  return BigInt(isDay && as === 'end' ? ms + dayMs : ms) * 1000n
}
