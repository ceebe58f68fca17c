// The deduplicate operator: which candidates repeat a row that stays.
import type { PlanNode } from '../plan/index.ts'
import { arrivedSql, historySql, indentRest, joinArrival, sparkArrival, sparkHistory } from './arrival.ts'
import { type Dialect, spark } from './dialect.ts'
import { expressionSql } from './expression.ts'

type Deduplicate = Extract<PlanNode, { kind: 'deduplicate' }>

/**
 * What DuckDB's history has in place of a key: 16 bytes, whatever the key's length. Two keys of the same
 * digest would be taken for one; docs/decisions/state.md says how unlikely that is.
 */
export function keyDigestSql(key: string): string {
  return `md5_number(${key})`
}

/**
 * Whether a row stays depends on whether the one before it did (A at 0, B at +8, C at +16 minutes: B goes, C
 * stays), so a window function cannot tell. Keys that stand once, nearly all, need no telling; for the others
 * the rows of a key are folded in the order of arrival, history first, into the list of those that stay. All
 * of the history stays, also where it was judged by a smaller range.
 */
export function deduplicateSql(dialect: Dialect, node: Deduplicate, input: string, history: string): string {
  if (dialect.engine === 'spark') return sparkSql(dialect, node, input, history)
  const key = dialect.name(node.key)
  const time = dialect.name(node.eventTime)
  const arrival = node.arrival.map((column) => dialect.name(column)).join(', ')
  const range = expressionSql(dialect, node.rangeMicros)
  const first = dialect.name(node.arrival[0]!)
  // The fold's result has the type of an element: every row is a list of one, the result the list of all
  // that stay.
  const row = `{'at': epoch_us(${time}), 'arrival': arrival}`
  const fold =
    `list_reduce(list([${row}] ORDER BY arrival, ${time}), lambda stays, one: ` +
    `CASE WHEN one[1].arrival > 0 AND ` +
    `len(list_filter(stays, lambda other: abs(other.at - one[1].at) <= ${range})) > 0 ` +
    `THEN stays ELSE list_concat(stays, one) END)`
  return `WITH ${arrivedSql(dialect, node, keyDigestSql(key), input, expressionSql(dialect, node.candidate))},
both_sides AS (
  SELECT ${key}, ${time}, arrival, ${arrival} FROM arrived
  UNION ALL
  ${historySql(dialect, node, history)}
),
repeated AS (
  SELECT ${key} FROM both_sides GROUP BY ${key} HAVING count(*) > 1
),
folded AS (
  SELECT ${key}, ${fold} AS stays
  FROM both_sides
  WHERE ${key} IN (SELECT ${key} FROM repeated)
  GROUP BY ${key}
),
duplicates AS (
  SELECT ${node.arrival.map((column) => `arrived.${dialect.name(column)}`).join(', ')}
  FROM arrived JOIN folded ON folded.${key} = arrived.${key}
  WHERE NOT list_contains(list_transform(stays, lambda one: one.arrival), arrived.arrival)
)
SELECT batch_rows.*, duplicates.${first} IS NOT NULL AS ${dialect.name(node.as)}
FROM ${indentRest(input)} AS batch_rows
LEFT JOIN duplicates ON ${joinArrival(dialect, node, 'duplicates')}`
}

/**
 * One shuffle of key, time and arrival; the rows themselves stay where they are, and get the few that go, at
 * most the keys of a batch. `<=>`, because the history's arrival is null, and `exists` is null where a
 * comparison is.
 */
function sparkSql(dialect: Dialect, node: Deduplicate, input: string, history: string): string {
  const [key, time] = [spark.name(node.key), spark.name(node.eventTime)]
  const range = expressionSql(dialect, node.rangeMicros)
  const candidates = `(
  SELECT * FROM ${indentRest(input)} WHERE ${expressionSql(dialect, node.candidate)}
)`
  const first = spark.name(node.arrival[0]!)
  return `WITH both_sides AS (
  SELECT ${key}, unix_micros(${time}) AS at, ${sparkArrival(node)} AS arrival
  FROM ${indentRest(candidates)}
  UNION ALL
  ${sparkHistory(node, `${key}, unix_micros(${time}), NULL`, history, candidates)}
),
repeated AS (
  SELECT sort_array(collect_list(struct(arrival, at))) AS every
  FROM both_sides GROUP BY ${key} HAVING count(*) > 1
),
folded AS (
  SELECT every, aggregate(every, slice(every, 1, 0), (stays, one) ->
    CASE WHEN one.arrival IS NOT NULL AND exists(stays, other -> abs(other.at - one.at) <= ${range})
    THEN stays ELSE array_append(stays, one) END) AS stays
  FROM repeated
),
duplicates AS (
  SELECT one.arrival.* FROM (
    SELECT explode(filter(every, one ->
      one.arrival IS NOT NULL AND NOT exists(stays, other -> other.arrival <=> one.arrival))) AS one
    FROM folded
  )
)
SELECT /*+ BROADCAST(duplicates) */ batch_rows.*,
  duplicates.${first} IS NOT NULL AS ${spark.name(node.as)}
FROM ${indentRest(input)} AS batch_rows
LEFT JOIN duplicates ON ${joinArrival(dialect, node, 'duplicates')}`
}
