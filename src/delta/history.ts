// What the log says about itself: its commits, its times, and the table as a whole.
import { LakehouseError, withPlaceNames } from '../errors/errors.ts'
import type { CommitInfo } from './actions.ts'
import { emptyWhenAbsent } from './disk.ts'
import { commitPath, listLog, readCommit } from './log-files.ts'
import { storageOf } from './mounts.ts'
import type { DeltaField } from './schema.ts'
import type { LogState } from './state.ts'

export type HistoryEntry = {
  readonly version: bigint
  readonly timestamp: number
  readonly operation: string | null
  readonly operationParameters: Readonly<Record<string, unknown>>
  readonly operationMetrics: Readonly<Record<string, unknown>>
  readonly userMetadata: string | null
  readonly engineInfo: string | null
  readonly filesAdded: number
  readonly filesRemoved: number
  /** All of what the writer said, also what has no field here. */
  readonly commitInfo: CommitInfo | null
}

export type TableDescription = {
  readonly directory: string
  readonly id: string
  readonly name: string | null
  readonly description: string | null
  readonly version: bigint
  readonly fields: readonly DeltaField[]
  readonly partitionColumns: readonly string[]
  readonly properties: Readonly<Record<string, string>>
  readonly createdTime: number | null
  readonly fileCount: number
  readonly sizeBytes: bigint
  /** null where a file has no statistics. */
  readonly numRecords: bigint | null
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly tableFeatures: readonly string[]
}

/** Newest first; ends where the log was cleaned up. */
export async function readHistory(directory: string, head: bigint, limit: number): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = []
  for (let version = head; version >= 0n && entries.length < limit; version--) {
    const found = await readCommit(directory, version)
    if (found === null) break
    const { commitInfo, timestamp, adds, removes } = found.commit
    entries.push({
      version,
      timestamp,
      operation: textOrNull(commitInfo?.operation),
      operationParameters: recordOf(commitInfo?.operationParameters),
      operationMetrics: recordOf(commitInfo?.operationMetrics),
      userMetadata: textOrNull(commitInfo?.userMetadata),
      engineInfo: textOrNull(commitInfo?.engineInfo),
      filesAdded: adds.length,
      filesRemoved: removes.length,
      commitInfo,
    })
  }
  return entries
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

/**
 * The version that was the newest at `timestampMs`. As for every Delta reader, the time of a version is that
 * of its log file, moved up where it would be before the version in front of it.
 */
export async function versionAtTime(directory: string, timestampMs: number): Promise<bigint> {
  const storage = storageOf(directory)
  const { commits } = await listLog(directory)
  let found: bigint | null = null
  let time = Number.NEGATIVE_INFINITY
  for (const version of commits) {
    const file = await emptyWhenAbsent(storage.head(commitPath(directory, version)), null)
    if (file === null) continue
    time = Math.max(time + 1, file.changedMs)
    if (time > timestampMs) break
    found = version
  }
  if (found !== null) return found
  const asked = new Date(timestampMs).toISOString()
  const message = `${directory}: the log does not go back to ${asked}.`
  throw new LakehouseError('DELTA_VERSION_NOT_FOUND', message)
}

export function describeState(directory: string, state: LogState): TableDescription {
  const { protocol, metadata } = state.essentials()
  const { numRecords } = state.snapshot()
  return {
    directory: withPlaceNames(directory),
    id: metadata.id,
    name: metadata.name,
    description: metadata.description,
    version: state.version,
    fields: metadata.fields,
    partitionColumns: metadata.partitionColumns,
    properties: metadata.configuration,
    createdTime: metadata.createdTime,
    fileCount: state.files.size,
    sizeBytes: [...state.files.values()].reduce((sum, file) => sum + file.size, 0n),
    numRecords,
    minReaderVersion: protocol.minReaderVersion,
    minWriterVersion: protocol.minWriterVersion,
    tableFeatures: [...new Set([...(protocol.readerFeatures ?? []), ...(protocol.writerFeatures ?? [])])],
  }
}
