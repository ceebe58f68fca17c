// The files that the logs name: they are there, whole, and their statistics bound their rows. Readers skip
// files by statistics, so a wrong one hides rows from queries that are right.

import type { AddFile, StatsValue } from '../delta/index.ts'
import { scanSql } from '../delta/index.ts'
import { storageOf } from '../delta/mounts.ts'
import { filePath } from '../delta/paths.ts'
import { type DeltaField, duckdbType } from '../delta/schema.ts'
import { quoteIdentifier, quotePathToRead, quoteText } from '../delta/sql.ts'
import { statsTextMaxCharacters } from '../delta/stats.ts'
import { counted } from '../errors/counted.ts'
import { type Finding, type Findings, findingsOf, findingsToldMax, together, type Verdict } from './check.ts'
import { rowsOfFiles, type TableState, type WrittenLakehouse } from './lakehouse.ts'

const filesPerQuery = 500
const filesStattedAtOnce = 32
/** A file that no log names yet may be younger than its commit. */
const youngMs = 3_600_000

export async function checkFiles(lakehouse: WrittenLakehouse, state: TableState): Promise<Verdict> {
  const files = lakehouse.filesToJudge(state)
  const present: AddFile[] = []
  const findings: Finding[] = []
  for (let from = 0; from < files.length; from += filesStattedAtOnce) {
    const slice = files.slice(from, from + filesStattedAtOnce)
    const sizes = await Promise.all(slice.map((file) => sizeOf(state, file)))
    for (const [index, file] of slice.entries()) {
      const size = sizes[index]!
      if (size !== file.size) findings.push(sizeFinding(file, size))
      if (size !== null) present.push(file)
    }
  }
  const broken = new Map<string, string>()
  let figures: Findings = { count: 0n, first: [] }
  for (let from = 0; from < present.length; from += filesPerQuery) {
    const some = present.slice(from, from + filesPerQuery)
    figures = together(figures, await checkFigures(lakehouse, state, some, broken))
    lakehouse.work.add(rowsOfFiles(some) ?? 0n)
  }
  for (const [path, message] of broken) {
    findings.push(finding(path, `cannot be read: ${message}`, null, null, null))
  }
  const readable = new Set(present.map((file) => file.path).filter((path) => !broken.has(path)))
  const unreadable = files.map((file) => file.path).filter((path) => !readable.has(path))
  await lakehouse.showFiles(state, new Set(unreadable))
  const rows = rowsOfFiles(files)
  return {
    proved: `${counted(files.length, 'file')}, each there with the size, rows and bounds that the log says${
      rows === null ? '' : `; ${counted(rows, 'row')}`
    }`,
    findings: together(
      { count: BigInt(findings.length), first: findings.slice(0, findingsToldMax) },
      figures,
    ),
    notes: await unnamedNotes(state),
  }
}

/** Files that no log names take space, and hide nothing: no reader sees them. */
async function unnamedNotes(state: TableState): Promise<string[]> {
  let [count, young, bytes] = [0, 0, 0n]
  for await (const path of state.table.unnamedFiles()) {
    const found = await storageOf(path)
      .head(path)
      .catch(() => null)
    if (found === null) continue // Its writer has taken it away.
    count += 1
    bytes += found.size
    if (Date.now() - found.changedMs < youngMs) young += 1
  }
  if (count === 0) return []
  const told = `no log names ${counted(count, 'file')} of ${counted(bytes, 'byte')} in its directory`
  const ofWriter = young === 0 ? '' : ` (${young} of the last hour: a writer may be at work on them)`
  return [`${told}${ofWriter}; "assay table vacuum ${sqlName(state)}" deletes those that are old enough`]
}

function sqlName({ definition: { path } }: TableState): string {
  return path.replaceAll('/', '.')
}

async function sizeOf(state: TableState, file: AddFile): Promise<bigint | null> {
  try {
    const path = filePath(state.directory, file.path)
    return (await storageOf(path).head(path)).size
  } catch {
    return null
  }
}

function sizeFinding(file: AddFile, size: bigint | null): Finding {
  if (size === null) return finding(file.path, 'the file is not there', null, null, null)
  return finding(
    file.path,
    'the file has another size',
    'size',
    counted(size, 'byte'),
    counted(file.size, 'byte'),
  )
}

function finding(
  file: string,
  problem: string,
  column: string | null,
  found: string | null,
  expected: string | null,
): Finding {
  return { at: { file }, problem, column, found, expected }
}

/**
 * Compares rows with statistics; where a file cannot be read it is put into `broken` and the others are
 * compared.
 */
