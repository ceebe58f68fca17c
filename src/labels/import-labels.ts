// Brings labels from a file to fraud_labels: all of its rows in one commit, or none where one has a mistake.
import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { fileMissing } from '../files/file-missing.ts'
import { labelsDefinition, labelsPath } from '../ops/labels.ts'
import { openOpsTable, tableDirectory } from '../ops/tables.ts'
import type { Lakehouse } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'

export type ImportOptions = {
  readonly lakehouse: Pick<Lakehouse, 'events' | 'names'>
  readonly deltaBasePath: string
  /** CSV with a header, or NDJSON where its name ends in .ndjson, .jsonl or .json. */
  readonly file: string
  /** Of rows that name none. */
  readonly source: string
  readonly importedBy: string
  /** Microseconds since the epoch: nothing can have become known later. */
  readonly nowMicros: bigint
  readonly duckdb: Readonly<Record<string, string>>
}

export type ImportReport = {
  readonly rows: number
  /** Of these, which are new. */
  readonly imported: number
  /** Of the new ones, whose transaction is not among the events, or not yet. */
  readonly unknown: number
  /** Columns of the file that say nothing here. */
  readonly ignored: readonly string[]
}

/** A file with more mistakes is told by its first ones. */
const mistakesToldMax = 20
export const sourceForm = /^[a-z][a-z0-9_]{0,31}$/
/** Sources that labels have from elsewhere. */
const sourcesTaken = ['reviewer', 'record']

