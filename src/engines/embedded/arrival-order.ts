// The order in which rows arrived that stand in another one: those of several partitions come as they were
// fetched.
import { type Column, NumberColumn } from '../../columns/column.ts'

/**
 * The rows by these columns, the first one first, none of which is null; null where they stand so already.
 */
export function arrivalOrder(columns: readonly Column[], rowCount: number): number[] | null {
  // Rows of one batch, mostly of one partition, differ by few of them.
  const differing = columns.filter((column) => !isSame(column, rowCount))
  if (differing.length === 1 && isAscending(differing[0]!, rowCount)) return null
  const ranks = differing.map((column) => (column.type === 'string' ? ranksOf(column) : column))
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

function isSame(column: Column, rowCount: number): boolean {
  if (column instanceof NumberColumn && column.large !== null) return false
  const { values } = column
  for (let row = 1; row < rowCount; row++) if (values[row] !== values[0]) return false
  return true
}

/** Of numbers alone, all of which are exact. */
function isAscending(column: Column, rowCount: number): boolean {
  if (!(column instanceof NumberColumn) || column.large !== null) return false
  const { values } = column
  for (let row = 1; row < rowCount; row++) if (values[row - 1]! > values[row]!) return false
  return true
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
