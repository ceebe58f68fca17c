// Why records were refused, as people are told.

/** The commonest reasons first; those of one count by name. */
export function sortedReasons(counts: Readonly<Record<string, number>>): [reason: string, rows: number][] {
  return Object.entries(counts).sort(([a, rowsA], [b, rowsB]) => rowsB - rowsA || (a < b ? -1 : 1))
}

/** At most `linesMax` of them, the last one for those that do not fit. */
export function topReasons(
  counts: Readonly<Record<string, number>>,
  linesMax: number,
): [reason: string, rows: number][] {
  const sorted = sortedReasons(counts)
  if (sorted.length <= linesMax) return sorted
  if (linesMax < 2) return []
  const shown = sorted.slice(0, linesMax - 1)
  const others = sorted.slice(linesMax - 1).reduce((sum, [, rows]) => sum + rows, 0)
  return [...shown, ['other reasons', others]]
}
