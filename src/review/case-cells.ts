// Rows of DuckDB as cells.
import type { DuckDBResultReader, DuckDBValue } from '@duckdb/node-api'
import { resultCellText } from '../query/result-cell.ts'
import type { CaseCells } from './review-answers.ts'

export function cellRows(result: DuckDBResultReader): CaseCells[] {
  const names = result.deduplicatedColumnNames()
  return result
    .getRows()
    .map((row) => Object.fromEntries(names.map((name, index) => [name, cellOfValue(row[index] ?? null)])))
}

function cellOfValue(value: DuckDBValue): CaseCells[string] {
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  const text = resultCellText(value)
  return isTextList(value) ? (JSON.parse(text) as string[]) : text // A list of text is told as JSON.
}

function isTextList(value: DuckDBValue): boolean {
  const { items } = Object(value) as { readonly items?: readonly unknown[] }
  return Array.isArray(items) && items.every((item) => typeof item === 'string')
}
