// Compaction: many small files of a partition become few large ones. No row changes (dataChange=false), so
// readers of changes skip it, and it gives way to every writer.
import type { DuckDBConnection } from '@duckdb/node-api'
import { AssertionError, unreachable } from '../errors/errors.ts'
import { step } from '../steps/step.ts'
import type { AddFile, Metadata, PartitionValues, RemoveFile } from './actions.ts'
import { type CommitDraft, draftOf, type WriteOutcome } from './commit.ts'
import { clock } from './disk.ts'
import { storageOf } from './mounts.ts'
import { toAddFile, type WrittenFile, writeOneFile } from './parquet-files.ts'
import { directoryBeside } from './paths.ts'
import { fetchFiles, partitionKey, selectFromFiles } from './scan.ts'
import type { DeltaSnapshot } from './state.ts'

export const targetSizeDefaultBytes = 128 * 1024 * 1024
export const smallFileDefaultBytes = 64 * 1024 * 1024

export type OptimizeOptions = {
  readonly targetSizeBytes?: number
  /** Files of at least this size are left alone. */
  readonly smallFileBytes?: number
  /**
   * Leaves a file alone that is larger than all smaller ones of its partition together. Where it is compacted
   * again and again, a row is rewritten a few times only, and a partition keeps a few small files.
   */
  readonly sparesLarge?: boolean
  readonly partitionFilter?: (values: PartitionValues) => boolean
  readonly signal?: AbortSignal
  readonly timestampMs?: number
}

export type OptimizeResult =
  | {
      readonly kind: 'compacted'
      readonly version: bigint
      readonly filesRemoved: number
      readonly filesAdded: number
      readonly bytesRemoved: bigint
      readonly bytesAdded: bigint
    }
  | { readonly kind: 'nothing' }
  /**
   * A writer was faster with what cannot be followed. The table is as the writer left it; try again later.
   */
  | { readonly kind: 'conflict'; readonly reason: string }

/** Files that are to become one, in the order of their rows. */
export type CompactionGroup = {
  readonly files: readonly AddFile[]
  readonly partitionValues: PartitionValues
}

export function planCompaction(snapshot: DeltaSnapshot, options: OptimizeOptions): CompactionGroup[] {
  const target = BigInt(Math.trunc(options.targetSizeBytes ?? targetSizeDefaultBytes))
  const small = BigInt(Math.trunc(options.smallFileBytes ?? smallFileDefaultBytes))
  const groups: CompactionGroup[] = []
  const { partitionColumns } = snapshot.metadata
  const candidates = [...snapshot.files.values()].filter((file) => {
    return file.size < small && options.partitionFilter?.(file.partitionValues) !== false
  })
  const spared = options.sparesLarge === true ? largeOnes(candidates, partitionColumns) : new Set<AddFile>()
  const open = new Map<string, { files: AddFile[]; size: bigint }>()
  const close = (files: readonly AddFile[]) => {
    const [first] = files
    if (first && files.length > 1) groups.push({ files, partitionValues: first.partitionValues })
  }
  for (const file of byAge(candidates)) {
    if (spared.has(file)) continue
    const key = partitionKey(file.partitionValues, partitionColumns)
    const group = open.get(key)
    if (group && group.size + file.size <= target) {
      group.files.push(file)
      group.size += file.size
    } else {
      if (group) close(group.files)
      open.set(key, { files: [file], size: file.size })
    }
  }
  for (const { files } of open.values()) close(files)
  return groups
}

/** The files that are larger than all smaller ones of their partition together. */
function largeOnes(files: readonly AddFile[], partitionColumns: readonly string[]): Set<AddFile> {
  const large = new Set<AddFile>()
  const partitions = Map.groupBy(files, ({ partitionValues }) => {
    return partitionKey(partitionValues, partitionColumns)
  })
  for (const ofPartition of partitions.values()) {
    let rest = ofPartition.reduce((sum, { size }) => sum + size, 0n)
    for (const file of ofPartition.toSorted((a, b) => Number(b.size - a.size))) {
      rest -= file.size
      if (file.size <= rest) break
      large.add(file)
    }
  }
  return large
}

