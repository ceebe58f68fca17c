// Staging of rows in memory, as src/delta/stage.ts does it with those of a query: one Parquet file for each
// combination of values of the partition columns.
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Column, Rows } from '../columns/column.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { type FileSummary, type SharedLeaves, writeParquet } from '../parquet/file.ts'
import type { NamedColumn } from '../parquet/footer.ts'
import { leavesOf } from '../parquet/leaf.ts'
import type { RowRange } from '../parquet/shred.ts'
import type { Metadata, PartitionValues } from './actions.ts'
import { deltaType } from './column-types.ts'
import { hasErrno } from './disk.ts'
import { filesSyncedAtOnce, forgetDurable } from './local-storage.ts'
import { storageOf } from './mounts.ts'
import type { WrittenFile } from './parquet-files.ts'
import { newFileName } from './paths.ts'
import { type DeltaField, mismatch, typeText } from './schema.ts'
import {
  columnMissing,
  columnUnknown,
  directoryNameBytesMax,
  type StagedAppend,
  stagedFiles,
} from './stage.ts'
import { type LeafFigures, leafKey } from './stats.ts'
import { figureText, partitionValueText } from './value-text.ts'

/** How Hive, and DuckDB, spell null in the name of a directory. */
const nullDirectory = '__HIVE_DEFAULT_PARTITION__'

/**
 * Writes the rows as files of the table, several one after another as files of their own. Columns are matched
 * by name and have the table's types; a nullable column that the rows lack is not in the files, which means
 * null.
 */
export async function stageRows(
  directory: string,
  metadata: Metadata,
  rows: Rows | readonly Rows[],
  shared: SharedLeaves | null = null,
): Promise<StagedAppend> {
  const written: WrittenFile[] = []
  const all = 'rowCount' in rows ? [rows] : rows
  for (const one of all) written.push(...(await writtenFiles(directory, metadata, one, shared)))
  return stagedFiles(directory, metadata, written, true)
}

async function writtenFiles(
  directory: string,
  metadata: Metadata,
  rows: Rows,
  shared: SharedLeaves | null,
): Promise<WrittenFile[]> {
  const columns = tableColumns(directory, metadata, rows)
  const isPartition = ({ name }: NamedColumn) => metadata.partitionColumns.includes(name)
  const stored = columns.filter((column) => !isPartition(column))
  if (stored.length === 0) throw mismatch(directory, 'the rows have no column that is not partitioned by')
  const by = metadata.partitionColumns.map((name) => {
    return { name, column: columns.find((column) => column.name === name)?.column ?? null }
  })
  const [first, ...others] = by
  const part = (): Partition[] => partitionsOf(by, rows.rowCount)
  const isByOne = first?.column != null && others.length === 0
  const parts = shared !== null && isByOne ? shared.rangesBy(first.column!, part) : part()
  const written: WrittenFile[] = []
  const storage = storageOf(directory)
  await storage.readyForFiles(directory)
  const closing: Promise<void>[] = []
  try {
    for (const { values, range } of parts) {
      const partitionValues = partitionTexts(directory, by, values)
      const open = await openNew(directory, partitionValues)
      try {
        written.push(await writeRows(open, metadata, stored, range, partitionValues, shared))
      } finally {
        const closed = storage.finishFile(open.file)
        closed.catch(() => undefined) // Told when it is awaited: other files are written meanwhile.
        closing.push(closed)
      }
      if (closing.length < filesSyncedAtOnce) continue
      await Promise.all(closing)
      closing.length = 0
    }
  } finally {
    await Promise.allSettled(closing)
  }
  await Promise.all(closing)
  return written
}

/** The columns of the rows, by the names and in the order of the table. */
function tableColumns(directory: string, metadata: Metadata, rows: Rows): NamedColumn[] {
  const given = new Map(Object.keys(rows.schema).map((name) => [name.toLowerCase(), name]))
  const columns = metadata.fields.flatMap((field): NamedColumn[] => {
    const name = given.get(field.name.toLowerCase())
    given.delete(field.name.toLowerCase())
    if (name !== undefined) return [{ name: field.name, column: checkedColumn(directory, field, rows, name) }]
    if (field.nullable) return []
    throw columnMissing(directory, field)
  })
  for (const name of given.values()) throw columnUnknown(directory, name, rows.schema[name]!)
  return columns
}

function checkedColumn(directory: string, field: DeltaField, rows: Rows, name: string): Column {
  const column = rows.columns[name]
  assert(column !== undefined && column.length === rows.rowCount, `column ${name} has a value for every row`)
  const [has, wants] = [typeText(deltaType(column.type)), typeText(field.type)]
  if (has !== wants)
    throw mismatch(directory, `column ${field.name} is ${wants} in the table, ${has} in the rows`)
  return column
}

/** null for a partition column that the rows lack. */
type PartitionColumn = { readonly name: string; readonly column: Column | null }
type Partition = { readonly values: readonly unknown[]; readonly range: RowRange }

