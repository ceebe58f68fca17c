// Writing a checkpoint: the replayed log as one classic Parquet file, so that a reader need not read every
// commit.
import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { assert } from '../errors/errors.ts'
import { step } from '../steps/step.ts'
import { addToJson, metadataToJson, protocolToJson, removeToJson, txnToJson } from './actions.ts'
import { disk } from './disk.ts'
import { logDirectory, PendingFile, versionDigits } from './log-files.ts'
import { deletedFileRetentionMs } from './properties.ts'
import { quoteText } from './sql.ts'
import type { LogState } from './state.ts'

const linesWrittenAtOnce = 1000
const stringMap = 'MAP(VARCHAR, VARCHAR)'

/** A consistent copy of the state as lines of JSON, one action each. */
export type CheckpointContent = {
  readonly version: bigint
  readonly lines: readonly unknown[]
  readonly addCount: number
  readonly hasTableFeatures: boolean
}

/** Removed files are in it until they expire: vacuum must know how long a file has been dead. */
export function checkpointContent(state: LogState, nowMs: number): CheckpointContent {
  const { protocol, metadata } = state.essentials()
  const retention = deletedFileRetentionMs(metadata)
  const tombstones = [...state.tombstones.values()].filter((file) => {
    return retention === null || file.deletionTimestamp > nowMs - retention
  })
  // An entry of a checkpoint is state, not a change, whatever the commit said.
  const lines = [
    { protocol: protocolToJson(protocol) },
    { metaData: metadataToJson(metadata) },
    ...[...state.txns.values()].map((txn) => ({ txn: txnToJson(txn) })),
    ...[...state.files.values()].map((file) => ({ add: { ...addToJson(file), dataChange: false } })),
    ...tombstones.map((file) => ({ remove: { ...removeToJson(file), dataChange: false } })),
  ]
  const hasTableFeatures = protocol.readerFeatures !== null || protocol.writerFeatures !== null
  return { version: state.version, lines, addCount: state.files.size, hasTableFeatures }
}

/** The checkpoint appears whole or not at all; the same version written twice has the same content. */
export async function writeCheckpoint(directory: string, content: CheckpointContent): Promise<void> {
  const log = logDirectory(directory)
  const temporary = join(log, `.${randomUUID()}.checkpoint`)
  const [json, parquet] = [`${temporary}.json.tmp`, `${temporary}.parquet.tmp`]
  try {
    await writeLines(json, content.lines)
    await convert(json, parquet, content)
    await disk.sync(parquet)
    await step('checkpoint written')
    const { size } = await disk.stat(parquet)
    await disk.rename(parquet, join(log, `${versionDigits(content.version)}.checkpoint.parquet`))
    await step('checkpoint named')
    await disk.sync(log)
    await writeHint(log, content, size)
    await step('checkpoint complete')
  } finally {
    await disk.remove(json)
    await disk.remove(parquet)
  }
}

async function writeLines(path: string, lines: readonly unknown[]): Promise<void> {
  const file = await open(path, 'wx')
  try {
    for (let start = 0; start < lines.length; start += linesWrittenAtOnce) {
      const slice = lines.slice(start, start + linesWrittenAtOnce)
      await file.appendFile(`${slice.map((line) => JSON.stringify(line)).join('\n')}\n`)
    }
  } finally {
    await file.close()
  }
}

async function convert(json: string, parquet: string, content: CheckpointContent): Promise<void> {
  const columns = Object.entries(checkpointColumns(content.hasTableFeatures)).map(([name, fields]) => {
    const struct = Object.entries(fields).map(([field, type]) => `"${field}" ${type}`)
    return `"${name}": ${quoteText(`STRUCT(${struct.join(', ')})`)}`
  })
  const types = `columns = {${columns.join(', ')}}`
  const source = `read_json(${quoteText(json)}, format = 'newline_delimited', ${types})`
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  try {
    const connection = await instance.connect()
    const sql = `COPY (SELECT * FROM ${source}) TO ${quoteText(parquet)} (FORMAT parquet, COMPRESSION zstd)`
    const reader = await connection.runAndReadAll(sql)
    assert(
      Number(reader.getRows()[0]?.[0]) === content.lines.length,
      'the checkpoint does not have every action',
    )
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
async function writeHint(log: string, content: CheckpointContent, sizeInBytes: bigint): Promise<void> {
  const hint = {
    version: Number(content.version),
    size: content.lines.length,
    sizeInBytes: Number(sizeInBytes),
    numOfAddFiles: content.addCount,
  }
  const pending = await PendingFile.write(log, JSON.stringify(hint))
  try {
    await pending.replace(join(log, '_last_checkpoint'))
  } finally {
    await pending.discard()
  }
}
