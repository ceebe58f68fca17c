// The number of different values in a range of time, from sums alone. Rows of one value that follow each
// other within the range are a pair. What lies in a range are as many values as rows less pairs of which both
// rows lie in it: were a pair in it only in part, its rows would be further apart than the range is long. A
// pair lies in a range where its later row does not come after the end, less those whose earlier one comes
// before the start; it is an item of weight 1 at the time of the later row, and one of -1 behind the range of
// the earlier one. A row that arrives makes two pairs, with the rows of its value beside it, and parts the
// pair that these were.
import type { Dialect } from './dialect.ts'
import { leveledCte, meetingCtes, meetingSql } from './over-meeting.ts'

/**
 * CTEs for the values of a column of `now` and `past`, which have `k`, `t`, and the first one `n`, `m` and `c`.
 * The last one, named as it is said, has `pairs` for each row of `now` by `k` and `n`: how many lie in its range.
 */
export function distinctCtes(
  dialect: Dialect,
  column: string,
  rangeMicros: bigint,
): { readonly ctes: readonly string[]; readonly pairs: string } {
  const name = `of_${column}`
  const { each, list, struct, field } = meetingSql(dialect)
  const range = String(rangeMicros)
  const behind = (micros: string): string => `${micros} + ${range} + 1`
  // An item at the time of the later row, and one behind the range of the earlier one; null where no pair is.
  const items = (isPair: string, earlier: string, later: string, sign: 1 | -1): string[] => [
    struct({ micros: `CASE WHEN ${isPair} THEN ${later} END`, weight: String(sign) }),
    struct({ micros: `CASE WHEN ${isPair} THEN ${behind(earlier)} END`, weight: String(-sign) }),
  ]
  const isMetHere = 'level >= 0 AND asks = 0'
  const ctes = [
    `${name}_now AS (
  SELECT k, ${column}, t, n, row_number() OVER (PARTITION BY k, ${column} ORDER BY n) - 1 AS m,
    count(*) OVER (PARTITION BY k, ${column}) AS c, c AS row_count
  FROM now WHERE ${column} IS NOT NULL
)`,
    `${name}_past AS (SELECT k, ${column}, t FROM past WHERE ${column} IS NOT NULL)`,
    ...meetingCtes(dialect, {
      name: `${name}_met`,
      keys: ['k', column],
      now: `${name}_now`,
      past: `${name}_past`,
      columns: [],
      kept: ['t', 'row_count'],
      ends: ['t', behind('t')],
      rangeMicros,
      measures: {
        latest: { met: 'max(CASE WHEN n IS NULL THEN micros END)', together: 'max(latest)' },
        earliest: { met: 'min(CASE WHEN n IS NULL THEN micros END)', together: 'min(earliest)' },
      },
    }),
    `${name}_near AS (
  SELECT k, n, t, row_count, max(CASE WHEN kind = 0 THEN latest END) AS before_it,
    min(CASE WHEN kind = 1 AND earliest <= t + ${range} THEN earliest END) AS behind_it
  FROM ${name}_met
  GROUP BY k, n, t, row_count
)`,
    // At level -1 a row has its own pair, which nobody else meets there.
    `${name}_arrived_rows AS (
  SELECT k, n, n AS m, row_count AS c, t, before_it, behind_it FROM ${name}_near
)`,
    leveledCte(dialect, `${name}_arrived`),
    `${name}_arrived_items AS (
  SELECT k, n, level, prefix, ${each(
    list([
      ...items(`${isMetHere} AND before_it IS NOT NULL`, 'before_it', 't', 1),
      ...items(`${isMetHere} AND behind_it IS NOT NULL`, 't', 'behind_it', 1),
      ...items(`${isMetHere} AND behind_it - before_it <= ${range}`, 'before_it', 'behind_it', -1),
      struct({ micros: 'CASE WHEN level < 0 AND before_it IS NOT NULL THEN t END', weight: '1' }),
    ]),
  )} AS item
  FROM ${name}_arrived_leveled
)`,
    `${name}_history AS (
  SELECT k, ${each(list(items(`t - before_it <= ${range}`, 'before_it', 't', 1)))} AS item
  FROM (SELECT k, t, lag(t) OVER (PARTITION BY k, ${column} ORDER BY t) AS before_it FROM ${name}_past)
)`,
    `${name}_asked_rows AS (SELECT k, t, n, m, c FROM now)`,
    leveledCte(dialect, `${name}_asked`),
    `${name}_items AS (
  SELECT k, level, prefix, CASE WHEN level < 0 THEN n ELSE -1 END AS own, ${field('item', 'micros')} AS micros, ${field('item', 'weight')} AS weight,
    CASE WHEN level < 0 THEN n END AS n
  FROM ${name}_arrived_items
  UNION ALL
  SELECT k, -1, 0, -1, ${field('item', 'micros')}, ${field('item', 'weight')}, NULL FROM ${name}_history
  UNION ALL
  SELECT k, level, prefix, -1, t, 0, n FROM ${name}_asked_leveled WHERE asks = 1
)`,
    `${name}_pairs AS (
  SELECT k, n, sum(weight_up_to) AS pairs
  FROM (
    SELECT k, n, sum(weight) OVER (
      PARTITION BY k, level, prefix, own ORDER BY micros RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS weight_up_to
    FROM ${name}_items
    WHERE micros IS NOT NULL
  )
  WHERE n IS NOT NULL
  GROUP BY k, n
)`,
  ]
  return { ctes, pairs: `${name}_pairs` }
}
