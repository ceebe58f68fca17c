// Parquet files as DuckDB writes them, made durable and described for the log.
import { join, relative, resolve, sep } from 'node:path'
import type { DuckDBConnection, DuckDBValue, Json } from '@duckdb/node-api'
import { assert } from '../errors/errors.ts'
import { type AddFile, addFile, type Metadata, type PartitionValues } from './actions.ts'
import { clock } from './disk.ts'
import { storageOf } from './mounts.ts'
import { newFileName } from './paths.ts'
import { quoteIdentifier, quotePathToRead, quoteText } from './sql.ts'
import { type LeafFigures, statsToJson } from './stats.ts'

export type QueryParameters = Readonly<Record<string, DuckDBValue>>

/** A file that DuckDB wrote, with its figures. */
export type WrittenFile = {
  readonly path: string
  readonly rowCount: bigint
  readonly size: bigint
  readonly figures: LeafFigures
  readonly partitionValues: PartitionValues
}

const copyOptions = ['FORMAT parquet', 'COMPRESSION zstd', 'RETURN_STATS']

/** Writes the rows of `select`, in their order, into one new file of `target`, a directory. */
export async function writeOneFile(
  connection: DuckDBConnection,
  select: string,
  target: string,
  partitionValues: PartitionValues,
  parameters?: QueryParameters,
): Promise<WrittenFile[]> {
  await storageOf(target).readyForFiles(target)
  const rows = await copy(connection, select, join(target, newFileName()), copyOptions, parameters)
  const written = rows.map((row) => ({ ...writtenFile(row), partitionValues }))
  return withoutNanBounds(connection, written)
}

/** DuckDB keeps buffers for each open partition, on each thread about half a megabyte. */
const partitionsAtOnceMax = 32

/**
 * Writes one or more files for every combination of values of the partition columns, which `select` has as
 * text. Rows of many partitions are put aside and written some partitions at a time, so the memory that is
 * needed does not grow with their number.
 */
export async function writePartitions(
  connection: DuckDBConnection,
  select: string,
  directory: string,
  partitionColumns: readonly string[],
  parameters?: QueryParameters,
): Promise<WrittenFile[]> {
  const keys = partitionColumns.map(quoteIdentifier).join(', ')
  const partitions = `SELECT DISTINCT ${keys} FROM (${select}\n) LIMIT ${partitionsAtOnceMax + 1}`
  const counted = await connection.runAndReadAll(
    `SELECT count(*) FROM (${partitions})`,
    parameters && { ...parameters },
  )
  const count = Number(counted.getRows()[0]![0])
  if (count === 0) return []
  const written =
    count <= partitionsAtOnceMax
      ? await copyPartitions(connection, select, directory, partitionColumns, parameters)
      : await copyGroups(connection, select, directory, partitionColumns, parameters)
  return withoutNanBounds(connection, written)
}

/** Tables for rows that are put aside have names of their own: a connection may write for two callers. */
let setAsideCount = 0

async function copyGroups(
  connection: DuckDBConnection,
  select: string,
  directory: string,
  partitionColumns: readonly string[],
  parameters?: QueryParameters,
): Promise<WrittenFile[]> {
  const table = `rows_set_aside_${++setAsideCount}`
  const keys = partitionColumns.map((column) => `q.${quoteIdentifier(column)}`).join(', ')
  await connection.run(
    `CREATE TEMP TABLE ${table} AS
    SELECT (dense_rank() OVER (ORDER BY ${keys}) - 1) // ${partitionsAtOnceMax} AS group_number, q AS columns
    FROM (${select}\n) AS q`,
    parameters && { ...parameters },
  )
  try {
    const greatest = await connection.runAndReadAll(`SELECT max(group_number) FROM ${table}`)
    const groups = Number(greatest.getRows()[0]![0]) + 1
    const written: WrittenFile[] = []
    for (let group = 0; group < groups; group++) {
      const rows = `SELECT unnest(columns) FROM ${table} WHERE group_number = ${group}`
      written.push(...(await copyPartitions(connection, rows, directory, partitionColumns)))
    }
    return written
  } finally {
    // A transaction that failed takes no statement any more, and its end takes the table away.
    await connection.run(`DROP TABLE IF EXISTS ${table}`).catch(() => undefined)
  }
}