async function checkFigures(
  lakehouse: WrittenLakehouse,
  state: TableState,
  files: readonly AddFile[],
  broken: Map<string, string>,
): Promise<Findings> {
  try {
    return await compareFigures(lakehouse, state, files)
  } catch (error) {
    if (files.length === 1) {
      broken.set(files[0]!.path, error instanceof Error ? error.message.split('\n')[0]! : String(error))
      return { count: 0n, first: [] }
    }
    const middle = files.length >> 1
    return together(
      await checkFigures(lakehouse, state, files.slice(0, middle), broken),
      await checkFigures(lakehouse, state, files.slice(middle), broken),
    )
  }
}

async function compareFigures(
  lakehouse: WrittenLakehouse,
  state: TableState,
  files: readonly AddFile[],
): Promise<Findings> {
  const { connection } = lakehouse
  const { metadata } = state.snapshot
  const stored = metadata.fields.filter((field) => !metadata.partitionColumns.includes(field.name))
  const chosen = new Map(files.map((file) => [file.path, file]))
  const scan = scanSql({ ...state.snapshot, files: chosen }, state.directory, { fileNames: true })
  await connection.run(`CREATE OR REPLACE TEMP TABLE figures AS ${figuresSql(stored, scan)}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE logged (${loggedColumns(stored)})`)
  const tuples = files.map((file) => loggedTuple(state, stored, file))
  await connection.run(`INSERT INTO logged VALUES ${tuples.join(', ')}`)
  return findingsOf(connection, disagreementSql(stored), ['file'])
}

/**
 * One row for each file: how many rows, and of each column how many nulls, the smallest and the greatest
 * value.
 */
function figuresSql(stored: readonly DeltaField[], scan: string): string {
  const figures = stored.flatMap((field, index) => {
    const name = quoteIdentifier(field.name)
    const nulls = `count(*) - count(${name}) AS nulls_${index}`
    // What has no bounds is read too: a value that cannot be decoded is found here, where its file is known.
    return isBounded(field)
      ? [nulls, `min(${name}) AS min_${index}`, `max(${name}) AS max_${index}`]
      : [nulls, `bit_xor(hash(${name})) AS read_${index}`]
  })
  return `SELECT ${['filename', 'count(*) AS row_count', ...figures].join(', ')} FROM (${scan}) GROUP BY filename`
}

function loggedColumns(stored: readonly DeltaField[]): string {
  const columns = stored.flatMap((field, index) => [
    `nulls_${index} BIGINT`,
    ...(isBounded(field)
      ? [`min_${index} ${duckdbType(field.type)}`, `max_${index} ${duckdbType(field.type)}`]
      : []),
  ])
  return ['path VARCHAR', 'file VARCHAR', 'row_count BIGINT', ...columns].join(', ')
}

function loggedTuple(state: TableState, stored: readonly DeltaField[], file: AddFile): string {
  const { stats } = file
  const values = stored.flatMap((field) => {
    const nulls = leafText(stats?.nullCount[field.name])
    if (!isBounded(field)) return [nulls]
    return [nulls, leafText(stats?.minValues[field.name]), leafText(stats?.maxValues[field.name])]
  })
  const rows = stats === null ? 'NULL' : String(stats.numRecords)
  return `(${[quoteText(filePath(state.directory, file.path)), quoteText(file.path), rows, ...values].join(', ')})`
}

/** Lists and structs have no bounds in the log, bytes none that mean anything. */
function isBounded(field: DeltaField): boolean {
  return typeof field.type === 'string' && field.type !== 'binary'
}

function leafText(value: StatsValue | object | null | undefined): string {
  if (value === null || value === undefined || typeof value === 'object') return 'NULL'
  return quoteText(String(value))
}

/**
 * What the log and the rows of a file say differently. A statistic that is absent promises nothing. All
 * columns are compared in one pass: a SELECT for each would have DuckDB plan a join for each.
 */
