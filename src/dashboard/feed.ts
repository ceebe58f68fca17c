// The riskiest transactions as batches decide them, with what their rules say.
import type { Alert, AlertCell } from '../engines/batch-report.ts'
import type { Lakehouse } from '../plan/index.ts'
import { type IdMask, isMaskedColumn } from '../query/masking.ts'
import { ruleSentence } from '../rules/index.ts'
import type { FeedRow } from './api.ts'

export const feedKept = 200

export function feedRow(lakehouse: Lakehouse, cells: Readonly<Record<string, AlertCell>>): FeedRow {
  const { reasons } = cells
  const names = Array.isArray(reasons) ? reasons.map(String) : []
  const textOf = (column: string) => (cells[column] == null ? null : String(cells[column]))
  return { cells, sentences: names.map((name) => ruleSentence(lakehouse.rules, name, textOf)) }
}

export function feedRows(lakehouse: Lakehouse, alerts: readonly Alert[]): FeedRow[] {
  return alerts.map((alert) => feedRow(lakehouse, alert))
}

/** The same for who may not see ids: in the sentences too, which are filled again. */
export function maskedFeedRow(lakehouse: Lakehouse, mask: IdMask, { cells }: FeedRow): FeedRow {
  const masked = Object.entries(cells).map(([name, value]): [string, AlertCell] => {
    const isHidden = value !== null && isMaskedColumn(lakehouse, name)
    return [name, isHidden ? mask.text(String(value)) : value]
  })
  return feedRow(lakehouse, Object.fromEntries(masked))
}
