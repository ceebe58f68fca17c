// Writing a checkpoint: the replayed log as one classic Parquet file, so that a reader need not read every
// commit.
import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { assert } from '../errors/errors.ts'
import { step } from '../steps/step.ts'
import {
  type AddFile,
  addToJson,
  type Metadata,
  metadataToJson,
  type Protocol,
  protocolToJson,
  removeToJson,
  type Txn,
  txnToJson,
} from './actions.ts'
import { disk, type FileIdentity } from './disk.ts'
import { commitPath, identityOf, logDirectory, versionDigits } from './log-files.ts'
import { storageOf } from './mounts.ts'
import { deletedFileRetentionMs } from './properties.ts'
import { quotePathToRead, quoteText } from './sql.ts'
import type { LogState, Tombstone } from './state.ts'

const linesWrittenAtOnce = 1000
const stringMap = 'MAP(VARCHAR, VARCHAR)'

/** A consistent copy of the state: references alone. Lines are made as they are written. */
export type CheckpointContent = {
  readonly version: bigint
  /** Of the commit of that version; null where only a checkpoint is left of it. */
  readonly identity: FileIdentity | null
  readonly protocol: Protocol
  readonly metadata: Metadata
  readonly txns: readonly Txn[]
  readonly files: readonly AddFile[]
  readonly tombstones: readonly (readonly [path: string, Tombstone])[]
}

/** Removed files are in it until they expire: vacuum must know how long a file has been dead. */
export function checkpointContent(state: LogState, nowMs: number): CheckpointContent {
  const { version, identity } = state
  const { protocol, metadata } = state.essentials()
  const retention = deletedFileRetentionMs(metadata)
  const tombstones = [...state.tombstones].filter(([, { deletionTimestamp }]) => {
    return retention === null || deletionTimestamp > nowMs - retention
  })
  const [txns, files] = [[...state.txns.values()], [...state.files.values()]]
  return { version, identity, protocol, metadata, txns, files, tombstones }
}

function* linesOf(content: CheckpointContent): Generator<unknown> {
  yield { protocol: protocolToJson(content.protocol) }
  yield { metaData: metadataToJson(content.metadata) }
  for (const txn of content.txns) yield { txn: txnToJson(txn) }
  // An entry of a checkpoint is state, not a change, whatever the commit said.
  for (const file of content.files) yield { add: { ...addToJson(file), dataChange: false } }
  const removed = { dataChange: false, partitionValues: null, size: null }
  for (const [path, tombstone] of content.tombstones) {
    yield { remove: removeToJson({ path, ...tombstone, ...removed }) }
  }
}

/**
 * The checkpoint appears whole or not at all; the same version written twice has the same content. Where the
 * table has another commit of that version by then (it was made again), nothing is written.
 */
export async function writeCheckpoint(directory: string, content: CheckpointContent): Promise<void> {
  const log = logDirectory(directory)
  const temporary = join(log, `.${randomUUID()}.checkpoint`)
  const [json, parquet] = [`${temporary}.json.tmp`, `${temporary}.parquet.tmp`]
  const storage = storageOf(log)
  await storage.readyForFiles(log)
  try {
    const lineCount = await writeLines(json, linesOf(content))
    await convert(json, parquet, hasTableFeatures(content), lineCount)
    await disk.sync(parquet)
    await step('checkpoint written')
    const { size } = await disk.stat(parquet)
    const there = await identityOf(commitPath(directory, content.version))
    if (there?.inode !== content.identity?.inode || there?.size !== content.identity?.size) return
    await storage.nameCheckpoint(parquet, join(log, `${versionDigits(content.version)}.checkpoint.parquet`))
    await writeHint(log, content, lineCount, size)
    await step('checkpoint complete')
  } finally {
    await disk.remove(json)
    await disk.remove(parquet)
  }
}

function hasTableFeatures({ protocol }: CheckpointContent): boolean {
  return protocol.readerFeatures !== null || protocol.writerFeatures !== null
}

/** Whoever else has work to do gets his turn after every slice. Returns how many lines there are. */
async function writeLines(path: string, lines: Iterable<unknown>): Promise<number> {
  const file = await open(path, 'wx')
  let count = 0
  try {
    let slice = ''
    for (const line of lines) {
      slice += `${JSON.stringify(line)}\n`
      count += 1
      if (count % linesWrittenAtOnce !== 0) continue
      await file.appendFile(slice)
      slice = ''
    }
    await file.appendFile(slice)
    return count
  } finally {
    await file.close()
  }
}

async function convert(json: string, parquet: string, features: boolean, lineCount: number): Promise<void> {
  const columns = Object.entries(checkpointColumns(features)).map(([name, fields]) => {
    const struct = Object.entries(fields).map(([field, type]) => `"${field}" ${type}`)
    return `"${name}": ${quoteText(`STRUCT(${struct.join(', ')})`)}`
  })
  const types = `columns = {${columns.join(', ')}}`
  const source = `read_json(${quotePathToRead(json)}, format = 'newline_delimited', ${types})`
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  try {
    const connection = await instance.connect()
    const sql = `COPY (SELECT * FROM ${source}) TO ${quoteText(parquet)} (FORMAT parquet, COMPRESSION zstd)`
    const reader = await connection.runAndReadAll(sql)
    const written = Number(reader.getRows()[0]?.[0])
    assert(written === lineCount, 'the checkpoint does not have every action')
  } finally {
    instance.closeSync()
  }
}

function checkpointColumns(hasTableFeatures: boolean): Record<string, Record<string, string>> {
  const features = hasTableFeatures ? { readerFeatures: 'VARCHAR[]', writerFeatures: 'VARCHAR[]' } : {}
  return {
    txn: { appId: 'VARCHAR', version: 'BIGINT', lastUpdated: 'BIGINT' },
    add: {
      path: 'VARCHAR',
      partitionValues: stringMap,
      size: 'BIGINT',
      modificationTime: 'BIGINT',
      dataChange: 'BOOLEAN',
      tags: stringMap,
      stats: 'VARCHAR',
    },
    remove: {
      path: 'VARCHAR',
      deletionTimestamp: 'BIGINT',
      dataChange: 'BOOLEAN',
      extendedFileMetadata: 'BOOLEAN',
      partitionValues: stringMap,
      size: 'BIGINT',
    },
    metaData: {
      id: 'VARCHAR',
      name: 'VARCHAR',
      description: 'VARCHAR',
      format: `STRUCT("provider" VARCHAR, "options" ${stringMap})`,
      schemaString: 'VARCHAR',
      partitionColumns: 'VARCHAR[]',
      configuration: stringMap,
      createdTime: 'BIGINT',
    },
    protocol: { minReaderVersion: 'INTEGER', minWriterVersion: 'INTEGER', ...features },
  }
}

/** Only a hint where to start: this folder lists the log instead, and never depends on it. */
async function writeHint(
  log: string,
  content: CheckpointContent,
  lineCount: number,
  sizeInBytes: bigint,
): Promise<void> {
  const hint = {
    version: Number(content.version),
    size: lineCount,
    sizeInBytes: Number(sizeInBytes),
    numOfAddFiles: content.files.length,
  }
  const pending = await storageOf(log).prepare(log, JSON.stringify(hint))
  try {
    await pending.replace(join(log, '_last_checkpoint'))
  } finally {
    await pending.discard()
  }
}
