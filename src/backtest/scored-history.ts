// The transactions of a time as they were scored: the columns that rules ask, features as they were then, and
// what is known of each by now.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { addFunctions } from '../engines/duckdb-functions.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Schema } from '../expr/index.ts'
import { labelsPath } from '../ops/labels.ts'
import { opsDirectory, tableDirectory } from '../ops/tables.ts'
import { verdictsPath, verdictTimesSql } from '../ops/verdicts.ts'
import type { Lakehouse, TableDefinition } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { knownColumns, knownLabelsSql, type LabelOptions, labelSql, reviewerSource } from './label-sql.ts'

/** The column in which a record itself says that it is fraud. */
export const recordLabel = 'is_fraud'

export type HistoryPeriod = {
  /** In event time, microseconds since the epoch; null: from the first transaction on. */
  readonly fromMicros: bigint | null
  /** Of the first that is not in it; null: to the last. */
  readonly toMicros: bigint | null
}

export type HistoryOptions = LabelOptions &
  HistoryPeriod & {
    readonly lakehouse: Lakehouse
    readonly deltaBasePath: string
    /** The columns that are wanted of each transaction. */
    readonly columns: readonly string[]
    /** Only what batches of this time scored; absent: of any. */
    readonly scored?: { readonly fromMicros: bigint; readonly toMicros: bigint | null }
    /** Ends the queries. */
    readonly signal?: AbortSignal
    /** Of the instance of DuckDB. */
    readonly duckdb: Readonly<Record<string, string>>
  }

export type ScoredHistory = {
  readonly connection: DuckDBConnection
  /** A SELECT of the rows: the wanted columns, event_time, topic, partition, offset, `labelName`. */
  readonly rows: string
  close(): void
}

/** The label of a row, as `rows` names it; no column of a table has such a name. */
export const labelName = duckdb.name('label known')

