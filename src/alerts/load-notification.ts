// A notification made of what the tables say of it: the same whenever it is sent, but for rows that were
// erased since.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { AlertCell } from '../engines/batch-report.ts'
import { alertCellSql } from '../engines/report.ts'
import { findingKinds } from '../engines/run-findings.ts'
import type { ColumnType } from '../expr/index.ts'
import type { Lakehouse } from '../plan/index.ts'
import { createMask, type IdMask, isMaskedColumn } from '../query/masking.ts'
import { ruleSentence } from '../rules/index.ts'
import { duckdb } from '../sql/index.ts'
import { type AlertLog, queryLog } from './alert-log.ts'
import { type AlertSeverity, type Route, severities } from './alerts-config.ts'
import {
  type AlertedTransaction,
  type AlertNotification,
  type Counted,
  transactionsToldMax,
} from './notification.ts'
import { type Delivery, incidentId } from './plan-notifications.ts'
import type { ScoredTable, TransactionPlace } from './risky-transactions.ts'

/** Of levels and rules; the others stay out. */
const countsToldMax = 20

export type NotificationSources = {
  readonly log: AlertLog
  /** null where nothing is scored. */
  readonly scored: ScoredTable | null
  readonly lakehouse: Lakehouse
  readonly connection: DuckDBConnection
  readonly route: Route | null
  /** Of the lakehouse, the same in each process: ids are masked by it, and incidents are told apart. */
  readonly salt: string
}

/** null where the log does not know it. */
export async function loadNotification(
  delivery: Delivery,
  sources: NotificationSources,
): Promise<AlertNotification | null> {
  const { first, last, kind, notification, route } = delivery
  const scan = await sources.log.scan([{ column: 'sequence', min: first, max: last }])
  const isOf =
    kind === 'digest'
      ? `event = 'raised' AND notification IS NULL AND silence IS NULL AND route = ${duckdb.text(route)}`
      : `event <> 'digest' AND notification = ${duckdb.text(notification)}`
  const alerts = `SELECT * FROM log WHERE sequence BETWEEN ${first} AND ${last} AND ${isOf}`
  const query = (sql: string) => queryLog(sources.connection, scan, `, alerts AS (${alerts}) ${sql}`)
  const [facts] = await query(factsSql)
  if (facts === undefined || Number(facts.count) === 0) return null
  const about = {
    ...{ id: notification, route, count: Number(facts.count), raisedMs: Number(facts.raised_ms) },
    severity: severities.find((one) => one === facts.severity) ?? ('error' satisfies AlertSeverity),
  }
  if (typeof facts.health === 'string') {
    const finding = findingKinds.find((one) => one === String(facts.health).split('/')[0]) ?? null
    const [text, help] = [String(facts.reason ?? ''), String(facts.help ?? '')]
    const incident = incidentId(sources.salt, route, facts.health)
    const health = { incident, key: facts.health, finding, text, help }
    const none = { transactions: [], levels: [], rules: [], eventTimes: null, count: 1 }
    return { ...about, ...none, kind: kind === 'resolved' ? 'resolved' : 'health', health }
  }
  return {
    ...about,
    kind: kind === 'digest' ? 'digest' : 'transactions',
    transactions: await toldTransactions((await query(riskiestSql)).map(placeOf), sources),
    levels: (await query(levelsSql)).map(countedOf),
    rules: (await query(rulesSql)).map(countedOf),
    eventTimes: { first: String(facts.event_first), last: String(facts.event_last) },
    health: null,
  }
}

const isoSql = (instant: string) => `strftime(${instant}, '%Y-%m-%dT%H:%M:%SZ')`

const factsSql = `SELECT count(*) AS count, epoch_ms(min("at")) AS raised_ms, any_value(severity) AS severity,
    any_value(health) AS health, any_value(reason) AS reason, any_value(help) AS help,
    ${isoSql('min(event_time)')} AS event_first, ${isoSql('max(event_time)')} AS event_last FROM alerts`

const riskiestSql = `SELECT epoch_us(processing_time) AS time_micros, topic, "partition", "offset" FROM alerts
  ORDER BY fraud_score DESC, sequence LIMIT ${transactionsToldMax}`

const levelsSql = `SELECT risk_level AS name, count(*) AS count FROM alerts GROUP BY name
  ORDER BY count DESC, name LIMIT ${countsToldMax}`

const rulesSql = `SELECT name, count(*) AS count FROM (SELECT unnest(rules) AS name FROM alerts) GROUP BY name
  ORDER BY count DESC, name LIMIT ${countsToldMax}`

function placeOf({ time_micros, topic, partition, offset }: Readonly<Record<string, unknown>>) {
  return {
    timeMicros: BigInt(String(time_micros)),
    topic: String(topic),
    partition: Number(partition),
    offset: Number(offset),
  }
}

function countedOf({ name, count }: Readonly<Record<string, unknown>>): Counted {
  return { name: String(name), count: Number(count) }
}

/** In the order of the places. */
async function toldTransactions(
  places: readonly TransactionPlace[],
  { scored, lakehouse, route, salt }: NotificationSources,
): Promise<AlertedTransaction[]> {
  if (scored === null) return []
  const cellSql = (name: string, type: string) => alertCellSql('scored', name, type as ColumnType)
  const rows = await scored.cells(places, cellSql)
  // Who took a route out of the file did not ask for its ids.
  const isPlain = route?.on.kind === 'transactions' && route.on.ids === 'plain'
  const mask = isPlain ? null : createMask(lakehouse, salt)
  const keyOf = (topic: unknown, partition: unknown, offset: unknown) => `${partition}/${offset}/${topic}`
  const byPlace = new Map(rows.map((row) => [keyOf(row.topic, row.partition, row.offset), row]))
  return places.flatMap(({ topic, partition, offset }) => {
    const row = byPlace.get(keyOf(topic, partition, offset))
    return row === undefined ? [] : [transactionOf(row, lakehouse, mask)]
  })
}

function transactionOf(
  row: Readonly<Record<string, unknown>>,
  lakehouse: Lakehouse,
  mask: IdMask | null,
): AlertedTransaction {
  const shown = Object.entries(row).map(([name, value]): [string, AlertCell] => {
    const isHidden = mask !== null && value !== null && isMaskedColumn(lakehouse, name)
    return [name, isHidden ? mask.text(String(value)) : (value as AlertCell)] // As `alertCellSql` selects it.
  })
  const cells = Object.fromEntries(shown)
  const textOf = (name: string) => (cells[name] == null ? null : String(cells[name]))
  const { reasons } = cells
  const sentences = (Array.isArray(reasons) ? reasons : []).map((name) => {
    return ruleSentence(lakehouse.rules, String(name), textOf).text || String(name)
  })
  const [score, level] = [Number(row.fraud_score), String(row.risk_level)]
  return { cells, score, level, sentences }
}
