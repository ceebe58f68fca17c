// What a batch did, for progress bars, the live view and the log.

import type { DuckDBConnection } from '@duckdb/node-api'
import type { Progress, RecordedBatch } from '../batches/progress.ts'
import type { ColumnType } from '../expr/index.ts'
import type { Lakehouse } from '../plan/index.ts'
import { boundDuckdb, duckdb, expressionSql, type ParameterValues } from '../sql/index.ts'
import type {
  Alert,
  BatchReport,
  InputPosition,
  NewestRecord,
  RefusedSample,
  ShadowReport,
} from './batch-report.ts'
import { eventsWatermarkOf } from './batch-rules.ts'
import { rowsOf } from './database.ts'
import { type LatencyCounts, latencyBucketSql, latencyQuantileMs, noLatencies } from './latency.ts'
import { calculatingRules } from './row-path.ts'

/** What a batch brought. */
export type Executed = {
  readonly recorded: RecordedBatch
  readonly progress: Progress
  readonly rowsByTable: Readonly<Record<string, number>>
  /** How long each phase took, in milliseconds. */
  readonly phasesMs: Readonly<Record<string, number>>
}

export type BatchFacts = {
  readonly records: number
  readonly input: InputPosition | null
  readonly startedMs: number
  readonly finishedMs: number
  readonly alertsMax: number
  readonly hasRecords: boolean
  readonly hasScores: boolean
  readonly hasShadows: boolean
  /** By which the batch's rules are asked what they could not calculate; null where they are not today's. */
  readonly parameters: ParameterValues | null
}

/**
 * To be called after the batch's commits. It reads the batch's rows by the names `records_batch`,
 * `events_batch`, `refused_batch`, `scored_batch` and `shadow_batch`, as far as the facts say that there are any.
 */
export async function batchReport(
  connection: DuckDBConnection,
  lakehouse: Lakehouse,
  executed: Pick<Executed, 'progress' | 'rowsByTable'>,
  facts: BatchFacts,
): Promise<BatchReport> {
  const { progress, rowsByTable } = executed
  const hasArrivals = facts.hasRecords && facts.records > 0
  const latencies = hasArrivals ? await latenciesUntil(connection, facts.finishedMs) : noLatencies
  const quarantinedRows = rowsByTable[lakehouse.refused.path] ?? 0
  const reasons = quarantinedRows > 0 ? await countedNames(connection, 'refused_batch') : {}
  const isMostRefused = 2 * quarantinedRows > facts.records
  return {
    batch: progress.batch,
    timeMicros: progress.timeMicros,
    records: facts.records,
    silverRows: rowsByTable[lakehouse.events.path] ?? 0,
    quarantinedRows,
    quarantineReasons: reasons,
    refusedSample: isMostRefused ? await refusedSample(connection, reasons) : null,
    rowsByTable,
    watermarkMicros: eventsWatermarkOf(lakehouse, progress),
    input: facts.input,
    batchMs: facts.finishedMs - facts.startedMs,
    latencyMs: latencyQuantileMs(latencies, 0.5),
    latencies,
    ...(facts.hasScores ? await riskOf(connection) : { riskLevels: {}, reviewRows: 0 }),
    firings: facts.hasScores ? await countedNames(connection, 'scored_batch') : {},
    overflows: hasArrivals && facts.hasScores ? await overflowsOf(connection, lakehouse, facts) : {},
    shadows: facts.hasShadows ? await shadowsOf(connection) : [],
    newestRecords: hasArrivals ? await newestRecords(connection) : [],
    alerts:
      facts.hasScores && facts.alertsMax > 0 ? await alerts(connection, lakehouse, facts.alertsMax) : [],
  }
}

/** Since their Kafka timestamps; where no record has one (files have none), since silver's event times. */
async function latenciesUntil(connection: DuckDBConnection, finishedMs: number): Promise<LatencyCounts> {
  for (const [rows, arrival] of [
    ['records_batch', 'kafka_timestamp'],
    ['events_batch', 'event_time'],
  ]) {
    const counts = await rowsOf(
      connection,
      `SELECT ${latencyBucketSql(`${finishedMs} - epoch_ms(${arrival})`)} AS bucket, count(*)::INTEGER AS count ` +
        `FROM ${rows} WHERE ${arrival} IS NOT NULL GROUP BY bucket`,
    )
    if (counts.length > 0) return new Map(counts.map(({ bucket, count }) => [Number(bucket), Number(count)]))
  }
  return noLatencies
}

/** How many rows have each of the names in `reasons`. */
async function countedNames(
  connection: DuckDBConnection,
  view: 'refused_batch' | 'scored_batch',
): Promise<Record<string, number>> {
  const rows = await rowsOf(
    connection,
    `SELECT reason, count(*)::INTEGER AS count FROM (SELECT unnest(reasons) AS reason FROM ${view}) GROUP BY reason`,
  )
  return Object.fromEntries(rows.map((row) => [String(row.reason), Number(row.count)]))
}

