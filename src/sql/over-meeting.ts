// Which rows a row of a batch meets: those of its key that arrived before it and lie in the range of time
// that ends at it. No engine has a frame of a window function that ends both with a time and with an arrival,
// and Spark computes a frame that slides anew for each row. So all is made of running frames, in which each
// row is taken up once:
//
// - By arrival. Of two rows of a key, numbered by arrival, the later one has 1 in the highest bit in which
// they   differ. So for each bit (level) the rows with 0 are met by those with 1 that agree in all bits above
// it   (prefix), and each pair meets once. The history arrived before all: it is met at level -1. - By time.
// Event time is cut into buckets as long as a range. A range is the end of one bucket, from its start   on,
// and the beginning of the next one, up to its end: a running frame backwards, and one forwards.
import type { Dialect } from './dialect.ts'

/** What differs between the engines here. */
export type MeetingSql = {
  readonly micros: (time: string) => string
  readonly dividedDown: (value: string, by: bigint) => string
  readonly shifted: (value: string, by: string) => string
  /** One row for each element. */
  readonly each: (list: string) => string
  readonly list: (elements: readonly string[]) => string
  /** The whole numbers from -1 to below a number. */
  readonly countedUp: (to: string) => string
  /** Values that compare one after another, by name. */
  readonly struct: (fields: Readonly<Record<string, string>>) => string
  readonly field: (struct: string, name: string) => string
}

const duckdbMeeting: MeetingSql = {
  micros: (time) => `epoch_us(${time})`,
  dividedDown: (value, by) => `((${value} - ((${value} % ${by}) + ${by}) % ${by}) // ${by})`,
  shifted: (value, by) => `(${value} >> ${by})`,
  each: (list) => `unnest(${list})`,
  list: (elements) => `[${elements.join(', ')}]`,
  countedUp: (to) => `range(-1, ${to})`,
  struct: (fields) => `struct_pack(${pairs(fields, (name, value) => `${name} := ${value}`)})`,
  field: (struct, name) => `struct_extract(${struct}, '${name}')`,
}

const sparkMeeting: MeetingSql = {
  micros: (time) => `unix_micros(${time})`,
  dividedDown: (value, by) => `((${value} - pmod(${value}, ${by}L)) DIV ${by}L)`,
  shifted: (value, by) => `shiftright(${value}, CAST(${by} AS INT))`,
  each: (list) => `explode(${list})`,
  list: (elements) => `array(${elements.join(', ')})`,
  countedUp: (to) => `sequence(-1, ${to} - 1)`,
  struct: (fields) => `named_struct(${pairs(fields, (name, value) => `'${name}', ${value}`)})`,
  field: (struct, name) => `${struct}.${name}`,
}

export const meetingSql = ({ engine }: Dialect): MeetingSql =>
  engine === 'duckdb' ? duckdbMeeting : sparkMeeting

/** Rows of relations that meet, by the names that follow. */
export type Meeting = {
  /** Of the result: one row for each row of `now` and each end, by `k` and `n`. */
  readonly name: string
  /** The columns in which rows agree that meet; `k` is one of them. */
  readonly keys: readonly string[]
  /**
   * The rows of the batch: the keys, `t`, `n` that tells rows of one `k` apart, `m` that numbers those of the
   * same keys by arrival from 0 on, `c` that is how many these are, the columns and what is kept.
   */
  readonly now: string
  /** The history: the keys, `t` and the columns. */
  readonly past: string
  /** What rows bring to those that they meet. */
  readonly columns: readonly string[]
  /** Columns of `now` that the result has too. */
  readonly kept: readonly string[]
  /** The ends of the ranges that a row asks for, as expressions of `t`; the first one is `t`. */
  readonly ends: readonly string[]
  readonly rangeMicros: bigint
  /**
   * By name: the aggregate of the columns of what is met, and that of these aggregates. `micros` is the time of
   * a row. The rows that ask are among those that are met, with nulls.
   */
  readonly measures: Readonly<Record<string, { readonly met: string; readonly together: string }>>
}

/** The condition, in an aggregate `met`, that a row is one that is met: others ask. */
export const isMet = 'n IS NULL'

/**
 * CTEs, of which the last one is the result; its column `kind` is the place of the end in `ends`. Each reads
 * the one before once: Spark computes a CTE as often as it is read.
 */
