// How far files were read. The commits of batches carry only what changed, and `ops/files` what was noted;
// where neither tells, the rows of bronze do.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type NextOffset, type Offsets, partitionKey } from '../batches/offsets.ts'
import { batchAppId, type Progress, parseBatch } from '../batches/progress.ts'
import { type DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { fileOffset } from '../ops/files.ts'
import { rowsOf } from './database.ts'

type FileFacts = {
  /** `ops/files`; null where there is none. */
  readonly files: DeltaTable | null
  /** The last batch of `ops/batches`: what it read of files was noted before it. */
  readonly notedBatch: bigint
  readonly bronze: DeltaTable
  readonly connection: DuckDBConnection
  /** True where the run reads files: what a version without `ops/files` left in commits are files, then. */
  readonly isOfFiles: boolean
}

export type FileProgress = {
  /** With the offsets of all files. */
  readonly progress: Progress
  /** The files of which `ops/files` does not know how far they were read. */
  readonly unnoted: readonly NextOffset[]
}

export async function withFileOffsets(progress: Progress, facts: FileFacts): Promise<FileProgress> {
  const { files, isOfFiles, notedBatch } = facts
  const kept = [...progress.offsets.values()].map((at): NextOffset => {
    return isOfFiles && at.topicId === undefined ? { ...at, isFile: true } : at
  })
  const offsets = new Map(kept.map((at) => [partitionKey(at), at]))
  const written = files === null ? 0n : ((await files.snapshot()).txns.get(batchAppId)?.version ?? 0n)
  const known = files !== null && notedBatch > written ? notedBatch : written
  const noted = files === null ? [] : await notedFiles(files, facts)
  const later = known < progress.batch ? await filesSince(known, progress, facts) : []
  for (const at of [...noted, ...later]) {
    const key = partitionKey(at)
    if (at.offset >= (offsets.get(key)?.offset ?? 0n)) offsets.set(key, at)
  }
  const unnoted = [...kept.filter(({ isFile }) => isFile === true), ...later]
  return { progress: { ...progress, offsets }, unnoted }
}

async function notedFiles(files: DeltaTable, { connection }: FileFacts): Promise<NextOffset[]> {
  const scan = await fetchedScanSql(await files.snapshot(), files.directory)
  const rows = await rowsOf(
    connection,
    `SELECT topic, max(bytes_read) AS bytes_read FROM (${scan}) GROUP BY topic`,
  )
  return rows.map(({ topic, bytes_read }) => fileOffset(String(topic), bytes_read as bigint)) // As selected.
}

/** What the batches after one read of files. */
async function filesSince(batch: bigint, progress: Progress, facts: FileFacts): Promise<NextOffset[]> {
  const { bronze } = facts
  const { version } = await bronze.snapshot()
  const oldest = await bronze.oldestCommit()
  const found: NextOffset[] = []
  for (let at = version; at >= oldest; at--) {
    const text = (await bronze.commitAt(at))?.commitInfo?.userMetadata
    const recorded = parseBatch(text)
    if (recorded === null) continue
    if (recorded.progress.batch <= batch) return found.reverse()
    for (const range of recorded.plan?.ranges ?? []) {
      if (range.isFile === true) found.push(fileOffset(range.topic, range.end))
    }
    if (recorded.plan === null || recorded.progress.batch === 1n) return found.reverse()
  }
  return oldest === 0n ? found.reverse() : filesOfRows(progress.offsets, facts)
}

/** The last resort: the rows themselves. A line ends behind its value, with or without a line end. */
async function filesOfRows(known: Offsets, { bronze, connection }: FileFacts): Promise<NextOffset[]> {
  const scan = await fetchedScanSql(await bronze.snapshot(), bronze.directory, {
    columns: ['topic', 'offset', 'value'],
  })
  const rows = await rowsOf(
    connection,
    `SELECT topic, max("offset" + octet_length(value)) AS bytes_read FROM (${scan}) GROUP BY topic`,
  )
  const topics = new Set(
    [...known.values()].filter(({ isFile }) => isFile !== true).map(({ topic }) => topic),
  )
  return rows
    .filter(({ topic }) => !topics.has(String(topic)))
    .map(({ topic, bytes_read }) => fileOffset(String(topic), bytes_read as bigint)) // As selected.
}