/** In how many rows each rule could not calculate. */
async function overflowsOf(
  connection: DuckDBConnection,
  { events, scored, ...lakehouse }: Lakehouse,
  { parameters }: BatchFacts,
): Promise<Record<string, number>> {
  const rules = calculatingRules({ events, scored, ...lakehouse })
  if (rules.length === 0 || scored === null || parameters === null) return {}
  const dialect = boundDuckdb(parameters)
  const others = Object.keys(events.rows.schema).filter((name) => !(name in scored.rows.schema))
  const columns = ['s.*', ...others.map((name) => `e.${duckdb.name(name)}`)].join(', ')
  const counts = rules.map(({ overflows }, index) => {
    return `(count(*) FILTER (WHERE ${expressionSql(dialect, overflows)}))::INTEGER AS of_${index}`
  })
  const [row] = await rowsOf(
    connection,
    `SELECT ${counts.join(', ')} FROM (SELECT ${columns} FROM scored_batch AS s JOIN events_batch AS e
      USING (topic, "partition", "offset"))`,
  )
  const found = rules.map(({ name }, index): [string, number] => [name, Number(row?.[`of_${index}`] ?? 0)])
  return Object.fromEntries(found.filter(([, count]) => count > 0))
}

async function shadowsOf(connection: DuckDBConnection): Promise<ShadowReport[]> {
  const rows = await rowsOf(
    connection,
    `SELECT rules_version AS version, count(*)::INTEGER AS rows,
      (count(*) FILTER (WHERE requires_review))::INTEGER AS reviews,
      (count(*) FILTER (WHERE len(failed_rules) > 0))::INTEGER AS failures
    FROM shadow_batch GROUP BY version ORDER BY version`,
  )
  return rows.map((row) => ({
    ...{ version: Number(row.version), rows: Number(row.rows) },
    ...{ reviewRows: Number(row.reviews), failedRows: Number(row.failures) },
  }))
}

async function newestRecords(connection: DuckDBConnection): Promise<NewestRecord[]> {
  const rows = await rowsOf(
    connection,
    'SELECT topic, "partition", epoch_ms(max_by(kafka_timestamp, "offset")) AS ms FROM records_batch ' +
      'WHERE kafka_timestamp IS NOT NULL GROUP BY topic, "partition"',
  )
  return rows.map(({ topic, partition, ms }) => {
    return { topic: String(topic), partition: Number(partition), timestampMs: Number(ms) }
  })
}

/** Of several that are as common the first by name; null without any. */
export function commonestReason(counts: Readonly<Record<string, number>>): string | null {
  return Object.keys(counts).sort((a, b) => counts[b]! - counts[a]! || (a < b ? -1 : 1))[0] ?? null
}

async function refusedSample(
  connection: DuckDBConnection,
  reasons: Readonly<Record<string, number>>,
): Promise<RefusedSample | null> {
  const reason = commonestReason(reasons)
  if (reason === null) return null
  const [row] = await rowsOf(
    connection,
    `SELECT topic, "partition", "offset", value FROM refused_batch ` +
      `WHERE list_contains(reasons, ${duckdb.text(reason)}) ORDER BY topic, "partition", "offset" LIMIT 1`,
  )
  return row === undefined ? null : ({ reason, ...row } as RefusedSample) // The columns just named.
}

async function riskOf(connection: DuckDBConnection): Promise<Pick<BatchReport, 'riskLevels' | 'reviewRows'>> {
  const rows = await rowsOf(
    connection,
    'SELECT risk_level, count(*)::INTEGER AS count, (count(*) FILTER (WHERE requires_review))::INTEGER AS review ' +
      'FROM scored_batch GROUP BY risk_level',
  )
  return {
    riskLevels: Object.fromEntries(rows.map((row) => [String(row.risk_level), Number(row.count)])),
    reviewRows: rows.reduce((sum, row) => sum + Number(row.review), 0),
  }
}

async function alerts(
  connection: DuckDBConnection,
  { scored, names }: Lakehouse,
  alertsMax: number,
): Promise<Alert[]> {
  if (scored === null) return []
  const cells = Object.entries(scored.rows.schema).map(([name, type]) =>
    alertCellSql('scored_batch', name, type),
  )
  const rows = await rowsOf(
    connection,
    `SELECT ${cells.join(', ')} FROM scored_batch WHERE requires_review ` +
      `ORDER BY fraud_score DESC, scored_batch.event_time DESC, ${duckdb.name(names.event.column)} LIMIT ${alertsMax}`,
  )
  return rows as Alert[] // As the columns of the role are selected.
}

/** A cell of the relation as an `AlertCell`, under the name of its column. */
export function alertCellSql(relation: string, column: string, type: ColumnType): string {
  const name = `${relation}.${duckdb.name(column)}`
  if (type === 'timestamp') return `strftime(${name}, '%Y-%m-%dT%H:%M:%SZ') AS ${duckdb.name(column)}`
  if (type === 'date' || type === 'long' || type.startsWith('decimal')) {
    return `CAST(${name} AS VARCHAR) AS ${duckdb.name(column)}`
  }
  return type === 'binary' ? `base64(${name}) AS ${duckdb.name(column)}` : name
}
