// Which rows of bronze and silver a batch reads, as SQL that partitions and statistics can prune by.
import type { OffsetRange } from '../../batches/offsets.ts'
import type { BatchPlan } from '../../batches/plan.ts'
import { tableDirectory } from '../../ops/tables.ts'
import { baselineOf, earlierRows, type TableDefinition } from '../../plan/index.ts'
import { literalSql, spark } from '../../sql/index.ts'
import { type Relation, sqlRelation } from './connect/relations.ts'

/** Both ends belong to it. Instants are microseconds since the epoch, days YYYY-MM-DD. */
type Range = { readonly min?: bigint | string; readonly max?: bigint | string }

/**
 * A directory of this machine as Spark names it: a cluster may take a path without a scheme for one of its
 * own file system. Hadoop takes what follows the scheme as it is, without any escapes.
 */
export function fileUri(directory: string): string {
  return `file:${directory}`
}

/** Columns of a table's rows with all of the ranges; ends in a WHERE that more can be added to. */
export function deltaRows(
  directory: string,
  columns: readonly string[],
  ranges: Readonly<Record<string, Range>>,
): string {
  const conditions = Object.entries(ranges).flatMap(([column, { min, max }]) => [
    ...(min === undefined ? [] : [`${spark.name(column)} >= ${literal(min)}`]),
    ...(max === undefined ? [] : [`${spark.name(column)} <= ${literal(max)}`]),
  ])
  const where = ['true', ...conditions].join(' AND ')
  return `SELECT ${columns.map(spark.name).join(', ')} FROM delta.${spark.name(fileUri(directory))} WHERE ${where}`
}

/** What a table of figures reads of itself, by the name that its plan has for it; of others nothing. */
export function ownRows(deltaBasePath: string, table: TableDefinition): Readonly<Record<string, Relation>> {
  const node = baselineOf(table.rows.node)
  if (node === null) return {}
  const columns = [...node.keys, node.order, node.value]
  return { [earlierRows]: sqlRelation(deltaRows(tableDirectory(deltaBasePath, table), columns, {})) }
}

/** A range of instants, and with it one of the days that the table is partitioned by; null where by none. */
export function instantsAndDays(
  instants: string,
  days: string | null,
  fromMicros: bigint | null,
  toMicros: bigint | null,
): Readonly<Record<string, Range>> {
  const range = <T extends bigint | string>(of: (micros: bigint) => T): Range => ({
    ...(fromMicros === null ? {} : { min: of(fromMicros) }),
    ...(toMicros === null ? {} : { max: of(toMicros) }),
  })
  return { [instants]: range((micros) => micros), ...(days === null ? {} : { [days]: range(dayOf) }) }
}

/** The table of records, and where it is. */
type Records = { readonly directory: string; readonly table: TableDefinition }

/** The rows of bronze in these ranges; none is older than `sinceMicros`. */
export function recordsSql(
  bronze: Records,
  ranges: readonly OffsetRange[],
  sinceMicros: bigint | null,
): string {
  const parts = ranges.map(
    ({ topic, partition, start, end }) =>
      `(topic = ${spark.text(topic)} AND \`partition\` = ${partition} AND \`offset\` >= ${start} AND \`offset\` < ${end})`,
  )
  const rows = deltaRows(
    bronze.directory,
    Object.keys(bronze.table.rows.schema),
    instantsAndDays('processing_time', 'processing_date', sinceMicros, null),
  )
  return `${rows} AND (${parts.length === 0 ? 'false' : parts.join(' OR ')})`
}

/** The rows of bronze that belong to a batch. */
export function batchRowsSql(bronze: Records, plan: BatchPlan): string {
  const rows = recordsSql(bronze, plan.ranges, null)
  return plan.readFrom === 'bronze' ? rows : `${rows} AND processing_time = ${literal(plan.timeMicros)}`
}

function literal(value: bigint | string): string {
  return typeof value === 'bigint' ? `timestamp_micros(${value})` : literalSql(spark, 'date', value)
}

/** The day of an instant, in UTC; also before the epoch and within the years 1 to 9999. */
function dayOf(micros: bigint): string {
  const dayMicros = 86_400_000_000n
  const day = (micros - (((micros % dayMicros) + dayMicros) % dayMicros)) / 1000n
  return new Date(Number(day)).toISOString().slice(0, 10)
}
