// The queue as SQL over the tables of the desk: how likely a case is fraud, what it may cost, who holds it,
// and in what order cases come.
import type { Schema } from '../expr/index.ts'
import { duckdb } from '../sql/index.ts'
import { holdsSql } from './claim-log.ts'

export const queueOrders = ['score', 'loss', 'money', 'age'] as const
export type QueueOrder = (typeof queueOrders)[number]

export function isQueueOrder(text: string): text is QueueOrder {
  return (queueOrders as readonly string[]).includes(text)
}

/** The score alone counts as so many decided cases. */
export const priorCases = 10

/** Columns beside those of the scored table: a blank is in no column's name. */
export const caseColumns = {
  probability: 'fraud probability',
  loss: 'expected loss',
  holder: 'held by',
  until: 'held until',
  unsure: 'unsure by',
} as const

/** The first decimal column of the scored table; null where it has none. */
export function moneyColumn(schema: Schema): string | null {
  return Object.entries(schema).find(([, type]) => type.startsWith('decimal'))?.[0] ?? null
}

/** As a decimal of the verdicts' table; null where it does not fit, too. */
export function moneySql(schema: Schema): string {
  const column = moneyColumn(schema)
  return column === null ? 'NULL::DECIMAL(18,2)' : `TRY_CAST(${duckdb.name(column)} AS DECIMAL(18,2))`
}

/**
 * The share of fraud among the decided cases of the level, of which the score as a percentage counts as some:
 * without a decision it is the score, and with each it comes nearer to what was seen.
 */
const probabilitySql = `(coalesce(l.fraud, 0) + ${priorCases} * least(greatest(c.fraud_score, 0), 100) / 100.0)
    / (coalesce(l.decided, 0) + ${priorCases})`

const levelsSql = `SELECT risk_level, count(*) FILTER (WHERE verdict = 'fraud') AS fraud, count(*) AS decided
  FROM verdicts WHERE verdict IN ('fraud', 'legitimate') GROUP BY risk_level`

const isPlace = (other: string): string =>
  `${other}.topic = c.topic AND ${other}."partition" = c."partition" AND ${other}."offset" = c."offset"`

export type QueueQuery = {
  readonly schema: Schema
  readonly order: QueueOrder
  readonly nowMs: number
  readonly limit: number
  /** A condition on the case `c` and who holds it, `h`. */
  readonly where?: string
}

export function queueSql({ schema, order, nowMs, limit, where = 'true' }: QueueQuery): string {
  const name = (column: keyof typeof caseColumns) => duckdb.name(caseColumns[column])
  const own = Object.keys(caseColumns).map((column) => `t.${name(column as keyof typeof caseColumns)}`)
  // Only what is sorted by is sorted: whole rows are looked up of those that are left.
  return `WITH levels AS (${levelsSql}), holds AS (${holdsSql(nowMs)}),
    unsure AS (SELECT topic, "partition", "offset", list(reviewer ORDER BY sequence) AS reviewers FROM verdicts
      WHERE verdict = 'unsure' GROUP BY topic, "partition", "offset"),
    chosen AS (SELECT c.rowid AS id, ${moneySql(schema)} AS money, c.fraud_score, c.event_time,
        c.topic, c."partition", c."offset", ${probabilitySql} AS ${name('probability')},
        ${probabilitySql} * CAST(${moneySql(schema)} AS DOUBLE) AS ${name('loss')},
        h.reviewer AS ${name('holder')}, h.until AS ${name('until')}, u.reviewers AS ${name('unsure')}
      FROM cases AS c LEFT JOIN levels AS l ON l.risk_level = c.risk_level
      LEFT JOIN holds AS h ON ${isPlace('h')} LEFT JOIN unsure AS u ON ${isPlace('u')}
      WHERE ${where}),
    top AS (SELECT *, row_number() OVER () AS number FROM
      (SELECT * FROM chosen ORDER BY ${orderSql(order)}, topic, "partition", "offset" LIMIT ${limit}))
    SELECT cases.*, ${own.join(', ')} FROM top AS t JOIN cases ON cases.rowid = t.id ORDER BY t.number`
}

function orderSql(order: QueueOrder): string {
  const money = 'money DESC NULLS LAST'
  switch (order) {
    case 'score':
      return `fraud_score DESC, ${money}, event_time`
    case 'money':
      return `${money}, fraud_score DESC, event_time`
    case 'age':
      return 'event_time'
    case 'loss': {
      const { loss, probability } = caseColumns
      return `${duckdb.name(loss)} DESC NULLS LAST, ${duckdb.name(probability)} DESC, event_time`
    }
    default:
      return order satisfies never
  }
}

/** Cases that a reviewer can get: nobody else holds them, and this one was not unsure of them before. */
export function availableSql(nowMs: number): string {
  return `(h.reviewer IS NULL OR h.reviewer = $reviewer)
    AND NOT coalesce(list_contains(u.reviewers, $reviewer), false)
    AND NOT EXISTS (SELECT 1 FROM claims AS s WHERE s.kind = 'skipped' AND s.reviewer = $reviewer
      AND epoch_ms(s.until) > ${nowMs} AND ${isPlace('s')})`
}

/** The case at a place. */
export const isCaseSql = 'c.topic = $topic AND c."partition" = $partition AND c."offset" = $offset'

/** How often each rule was right: of the decided cases in which it fired. */
export const rulePrecisionSql = `SELECT rule, count(*) FILTER (WHERE verdict = 'fraud') AS fraud, count(*) AS decided
  FROM (SELECT unnest(rules) AS rule, verdict FROM verdicts WHERE verdict IN ('fraud', 'legitimate'))
  GROUP BY rule ORDER BY decided DESC, rule LIMIT 200`

export function reviewersSql(sinceMs: number): string {
  return `SELECT reviewer, count(*) AS decided, median(took_seconds) AS seconds FROM verdicts
    WHERE epoch_ms(decided_at) >= ${sinceMs} GROUP BY reviewer ORDER BY decided DESC, reviewer LIMIT 20`
}

export const ownVerdictsSql = `SELECT sequence, verdict, reason, note, epoch_ms(decided_at) AS decided_ms, took_seconds,
    event, topic, "partition", "offset", fraud_score, risk_level, money
  FROM verdicts WHERE reviewer = $reviewer ORDER BY sequence DESC LIMIT 20`
