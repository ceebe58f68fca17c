// Deleting rows: the files that hold such rows are written again without them, in one commit. Others stay.
import { resolve } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { assert, unreachable } from '../errors/errors.ts'
import type { AddFile, Metadata } from './actions.ts'
import {
  type CommitDraft,
  type CommitOptions,
  type CommitOutcome,
  draftOf,
  type WriteOutcome,
} from './commit.ts'
import { clock } from './disk.ts'
import { storageOf } from './mounts.ts'
import { removeOf } from './optimize.ts'
import { type QueryParameters, toAddFile, writeOneFile } from './parquet-files.ts'
import { directoryBeside, filePath } from './paths.ts'
import type { PruneRange } from './prune.ts'
import { fetchedScanSql, fetchFiles, prunedFiles, selectFromFiles } from './scan.ts'
import { quoteIdentifier } from './sql.ts'
import type { DeltaSnapshot } from './state.ts'

export type DeleteOptions = CommitOptions & {
  /** Files that cannot hold a row within all these ranges are left alone without a look at them. */
  readonly prune?: readonly PruneRange[]
  /** Files without a row within this range have no row that stays: they go without a look at them. */
  readonly staying?: PruneRange
  readonly parameters?: QueryParameters
  readonly signal?: AbortSignal
}

export type DeleteResult =
  | {
      readonly kind: 'deleted'
      readonly version: bigint
      readonly rowsDeleted: bigint
      readonly filesRemoved: number
      readonly filesAdded: number
    }
  /** No row meets the condition: there is no commit. */
  | { readonly kind: 'nothing' }
  | Exclude<CommitOutcome, { readonly kind: 'committed' }>

/** A file with rows to be deleted. */
type Affected = { readonly file: AddFile; readonly matching: bigint; readonly rows: bigint }

/** The commit that deletes the rows, and how many they are. */
export type Deletion = { readonly draft: CommitDraft; readonly rowsDeleted: bigint }

/** One statement looks into at most so many files. */
const filesAtOnceMax = 1000

/** Writes the files anew that hold rows for which `where` is true; null where none does. */
export async function stageDeletion(
  directory: string,
  snapshot: DeltaSnapshot,
  connection: DuckDBConnection,
  where: string,
  options: DeleteOptions,
): Promise<Deletion | null> {
  const affected = await affectedFiles(directory, snapshot, connection, where, options)
  if (affected.length === 0) return null
  const { metadata } = snapshot
  const adds: AddFile[] = []
  for (const { file, matching, rows } of affected) {
    options.signal?.throwIfAborted()
    if (matching < rows) adds.push(await rewritten(directory, metadata, file, connection, where, options))
  }
  const deletionTimestamp = options.timestampMs ?? clock()
  const removes = affected.map(({ file }) => removeOf(file, deletionTimestamp, true))
  const rowsDeleted = sum(affected.map(({ matching }) => matching))
  const operationMetrics = {
    numRemovedFiles: String(removes.length),
    numAddedFiles: String(adds.length),
    numDeletedRows: String(rowsDeleted),
    numCopiedRows: String(sum(affected.map(({ rows }) => rows)) - rowsDeleted),
  }
  const info = { isBlindAppend: false, operationMetrics }
  return {
    draft: draftOf(options, { operation: 'DELETE', adds, removes, writtenFor: metadata, info }),
    rowsDeleted,
  }
}

async function affectedFiles(
  directory: string,
  snapshot: DeltaSnapshot,
  connection: DuckDBConnection,
  where: string,
  options: DeleteOptions,
): Promise<Affected[]> {
  const { whole, candidates } = partedFiles(snapshot, options)
  const affected: Affected[] = whole
  for (let start = 0; start < candidates.length; start += filesAtOnceMax) {
    options.signal?.throwIfAborted()
    const slice = candidates.slice(start, start + filesAtOnceMax)
    const files = new Map(slice.map((file) => [file.path, file]))
    const scan = await fetchedScanSql({ ...snapshot, files }, directory, { fileNames: true })
    const sql = `SELECT filename, count(*) FILTER (WHERE ${where}) AS matching, count(*) AS rows
      FROM (${scan}) GROUP BY filename HAVING matching > 0 ORDER BY filename`
    const found = await connection.runAndReadAll(sql, options.parameters && { ...options.parameters })
    const byPlace = new Map(slice.map((file) => [resolve(filePath(directory, file.path)), file]))
    for (const [name, matching, rows] of found.getRows()) {
      const file = byPlace.get(resolve(String(name)))
      assert(file, `${name} is not a file of ${directory}`)
      affected.push({ file, matching: BigInt(String(matching)), rows: BigInt(String(rows)) })
    }
  }
  return affected
}

/** The files that go as a whole by what their statistics say, and those that have to be looked into. */
function partedFiles(
  snapshot: DeltaSnapshot,
  { prune = [], staying }: DeleteOptions,
): { readonly whole: Affected[]; readonly candidates: readonly AddFile[] } {
  const found = prunedFiles(snapshot, prune)
  if (staying === undefined) return { whole: [], candidates: found }
  const kept = new Set(prunedFiles(snapshot, [staying]))
  const whole: Affected[] = []
  const candidates: AddFile[] = []
  for (const file of found) {
    const rows = file.stats?.numRecords
    // A file that does not say that it has no nulls may have rows that are in no range.
    const isWhole =
      rows !== undefined && String(file.stats?.nullCount[staying.column]) === '0' && !kept.has(file)
    if (isWhole) whole.push({ file, matching: rows, rows })
    else candidates.push(file)
  }
  return { whole, candidates }
}

async function rewritten(
  directory: string,
  metadata: Metadata,
  file: AddFile,
  connection: DuckDBConnection,
  where: string,
  options: DeleteOptions,
): Promise<AddFile> {
  const { fields, partitionColumns } = metadata
  const stored = fields.filter(({ name }) => !partitionColumns.includes(name))
  await fetchFiles([file], directory)
  const all = selectFromFiles([file], fields, partitionColumns, directory)
  const select = `SELECT ${stored.map(({ name }) => quoteIdentifier(name)).join(', ')}
    FROM (${all}) WHERE (${where}) IS NOT TRUE`
  const target = directoryBeside(directory, file.path)
  const written = await writeOneFile(connection, select, target, file.partitionValues, options.parameters)
  await storageOf(directory).publish(directory, written, false)
  const [only] = written
  assert(only && written.length === 1, `${file.path} did not become one file`)
  return toAddFile(directory, metadata, only, true)
}

function sum(numbers: readonly bigint[]): bigint {
  return numbers.reduce((total, number) => total + number, 0n)
}

/** null where another writer removed one of the files meanwhile: the deletion has to be staged anew. */
export function deleteResult({ draft, rowsDeleted }: Deletion, outcome: WriteOutcome): DeleteResult | null {
  switch (outcome.kind) {
    case 'conflict':
      return null
    case 'skipped':
    case 'fenced':
    case 'changed':
      return outcome
    case 'committed': {
      const { version } = outcome
      const [filesRemoved, filesAdded] = [draft.removes.length, draft.adds.length]
      return { kind: 'deleted', version, rowsDeleted, filesRemoved, filesAdded }
    }
    default:
      return unreachable(outcome)
  }
}
