// What a batch did, as its rows in memory say; what src/engines/report.ts tells of a batch of Spark.
import { isInstantMs, type RecordChunk } from '../../batches/source.ts'
import type { Rows } from '../../columns/column.ts'
import type { Whole } from '../../columns/whole.ts'
import { figureText } from '../../delta/value-text.ts'
import { compareText } from '../../expr/index.ts'
import { rowTables } from '../../lakehouse/row-path.ts'
import type { Alert, BatchReport, InputPosition, RefusedSample } from '../engine.ts'
import { type LatencyCounts, latencyBucket, latencyQuantileMs, noLatencies } from '../latency.ts'
import { commonestReason } from '../report.ts'
import type { Carried } from './execute.ts'

export type RowFacts = {
  readonly records: number
  /** Records that came from the input; none where rows were in bronze or silver already. */
  readonly chunks: readonly RecordChunk[]
  readonly input: InputPosition | null
  readonly startedMs: number
  readonly finishedMs: number
  readonly alertsMax: number
}

/** To be called after the batch's commits. */
export function rowReport(
  { recorded, rowsByTable, rows }: Pick<Carried, 'recorded' | 'rowsByTable' | 'rows'>,
  facts: RowFacts,
): BatchReport {
  const { progress } = recorded
  const { tables } = rows
  const refused = tables.get(rowTables.quarantine_batch) ?? null
  const scored = tables.get(rowTables.fraud_batch) ?? null
  const quarantinedRows = rowsByTable[rowTables.quarantine_batch] ?? 0
  const reasons = refused === null || quarantinedRows === 0 ? {} : countedReasons(refused)
  const isMostRefused = 2 * quarantinedRows > facts.records
  const latencies = latenciesOf(facts, tables.get(rowTables.silver_batch) ?? null)
  return {
    batch: progress.batch,
    timeMicros: progress.timeMicros,
    records: facts.records,
    silverRows: rowsByTable[rowTables.silver_batch] ?? 0,
    quarantinedRows,
    quarantineReasons: reasons,
    refusedSample: refused !== null && isMostRefused ? refusedSample(refused, reasons) : null,
    rowsByTable,
    watermarkMicros: progress.watermarks.silver,
    input: facts.input,
    batchMs: facts.finishedMs - facts.startedMs,
    latencyMs: latencyQuantileMs(latencies, 0.5),
    latencies,
    ...riskOf(scored),
    alerts: scored === null ? [] : alerts(scored, facts.alertsMax),
  }
}

/** Since their Kafka timestamps; where no record has one (files have none), since silver's event times. */
function latenciesOf({ chunks, finishedMs }: RowFacts, silver: Rows | null): LatencyCounts {
  if (chunks.length === 0) return noLatencies
  const counts = new Map<number, number>()
  const count = (arrivalMs: number): void => {
    const bucket = latencyBucket(finishedMs - arrivalMs)
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1)
  }
  for (const { timestampsMs } of chunks) {
    for (const ms of timestampsMs ?? []) if (isInstantMs(ms)) count(Number(ms))
  }
  if (counts.size > 0 || silver === null) return counts
  const times = silver.columns.event_time!
  for (let row = 0; row < silver.rowCount; row++) count(Math.floor(Number(times.get(row)) / 1000))
  return counts
}

function countedReasons(refused: Rows): Record<string, number> {
  const counts: Record<string, number> = {}
  const reasons = refused.columns.reasons!
  for (let row = 0; row < refused.rowCount; row++) {
    for (const reason of reasons.get(row) as readonly string[]) counts[reason] = (counts[reason] ?? 0) + 1
  }
  return counts
}

/** The first record, in the order of arrival, that has the commonest reason. */
function refusedSample(refused: Rows, counts: Readonly<Record<string, number>>): RefusedSample | null {
  const reason = commonestReason(counts)
  if (reason === null) return null
  const { columns } = refused
  for (let row = 0; row < refused.rowCount; row++) {
    if (!(columns.reasons!.get(row) as readonly string[]).includes(reason)) continue
    return {
      reason,
      topic: String(columns.topic!.get(row)),
      partition: Number(columns.partition!.get(row)),
      offset: BigInt(columns.offset!.get(row) as Whole),
      value: columns.value!.get(row) as Uint8Array | null,
    }
  }
  return null
}

function riskOf(scored: Rows | null): Pick<BatchReport, 'riskLevels' | 'reviewRows'> {
  const riskLevels: Record<string, number> = {}
  let reviewRows = 0
  if (scored !== null) {
    const { risk_level: levels, requires_review: review } = scored.columns
    for (let row = 0; row < scored.rowCount; row++) {
      const level = String(levels!.get(row))
      riskLevels[level] = (riskLevels[level] ?? 0) + 1
      if (review!.get(row) === true) reviewRows++
    }
  }
  return { riskLevels, reviewRows }
}

/** The riskiest first, then the newest. */
function alerts({ columns, rowCount }: Rows, alertsMax: number): Alert[] {
  if (alertsMax === 0) return []
  const rows: number[] = []
  for (let row = 0; row < rowCount; row++) if (columns.requires_review!.get(row) === true) rows.push(row)
  const number = (name: string, row: number) => Number(columns[name]!.get(row))
  const text = (name: string, row: number) => columns[name]!.get(row) as string
  rows.sort(
    (a, b) =>
      number('fraud_score', b) - number('fraud_score', a) ||
      number('event_time', b) - number('event_time', a) ||
      compareText(text('transaction_id', a), text('transaction_id', b)),
  )
  return rows.slice(0, alertsMax).map((row) => ({
    transaction_id: text('transaction_id', row),
    user_id: number('user_id', row),
    amount: figureText('decimal(18,2)', columns.amount!.get(row) as Whole),
    country: text('country', row) as string | null,
    payment_method: text('payment_method', row) as string | null,
    fraud_score: number('fraud_score', row),
    risk_level: text('risk_level', row),
    reasons: columns.reasons!.get(row) as readonly string[],
    event_time: `${new Date(number('event_time', row) / 1000).toISOString().slice(0, 19)}Z`,
  }))
}