export function meetingCtes(dialect: Dialect, meeting: Meeting): string[] {
  const { name, now, past, measures, rangeMicros } = meeting
  const sql = meetingSql(dialect)
  const listed = (columns: readonly string[]): string => columns.map((column) => `, ${column}`).join('')
  const keys = meeting.keys.join(', ')
  const bucket = (micros: string) => sql.dividedDown(micros, rangeMicros + 1n)
  const given = meeting.columns.map((column) => `CASE WHEN asks = 0 THEN ${column} END AS ${column}`)
  const kinds = sql.list(meeting.ends.map((_, kind) => String(kind)))
  const ends = meeting.ends.map((end, kind) => `WHEN ${kind} THEN ${end}`).join(' ')
  const parts = Object.entries(measures)
  const frames = parts.map(([part, { met }]) => `${met} OVER up_to AS ${part}`)
  const together = parts.map(([part, one]) => `${one.together} AS ${part}`)
  const columns = listed(meeting.columns)
  const kept = listed(meeting.kept.map((column) => `own_${column}`))
  return [
    `${name}_rows AS (
  SELECT ${keys}, t, CAST(NULL AS BIGINT) AS n, CAST(NULL AS BIGINT) AS m, CAST(NULL AS BIGINT) AS c${columns}${listed(meeting.kept.map((column) => `NULL AS own_${column}`))}
  FROM ${past}
  UNION ALL
  SELECT ${keys}, t, n, m, c${columns}${listed(meeting.kept)}
  FROM ${now}
)`,
    leveledCte(dialect, name),
    `${name}_asked AS (
  SELECT ${keys}, level, prefix, t, CASE WHEN asks = 1 THEN n END AS n${listed(given)}${kept},
    ${sql.each(`CASE WHEN asks = 1 THEN ${kinds} ELSE ${sql.list(['0'])} END`)} AS kind
  FROM ${name}_leveled
)`,
    `${name}_sides AS (
  SELECT *, CASE kind ${ends} END AS micros, ${sql.each(sql.list(['0', '1']))} AS side FROM ${name}_asked
)`,
    `${name}_placed AS (
  SELECT *, CASE WHEN side = 0 OR ${isMet} THEN ${bucket('micros')} ELSE ${bucket('micros')} - 1 END AS bucket,
    CASE WHEN side = 0 THEN micros WHEN ${isMet} THEN -micros ELSE ${rangeMicros} - micros END AS place
  FROM ${name}_sides
  WHERE side = 0 OR ${isMet} OR ${bucket(`(micros - ${rangeMicros})`)} < ${bucket('micros')}
)`,
    `${name} AS (
  SELECT k, n, kind${listed(meeting.kept.map((column) => `own_${column} AS ${column}`))}, ${together.join(', ')}
  FROM (
    SELECT k, n, kind${kept}, ${frames.join(', ')}
    FROM ${name}_placed
    WINDOW up_to AS (
      PARTITION BY ${keys}, level, prefix, bucket, side
      ORDER BY place RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
  )
  WHERE n IS NOT NULL
  GROUP BY k, n, kind${kept}
)`,
  ]
}

/**
 * CTE `<name>_leveled`: the rows of `<name>_rows`, which have `m` and `c`, once for each level. `asks` is 1 where
 * a row asks at this level, and 0 where it is met; a row without `c` is of the history.
 */
export function leveledCte(dialect: Dialect, name: string): string {
  const sql = meetingSql(dialect)
  const bits = 'CASE WHEN c > 1 THEN length(bin(c - 1)) ELSE 0 END'
  return `${name}_leveled AS (
  SELECT *, CASE WHEN level < 0 THEN 0 ELSE ${sql.shifted('m', '(level + 1)')} END AS prefix,
    CASE WHEN c IS NULL THEN 0 WHEN level < 0 THEN 1 ELSE ${sql.shifted('m', 'level')} & 1 END AS asks
  FROM (
    SELECT *, ${sql.each(`CASE WHEN c IS NULL THEN ${sql.list(['-1'])} ELSE ${sql.countedUp(bits)} END`)} AS level
    FROM ${name}_rows
  )
)`
}

function pairs(
  fields: Readonly<Record<string, string>>,
  pair: (name: string, value: string) => string,
): string {
  return Object.entries(fields)
    .map(([name, value]) => pair(name, value))
    .join(', ')
}
