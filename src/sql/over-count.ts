// The operator `over` on DuckDB where it counts rows alone; its meaning stands at `OverNode`
// (plan/relation.ts).
import type { OverNode } from '../plan/index.ts'
import { arrivedSql } from './arrival.ts'
import { duckdb as dialect } from './dialect.ts'

/** The history is counted by so many buckets of time to a range. */
const bucketsOfRange = 60n

/**
 * Within the batch a RANGE window counts the earlier rows in the time range, but also those that arrived
 * later. Only a straggler can be one of them: a row whose event time is less than one of its key that arrived
 * before it. Stragglers are few, so they are joined and taken off. Rows of one instant, which may be many,
 * count by their number in the order of arrival.
 *
 * All of the history arrived before, and it is large: a window over it would sort it for each batch, and a
 * join of all rows with all rows of their key would grow with the square of a busy key. So it is counted by
 * key and bucket of time: a row's range is the buckets from the one of its start to the one before its end,
 * less what comes before its start in the first, and with what comes up to its end in the last. Only the rows
 * of these two are sorted. docs/decisions/over.md has what it brings.
 *
 * The result is the arrival of each row that has a key and an event time, and its count.
 */
export function overCountSql(node: OverNode, input: string, history: string): string {
  const key = dialect.name(node.key)
  const time = dialect.name(node.eventTime)
  const interval = `INTERVAL ${node.rangeMicros} MICROSECONDS`
  const arrival = node.arrival.map((column) => dialect.name(column)).join(', ')
  const columns = Object.keys(node.aggregates).map((as) => `in_time AS ${dialect.name(as)}`)
  const bucketMicros = node.rangeMicros < bucketsOfRange ? 1n : node.rangeMicros / bucketsOfRange
  // Division is towards zero. All that is asked of a bucket is that it never falls as time goes on.
  const bucketOf = (micros: string) => `${micros} // ${bucketMicros}`
  return `WITH ${arrivedSql(dialect, node, key, input, `${key} IS NOT NULL AND ${time} IS NOT NULL`)},
ranged AS MATERIALIZED (
  SELECT *, epoch_us(${time}) AS micros, epoch_us(${time}) - ${node.rangeMicros} AS from_micros,
    count(*) OVER (
      PARTITION BY ${key} ORDER BY ${time}
      RANGE BETWEEN ${interval} PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING
    ) + row_number() OVER (PARTITION BY ${key}, ${time} ORDER BY arrival) AS in_range,
    ${time} < max(${time}) OVER (
      PARTITION BY ${key} ORDER BY arrival ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS is_straggler
  FROM arrived
),
later AS (
  SELECT r.arrival, count(*) AS arrived_later
  FROM ranged AS r JOIN ranged AS s
    ON s.${key} = r.${key} AND s.micros < r.micros AND s.micros >= r.from_micros AND s.arrival > r.arrival
  WHERE s.is_straggler
  GROUP BY r.arrival
),
past AS NOT MATERIALIZED (
  SELECT ${key}, epoch_us(${time}) AS micros, ${bucketOf(`epoch_us(${time})`)} AS bucket
  FROM ${history.replaceAll('\n', '\n  ')}
  WHERE ${key} IN (SELECT ${key} FROM arrived)
),
whole AS (
  SELECT r.arrival, sum(bucket_rows) AS in_buckets
  FROM ranged AS r JOIN (SELECT ${key}, bucket, count(*) AS bucket_rows FROM past GROUP BY ALL) AS p
    ON p.${key} = r.${key} AND p.bucket >= ${bucketOf('r.from_micros')} AND p.bucket < ${bucketOf('r.micros')}
  GROUP BY r.arrival
),
ends AS (
  SELECT arrival, ${key}, ${bucketOf('from_micros')} AS bucket, from_micros - 1 AS micros, -1 AS sign
  FROM ranged
  UNION ALL
  SELECT arrival, ${key}, ${bucketOf('micros')} AS bucket, micros, 1 AS sign FROM ranged
),
at_ends AS (
  SELECT arrival, sum(sign * rows_up_to) AS in_part FROM (
    SELECT arrival, sign, count(CASE WHEN arrival IS NULL THEN 1 END) OVER (
      PARTITION BY ${key}, bucket ORDER BY micros RANGE UNBOUNDED PRECEDING
    ) AS rows_up_to
    FROM (
      SELECT * FROM ends
      UNION ALL
      SELECT NULL, ${key}, bucket, micros, NULL
      FROM past SEMI JOIN ends ON ends.${key} = past.${key} AND ends.bucket = past.bucket
    )
  )
  WHERE arrival IS NOT NULL
  GROUP BY arrival
),
counted AS (
  SELECT ${arrival}, CAST(
    in_range - coalesce(arrived_later, 0) + coalesce(in_buckets, 0) + in_part
    AS ${dialect.type('int')}
  ) AS in_time
  FROM ranged
  LEFT JOIN later ON later.arrival = ranged.arrival
  LEFT JOIN whole ON whole.arrival = ranged.arrival
  JOIN at_ends ON at_ends.arrival = ranged.arrival
)
SELECT ${[arrival, ...columns].join(', ')} FROM counted`
}
