// What a batch did, as its rows in memory say; what src/engines/report.ts tells of a batch of Spark.

import { partitionKey } from '../../batches/offsets.ts'
import { isInstantMs, type RecordChunk } from '../../batches/source.ts'
import type { Rows } from '../../columns/column.ts'
import type { Whole } from '../../columns/whole.ts'
import { figureText } from '../../delta/value-text.ts'
import { type ColumnType, compareText } from '../../expr/index.ts'
import type { Lakehouse, TableDefinition } from '../../plan/index.ts'
import type {
  Alert,
  AlertCell,
  BatchReport,
  InputPosition,
  NewestRecord,
  RefusedSample,
  ShadowReport,
} from '../batch-report.ts'
import { eventsWatermarkOf } from '../batch-rules.ts'
import { type LatencyCounts, latencyBucket, latencyQuantileMs, noLatencies } from '../latency.ts'
import { commonestReason } from '../report.ts'
import { rowsOfTable } from '../row-path.ts'
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
  lakehouse: Lakehouse,
  {
    recorded,
    rowsByTable,
    rows,
    definitions,
  }: Pick<Carried, 'recorded' | 'rowsByTable' | 'rows' | 'definitions'>,
  facts: RowFacts,
): BatchReport {
  const { progress } = recorded
  const { tables } = rows
  const { events, refused: quarantine, scored: ofScores } = lakehouse
  const refused = tables.get(quarantine.path) ?? null
  const scored = ofScores === null ? null : (tables.get(ofScores.path) ?? null)
  const quarantinedRows = rowsByTable[quarantine.path] ?? 0
  const reasons = refused === null || quarantinedRows === 0 ? {} : countedNames(refused, 'reasons')
  const isMostRefused = 2 * quarantinedRows > facts.records
  const latencies = latenciesOf(facts, tables.get(events.path) ?? null)
  return {
    batch: progress.batch,
    timeMicros: progress.timeMicros,
    records: facts.records,
    silverRows: rowsByTable[events.path] ?? 0,
    quarantinedRows,
    quarantineReasons: reasons,
    refusedSample: refused !== null && isMostRefused ? refusedSample(refused, reasons) : null,
    rowsByTable,
    watermarkMicros: eventsWatermarkOf(lakehouse, progress),
    input: facts.input,
    batchMs: facts.finishedMs - facts.startedMs,
    latencyMs: latencyQuantileMs(latencies, 0.5),
    latencies,
    ...riskOf(scored),
    overflows: rows.overflows,
    shadows: shadowsOf(lakehouse, definitions, tables),
    firings: scored === null ? {} : countedNames(scored, 'reasons'),
    newestRecords: newestRecords(facts.chunks),
    alerts: scored === null ? [] : alerts(scored, facts.alertsMax, lakehouse.names.event.column),
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

/** Of a column with lists of names: how many rows have each. */
function countedNames({ columns, rowCount }: Rows, column: string): Record<string, number> {
  const counts: Record<string, number> = {}
  const lists = columns[column]!
  for (let row = 0; row < rowCount; row++) {
    for (const name of lists.get(row) as readonly string[]) counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** The rows of each version stand by themselves. */
function shadowsOf(
  { shadow }: Lakehouse,
  definitions: readonly TableDefinition[],
  tables: ReadonlyMap<string, Rows>,
): ShadowReport[] {
  const table = definitions.find(({ path }) => path === shadow?.table.path)
  if (table === undefined) return []
  return rowsOfTable(tables, table).map(({ columns, rowCount }) => {
    const { rules_version: versions, requires_review: reviews, failed_rules: failures } = columns
    let [reviewRows, failedRows] = [0, 0]
    for (let row = 0; row < rowCount; row++) {
      if (reviews!.get(row) === true) reviewRows++
      if ((failures!.get(row) as readonly string[]).length > 0) failedRows++
    }
    return { version: Number(versions!.get(0)), rows: rowCount, reviewRows, failedRows }
  })
}

function newestRecords(chunks: readonly RecordChunk[]): NewestRecord[] {
  const newest = new Map<string, NewestRecord>()
  for (const { topic, partition, timestampsMs } of chunks) {
    const last = timestampsMs?.findLast((ms) => isInstantMs(ms))
    if (last !== undefined)
      newest.set(partitionKey({ topic, partition }), { topic, partition, timestampMs: Number(last) })
  }
  return [...newest.values()]
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

/** The riskiest first, then the newest, then by the column that names the event. */
function alerts({ columns, schema, rowCount }: Rows, alertsMax: number, eventName: string): Alert[] {
  if (alertsMax === 0) return []
  const rows: number[] = []
  for (let row = 0; row < rowCount; row++) if (columns.requires_review!.get(row) === true) rows.push(row)
  const number = (name: string, row: number) => Number(columns[name]!.get(row))
  const name = (row: number) => String(columns[eventName]!.get(row))
  rows.sort(
    (a, b) =>
      number('fraud_score', b) - number('fraud_score', a) ||
      number('event_time', b) - number('event_time', a) ||
      compareText(name(a), name(b)),
  )
  return rows.slice(0, alertsMax).map((row) => {
    const cells = Object.entries(schema).map(([column, type]) => [
      column,
      alertCell(type, columns[column]!.get(row)),
    ])
    return Object.fromEntries(cells) as Alert // The scored table has the columns of its role.
  })
}

function isFigure(type: ColumnType): type is 'date' | 'long' | 'decimal(18,2)' {
  return type === 'date' || type === 'long' || type.startsWith('decimal')
}

function alertCell(type: ColumnType, value: unknown): AlertCell {
  if (value === null) return null
  if (type === 'timestamp') return `${new Date(Number(value) / 1000).toISOString().slice(0, 19)}Z`
  // Whole numbers, as src/columns has them.
  if (isFigure(type)) return figureText(type, value as Whole)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return value as AlertCell // Texts, their lists, booleans, ints and doubles are themselves.
}
