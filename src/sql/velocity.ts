// The velocity operator: how many rows of the same key lie in the time before a row and arrived no later than
// it.
import type { PlanNode } from '../plan/index.ts'
import { arrivedSql, historySql, indentRest, joinArrival, sparkArrival, sparkHistory } from './arrival.ts'
import { type Dialect, spark } from './dialect.ts'

type Velocity = Extract<PlanNode, { kind: 'velocity' }>

/**
 * A RANGE window counts the rows in the time range, but also those that arrived later. Only a straggler can
 * be one of them: a row whose event time is not greater than one of its key that arrived before it.
 * Stragglers are few, so they are joined and taken off; a join of all rows with all rows of their key would
 * grow with the square of a busy key.
 */
export function velocitySql(dialect: Dialect, node: Velocity, input: string, history: string): string {
  if (dialect.engine === 'spark') return sparkSql(node, input, history)
  const key = dialect.name(node.key)
  const time = dialect.name(node.eventTime)
  const interval = `INTERVAL ${node.rangeMicros} MICROSECONDS`
  const early = `(r.${time} - to_microseconds(${node.rangeMicros}))`
  const arrival = node.arrival.map((column) => dialect.name(column)).join(', ')
  return `WITH ${arrivedSql(dialect, node, input)},
both_sides AS (
  SELECT ${key}, ${time}, arrival, ${arrival} FROM arrived
  UNION ALL
  ${historySql(dialect, node, history)}
),
ranged AS MATERIALIZED (
  SELECT *,
    count(*) OVER (
      PARTITION BY ${key} ORDER BY ${time} RANGE BETWEEN ${interval} PRECEDING AND CURRENT ROW
    ) AS in_range,
    ${time} <= max(${time}) OVER (
      PARTITION BY ${key} ORDER BY arrival ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AND arrival > 0 AS is_straggler
  FROM both_sides
),
later AS (
  SELECT r.arrival, count(*) AS arrived_later
  FROM ranged AS r JOIN ranged AS s
    ON s.${key} = r.${key} AND s.${time} <= r.${time} AND s.${time} >= ${early} AND s.arrival > r.arrival
  WHERE s.is_straggler AND r.arrival > 0
  GROUP BY r.arrival
),
counted AS (
  SELECT ${arrival}, CAST(in_range - coalesce(arrived_later, 0) AS ${dialect.type('int')}) AS in_time
  FROM ranged LEFT JOIN later ON later.arrival = ranged.arrival
  WHERE ranged.arrival > 0
)
SELECT batch_rows.*, counted.in_time AS ${dialect.name(node.as)}
FROM ${indentRest(input)} AS batch_rows
JOIN counted ON ${joinArrival(dialect, node, 'counted')}`
}

/**
 * Both windows have one partitioning: one shuffle, in which each row travels whole. The stragglers of a
 * window are collected and those that arrived later are taken off: no join, whatever the disorder.
 */
function sparkSql(node: Velocity, input: string, history: string): string {
  const [key, time] = [spark.name(node.key), spark.name(node.eventTime)]
  return `WITH both_sides AS (
  SELECT ${key} AS row_key, ${time} AS row_time, ${sparkArrival(node)} AS arrival, struct(*) AS batch_row
  FROM ${indentRest(input)}
  UNION ALL
  ${sparkHistory(node, `${key}, ${time}, NULL, NULL`, history, input)}
),
ordered AS (
  SELECT *, arrival IS NOT NULL AND row_time <= max(row_time) OVER (
      PARTITION BY row_key ORDER BY arrival ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS is_straggler
  FROM both_sides
),
ranged AS (
  SELECT batch_row, arrival, count(*) OVER in_time AS in_range,
    collect_list(CASE WHEN is_straggler THEN arrival END) OVER in_time AS stragglers
  FROM ordered
  WINDOW in_time AS (
    PARTITION BY row_key ORDER BY row_time
    RANGE BETWEEN ${microsInterval(node.rangeMicros)} PRECEDING AND CURRENT ROW
  )
)
SELECT batch_row.*,
  CAST(in_range - size(filter(stragglers, one -> one > arrival)) AS INT) AS ${spark.name(node.as)}
FROM ranged
WHERE arrival IS NOT NULL`
}

/** Spark's literal of a time range. */
function microsInterval(micros: bigint): string {
  return `INTERVAL '${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}' SECOND`
}
