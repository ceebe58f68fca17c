// What a batch did, for progress bars, the live view and the log.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Progress } from '../batches/progress.ts'
import { rowsOf } from './database.ts'
import type { Alert, BatchReport, InputPosition } from './engine.ts'
import { type LatencyCounts, latencyBucketSql, latencyQuantileMs, noLatencies } from './latency.ts'

/** What a batch brought. */
export type Executed = {
  readonly progress: Progress
  readonly rowsByTable: Readonly<Record<string, number>>
}

export type BatchFacts = {
  readonly records: number
  readonly input: InputPosition | null
  readonly startedMs: number
  readonly finishedMs: number
  readonly alertsMax: number
  readonly hasRecords: boolean
  readonly hasFraud: boolean
}

/**
 * To be called after the batch's commits. It reads the batch's rows by the names `kafka_batch`,
 * `silver_batch`, `quarantine_batch` and `fraud_batch`, as far as the facts say that there are any.
 */
export async function batchReport(
  connection: DuckDBConnection,
  executed: Executed,
  facts: BatchFacts,
): Promise<BatchReport> {
  const { progress, rowsByTable } = executed
  const hasArrivals = facts.hasRecords && facts.records > 0
  const latencies = hasArrivals ? await latenciesUntil(connection, facts.finishedMs) : noLatencies
  return {
    batch: progress.batch,
    timeMicros: progress.timeMicros,
    records: facts.records,
    silverRows: rowsByTable['silver/transactions'] ?? 0,
    quarantinedRows: rowsByTable['silver/quarantine'] ?? 0,
    quarantineReasons: (rowsByTable['silver/quarantine'] ?? 0) > 0 ? await quarantineReasons(connection) : {},
    rowsByTable,
    watermarkMicros: progress.watermarks.silver,
    input: facts.input,
    batchMs: facts.finishedMs - facts.startedMs,
    latencyMs: latencyQuantileMs(latencies, 0.5),
    latencies,
    ...(facts.hasFraud ? await riskOf(connection) : { riskLevels: {}, reviewRows: 0 }),
    alerts: facts.hasFraud && facts.alertsMax > 0 ? await alerts(connection, facts.alertsMax) : [],
  }
}

/** Since their Kafka timestamps; where no record has one (files have none), since silver's event times. */
async function latenciesUntil(connection: DuckDBConnection, finishedMs: number): Promise<LatencyCounts> {
  for (const [rows, arrival] of [
    ['kafka_batch', 'kafka_timestamp'],
    ['silver_batch', 'event_time'],
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

async function quarantineReasons(connection: DuckDBConnection): Promise<Record<string, number>> {
  const rows = await rowsOf(
    connection,
    'SELECT reason, count(*)::INTEGER AS count FROM (SELECT unnest(reasons) AS reason FROM quarantine_batch) GROUP BY reason',
  )
  return Object.fromEntries(rows.map((row) => [String(row.reason), Number(row.count)]))
}

async function riskOf(connection: DuckDBConnection): Promise<Pick<BatchReport, 'riskLevels' | 'reviewRows'>> {
  const rows = await rowsOf(
    connection,
    'SELECT risk_level, count(*)::INTEGER AS count, (count(*) FILTER (WHERE requires_review))::INTEGER AS review ' +
      'FROM fraud_batch GROUP BY risk_level',
  )
  return {
    riskLevels: Object.fromEntries(rows.map((row) => [String(row.risk_level), Number(row.count)])),
    reviewRows: rows.reduce((sum, row) => sum + Number(row.review), 0),
  }
}

async function alerts(connection: DuckDBConnection, alertsMax: number): Promise<Alert[]> {
  const rows = await rowsOf(
    connection,
    'SELECT transaction_id, user_id, CAST(amount AS VARCHAR) AS amount, country, payment_method, fraud_score, risk_level, ' +
      `reasons, strftime(event_time, '%Y-%m-%dT%H:%M:%SZ') AS event_time FROM fraud_batch WHERE requires_review ` +
      `ORDER BY fraud_score DESC, event_time DESC, transaction_id LIMIT ${alertsMax}`,
  )
  return rows as Alert[] // The columns just named, with the types of the table.
}
