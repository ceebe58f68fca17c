// Reading a table with DuckDB: the SQL over its live files.
import { resolve } from 'node:path'
import type { AddFile, PartitionValues } from './actions.ts'
import { hasInstants, mapInstants } from './instants.ts'
import { storageOf } from './mounts.ts'
import { filePath, isOwnFile } from './paths.ts'
import { mayHold, type PruneRange } from './prune.ts'
import { type DeltaField, type DeltaType, duckdbType, mismatch } from './schema.ts'
import { quoteIdentifier, quotePathToRead, quoteText } from './sql.ts'
import type { DeltaSnapshot } from './state.ts'

export type ScanOptions = {
  /** Default: all, in the order of the schema. */
  readonly columns?: readonly string[]
  /** Files that cannot hold a row within all these ranges are left out. Rows are NOT filtered. */
  readonly where?: readonly PruneRange[]
  /** Adds a column `filename`: the file of each row. */
  readonly fileNames?: boolean
  /** Instants as TIMESTAMP in UTC; default TIMESTAMPTZ. */
  readonly naiveTimestamps?: boolean
}

/** `scanSql`, of files that this machine has when it resolves. */
export async function fetchedScanSql(
  snapshot: DeltaSnapshot,
  directory: string,
  options: ScanOptions = {},
): Promise<string> {
  await fetchFiles(prunedFiles(snapshot, options.where ?? []), directory)
  return scanSql(snapshot, directory, options)
}

/** Files of the table can be read on this machine from now on, as far as they exist. */
export async function fetchFiles(files: Iterable<AddFile>, directory: string): Promise<void> {
  const places = Array.from(files, ({ path, size }) => ({ path: filePath(directory, path), size }))
  await storageOf(resolve(directory)).fetch(places)
}

/**
 * A SELECT over the live files, which have to be on this machine when it runs. A column that an older file
 * lacks is NULL of its type; without files the relation is empty, and typed.
 */
export function scanSql(snapshot: DeltaSnapshot, directory: string, options: ScanOptions = {}): string {
  const { metadata } = snapshot
  const fields = selectedFields(snapshot, directory, options.columns)
  const files = prunedFiles(snapshot, options.where ?? [])
  if (files.length === 0) return emptyRelation(fields, options)
  const { partitionColumns } = metadata
  const selected = partitionColumns.filter((name) => fields.some((field) => field.name === name))
  const partitions = [...byPartition(files, selected).values()]
  // A column of this name would hide DuckDB's own, which says the file of a row.
  const canTellFile = metadata.fields.every(({ name }) => name.toLowerCase() !== 'file_index')
  const groups = partitions.length > partitionsApartMax && canTellFile ? [files] : partitions
  const selects = groups.map((group) => {
    return selectFromFiles(group, fields, partitionColumns, resolve(directory), options)
  })
  return selects.join('\nUNION ALL\n')
}

/**
 * So many partitions are reads of their own, whose values DuckDB can prune by. A plan with more of them costs
 * more memory and time than pruning saves.
 */
const partitionsApartMax = 32

/** The live files that may hold rows within all the ranges. */
export function prunedFiles(snapshot: DeltaSnapshot, where: readonly PruneRange[]): AddFile[] {
  const { fields, partitionColumns } = snapshot.metadata
  return [...snapshot.files.values()].filter((file) => mayHold(file, where, fields, partitionColumns))
}

function selectedFields(
  snapshot: DeltaSnapshot,
  directory: string,
  columns?: readonly string[],
): DeltaField[] {
  const { fields } = snapshot.metadata
  if (columns === undefined) return [...fields]
  return columns.map((name) => {
    const field = fields.find((f) => f.name === name)
    if (!field) throw mismatch(directory, `the table has no column ${name}`)
    return field
  })
}

function emptyRelation(fields: readonly DeltaField[], options: ScanOptions): string {
  const list = fields.map(
    (field) => `CAST(NULL AS ${scanType(field.type, options)}) AS ${quoteIdentifier(field.name)}`,
  )
  if (options.fileNames) list.push('CAST(NULL AS VARCHAR) AS filename')
  return `SELECT ${list.join(', ')} WHERE false`
}

/**
 * Files with equal partition values are one read, and their values are constants that DuckDB can prune by.
 */
function byPartition(files: readonly AddFile[], partitionColumns: readonly string[]): Map<string, AddFile[]> {
  const groups = new Map<string, AddFile[]>()
  for (const file of files) {
    const key = partitionKey(file.partitionValues, partitionColumns)
    const group = groups.get(key)
    if (group) group.push(file)
    else groups.set(key, [file])
  }
  return groups
}

export function partitionKey(values: PartitionValues, partitionColumns: readonly string[]): string {
  return JSON.stringify(partitionColumns.map((column) => values[column] ?? null))
}