/** Fails with DELTA_TABLE_NOT_FOUND where nothing was scored, with CONFIG_INVALID for an unknown column. */
export async function openHistory(options: HistoryOptions): Promise<ScoredHistory> {
  const { lakehouse } = options
  const { scored, events } = lakehouse
  if (scored === null) {
    throw new LakehouseError(
      'CONFIG_INVALID',
      'this lakehouse scores nothing: there is nothing to try rules on.',
    )
  }
  const [ofScored, ofEvents]: [Schema, Schema] = [scored.rows.schema, events.rows.schema]
  const hasRecordLabel = ofScored[recordLabel] === 'boolean' || ofEvents[recordLabel] === 'boolean'
  const wanted = [
    ...new Set([...options.columns, ...(hasRecordLabel ? [recordLabel] : []), ...place, 'event_time']),
  ]
  const id = lakehouse.names.event.column
  const columns = [...new Set([...wanted, id])]
  const joined = columns.filter((name) => !(name in ofScored))
  const nowhere = joined.find((name) => !(name in ofEvents))
  if (nowhere !== undefined) {
    const message = `neither ${scored.path} nor ${events.path} has a column ${nowhere}: it cannot be looked up.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  const inScored = columns.filter((name) => name in ofScored)
  // What is scored is among the events: the table that is read first has nothing that the other lacks.
  const periods = periodsOf(options)
  const scoredRows = await scanOf(options, scored, inScored, periods)
  const eventRows =
    joined.length === 0 ? null : await scanOf(options, events, [...place, ...joined], periods.slice(0, 1))
  const labels = await labelsOf(options)
  const instance = await DuckDBInstance.create(':memory:', { ...options.duckdb })
  const connection = await instance.connect()
  let interrupts: NodeJS.Timeout | null = null
  const interrupt = (): void => {
    connection.interrupt()
    // One that comes before a statement has begun is forgotten by DuckDB.
    interrupts ??= setInterval(() => connection.interrupt(), interruptEveryMs)
  }
  options.signal?.addEventListener('abort', interrupt)
  const close = (): void => {
    options.signal?.removeEventListener('abort', interrupt)
    if (interrupts !== null) clearInterval(interrupts)
    connection.closeSync()
    instance.closeSync()
  }
  try {
    await connection.run("SET TimeZone = 'UTC'")
    addFunctions(connection)
    await connection.run(`CREATE TEMP TABLE known_labels AS ${knownLabelsSql(labels, options)}`)
  } catch (error) {
    close()
    throw error
  }
  const all =
    eventRows === null ? scoredRows : `SELECT * FROM (${scoredRows}) JOIN (${eventRows}) USING (${places})`
  const labelled = `SELECT rows.*, ${labelSql(hasRecordLabel ? recordLabel : null, options)} AS ${labelName}
    FROM (${all}) AS rows LEFT JOIN known_labels ON ${knownColumns.of} = CAST(rows.${duckdb.name(id)} AS VARCHAR)`
  return { connection, rows: labelled, close }
}

const place = ['topic', 'partition', 'offset']
const interruptEveryMs = 50
const places = place.map(duckdb.name).join(', ')

type Period = HistoryPeriod & { readonly column: string }

/** The first one is that of the events. */
function periodsOf({ fromMicros, toMicros, scored }: HistoryOptions): Period[] {
  const ofEvents = { column: 'event_time', fromMicros, toMicros }
  return scored === undefined ? [ofEvents] : [ofEvents, { column: 'processing_time', ...scored }]
}

/** The rows of the periods; only files whose statistics may hold such rows are read. */
async function scanOf(
  { deltaBasePath }: HistoryOptions,
  table: TableDefinition,
  columns: readonly string[],
  periods: readonly Period[],
): Promise<string> {
  const directory = tableDirectory(deltaBasePath, table)
  if (!(await DeltaTable.exists(directory))) {
    const message = `there is no table ${table.path} in ${deltaBasePath}: run first, or set DELTA_BASE_PATH.`
    throw new LakehouseError('DELTA_TABLE_NOT_FOUND', message)
  }
  const snapshot = await (await DeltaTable.open(directory)).snapshot()
  const scan = await fetchedScanSql(snapshot, directory, {
    columns: [...new Set([...columns, ...periods.map(({ column }) => column)])],
    where: periods.map(({ column, fromMicros, toMicros }) => ({
      column,
      ...(fromMicros === null ? {} : { min: fromMicros }),
      ...(toMicros === null ? {} : { max: toMicros - 1n }),
    })),
    naiveTimestamps: true,
  })
  const within = periods.flatMap(({ column, fromMicros, toMicros }) => [
    ...(fromMicros === null ? [] : [`${column} >= make_timestamp(${fromMicros})`]),
    ...(toMicros === null ? [] : [`${column} < make_timestamp(${toMicros})`]),
  ])
  const where = within.length === 0 ? '' : ` WHERE ${within.join(' AND ')}`
  return `SELECT ${columns.map(duckdb.name).join(', ')} FROM (${scan})${where}`
}

/** What is known beside the records, as `knownLabelsSql` takes it. */
async function labelsOf(of: HistoryOptions): Promise<string> {
  const none = `SELECT NULL::VARCHAR AS transaction_id, NULL::BOOLEAN AS is_fraud, NULL::TIMESTAMP AS known_at,
    NULL::VARCHAR AS source, NULL::TIMESTAMP AS taken_back_at WHERE false`
  const imported = await scanOfOps(of, labelsPath)
  const verdicts = await scanOfOps(of, verdictsPath)
  return [
    none,
    ...(imported === null
      ? []
      : [`SELECT transaction_id, is_fraud, known_at, source, NULL FROM (${imported})`]),
    ...(verdicts === null
      ? []
      : [
          `SELECT event, verdict = 'fraud', decided_at, '${reviewerSource}', taken_back_at
            FROM (${verdictTimesSql(verdicts)})`,
        ]),
  ].join('\nUNION ALL\n')
}

/** null where nobody has written the table. */
async function scanOfOps({ deltaBasePath }: HistoryOptions, path: string): Promise<string | null> {
  const directory = opsDirectory(deltaBasePath, path)
  if (!(await DeltaTable.exists(directory))) return null
  const snapshot = await (await DeltaTable.open(directory)).snapshot()
  return await fetchedScanSql(snapshot, directory, { naiveTimestamps: true })
}
