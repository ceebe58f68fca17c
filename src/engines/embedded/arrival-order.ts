// The order in which rows arrived that stand in another one: those of several partitions come as they were
// fetched.
import type { Column } from '../../columns/column.ts'

/**
 * The rows by these columns, the first one first, none of which is null; null where they stand so already.
 */
export function arrivalOrder(columns: readonly Column[], rowCount: number): number[] | null {
  const ranks = columns.map((column) => (column.type === 'string' ? ranksOf(column) : column))
  const compare = (a: number, b: number): number => {
    for (const column of ranks) {
      const [one, other] = [column.get(a), column.get(b)] as [number, number]
      if (one !== other) return one < other ? -1 : 1
    }
    return 0
  }
  let row = 1
  while (row < rowCount && compare(row - 1, row) <= 0) row++
  if (row >= rowCount) return null
  return Array.from({ length: rowCount }, (_, index) => index).sort(compare)
}

/** Texts compare by their UTF-8 bytes, as they do in every engine. */
function ranksOf(column: Column): { get(row: number): number } {
  const ranks = new Map<unknown, number>()
  for (let row = 0; row < column.length; row++) ranks.set(column.get(row), 0)
  const texts = [...ranks.keys()] as string[] // No row is without.
  const sorted = texts.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  for (const [rank, text] of sorted.entries()) ranks.set(text, rank)
  return { get: (row) => ranks.get(column.get(row))! }
}
