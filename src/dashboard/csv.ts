// Rows as CSV for spreadsheets: quoted as in RFC 4180, and no cell is taken for a formula.
import type { RowsAnswer } from './api.ts'

export function csvOf({ columns, rows }: RowsAnswer): string {
  const lines = [columns.map(({ name }) => name), ...rows]
  return lines.map((cells) => `${cells.map(cellText).join(',')}\r\n`).join('')
}

/** A spreadsheet would compute what begins so, unless it is a number. */
const formula = /^[=+\-@\t\r]/
const plainNumber = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/

function cellText(cell: string | null): string {
  if (cell === null) return ''
  const text = formula.test(cell) && !plainNumber.test(cell) ? `'${cell}` : cell
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
