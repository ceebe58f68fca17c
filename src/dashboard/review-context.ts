// What helps to decide a case: what its person did before, what is new about it, and what was said of others.
import type { Schema } from '../expr/index.ts'
import type { Lakehouse } from '../plan/index.ts'
import { isMaskedColumn } from '../query/masking.ts'
import { sqlName } from '../query/table-name.ts'
import type { ReviewDesk } from '../review/desk.ts'
import { moneyColumn } from '../review/queue-sql.ts'
import type { OpenCase } from '../review/review-answers.ts'
import { duckdb } from '../sql/index.ts'
import type { ReviewContextAnswer } from './api.ts'
import { type DashboardQuery, feedOfRows } from './fraud-queries.ts'
import { seesIds, type UserRole } from './roles.ts'
import type { RouteContext } from './route-context.ts'

const rowsMax = 12
const telledColumnsMax = 8

export async function reviewContext(
  { config: { lakehouse }, desk: queries, mask }: RouteContext,
  desk: ReviewDesk,
  role: UserRole,
  found: OpenCase,
): Promise<ReviewContextAnswer> {
  const person = found.cells[lakehouse.names.person.column]
  const at = found.cells.event_time
  const none = { asOfMs: Date.now(), before: null, facts: [], history: [] }
  if (person == null || at == null) return none
  const seen = (column: string, value: string): string =>
    seesIds(role) || !isMaskedColumn(lakehouse, column) ? value : mask.text(value)
  const of = { person: seen(lakehouse.names.person.column, String(person)), at: String(at) }
  const columns = tellingColumns(lakehouse).flatMap((column) => {
    const value = found.cells[column]
    return value == null ? [] : [{ column, value: seen(column, String(value)) }]
  })
  const asked = [beforeQuery(lakehouse, of, columns), historyQuery(lakehouse, of)]
  const answers = await Promise.all(asked.map(({ sql, parameters }) => queries.rows(role, sql, parameters)))
  const [before, history] = [answers[0]!, feedOfRows(lakehouse, answers[1]!)]
  const [count, usual, most, first, ...counts] = before.rows[0]!
  const verdicts = await desk.verdictsOn(
    history.map(({ cells: { topic, partition, offset } }) => ({
      ...{ topic: String(topic), partition: Number(partition), offset: String(offset) },
    })),
  )
  return {
    asOfMs: before.asOfMs,
    before: { count: Number(count), usual: numberOf(usual), most: most ?? null, first: first ?? null },
    facts: columns.map(({ column, value }, index) => ({ column, value, count: Number(counts[index]) })),
    history: history.map((row, index) => ({ ...row, verdict: verdicts[index] ?? null })),
  }
}

const numberOf = (text: string | null | undefined): number | null => (text == null ? null : Number(text))

/** Columns of text that the events and their scores have, and that say something of a transaction. */
function tellingColumns({ events, scored, names }: Lakehouse): readonly string[] {
  const own: Schema = events.rows.schema
  const hidden = new Set([names.event.column, names.person.column, 'topic', 'risk_level'])
  return Object.entries(scored?.rows.schema ?? {})
    .filter(([name, type]) => type === 'string' && own[name] === 'string' && !hidden.has(name))
    .map(([name]) => name)
    .slice(0, telledColumnsMax)
}

type OfPerson = { readonly person: string; readonly at: string }

/** The person's events before the case: how many, their money, and how many of them had the same values. */
function beforeQuery(
  { events, names }: Lakehouse,
  of: OfPerson,
  columns: readonly { readonly column: string; readonly value: string }[],
): DashboardQuery {
  const money = moneyColumn(events.rows.schema)
  const moneySql = money === null ? 'NULL::DECIMAL(18,2)' : duckdb.name(money)
  const same = columns.map(
    ({ column }, index) =>
      `count(*) FILTER (WHERE CAST(${duckdb.name(column)} AS VARCHAR) = $value_${index}) AS same_${index}`,
  )
  const values = Object.fromEntries(columns.map(({ value }, index) => [`value_${index}`, value]))
  const list = [
    ...['count(*) AS events', `median(CAST(${moneySql} AS DOUBLE)) AS usual`, `max(${moneySql}) AS most`],
    ...['min(event_time) AS first_seen', ...same],
  ]
  const sql = `SELECT ${list.join(', ')} FROM ${sqlName(events)}
    WHERE CAST(${duckdb.name(names.person.column)} AS VARCHAR) = $person AND event_time < $at::TIMESTAMPTZ`
  return { sql, parameters: { ...of, ...values } }
}

/** The person's last scored transactions, up to a day behind the case. */
function historyQuery({ scored, names }: Lakehouse, of: OfPerson): DashboardQuery {
  const sql = `SELECT * FROM ${sqlName(scored!)}
    WHERE CAST(${duckdb.name(names.person.column)} AS VARCHAR) = $person
      AND event_time <= $at::TIMESTAMPTZ + INTERVAL 1 DAY
    ORDER BY event_time DESC, topic, "partition", "offset" LIMIT ${rowsMax}`
  return { sql, parameters: { ...of } }
}