async function copyPartitions(
  connection: DuckDBConnection,
  select: string,
  directory: string,
  partitionColumns: readonly string[],
  parameters?: QueryParameters,
): Promise<WrittenFile[]> {
  // DuckDB percent-encodes column and value in a directory's name, so none leads out of the table's
  // directory.
  const by = `PARTITION_BY (${partitionColumns.map(quoteIdentifier).join(', ')})`
  const options = [...copyOptions, by, 'APPEND', "FILENAME_PATTERN 'part-{uuid}'"]
  await storageOf(directory).readyForFiles(directory)
  // Without the dot DuckDB 1.5 drops non-ASCII characters from the end of the directory's name.
  const rows = await copy(connection, select, `${directory}/.`, options, parameters)
  return rows.map((row) => {
    const keys = new Map(mapEntries(row.partition_keys))
    // An empty text means null to every reader, so it is written as what it means.
    const values = partitionColumns.map((column) => [column, textOrNull(keys.get(column)) || null])
    return { ...writtenFile(row), partitionValues: Object.fromEntries(values) }
  })
}

/**
 * NaN is greater than every number, so a column with one has no bounds. DuckDB's `has_nan` speaks of the last
 * row group only, but a row group with NaN has no bounds in the footer of the file. An infinite bound is not
 * among those that DuckDB reads there either, but the other one is.
 */
async function withoutNanBounds(
  connection: DuckDBConnection,
  written: readonly WrittenFile[],
): Promise<WrittenFile[]> {
  const withFloats = written.filter((file) => [...file.figures.values()].some(hasFloatBounds))
  if (withFloats.length === 0) return [...written]
  const paths = withFloats.map((file) => quotePathToRead(file.path)).join(', ')
  const reader = await connection.runAndReadAll(`
    SELECT DISTINCT file_name, path_in_schema FROM parquet_metadata([${paths}])
    WHERE type IN ('FLOAT', 'DOUBLE')
      AND coalesce(stats_min, stats_min_value, stats_max, stats_max_value) IS NULL
      AND num_values > coalesce(stats_null_count, 0)`)
  const unbounded = new Set(reader.getRows().map(([file, column]) => `${file}\n${column}`))
  return written.map((file) => {
    const figures = [...file.figures].map(([column, values]): [string, ReadonlyMap<string, string>] => {
      const hasNan = values.has('has_nan') && unbounded.has(`${file.path}\n${footerPath(column)}`)
      return [
        column,
        hasNan ? new Map([...values].filter(([name]) => name !== 'min' && name !== 'max')) : values,
      ]
    })
    return { ...file, figures: new Map(figures) }
  })
}

function hasFloatBounds(figures: ReadonlyMap<string, string>): boolean {
  return figures.has('has_nan') && figures.has('max')
}

/** `"a"."b"` as the footer has it: `a, b`. */
function footerPath(column: string): string {
  return column.slice(1, -1).split('"."').join(', ').replaceAll('""', '"')
}

async function copy(
  connection: DuckDBConnection,
  select: string,
  target: string,
  options: readonly string[],
  parameters?: QueryParameters,
): Promise<Record<string, Json>[]> {
  const sql = `COPY (${select}) TO ${quoteText(target)} (${options.join(', ')})`
  const reader = await connection.runAndReadAll(sql, parameters && { ...parameters })
  return reader.getRowObjectsJson()
}

function writtenFile(row: Readonly<Record<string, Json>>): Omit<WrittenFile, 'partitionValues'> {
  const figures = mapEntries(row.column_statistics).map(([column, value]): [string, Map<string, string>] => {
    return [column, new Map(mapEntries(value).map(([name, figure]) => [name, String(figure)]))]
  })
  return {
    path: resolve(String(row.filename)),
    rowCount: BigInt(String(row.count)),
    size: BigInt(String(row.file_size_bytes)),
    figures: new Map(figures),
  }
}

/** A DuckDB map in JSON is a list of keys and values. */
function mapEntries(value: Json | undefined): [string, Json][] {
  if (!Array.isArray(value)) return []
  return value.flatMap((entry): [string, Json][] => {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return []
    return [[String(entry.key), entry.value ?? null]]
  })
}

function textOrNull(value: Json | undefined): string | null {
  return value === undefined || value === null ? null : String(value)
}

export function toAddFile(
  directory: string,
  metadata: Metadata,
  file: WrittenFile,
  dataChange: boolean,
): AddFile {
  const stored = metadata.fields.filter((field) => !metadata.partitionColumns.includes(field.name))
  const path = relative(directory, file.path).split(sep).join('/')
  assert(!path.startsWith('..'), `DuckDB wrote ${file.path} outside ${directory}`)
  return addFile({
    path,
    partitionValues: file.partitionValues,
    size: file.size,
    modificationTime: clock(),
    dataChange,
    statsJson: statsToJson(stored, file.figures, file.rowCount),
    tags: null,
  })
}