/** How many files there would be less if the small ones of every partition were one. */
export function countSmallFiles(
  files: Iterable<AddFile>,
  metadata: Metadata,
  smallFileBytes: number,
): number {
  const partitions = new Set<string>()
  let count = 0
  for (const file of files) {
    if (file.size >= BigInt(Math.trunc(smallFileBytes))) continue
    partitions.add(partitionKey(file.partitionValues, metadata.partitionColumns))
    count += 1
  }
  return count - partitions.size
}

/** Oldest first. The sort is stable: files of one time stay in the order in which the log has them. */
function byAge(files: Iterable<AddFile>): AddFile[] {
  return [...files].sort((a, b) => a.modificationTime - b.modificationTime)
}

/**
 * Writes the compacted files; the draft that puts them in place of the small ones is for the caller to
 * commit.
 */
export async function compact(
  directory: string,
  snapshot: DeltaSnapshot,
  groups: readonly CompactionGroup[],
  connection: DuckDBConnection,
  options: OptimizeOptions,
): Promise<CommitDraft> {
  const { metadata } = snapshot
  const adds: AddFile[] = []
  await step('compaction planned')
  for (const group of groups) {
    options.signal?.throwIfAborted()
    const written = await rewrite(directory, metadata, group, connection, options.signal)
    await storageOf(directory).publish(directory, written, false)
    for (const file of written) adds.push(toAddFile(directory, metadata, file, false))
  }
  await step('compaction written')
  options.signal?.throwIfAborted()
  const deletionTimestamp = options.timestampMs ?? clock()
  const removes = groups.flatMap((group) =>
    group.files.map((file) => removeOf(file, deletionTimestamp, false)),
  )
  const info = {
    isBlindAppend: false,
    operationMetrics: { numRemovedFiles: String(removes.length), numAddedFiles: String(adds.length) },
  }
  const times = options.timestampMs === undefined ? {} : { timestampMs: options.timestampMs }
  const parameters = { predicate: '[]', zOrderBy: '[]' }
  return draftOf(
    { ...times, operationParameters: parameters },
    { operation: 'OPTIMIZE', adds, removes, writtenFor: metadata, info },
  )
}

export function optimizeResult(draft: CommitDraft, outcome: WriteOutcome): OptimizeResult {
  switch (outcome.kind) {
    case 'conflict':
      return outcome
    case 'fenced':
      return { kind: 'conflict', reason: 'the log was purged meanwhile' }
    case 'skipped':
    case 'changed':
      throw new AssertionError('a compaction has nothing to be judged by')
    case 'committed':
      return {
        kind: 'compacted',
        version: outcome.version,
        filesRemoved: draft.removes.length,
        filesAdded: draft.adds.length,
        bytesRemoved: draft.removes.reduce((sum, file) => sum + (file.size ?? 0n), 0n),
        bytesAdded: draft.adds.reduce((sum, file) => sum + file.size, 0n),
      }
    default:
      return unreachable(outcome)
  }
}

async function rewrite(
  directory: string,
  metadata: Metadata,
  group: CompactionGroup,
  connection: DuckDBConnection,
  signal?: AbortSignal,
): Promise<WrittenFile[]> {
  const stored = metadata.fields.filter((field) => !metadata.partitionColumns.includes(field.name))
  await fetchFiles(group.files, directory)
  const select = selectFromFiles(group.files, stored, metadata.partitionColumns, directory)
  const interrupt = () => connection.interrupt()
  signal?.addEventListener('abort', interrupt, { once: true })
  try {
    const target = directoryBeside(directory, group.files[0]?.path ?? '')
    return await writeOneFile(connection, select, target, group.partitionValues)
  } catch (error) {
    signal?.throwIfAborted() // What DuckDB says of the interruption is not what the caller asked for.
    throw error
  } finally {
    signal?.removeEventListener('abort', interrupt)
  }
}

/** The action that takes the file out of the table. */
export function removeOf(file: AddFile, deletionTimestamp: number, dataChange: boolean): RemoveFile {
  const { path, spelling, partitionValues, size } = file
  const spelled = spelling === undefined ? { path } : { path, spelling }
  return { ...spelled, deletionTimestamp, dataChange, partitionValues, size }
}
