// Staging: the rows of a query become Parquet files under the table's directory. No reader sees them until a
// commit names them, so a crash leaves only files for vacuum to find.
import { rm } from 'node:fs/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { LakehouseError } from '../errors/errors.ts'
import { step } from '../steps/step.ts'
import type { AddFile, Metadata } from './actions.ts'
import { castColumn } from './cast.ts'
import { storageOf } from './mounts.ts'
import {
  type QueryParameters,
  toAddFile,
  type WrittenFile,
  writeOneFile,
  writePartitions,
} from './parquet-files.ts'
import { type DeltaField, mismatch, typeText } from './schema.ts'
import { quoteIdentifier, quoteText } from './sql.ts'
import { leafKey } from './stats.ts'

/** Rows that are durably on the disk but not yet in the table. Hand it to `commit` once. */
export type StagedAppend = {
  readonly adds: readonly AddFile[]
  readonly rowCount: bigint
  /** The schema the files were written with. */
  readonly metadata: Metadata
}

/** A directory's name may have 255 bytes; it holds the column, an equals sign and the encoded value. */
export const directoryNameBytesMax = 255

/**
 * Writes the rows of `query` in the caller's transaction. Columns are matched by name and cast to the table's
 * types; a nullable column that the query lacks is null.
 */
export async function stageQuery(
  directory: string,
  metadata: Metadata,
  connection: DuckDBConnection,
  query: string,
  parameters?: QueryParameters,
): Promise<StagedAppend> {
  const columns = await selectList(directory, metadata, connection, query, parameters)
  const select = `SELECT ${columns.join(', ')} FROM (${query}\n) AS q`
  const { partitionColumns } = metadata
  const all =
    partitionColumns.length === 0
      ? await writeOneFile(connection, select, directory, {}, parameters)
      : await writePartitions(connection, select, directory, partitionColumns, parameters)
  const written = all.filter((file) => file.rowCount > 0n)
  for (const file of all) if (file.rowCount === 0n) await rm(file.path, { force: true })
  return stagedFiles(directory, metadata, written, false)
}

/** Makes files that were written durable, and describes them. `finished` as for `publish` of a storage. */
export async function stagedFiles(
  directory: string,
  metadata: Metadata,
  written: readonly WrittenFile[],
  finished: boolean,
): Promise<StagedAppend> {
  checkNotNull(directory, metadata, written)
  await step('rows written')
  await storageOf(directory).publish(directory, written, finished)
  const adds = written.map((file) => toAddFile(directory, metadata, file, true))
  await step('rows staged')
  return { adds, rowCount: written.reduce((sum, file) => sum + file.rowCount, 0n), metadata }
}

/** One expression for every column of the table. */
async function selectList(
  directory: string,
  metadata: Metadata,
  connection: DuckDBConnection,
  query: string,
  parameters?: QueryParameters,
): Promise<string[]> {
  const described = await connection.runAndReadAll(
    `SELECT * FROM (${query}\n) AS q LIMIT 0`,
    parameters && { ...parameters },
  )
  const types = described.columnTypes()
  const given = new Map(
    described.columnNames().map((name, index) => [name.toLowerCase(), { name, type: types[index] }]),
  )
  const list = metadata.fields.map((field) => {
    const column = given.get(field.name.toLowerCase())
    given.delete(field.name.toLowerCase())
    if (column?.type) {
      const cast = castColumn(`q.${quoteIdentifier(column.name)}`, column.type, field.type)
      return `${guarded(directory, metadata, field, cast)} AS ${quoteIdentifier(field.name)}`
    }
    if (field.nullable) return `${castColumn('NULL', null, field.type)} AS ${quoteIdentifier(field.name)}`
    throw columnMissing(directory, field)
  })
  for (const { name, type } of given.values()) throw columnUnknown(directory, name, String(type))
  return list
}

export function columnMissing(directory: string, { name, type }: DeltaField): LakehouseError {
  return mismatch(directory, `the rows lack the column ${name} (${typeText(type)}), which may not be null`)
}

export function columnUnknown(directory: string, name: string, type: string): LakehouseError {
  return mismatch(directory, `the rows have a column ${name} (${type}) that the table lacks`)
}

/** What the figures of the written files cannot show, or not in time, is judged row by row. */
function guarded(directory: string, metadata: Metadata, field: DeltaField, cast: string): string {
  if (metadata.partitionColumns.includes(field.name)) {
    const room = directoryNameBytesMax - Buffer.byteLength(encodeURIComponent(field.name)) - 1
    const text = partitionText(cast, field)
    const message = quoteText(
      `${directory}: a value of the partition column ${field.name} is too long for a file name`,
    )
    if (field.type !== 'string') return text
    return `CASE WHEN strlen(${text}) * 3 > ${room} AND strlen(url_encode(${text})) > ${room}
      THEN error(${message}) ELSE ${text} END`
  }
  if (field.nullable || typeof field.type === 'string') return cast
  const message = quoteText(`${directory}: column ${field.name} may not be null, and a row has null`)
  return `CASE WHEN ${cast} IS NULL THEN error(${message}) ELSE ${cast} END`
}

/**
 * A partition value as the protocol serialises it. The column itself is not in the file, so its type is free.
 */
function partitionText(cast: string, field: DeltaField): string {
  if (field.type === 'string') return cast
  if (field.type === 'timestamp') return `strftime(timezone('UTC', ${cast}), '%Y-%m-%dT%H:%M:%S.%fZ')`
  return `CAST(${cast} AS VARCHAR)`
}

function checkNotNull(directory: string, metadata: Metadata, written: readonly WrittenFile[]): void {
  for (const field of metadata.fields) {
    if (field.nullable) continue
    const isPartition = metadata.partitionColumns.includes(field.name)
    for (const file of written) {
      const isNull = isPartition
        ? (file.partitionValues[field.name] ?? null) === null
        : (file.figures.get(leafKey([field.name]))?.get('null_count') ?? '0') !== '0'
      if (!isNull) continue
      const advice = 'Filter such rows out, or make the column nullable.'
      const message = `${directory}: column ${field.name} may not be null, and a row has null. ${advice}`
      throw new LakehouseError('DELTA_VALUE_REFUSED', message, { details: { column: field.name } })
    }
  }
}
