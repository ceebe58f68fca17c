// The riskiest transactions as batches decide them, with what their rules say.
import type { Alert, AlertCell } from '../engines/batch-report.ts'
import type { Lakehouse } from '../plan/index.ts'
import { filledSentence } from '../rules/index.ts'
import type { FeedRow } from './api.ts'
import { type IdMask, isMaskedColumn } from './masking.ts'

export const feedKept = 200

export function feedRow(lakehouse: Lakehouse, cells: Readonly<Record<string, AlertCell>>): FeedRow {
  const { reasons } = cells
  const names = Array.isArray(reasons) ? reasons.map(String) : []
  return { cells, sentences: names.map((name) => sentenceOf(lakehouse, name, cells)) }
}

export function feedRows(lakehouse: Lakehouse, alerts: readonly Alert[]): FeedRow[] {
  return alerts.map((alert) => feedRow(lakehouse, alert))
}

/** What the rule of today says of the row; a rule that is gone says nothing. */
function sentenceOf(
  { rules }: Lakehouse,
  name: string,
  cells: Readonly<Record<string, AlertCell>>,
): FeedRow['sentences'][number] {
  const rule = rules.find((known) => known.name === name)
  if (rule === undefined) return { rule: name, points: null, text: '' }
  const text =
    rule.says === undefined
      ? rule.meaning
      : filledSentence(rule.says, (column) => (cells[column] == null ? null : String(cells[column])))
  return { rule: name, points: rule.points, text }
}

/** The same for who may not see ids: in the sentences too, which are filled again. */
export function maskedFeedRow(lakehouse: Lakehouse, mask: IdMask, { cells }: FeedRow): FeedRow {
  const masked = Object.entries(cells).map(([name, value]): [string, AlertCell] => {
    const isHidden = value !== null && isMaskedColumn(lakehouse, name)
    return [name, isHidden ? mask.text(String(value)) : value]
  })
  return feedRow(lakehouse, Object.fromEntries(masked))
}
