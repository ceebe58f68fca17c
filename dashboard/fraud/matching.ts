// Whether a transaction that has just come is one of those that were asked for: as the server's query says.
import type { FeedRow } from '../../src/dashboard/api.ts'
import type { RowFilter } from '../server.ts'

export function placeOf({ cells }: FeedRow): string {
  return `${String(cells.topic)} ${String(cells.partition)} ${String(cells.offset)}`
}

export function matches({ cells }: FeedRow, filters: readonly RowFilter[], text: string): boolean {
  const looked = text.trim().toLowerCase()
  const isNamed =
    looked === '' ||
    Object.values(cells).some((cell) => typeof cell === 'string' && cell.toLowerCase().includes(looked))
  return isNamed && filters.every((filter) => isOf(cells[filter.column] ?? null, filter))
}

function isOf(cell: FeedRow['cells'][string], { operator, value }: RowFilter): boolean {
  if (cell === null) return false
  if (Array.isArray(cell)) return cell.includes(value)
  const text = String(cell)
  const isNumber = text.trim() !== '' && Number.isFinite(Number(text)) && typeof cell !== 'boolean'
  switch (operator) {
    case 'contains':
      return text.toLowerCase().includes(value.toLowerCase())
    case 'at least':
      return isNumber ? Number(text) >= Number(value) : text >= value
    case 'at most':
      return isNumber ? Number(text) <= Number(value) : text <= value
    default:
      return text === value || (isNumber && Number(text) === Number(value))
  }
}
