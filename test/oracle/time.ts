// Instants as microseconds since the epoch, in bigint: no year of the contract is near a limit.

export const second = 1_000_000n
export const minute = 60n * second
export const hour = 60n * minute
export const day = 24n * hour

/** Rounds towards minus infinity, as windows and dates before 1970 need. */
export function floorTo(value: bigint, unit: bigint): bigint {
  const remainder = value % unit
  return value - (remainder < 0n ? remainder + unit : remainder)
}
