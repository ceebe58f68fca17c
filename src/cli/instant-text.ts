// An instant as commands show it.

/** As in 2026-10-01T08:00:00.000Z; nothing for none. */
export function instantText(micros: bigint | null): string {
  return micros === null ? '' : new Date(Number(micros / 1000n)).toISOString()
}
