// The deduplicate operator: which candidates repeat a row that stays.
import type { PlanNode } from '../plan/index.ts'
import { arrivedSql, historySql, joinArrival } from './arrival.ts'
import type { Dialect } from './dialect.ts'
import { expressionSql } from './expression.ts'

type Deduplicate = Extract<PlanNode, { kind: 'deduplicate' }>

/**
 * Whether a row stays depends on whether the one before it did (A at 0, B at +8, C at +16 minutes: B goes, C
 * stays), so a window function cannot tell. Keys that stand once, nearly all, need no telling; for the others
 * the rows of a key are folded in the order of arrival, history first, into the list of those that stay.
 */
export function deduplicateSql(dialect: Dialect, node: Deduplicate, input: string, history: string): string {
  const key = dialect.name(node.key)
  const time = dialect.name(node.eventTime)
  const arrival = node.arrival.map((column) => dialect.name(column)).join(', ')
  const range = expressionSql(dialect, node.rangeMicros)
  const first = dialect.name(node.arrival[0]!)
  return `WITH ${arrivedSql(dialect, node, input, expressionSql(dialect, node.candidate))},
both_sides AS (
  SELECT ${key}, ${time}, arrival, ${arrival} FROM arrived
  UNION ALL
  ${historySql(dialect, node, history)}
),
repeated AS (
  SELECT ${key} FROM both_sides GROUP BY ${key} HAVING count(*) > 1
),
folded AS (
  SELECT ${key}, ${foldSql(dialect, time, range)} AS stays
  FROM both_sides
  WHERE ${key} IN (SELECT ${key} FROM repeated)
  GROUP BY ${key}
),
duplicates AS (
  SELECT ${node.arrival.map((column) => `arrived.${dialect.name(column)}`).join(', ')}
  FROM arrived JOIN folded ON folded.${key} = arrived.${key}
  WHERE NOT ${isStaying(dialect)}
)
SELECT batch_rows.*, duplicates.${first} IS NOT NULL AS ${dialect.name(node.as)}
FROM ${indentRest(input)} AS batch_rows
LEFT JOIN duplicates ON ${joinArrival(dialect, node, 'duplicates')}`
}

/** Rows of one key in the order of arrival, folded into the list of those that stay. */
function foldSql(dialect: Dialect, time: string, range: string): string {
  if (dialect.engine === 'duckdb') {
    // The fold's result has the type of an element: every row is a list of one, the result the list of all
    // that stay.
    const row = `{'at': epoch_us(${time}), 'arrival': arrival}`
    return (
      `list_reduce(list([${row}] ORDER BY arrival, ${time}), lambda stays, one: ` +
      `CASE WHEN len(list_filter(stays, lambda other: abs(other.at - one[1].at) <= ${range})) > 0 ` +
      `THEN stays ELSE list_concat(stays, one) END)`
    )
  }
  return (
    `aggregate(array_sort(collect_list(struct(arrival, unix_micros(${time}) AS at))), ` +
    `CAST(array() AS ARRAY<STRUCT<arrival: BIGINT, at: BIGINT>>), (stays, one) -> ` +
    `CASE WHEN exists(stays, other -> abs(other.at - one.at) <= ${range}) THEN stays ` +
    `ELSE array_append(stays, struct(CAST(one.arrival AS BIGINT) AS arrival, one.at AS at)) END)`
  )
}

const isStaying = (dialect: Dialect): string =>
  dialect.engine === 'duckdb'
    ? 'list_contains(list_transform(stays, lambda one: one.arrival), arrived.arrival)'
    : 'exists(stays, one -> one.arrival = arrived.arrival)'

const indentRest = (sql: string): string => sql.replaceAll('\n', '\n  ')