function disagreementSql(stored: readonly DeltaField[]): string {
  const compared = (
    column: string,
    problem: string,
    found: string,
    logged: string,
    differs: string,
  ): string =>
    `CASE WHEN ${differs} THEN {'problem': ${quoteText(problem)}, 'column': ${quoteText(column)},
      'found': CAST(${found} AS VARCHAR), 'expected': CAST(${logged} AS VARCHAR)} END`
  const rows = 'coalesce(f.row_count, 0)'
  const all = [
    compared('rows', 'the log says another count', rows, 'l.row_count', `${rows} <> l.row_count`),
    ...stored.flatMap((field, index) => {
      const of = (figure: string): [string, string] => [`f.${figure}_${index}`, `l.${figure}_${index}`]
      const [nulls, min, max] = [of('nulls'), of('min'), of('max')]
      const { name } = field
      return [
        compared(name, 'the log says another count of nulls', ...nulls, nulls.join(' <> ')),
        ...(isBounded(field)
          ? [
              compared(name, 'a value lies below the minimum in the log', ...min, min.join(' < ')),
              compared(name, 'a value lies above the maximum in the log', ...max, isAboveSql(field, ...max)),
            ]
          : []),
      ]
    }),
  ]
  return `SELECT file, d.problem, d."column", d.found, d.expected
    FROM (SELECT l.file, unnest([${all.join(', ')}]) AS d
      FROM logged AS l LEFT JOIN figures AS f ON f.filename = l.path)
    WHERE d IS NOT NULL`
}

/**
 * Spark cuts the maximum of instants to milliseconds, and some writers that of texts without raising it:
 * readers know both.
 */
function isAboveSql({ type }: DeltaField, found: string, logged: string): string {
  if (type === 'timestamp') return `${found} > ${logged} + INTERVAL 999 MICROSECONDS`
  if (type !== 'string') return `${found} > ${logged}`
  const isCut = `length(${logged}) >= ${statsTextMaxCharacters} AND starts_with(${found}, ${logged})`
  return `${found} > ${logged} AND NOT (${isCut})`
}

const filesNamedMax = 3

/**
 * The findings that name a row, with the files that hold it: in the first of the tables, and in those that it
 * was compared with.
 */
export async function withFiles(
  lakehouse: WrittenLakehouse,
  [own, ...others]: readonly TableState[],
  findings: readonly Finding[],
): Promise<Finding[]> {
  const located: Finding[] = []
  for (const found of findings) {
    const at: Record<string, string | null> = { ...found.at }
    const locate = async (name: string, state: TableState): Promise<void> => {
      const paths = await filesHolding(lakehouse, state, Object.entries(found.at))
      if (paths.length > 0) at[name] = fileNames(state, paths)
    }
    await locate('file', own!)
    for (const state of others) await locate(`file in ${state.definition.path}`, state)
    located.push({ ...found, at })
  }
  return located
}

async function filesHolding(
  lakehouse: WrittenLakehouse,
  state: TableState,
  keys: readonly (readonly [string, string | null])[],
): Promise<string[]> {
  const columns = Object.keys(state.definition.rows.schema)
  // Others name a version, a file, or a row of another table.
  if (!keys.every(([name]) => columns.includes(name))) return []
  const isRow = keys.map(([name, value]) => {
    const text = value === null ? 'NULL' : quoteText(value)
    return `CAST(${quoteIdentifier(name)} AS VARCHAR) IS NOT DISTINCT FROM ${text}`
  })
  const reader = await lakehouse.connection.runAndReadAll(
    `SELECT DISTINCT filename FROM (${lakehouse.rowsWithFiles(state)}) WHERE ${isRow.join(' AND ')} ORDER BY ALL`,
  )
  return reader.getRows().map(([name]) => String(name))
}

/** As the log has them. */
function fileNames(state: TableState, paths: readonly string[]): string {
  const byPath = new Map(
    [...state.snapshot.files.keys()].map((path) => [filePath(state.directory, path), path]),
  )
  const names = paths.slice(0, filesNamedMax).map((path) => byPath.get(path) ?? path)
  const more = paths.length - names.length
  return more === 0 ? names.join(' and ') : `${names.join(', ')} and ${more} more`
}

/** For tables that are only read by the checks of others: files that cannot be opened are left out. */
export async function showReadable(lakehouse: WrittenLakehouse, state: TableState): Promise<void> {
  const unreadable = new Set<string>()
  for (const file of state.snapshot.files.values()) {
    if ((await sizeOf(state, file)) === null) unreadable.add(file.path)
  }
  try {
    await lakehouse.showFiles(state, unreadable)
  } catch {
    // A file is no Parquet any more: its own table's check says which, here they are found one by one.
    for (const file of state.snapshot.files.values()) {
      if (!unreadable.has(file.path) && !(await hasFooter(lakehouse, state, file))) unreadable.add(file.path)
    }
    await lakehouse.showFiles(state, unreadable)
  }
}

async function hasFooter(lakehouse: WrittenLakehouse, state: TableState, file: AddFile): Promise<boolean> {
  try {
    const path = quotePathToRead(filePath(state.directory, file.path))
    await lakehouse.connection.run(`SELECT num_rows FROM parquet_file_metadata(${path})`)
    return true
  } catch {
    return false
  }
}
