// What alerts/log leaves to be done: notifications that a sink has not taken, alerts that await a digest,
// trouble that is not over, and silences.
import type { DuckDBConnection } from '@duckdb/node-api'
import { rowsOf } from '../engines/database.ts'
import type { Delivery, Held, OpenTrouble } from './plan-notifications.ts'
import type { TransactionPlace } from './risky-transactions.ts'

export type AlertLogState = {
  /** The greatest that was used. */
  readonly sequence: number
  /** Of the last transaction that has an alert. */
  readonly place: TransactionPlace | null
  readonly deliveries: readonly Delivery[]
  /** By route. */
  readonly held: ReadonlyMap<string, Held>
  readonly troubles: readonly OpenTrouble[]
  /** Those of commands, which were not over when they were written. */
  readonly silences: readonly LoggedSilence[]
}

export type LoggedSilence = {
  readonly id: string
  readonly untilMs: number
  readonly route: string | null
  readonly condition: string | null
}

export async function readLogState(connection: DuckDBConnection, scan: string): Promise<AlertLogState> {
  const query = (sql: string) => rowsOf(connection, `WITH log AS (${scan}) ${sql}`)
  const [greatest] = await query('SELECT max(sequence) AS sequence FROM log')
  const [last] = await query(lastPlaceSql)
  return {
    sequence: Number(greatest?.sequence ?? 0),
    place: last === undefined ? null : placeOf(last),
    deliveries: (await query(undeliveredSql)).map(deliveryOf),
    held: new Map((await query(heldSql)).map((row) => [String(row.route), heldOf(row)])),
    troubles: (await query(openTroublesSql)).map(troubleOf),
    silences: (await query(silencesSql)).map(silenceOf),
  }
}

const lastPlaceSql = `SELECT epoch_us(processing_time) AS time_micros, topic, "partition", "offset" FROM log
  WHERE event = 'raised' AND topic IS NOT NULL
  ORDER BY processing_time DESC, topic DESC, "partition" DESC, "offset" DESC LIMIT 1`

/** Of each notification what tells of it stands in rows of one commit. */
const tellingSql = `SELECT notification, any_value(route) AS route, any_value(event) AS event, any_value(sinks) AS sinks,
    min(sequence) AS first, max(sequence) AS last,
    min(sequence_first) AS digest_first, any_value(health) AS health
  FROM log WHERE event IN ('raised', 'digest', 'resolved') AND notification IS NOT NULL GROUP BY notification`

/**
 * What became of each notification at each sink that has said something. Only what is dead is asked for
 * again: so the counts tell, and the clocks of those who write do not matter.
 */
export const outcomesSql = `SELECT notification, sink,
    CASE WHEN count(*) FILTER (WHERE event = 'sent') > 0 THEN 'sent'
      WHEN count(*) FILTER (WHERE event = 'dead') > count(*) FILTER (WHERE event = 'replayed') THEN 'dead'
      ELSE 'waits' END AS outcome,
    arg_max(reason, "at") FILTER (WHERE event = 'dead') AS reason
  FROM (SELECT notification, unnest(sinks) AS sink, event, "at", coalesce(reason, '') AS reason FROM log
    WHERE event IN ('sent', 'dead', 'replayed'))
  GROUP BY notification, sink`

const undeliveredSql = `SELECT told.* EXCLUDE (sinks) FROM
    (SELECT * EXCLUDE (sinks), sinks, unnest(sinks) AS sink FROM (${tellingSql})) AS told
  LEFT JOIN (${outcomesSql}) AS outcomes USING (notification, sink)
  WHERE coalesce(outcomes.outcome, 'waits') = 'waits' ORDER BY told.last, told.sink`

/** A digest has all alerts of its route that awaited one. */
const heldSql = `SELECT route, count(*) AS count, min(sequence) AS first, max(sequence) AS last FROM log
  WHERE event = 'raised' AND notification IS NULL AND silence IS NULL AND sequence > coalesce((SELECT max(d.sequence)
    FROM log AS d WHERE d.event = 'digest' AND d.route = log.route), -1)
  GROUP BY route`

const openTroublesSql = `SELECT route, health, alert, reason, epoch_ms("at") AS raised_ms FROM log
  WHERE event = 'raised' AND health IS NOT NULL
    AND alert NOT IN (SELECT alert FROM log WHERE event = 'resolved')
  ORDER BY sequence`

const silencesSql = `SELECT silence AS id, epoch_ms("until") AS until_ms, route, condition FROM log
  WHERE event = 'silence' ORDER BY "at"`

function placeOf(row: Readonly<Record<string, unknown>>): TransactionPlace {
  const { time_micros, topic, partition, offset } = row
  return {
    timeMicros: BigInt(String(time_micros)),
    topic: String(topic),
    partition: Number(partition),
    offset: Number(offset),
  }
}

function deliveryOf(row: Readonly<Record<string, unknown>>): Delivery {
  const first = Number(row.digest_first ?? row.first)
  const kind = row.event === 'raised' ? 'alerts' : row.event === 'digest' ? 'digest' : 'resolved'
  const { notification, route, sink, last, health } = row
  return {
    ...{ notification: String(notification), kind, route: String(route), sink: String(sink) },
    ...{ first, last: Number(last), trouble: health === null ? null : String(health) },
  }
}

function heldOf({ count, first, last }: Readonly<Record<string, unknown>>): Held {
  return { count: Number(count), first: Number(first), last: Number(last) }
}

function troubleOf(row: Readonly<Record<string, unknown>>): OpenTrouble {
  const { route, health, alert, reason, raised_ms } = row
  const texts = { route: String(route), key: String(health), alert: String(alert), text: String(reason) }
  return { ...texts, foundMs: Number(raised_ms) }
}

function silenceOf({ id, until_ms, route, condition }: Readonly<Record<string, unknown>>): LoggedSilence {
  const textOrNull = (value: unknown) => (value === null ? null : String(value))
  return {
    id: String(id),
    untilMs: Number(until_ms),
    route: textOrNull(route),
    condition: textOrNull(condition),
  }
}