/** A SELECT over files, in their order as far as their writers allow. */
export function selectFromFiles(
  group: readonly AddFile[],
  fields: readonly DeltaField[],
  partitionColumns: readonly string[],
  directory: string,
  options: ScanOptions = {},
): string {
  const stored = fields.filter((field) => !partitionColumns.includes(field.name))
  const select = (files: readonly AddFile[], instants: InstantForm) => {
    const list = fields.map((field) => {
      const value = partitionColumns.includes(field.name)
        ? partitionValue(files, field)
        : storedColumn(field, instants)
      // Not timezone('UTC', ..), which asks a calendar for every row.
      const cast = options.naiveTimestamps
        ? mapInstants(value, field.type, (time) => `make_timestamp(epoch_us(${time}))`)
        : value
      return `${cast} AS ${quoteIdentifier(field.name)}`
    })
    if (options.fileNames) list.push('filename')
    return `SELECT ${list.join(', ')} FROM ${readFiles(files, stored, directory, instants)}`
  }
  const [native, text] = byInstantForm(group, stored)
  return [
    ...(native.length > 0 ? [select(native, 'native')] : []),
    ...(text.length > 0 ? [select(text, 'text')] : []),
  ].join('\nUNION ALL\n')
}

/**
 * How instants are taken out of a file. Ours are read as they are. Spark writes INT96 by default, which
 * DuckDB takes for a time without a zone and would shift by the session's zone; which of the two forms a file
 * has is only in the file. As text the forms differ (one has an offset), and each can be read rightly
 * whatever the session's zone.
 */
type InstantForm = 'native' | 'text'

function byInstantForm(
  files: readonly AddFile[],
  stored: readonly DeltaField[],
): readonly [native: AddFile[], text: AddFile[]] {
  if (!stored.some((field) => hasInstants(field.type))) return [[...files], []]
  return [files.filter((file) => isOwnFile(file.path)), files.filter((file) => !isOwnFile(file.path))]
}

/** The name of a column of a file, or the expression that makes instants of its text. */
function storedColumn(field: DeltaField, instants: InstantForm): string {
  const name = quoteIdentifier(field.name)
  return instants === 'native' ? name : mapInstants(name, field.type, instantOfText)
}

function instantOfText(text: string): string {
  return `CAST(CASE WHEN regexp_matches(${text}, ' .*[+-]') OR contains(${text}, 'infinity') THEN ${text}
    ELSE ${text} || '+00' END AS TIMESTAMPTZ)`
}

/** read_parquet with the table's types: files are matched by column name, and what they lack is NULL. */
function readFiles(
  files: readonly AddFile[],
  stored: readonly DeltaField[],
  directory: string,
  instants: InstantForm,
): string {
  const paths = files.map((file) => quotePathToRead(filePath(directory, file.path)))
  const columns = stored.map(({ name, type }) => {
    const readAs = instants === 'native' ? duckdbType(type) : duckdbType(type, 'VARCHAR')
    const column = `name: ${quoteText(name)}, type: ${quoteText(readAs)}, default_value: NULL`
    return `${quoteText(name)}: {${column}}`
  })
  const schema = columns.length === 0 ? '' : `, schema = MAP {${columns.join(', ')}}`
  return `read_parquet([${paths.join(', ')}], hive_partitioning = false${schema})`
}

/** The value of a partition column: one literal where all files have it, else by the place of the row's file. */
function partitionValue(files: readonly AddFile[], { name, type }: DeltaField): string {
  const values = files.map(({ partitionValues }) => partitionValues[name] ?? null)
  const [first = null] = values
  if (values.every((value) => value === first)) return partitionLiteral(first, type)
  const literals = values.map((value) => (value === null ? 'NULL' : quoteText(partitionText(value, type))))
  const text = `CAST([${literals.join(', ')}] AS VARCHAR[])[CAST(file_index AS BIGINT) + 1]`
  return `CAST(${text} AS ${duckdbType(type)})`
}

function partitionLiteral(value: string | null, type: DeltaType): string {
  const duckdb = duckdbType(type)
  if (value === null) return `CAST(NULL AS ${duckdb})`
  const text = quoteText(partitionText(value, type))
  return type === 'string' ? text : `CAST(${text} AS ${duckdb})`
}

function partitionText(value: string, type: DeltaType): string {
  // A time without a zone is in the zone of the machine that wrote it; ours and the recommended one is UTC.
  return type === 'timestamp' && !/(Z|[+-]\d\d(:?\d\d)?)$/.test(value) ? `${value}Z` : value
}

function scanType(type: DeltaType, options: ScanOptions): string {
  return options.naiveTimestamps ? duckdbType(type, 'TIMESTAMP') : duckdbType(type)
}
