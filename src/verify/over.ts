// What is computed over the rows before a row, once more: by a plain join of each row with those of its key
// in the time before it that had arrived, and a plain GROUP BY. None of it is SQL of the engines.
import { quoteIdentifier } from '../delta/sql.ts'
import { assert, unreachable } from '../errors/errors.ts'
import { type OverAggregate, type OverNode, overColumns } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { erasedInBatches, mayLieWithin, wasThereAt } from './erased.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import { batchTimeSql, inputRelation } from './plans.ts'
import type { Slice } from './slice.ts'

/** Pairs of rows that one key's range of time may make; a busier one is counted by nothing but the engine. */
const pairsMaxPerBucket = 100_000_000

/** As identifiers of SQL: no column of anybody's has such a name. */
export const isBusy = '"is busy"'
const eventAt = '"event at"'

/** The names of what is made for one operator of a plan. */
export function overNames(index: number) {
  return {
    /** Its input: a relation of the slice. */
    input: `over input ${index}`,
    /**
     * A table with a row for each row of the input that has a key and an event time: `batch_time`, the event
     * time as `at`, the columns of `arrival`, the aggregates, and `isBusy`: these were not computed.
     */
    values: `over values ${index}`,
    /** Stands in the plan for what the operator gives. */
    output: `over output ${index}`,
  } as const
}

/** Makes the table of values for the rows of the slice. Returns how many rows were too many to compute. */
export async function computeOver(
  lakehouse: WrittenLakehouse,
  slice: Slice,
  node: OverNode,
  index: number,
): Promise<bigint> {
  const { connection } = lakehouse
  const { fromMicros, toMicros } = slice.range
  const names = overNames(index)
  const [key, eventTime] = [node.key, node.eventTime].map(quoteIdentifier)
  const own = quoteIdentifier(names.input)
  const reader = await connection.runAndReadAll(
    `SELECT count(*), min(epoch_us(${eventTime})), max(epoch_us(${eventTime})) FROM ${own} WHERE ${key} IS NOT NULL`,
  )
  const [count, first, last] = reader.getRows()[0] as [bigint, bigint | null, bigint | null] // As selected.
  const near = lakehouse.rowsWithin(tableOf(node), node.eventTime, {
    fromMicros: (first ?? 0n) - node.rangeMicros,
    toMicros: last ?? 0n,
  })
  const isUpTo = toMicros === null ? 'true' : `processing_time <= make_timestamp(${toMicros})`
  const isOwn = fromMicros === null ? 'true' : `processing_time >= make_timestamp(${fromMicros})`
  const parts = Math.max(1, Math.ceil(Number(count) / lakehouse.rowsAtOnce))
  let busy = 0n
  for (let part = 0; part < parts; part++) {
    const isOfPart = `hash(${key}) % ${parts} = ${part}`
    const rows = `FROM (${near}) WHERE ${isUpTo} AND ${isOfPart}`
    busy += await computePart(connection, node, { rows, isOwn }, { table: names.values, isFirst: part === 0 })
  }
  return busy
}

/**
 * Adds the values of some rows to the table, or makes it of them. `rows` are of the table that is looked back
 * at: those for which `isOwn` is true, and those before them. Returns how many were too many to compute.
 */
export async function computePart(
  connection: WrittenLakehouse['connection'],
  node: OverNode,
  { rows, isOwn }: { readonly rows: string; readonly isOwn: string },
  { table, isFirst }: { readonly table: string; readonly isFirst: boolean },
): Promise<bigint> {
  await connection.run(`CREATE OR REPLACE TEMP TABLE arrivals AS ${arrivalsSql(node, rows, isOwn)}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE busy AS
    SELECT key, bucket FROM arrivals GROUP BY ALL HAVING count(*) * count(*) > ${pairsMaxPerBucket}`)
  const values = quoteIdentifier(table)
  await connection.run(
    `${isFirst ? `CREATE OR REPLACE TEMP TABLE ${values} AS` : `INSERT INTO ${values}`} ${computedSql(node)}`,
  )
  const reader = await connection.runAndReadAll(
    'SELECT count(*) FROM arrivals SEMI JOIN busy USING (key, bucket) WHERE is_own',
  )
  await connection.run('DROP TABLE arrivals')
  await connection.run('DROP TABLE busy')
  return reader.getRows()[0]?.[0] as bigint // A count.
}

/** The SELECT of what the operator gives; `cells` say otherwise what aggregates are, of the values `v`. */
export function overOutputSql(
  { arrival, aggregates }: OverNode,
  index: number,
  cells: Readonly<Record<string, string>> = {},
  join = '',
): string {
  const names = overNames(index)
  const added = Object.keys(aggregates).map((name) => {
    return `${cells[name] ?? `v.${quoteIdentifier(name)}`} AS ${quoteIdentifier(name)}`
  })
  const isSame = arrival.map((name) => `v.${quoteIdentifier(name)} = i.${quoteIdentifier(name)}`)
  return `SELECT i.*, ${added.join(', ')} FROM ${quoteIdentifier(names.input)} AS i
    LEFT JOIN ${quoteIdentifier(names.values)} AS v ON v.${batchTimeSql} = i.${batchTimeSql} AND ${isSame.join(' AND ')} ${join}`
}

export async function showOverOutput(
  { connection }: WrittenLakehouse,
  index: number,
  select: string,
): Promise<void> {
  const name = quoteIdentifier(inputRelation(overNames(index).output))
  await connection.run(`CREATE OR REPLACE TEMP VIEW ${name} AS ${select}`)
}

