// The queries of the Quality page: is every record somewhere, what is refused and why, how the events look.
import { driftPath } from '../ops/drift.ts'
import type { Lakehouse, TableDefinition } from '../plan/index.ts'
import { sqlName } from '../query/table-name.ts'
import type { DashboardQuery } from './fraud-queries.ts'

const refusalHours = 48
const samplesMax = 20
const anomaliesMax = 100
const figureWindows = 288
const driftDays = 30
const driftedMax = 200

/** How many rows the tables by their roles have. */
export function conservationQuery({ records, events, refused }: Lakehouse): DashboardQuery {
  const counts = Object.entries({ records, events, refused }).map(
    ([role, table]) => `(SELECT count(*) FROM ${sqlName(table)}) AS ${role}`,
  )
  return { sql: `SELECT ${counts.join(', ')}`, parameters: {} }
}

/** By hour and reason, of the last two days in which records were refused; a record may have several. */
export function refusalsQuery({ refused }: Lakehouse): DashboardQuery {
  const sql = `WITH rows AS (SELECT processing_time, reasons FROM ${sqlName(refused)}),
      newest AS (SELECT max(processing_time) AS newest_time FROM rows)
    SELECT time_bucket(INTERVAL 1 HOUR, processing_time) AS hour, reason, count(*) AS records
    FROM (SELECT processing_time, unnest(reasons) AS reason FROM rows, newest
      WHERE processing_time > newest_time - INTERVAL ${refusalHours} HOURS)
    GROUP BY 1, 2 ORDER BY 1, 2`
  return { sql, parameters: {} }
}

/** The last records with the reason; their bytes are null for who may not see ids. */
export function refusedQuery({ refused }: Lakehouse, reason: string): DashboardQuery {
  // Bytes that are no text are written as such, each with its number.
  const text = (bytes: string): string => `coalesce(try(decode(${bytes})), CAST(${bytes} AS VARCHAR))`
  const sql = `SELECT processing_time, reasons, ${text('value')} AS value, ${text('kafka_key')} AS key,
      topic, "partition", "offset"
    FROM ${sqlName(refused)} WHERE list_contains(reasons, $reason)
    ORDER BY processing_time DESC, topic, "partition", "offset" DESC LIMIT ${samplesMax}`
  return { sql, parameters: { reason } }
}

/** The figures of the newest window. */
export function newestFiguresQuery(table: TableDefinition): DashboardQuery {
  const sql = `SELECT window_start, window_end, column_name, metric, value, expected, is_anomaly FROM ${sqlName(table)}
    WHERE window_start = (SELECT max(window_start) FROM ${sqlName(table)})`
  return { sql, parameters: {} }
}

/** The newest first. */
export function anomaliesQuery(table: TableDefinition): DashboardQuery {
  const sql = `SELECT window_start, column_name, metric, value, expected, score FROM ${sqlName(table)}
    WHERE is_anomaly ORDER BY window_start DESC, column_name, metric LIMIT ${anomaliesMax}`
  return { sql, parameters: {} }
}

/** One figure over the windows, the newest first. */
export function figureQuery(table: TableDefinition, column: string | null, metric: string): DashboardQuery {
  const isColumn = column === null ? 'column_name IS NULL' : 'column_name = $column'
  const sql = `SELECT window_start, value, expected, spread, is_anomaly FROM ${sqlName(table)}
    WHERE ${isColumn} AND metric = $metric ORDER BY window_start DESC LIMIT ${figureWindows}`
  return { sql, parameters: column === null ? { metric } : { metric, column } }
}

/** The features of the model on the newest day, the score first, and how many of the last days drifted. */
export function driftQuery(): DashboardQuery {
  const drift = sqlName({ path: driftPath })
  const sql = `WITH newest AS (
      SELECT * FROM ${drift} WHERE day = (SELECT max(day) FROM ${drift})
      QUALIFY rules_version = max(rules_version) OVER ()
    )
    SELECT day, model, feature, rows, psi, ks, level, (
        SELECT count(*) FROM ${drift} AS earlier
        WHERE earlier.model = newest.model AND earlier.feature IS NOT DISTINCT FROM newest.feature
          AND earlier.level = 'drifted' AND earlier.day > newest.day - ${driftDays}
      ) AS drifted_days
    FROM newest ORDER BY kind <> 'score', psi DESC, feature LIMIT ${driftedMax}`
  return { sql, parameters: {} }
}
