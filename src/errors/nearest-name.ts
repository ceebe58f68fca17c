// The name that was meant, for messages about one that does not exist.

/** The candidate with the least distance, the first of several; null where none is that near. */
export function nearestName(name: string, candidates: readonly string[], distanceMax: number): string | null {
  let best: string | null = null
  let bestDistance = distanceMax + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > distanceMax) continue
    const distance = editDistance(name, candidate)
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** The candidate that was most likely meant: at most two mistakes away, and not another word. */
export function likelyName(name: string, candidates: readonly string[]): string | null {
  return nearestName(name, candidates, Math.min(2, Math.floor(name.length / 2)))
}

/** How many characters to insert, delete, replace or swap with their neighbour (optimal string alignment). */
export function editDistance(left: string, right: string): number {
  const rows = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0))
  const at = (row: number, column: number) => rows[row]![column]!
  for (let row = 0; row <= left.length; row++) {
    for (let column = 0; column <= right.length; column++) {
      if (row === 0 || column === 0) {
        rows[row]![column] = row + column
        continue
      }
      const same = left[row - 1] === right[column - 1]
      let least = Math.min(
        at(row - 1, column) + 1,
        at(row, column - 1) + 1,
        at(row - 1, column - 1) + (same ? 0 : 1),
      )
      const swapped =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      if (swapped) least = Math.min(least, at(row - 2, column - 2) + 1)
      rows[row]![column] = least
    }
  }
  return at(left.length, right.length)
}
