// What a batch did, for progress bars, the live view and the log.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Progress } from '../batches/progress.ts'
import { rowsOf } from './database.ts'
import type { Alert, BatchReport, InputPosition } from './engine.ts'

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
  const arrived = facts.hasRecords && facts.records > 0 ? await medianArrivalMs(connection) : null
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
    latencyMs: arrived === null ? null : facts.finishedMs - arrived,
    ...(facts.hasFraud ? await riskOf(connection) : { riskLevels: {}, reviewRows: 0 }),
    alerts: facts.hasFraud && facts.alertsMax > 0 ? await alerts(connection, facts.alertsMax) : [],
  }
}

async function medianArrivalMs(connection: DuckDBConnection): Promise<number | null> {
  const [row] = await rowsOf(
    connection,
    'SELECT coalesce((SELECT median(epoch_ms(kafka_timestamp)) FROM kafka_batch), ' +
      '(SELECT median(epoch_ms(event_time)) FROM silver_batch)) AS arrived',
  )
  const arrived = row?.arrived
  return typeof arrived === 'number' ? arrived : null
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