/** Fails with LABELS_INVALID, whose message has a line for each mistake; then nothing was written. */
export async function importLabels(options: ImportOptions): Promise<ImportReport> {
  const found = await stat(options.file).catch(() => null)
  if (!found?.isFile()) throw fileMissing(options.file)
  const instance = await DuckDBInstance.create(':memory:', { ...options.duckdb })
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    const ignored = await readFile(connection, options)
    await refuseMistakes(connection, options)
    const events = await scanOfEvents(options)
    const table = await openOpsTable(options.deltaBasePath, labelsPath, {
      ...labelsDefinition,
      properties: {},
    })
    const known = await fetchedScanSql(await table.snapshot(), table.directory, { naiveTimestamps: true })
    await connection.run(newRowsSql(known, options))
    const [rows, imported] = [await countOf(connection, 'given'), await countOf(connection, 'new_labels')]
    const unknown = await countOf(connection, `(${unknownSql(options, events)})`)
    if (imported > 0) await table.commit(await table.stage(connection, 'FROM new_labels'), {})
    return { rows, imported, unknown, ignored }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

async function scanOfEvents({ lakehouse, deltaBasePath }: ImportOptions): Promise<string> {
  const directory = tableDirectory(deltaBasePath, lakehouse.events)
  if (!(await DeltaTable.exists(directory))) {
    const message = `there is no lakehouse in ${deltaBasePath}: run first, or set DELTA_BASE_PATH.`
    throw new LakehouseError('DELTA_TABLE_NOT_FOUND', message)
  }
  const snapshot = await (await DeltaTable.open(directory)).snapshot()
  return await fetchedScanSql(snapshot, directory, { columns: [lakehouse.names.event.column] })
}

/** The table `given`: the file's rows as text. Gives the columns that are none of ours. */
async function readFile(
  connection: DuckDBConnection,
  { file, source }: ImportOptions,
): Promise<readonly string[]> {
  const isJson = ['.ndjson', '.jsonl', '.json'].includes(extname(file).toLowerCase())
  // In a pattern a character in brackets is itself: it is this file that is read, whatever its name.
  const path = duckdb.text(file.replace(/[*?[]/g, '[$&]'))
  const rows = isJson
    ? `read_json_objects(${path}, format = 'newline_delimited', hive_partitioning = false)`
    : `read_csv(${path}, all_varchar = true, header = true, delim = ',', quote = '"', escape = '"', hive_partitioning = false)`
  const { columns, ignored } = isJson ? { columns: ofJson, ignored: [] } : await ofCsv(connection, rows, file)
  const select = `SELECT row_number() OVER () AS row, ${columns.join(', ')} FROM ${rows}`
  try {
    await connection.run(
      `CREATE TEMP TABLE given AS SELECT row, trim(id) AS id, trim(known) AS known,
        coalesce(nullif(lower(trim(fraud)), ''), 'true') AS fraud,
        coalesce(nullif(trim(source), ''), ${duckdb.text(source)}) AS source FROM (${select})`,
    )
  } catch (cause) {
    throw unreadable(file, cause)
  }
  return ignored
}

const ofJson = [
  ['transaction_id', 'id'],
  ['known_at', 'known'],
  ['is_fraud', 'fraud'],
  ['source', 'source'],
].map(([name, as]) => `json ->> '$.${name}' AS ${as}`)

async function ofCsv(connection: DuckDBConnection, rows: string, file: string) {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${rows}`).catch((cause) => {
    throw unreadable(file, cause)
  })
  const names = described.getRows().map(([name]) => String(name))
  const lacking = ['transaction_id', 'known_at'].filter((name) => !names.includes(name))
  if (lacking.length > 0) {
    const message =
      `${file}:1: its header has no ${lacking.join(' and no ')}; the columns are transaction_id, known_at ` +
      'and, where wanted, is_fraud and source.'
    throw new LakehouseError('LABELS_INVALID', message)
  }
  const text = (name: string) => (names.includes(name) ? duckdb.name(name) : 'NULL::VARCHAR')
  const columns = [
    `${text('transaction_id')} AS id`,
    `${text('known_at')} AS known`,
    `${text('is_fraud')} AS fraud`,
    `${text('source')} AS source`,
  ]
  const known = ['transaction_id', 'known_at', 'is_fraud', 'source']
  return { columns, ignored: names.filter((name) => !known.includes(name)) }
}

function unreadable(file: string, cause: unknown): LakehouseError {
  const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
  const message = `${file} cannot be read as CSV with a header or as NDJSON in UTF-8: ${reason}`
  return new LakehouseError('LABELS_INVALID', message, { cause })
}

/** An instant with its day at least, as in 2026-10-31 or 2026-10-31T08:00:00Z. */
const instantForm = "'\\d{4}-\\d{2}-\\d{2}([T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,6})?)?(Z|[+-]\\d{2}:\\d{2})?)?'"

/** An instant without a zone is UTC, which is the zone of the session. */
const knownMicros = 'epoch_us(CAST(known AS TIMESTAMPTZ))'

async function refuseMistakes(
  connection: DuckDBConnection,
  { file, nowMicros }: ImportOptions,
): Promise<void> {
  const taken = sourcesTaken.map(duckdb.text).join(', ')
  const judged = `SELECT row, CASE
      WHEN coalesce(id, '') = '' THEN 'transaction_id is missing'
      WHEN coalesce(known, '') = '' THEN 'known_at is missing: the day on which the label became known'
      WHEN NOT regexp_full_match(known, ${instantForm}) OR try_cast(known AS TIMESTAMPTZ) IS NULL
        THEN 'known_at is a day or an instant, as in 2026-10-31 or 2026-10-31T08:00:00Z'
      WHEN ${knownMicros} > ${nowMicros} THEN 'known_at lies in the future'
      WHEN fraud NOT IN ('true', 'false') THEN 'is_fraud is true or false'
      WHEN NOT regexp_full_match(source, ${duckdb.text(sourceForm.source)})
        THEN 'source is a name of small letters, digits and _, as in chargeback'
      WHEN source IN (${taken}) THEN 'source is ' || source || ', which labels have from elsewhere'
    END AS mistake FROM given`
  const { rows, count } = await firstOf(connection, `(${judged}) WHERE mistake IS NOT NULL`)
  if (count === 0) return
  const more = count > rows.length ? [`and ${count - rows.length} more`] : []
  const lines = [...rows.map(({ row, mistake }) => `row ${row}: ${mistake}`), ...more]
  const message = [`${file} has ${counted(count, 'mistake')}; nothing was imported:`, ...lines].join('\n  ')
  throw new LakehouseError('LABELS_INVALID', message)
}

async function firstOf(connection: DuckDBConnection, from: string) {
  const reader = await connection.runAndReadAll(`SELECT * FROM ${from} ORDER BY row LIMIT ${mistakesToldMax}`)
  return { rows: reader.getRowObjectsJS(), count: await countOf(connection, from) }
}

async function countOf(connection: DuckDBConnection, from: string): Promise<number> {
  const reader = await connection.runAndReadAll(`SELECT count(*) FROM ${from}`)
  return Number(reader.getRows()[0]![0])
}

/** The table `new_labels`: what the file has and the table has not. */
function newRowsSql(known: string, { nowMicros, importedBy }: ImportOptions): string {
  return `CREATE TEMP TABLE new_labels AS
    SELECT transaction_id, is_fraud, known_at, source, make_timestamp(${nowMicros}) AS imported_at,
      ${duckdb.text(importedBy)} AS imported_by
    FROM (SELECT DISTINCT id AS transaction_id, fraud = 'true' AS is_fraud, make_timestamp(${knownMicros}) AS known_at,
      source FROM given)
    ANTI JOIN (${known}) USING (transaction_id, is_fraud, known_at, source)`
}

function unknownSql({ lakehouse }: ImportOptions, events: string): string {
  const id = `CAST(${duckdb.name(lakehouse.names.event.column)} AS VARCHAR)`
  return `SELECT 1 FROM (SELECT DISTINCT transaction_id FROM new_labels)
    ANTI JOIN (SELECT ${id} AS transaction_id FROM (${events})) USING (transaction_id)`
}
