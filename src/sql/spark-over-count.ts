// The operator `over` on Spark where it counts rows alone; its meaning stands at `OverNode`
// (plan/relation.ts), what it costs in docs/decisions/over.md.
import { columnType, type OverNode } from '../plan/index.ts'
import { indentRest, sparkArrival, sparkHistory } from './arrival.ts'
import { literalSql, spark } from './dialect.ts'

/** A key with more rows than this, history included, is busy. */
const busyRowsMin = 1_000
/** So many busy keys are counted by running counts: the statement names them. */
const busyKeysMax = 1_000

/** The busy keys of a batch, as text: Spark has to be asked for them before the operator is compiled. */
export function busyKeysSql(node: OverNode, input: string, history: string, rowsMin = busyRowsMin): string {
  const key = spark.name(node.key)
  return `SELECT CAST(row_key AS STRING) AS key_text FROM (
  SELECT row_key, count(*) AS row_count FROM (
    SELECT ${key} AS row_key, true AS is_batch FROM ${indentRest(indentRest(input))}
    UNION ALL
    SELECT ${key}, false FROM ${indentRest(indentRest(history))}
  )
  WHERE row_key IS NOT NULL GROUP BY row_key HAVING count(*) > ${rowsMin} AND bool_or(is_batch)
)
ORDER BY row_count DESC LIMIT ${busyKeysMax}`
}

/** A key's text as a literal of its type. */
export function keyLiteral(node: OverNode, text: string): string {
  return literalSql(spark, columnType(node.input, node.key), text)
}

/**
 * Spark computes a sliding window anew for each row, so the cost of a key grows with the square of its rows
 * in the range. For most keys that is the fastest way all the same: one shuffle, and no join. The busy
 * ones, as literals, are counted by running counts.
 */
export function sparkOverCount(
  node: OverNode,
  input: string,
  history: string,
  busyKeys: readonly string[] = [],
): string {
  const columns = Object.keys(node.aggregates)
    .map((as) => `in_time AS ${spark.name(as)}`)
    .join(', ')
  if (busyKeys.length === 0) {
    return `WITH ${windowed(node, input, history, 'true')}
SELECT batch_row.*, ${columns} FROM windowed`
  }
  const [key, time] = [spark.name(node.key), spark.name(node.eventTime)]
  const list = busyKeys.join(', ')
  return `WITH ${windowed(node, input, history, `(row_key IS NULL OR row_time IS NULL OR row_key NOT IN (${list}))`)},
busy_rows AS (
  SELECT ${key} AS row_key, unix_micros(${time}) AS micros, ${sparkArrival(node)} AS arrival,
    struct(*) AS batch_row
  FROM ${indentRest(input)}
  WHERE ${key} IN (${list}) AND ${time} IS NOT NULL
),
busy_past AS (
  SELECT ${key} AS row_key, unix_micros(${time}) AS micros
  FROM ${indentRest(history)}
  WHERE ${key} IN (${list}) AND ${time} IS NOT NULL
),
${counted(node)}
SELECT batch_row.*, ${columns} FROM windowed
UNION ALL
SELECT batch_row.*, ${columns}
FROM busy_rows JOIN counted ON counted.row_key = busy_rows.row_key AND counted.arrival = busy_rows.arrival`
}

/**
 * The rows of keys that are not busy. Both windows have one partitioning: one shuffle, in which each row
 * travels whole. A RANGE window counts the rows in the time range, but also those that arrived later. Only a
 * straggler can be one of them: a row whose event time is not greater than all of its key that arrived before
 * it. The stragglers of a window are collected, and those that arrived later are taken off.
 */
function windowed(node: OverNode, input: string, history: string, where: string): string {
  const [key, time] = [spark.name(node.key), spark.name(node.eventTime)]
  return `both_sides AS (
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
  WHERE ${where}
),
ranged AS (
  SELECT batch_row, arrival, row_key, row_time, count(*) OVER in_time AS in_range,
    collect_list(CASE WHEN is_straggler THEN arrival END) OVER in_time AS stragglers
  FROM ordered
  WINDOW in_time AS (
    PARTITION BY row_key ORDER BY row_time
    RANGE BETWEEN ${microsInterval(node.rangeMicros)} PRECEDING AND CURRENT ROW
  )
),
windowed AS (
  SELECT batch_row, CASE WHEN row_key IS NOT NULL AND row_time IS NOT NULL
    THEN CAST(in_range - size(filter(stragglers, one -> one > arrival)) AS INT) END AS in_time
  FROM ranged
  WHERE arrival IS NOT NULL
)`
}

/**
 * The counts of busy keys. A row's range holds the rows up to its end less those up to before its start: two
 * running counts (level -1). Of them go the rows that arrived later, which are stragglers where the row was
 * overtaken. Two rows of a key, numbered by arrival, differ in a highest bit, and agree in all above it; the
 * later one has 1 there. So for each bit (level) the stragglers with 1 are counted for the overtaken rows
 * with 0 that agree above it (prefix), and each pair is met once, however the rows are mixed.
 */
function counted(node: OverNode): string {
  const [earlier, later] = ['arrival', 'arrival DESC'].map(
    (order) => `PARTITION BY row_key ORDER BY ${order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING`,
  )
  return `numbered AS (
  SELECT row_key, micros, arrival,
    row_number() OVER (PARTITION BY row_key ORDER BY arrival) AS number,
    count(*) OVER (PARTITION BY row_key) AS number_max,
    micros <= max(micros) OVER (${earlier}) AS is_straggler,
    micros >= min(micros) OVER (${later}) AS is_overtaken
  FROM busy_rows
),
leveled AS (
  SELECT *, shiftright(number, level) & 1 AS bit, shiftright(number, level + 1) AS prefix
  FROM (
    SELECT *, explode(sequence(0, length(bin(number_max)) - 1)) AS level
    FROM numbered
    WHERE is_straggler OR is_overtaken
  )
),
asked AS (
  SELECT row_key, level, prefix, arrival, inline(array(
    named_struct('micros', micros, 'sign', sign),
    named_struct('micros', micros - ${node.rangeMicros} - 1, 'sign', -sign)
  ))
  FROM (
    SELECT row_key, -1 AS level, 0 AS prefix, arrival, micros, 1 AS sign FROM numbered
    UNION ALL
    SELECT row_key, level, prefix, arrival, micros, -1 FROM leveled WHERE is_overtaken AND bit = 0
  )
),
counted AS (
  SELECT row_key, arrival, CAST(sum(sign * rows_up_to) AS INT) AS in_time
  FROM (
    SELECT *, count_if(sign IS NULL) OVER (
      PARTITION BY row_key, level, prefix ORDER BY micros RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS rows_up_to
    FROM (
      SELECT row_key, level, prefix, arrival, micros, sign FROM asked
      UNION ALL
      SELECT row_key, -1, 0, NULL, micros, NULL FROM busy_rows
      UNION ALL
      SELECT row_key, -1, 0, NULL, micros, NULL FROM busy_past
      UNION ALL
      SELECT row_key, level, prefix, NULL, micros, NULL FROM leveled WHERE is_straggler AND bit = 1
    )
  )
  WHERE sign IS NOT NULL
  GROUP BY row_key, arrival
)`
}

/** Spark's literal of a time range. */
function microsInterval(micros: bigint): string {
  return `INTERVAL '${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}' SECOND`
}