/** How many erased records, `e`, the row `v` of the table of values may have been computed over. */
export function erasedBehindSql({ defined }: WrittenLakehouse, { key, rangeMicros }: OverNode): string {
  // An erasure takes all rows of a person: none is left that was computed over them by the person itself.
  const which = key === defined.names.person.column ? 'e.is_adopted' : 'true'
  return `(SELECT count(*) FROM ${erasedInBatches} AS e WHERE ${which} AND ${wasThereAt(`v.${batchTimeSql}`)}
    AND ${mayLieWithin(`v.${eventAt} - to_microseconds(${rangeMicros})`, `v.${eventAt}`)})`
}

/** Whether so many more rows (`most`) can have made `found` of what is computed from those that are left. */
export function mayBeOfMoreSql(name: string, found: string, computed: string, most: string): string {
  switch (name) {
    case 'count':
    case 'distinct':
      return `${found} - coalesce(${computed}, 0) BETWEEN 1 AND ${most}`
    case 'min':
      return `coalesce(${found} < ${computed}, ${computed} IS NULL)`
    case 'max':
      return `coalesce(${found} > ${computed}, ${computed} IS NULL)`
    default:
      return 'true'
  }
}

function tableOf({ history }: OverNode): string {
  assert(history.kind === 'input' && history.reads.of === 'history', 'a history is what a table has')
  return history.reads.table
}

/**
 * The rows that meet, of those of the table: key, `micros`, `bucket`, `time` of the batch, the columns of
 * `arrival` as a0.., those that are aggregated as v0.., the order of arrival, and the `place` in it among rows
 * of earlier batches.
 */
function arrivalsSql(node: OverNode, rows: string, isOwn: string): string {
  const { key, eventTime, arrival, rangeMicros } = node
  const columns = [
    `${quoteIdentifier(key)} AS key, epoch_us(${quoteIdentifier(eventTime)}) AS micros`,
    `epoch_us(${quoteIdentifier(eventTime)}) // ${rangeMicros > 0n ? rangeMicros : 1n} AS bucket`,
    'processing_time AS time',
    ...arrival.map((name, index) => `${quoteIdentifier(name)} AS a${index}`),
    ...overColumns(node).map((name, index) => `${quoteIdentifier(name)} AS v${index}`),
    `${isOwn} AS is_own`,
  ].join(', ')
  const place = arrival.map((_, index) => `a${index}`).join(', ')
  // Only the row before another is told by its place.
  const isPlaced = Object.values(node.aggregates).some(({ function: name }) => name === 'previous')
  const numbers = [
    `row_number() OVER (ORDER BY time, ${place}) AS arrival`,
    `${isPlaced ? `row_number() OVER (ORDER BY ${place})` : '0'} AS place`,
  ].join(', ')
  const isNamed = [key, eventTime].map((name) => `${quoteIdentifier(name)} IS NOT NULL`).join(' AND ')
  return `SELECT *, ${numbers} FROM (
    SELECT ${columns} FROM (${rows}) WHERE ${isNamed}
  )`
}

/** Rows meet by key and range of time (their own and the one before it), then each pair is judged. */
function computedSql(node: OverNode): string {
  const { arrival, aggregates, rangeMicros } = node
  const columns = overColumns(node)
  const met = ['key, micros, arrival, place, time', ...columns.map((_, index) => `v${index}`)].join(', ')
  const calls = Object.entries(aggregates).map(([name, call]) => {
    const value = 'of' in call ? `s.v${columns.indexOf(call.of)}` : ''
    return `${aggregateSqlOf(call, value)} AS ${quoteIdentifier(name)}`
  })
  const place = arrival.map((name, index) => `a.a${index} AS ${quoteIdentifier(name)}`)
  const names = Object.keys(aggregates).map((name) => `c.${quoteIdentifier(name)}`)
  return `WITH judged AS (SELECT * FROM arrivals ANTI JOIN busy USING (key, bucket) WHERE is_own),
    met AS (SELECT bucket, ${met} FROM arrivals UNION ALL SELECT bucket + 1, ${met} FROM arrivals),
    computed AS (
      SELECT r.arrival, ${calls.join(', ')}
      FROM judged AS r JOIN met AS s ON s.key = r.key AND s.bucket = r.bucket
      WHERE s.micros BETWEEN r.micros - ${rangeMicros} AND r.micros AND s.arrival <= r.arrival
      GROUP BY r.arrival
    )
    SELECT a.time AS ${batchTimeSql}, make_timestamp(a.micros) AS ${eventAt}, ${[...place, ...names].join(', ')},
      c.arrival IS NULL AS ${isBusy}
    FROM arrivals AS a LEFT JOIN computed AS c USING (arrival) WHERE a.is_own`
}

/** By the words of the operator's definition; `s` is a row that is met, `r` the row itself. */
function aggregateSqlOf(call: OverAggregate, value: string): string {
  const cast = (sql: string): string => `CAST(${sql} AS ${duckdb.type(call.type)})`
  // Of one time the last to arrive, and what is of earlier batches arrived before what is of the row's own.
  const order = `'micros': s.micros, 'is_of_batch': s.time = r.time, 'place': s.place`
  const before = (fields: string): string => `max({${fields}}) FILTER (WHERE s.arrival <> r.arrival)`
  switch (call.function) {
    case 'count':
      return cast('count(*)')
    case 'sum':
      return cast(`sum(${value})`)
    case 'mean':
      // By its text: a sum of more digits than a double has is rounded once.
      return `CAST(CAST(sum(${value}) AS VARCHAR) AS DOUBLE) / CAST(count(${value}) AS DOUBLE)`
    case 'min':
    case 'max':
      return `${call.function}(${value})`
    case 'distinct':
      return cast(`count(DISTINCT ${value})`)
    case 'previous':
      return `(${before(`${order}, 'value': ${value}`)}).value`
    case 'sincePrevious':
      return `any_value(r.micros) - (${before(order)}).micros`
    default:
      return unreachable(call)
  }
}
