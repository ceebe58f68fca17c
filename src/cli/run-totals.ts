// What a run has done so far, and how it is told at its end.
import type { BatchReport, RefusedSample } from '../engines/batch-report.ts'
import { unitOf } from '../errors/counted.ts'
import { sortedReasons } from './refusals.ts'
import { formatCount, formatElapsed } from './terminal-text.ts'

/** What of a report is added up. */
export type CountedReport = Pick<
  BatchReport,
  'records' | 'rowsByTable' | 'quarantinedRows' | 'quarantineReasons' | 'refusedSample'
>

export type RunTotals = {
  readonly batches: number
  readonly records: number
  /** Offsets that Kafka deleted before they were read, where ON_DATA_LOSS lets the run go on. */
  readonly lost: bigint
  readonly rowsByTable: Readonly<Record<string, number>>
  readonly quarantined: number
  readonly reasons: Readonly<Record<string, number>>
  /** The first refused record of each reason that was the commonest of a batch. */
  readonly samples: readonly RefusedSample[]
}

export const noTotals: RunTotals = {
  ...{ batches: 0, records: 0, lost: 0n, rowsByTable: {}, quarantined: 0, reasons: {}, samples: [] },
}

export function withBatch(totals: RunTotals, report: CountedReport): RunTotals {
  const sample = report.refusedSample
  const isNew = sample !== null && totals.samples.every(({ reason }) => reason !== sample.reason)
  return {
    ...totals,
    batches: totals.batches + 1,
    records: totals.records + report.records,
    rowsByTable: sumOf(totals.rowsByTable, report.rowsByTable),
    quarantined: totals.quarantined + report.quarantinedRows,
    reasons: sumOf(totals.reasons, report.quarantineReasons),
    samples: isNew ? [...totals.samples, sample] : totals.samples,
  }
}

export function withLost(totals: RunTotals, offsets: bigint): RunTotals {
  return { ...totals, lost: totals.lost + offsets }
}

function sumOf(
  before: Readonly<Record<string, number>>,
  more: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const sum = new Map(Object.entries(before))
  for (const [name, count] of Object.entries(more)) sum.set(name, (sum.get(name) ?? 0) + count)
  return Object.fromEntries(sum)
}

/** `1,000 records in 2 batches, 1.2 s`. */
export function totalsSentence({ records, batches }: RunTotals, elapsedMs: number): string {
  const inBatches = `${formatCount(batches)} ${unitOf(batches, 'batch', 'batches')}`
  return `${formatCount(records)} ${unitOf(records, 'record')} in ${inBatches}, ${formatElapsed(elapsedMs)}`
}

/** The sentence, then a line for each table that got rows; why rows were refused stands under quarantine. */
export function totalsText(totals: RunTotals, elapsedMs: number): string {
  const line = (indent: string, name: string, count: number | bigint): string =>
    `${indent}${name.padEnd(32 - indent.length)} ${formatCount(count)}`
  const lines = [totalsSentence(totals, elapsedMs)]
  if (totals.lost > 0n) lines.push(line('  ', 'lost before they were read', totals.lost))
  for (const [table, count] of Object.entries(totals.rowsByTable)) {
    if (count > 0) lines.push(line('  ', table, count))
    if (table !== 'silver/quarantine') continue
    for (const [reason, rows] of sortedReasons(totals.reasons)) lines.push(line('    ', reason, rows))
  }
  return `${lines.join('\n')}\n`
}