/** The rows by their values of the partition columns, each in the order in which they are given. */
function partitionsOf(by: readonly PartitionColumn[], rowCount: number): Partition[] {
  const columns = by.map(({ column }) => column)
  const parts = new Map<string, { readonly values: readonly unknown[]; readonly rows: number[] }>()
  for (let from = 0; from < rowCount; ) {
    // Rows of one partition mostly follow each other.
    const values = columns.map((column) => partitionKey(column, from))
    let to = from + 1
    while (to < rowCount && hasValues(columns, to, values)) to++
    if (to - from === rowCount) return [{ values, range: { from, to, indexes: null } }]
    const key = JSON.stringify(values.map((value) => (value === null ? null : String(value))))
    const part = parts.get(key) ?? { values, rows: [] }
    parts.set(key, part)
    for (; from < to; from++) part.rows.push(from)
  }
  return [...parts.values()].map(({ values, rows }) => {
    return { values, range: { from: 0, to: rows.length, indexes: Uint32Array.from(rows) } }
  })
}

function hasValues(columns: readonly (Column | null)[], row: number, values: readonly unknown[]): boolean {
  for (let place = 0; place < columns.length; place++) {
    if (partitionKey(columns[place]!, row) !== values[place]) return false
  }
  return true
}

/** An empty text means null to every reader, so it is written as what it means. */
function partitionKey(column: Column | null, row: number): unknown {
  if (column === null) return null
  const value = column.get(row)
  return value === '' ? null : value
}

function partitionTexts(
  directory: string,
  by: readonly PartitionColumn[],
  values: readonly unknown[],
): PartitionValues {
  const texts = by.map(({ name, column }, place): [string, string | null] => {
    const value = values[place]
    if (column === null || value === null) return [name, null]
    const [leaf] = leavesOf(name, column.type)
    const text = partitionValueText(leaf!.type, value as string)
    if (Buffer.byteLength(partitionDirectory(name, text)) <= directoryNameBytesMax) return [name, text]
    const message = `${directory}: a value of the partition column ${name} is too long for a file name.`
    throw new LakehouseError('DELTA_VALUE_REFUSED', `${message} Filter such rows out.`, {
      details: { column: name },
    })
  })
  return Object.fromEntries(texts)
}

/** Percent-encoded as DuckDB does it: all but letters, digits and `-._~`. */
function partitionDirectory(name: string, value: string | null): string {
  return `${percentEncoded(name)}=${value === null ? nullDirectory : percentEncoded(value)}`
}

function percentEncoded(text: string): string {
  const hexadecimal = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  return encodeURIComponent(text).replace(/[!'()*]/g, hexadecimal)
}

type OpenFile = { readonly path: string; readonly file: FileHandle }

/** The directory of a partition is mostly there. */
async function openNew(directory: string, partitionValues: PartitionValues): Promise<OpenFile> {
  const partitions = Object.entries(partitionValues).map(([name, value]) => partitionDirectory(name, value))
  const target = join(directory, ...partitions)
  const path = join(target, newFileName())
  try {
    return { path, file: await open(path, 'wx') }
  } catch (error) {
    if (partitions.length === 0 || !hasErrno(error, 'ENOENT')) throw error
    await mkdir(target, { recursive: true })
    forgetDurable(directory, target)
    return { path, file: await open(path, 'wx') }
  }
}

async function writeRows(
  { path, file }: OpenFile,
  metadata: Metadata,
  columns: readonly NamedColumn[],
  range: RowRange,
  partitionValues: PartitionValues,
  shared: SharedLeaves | null,
): Promise<WrittenFile> {
  const summary = await writeParquet(columns, range, (bytes) => file.appendFile(bytes), shared)
  const size = BigInt(summary.byteCount)
  const figures = figuresOf(metadata, columns, summary)
  return { path, rowCount: BigInt(summary.rowCount), size, figures, partitionValues }
}

function figuresOf(metadata: Metadata, columns: readonly NamedColumn[], summary: FileSummary): LeafFigures {
  const figures = new Map<string, ReadonlyMap<string, string>>()
  for (const { name, type } of metadata.fields) {
    if (typeof type === 'string')
      figures.set(leafKey([name]), new Map([['null_count', String(summary.rowCount)]]))
  }
  const leaves = columns.flatMap(({ name, column }) => leavesOf(name, column.type))
  for (const [index, { path, type }] of leaves.entries()) {
    const { nullCount, bounds } = summary.leaves[index]!
    const figure = new Map([['null_count', String(nullCount)]])
    // A file with either boolean has both for bounds: nobody skips by them.
    if (bounds !== null && type !== 'boolean') {
      figure.set('min', figureText(type, bounds.min)).set('max', figureText(type, bounds.max))
    }
    figures.set(leafKey(path), figure)
  }
  return figures
}
