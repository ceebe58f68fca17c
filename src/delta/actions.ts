// The actions of a Delta log: parsed once from JSON, typed from there on, and written back.
import { LakehouseError } from '../errors/errors.ts'
import { encodePath, type SpelledPath, spelledPath } from './paths.ts'
import { type DeltaField, schemaFromJson, schemaToJson } from './schema.ts'
import { type FileStats, parseStats } from './stats.ts'

export type Protocol = {
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly readerFeatures: readonly string[] | null
  readonly writerFeatures: readonly string[] | null
}

export type Metadata = {
  readonly id: string
  readonly name: string | null
  readonly description: string | null
  readonly fields: readonly DeltaField[]
  readonly partitionColumns: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
  readonly createdTime: number | null
}

export type PartitionValues = Readonly<Record<string, string | null>>

export type AddFile = SpelledPath & {
  readonly partitionValues: PartitionValues
  readonly size: bigint
  readonly modificationTime: number
  readonly dataChange: boolean
  /** The statistics as they are in the log; `stats` is parsed from them when it is first asked for. */
  readonly statsJson: string | null
  readonly stats: FileStats | null
  readonly tags: Readonly<Record<string, string>> | null
  /** Present where some rows of the file are deleted without a change of the file. */
  readonly hasDeletionVector?: true
}

export type RemoveFile = SpelledPath & {
  readonly deletionTimestamp: number
  readonly dataChange: boolean
  readonly partitionValues: PartitionValues | null
  readonly size: bigint | null
}

export type Txn = { readonly appId: string; readonly version: bigint; readonly lastUpdated: number | null }

export type CommitInfo = Readonly<Record<string, unknown>> & {
  readonly timestamp?: number
  readonly operation?: string
  readonly userMetadata?: string
}

/** How a commit says that this code wrote it, whichever engine computed its rows. */
export const engineInfo = 'Assay'

/** Everything that one version of the table says. */
export type DeltaCommit = {
  readonly version: bigint
  /** Milliseconds since the epoch: when the writer says it committed, else when the log file was written. */
  readonly timestamp: number
  readonly adds: readonly AddFile[]
  readonly removes: readonly RemoveFile[]
  /**
   * False where the commit only rearranged rows (OPTIMIZE) or touched no rows: a reader of changes skips it.
   */
  readonly dataChange: boolean
  readonly txns: readonly Txn[]
  readonly metadata: Metadata | null
  readonly protocol: Protocol | null
  readonly commitInfo: CommitInfo | null
}

export function parseAdd(add: Record<string, unknown>, where: string): AddFile {
  return addFile({
    ...spelledPath(textOf(add.path, 'add.path', where)),
    partitionValues: textMap(add.partitionValues),
    size: bigintOf(add.size, 'add.size', where),
    modificationTime: numberOr(add.modificationTime, 0),
    dataChange: add.dataChange !== false,
    statsJson: typeof add.stats === 'string' ? add.stats : null,
    tags: add.tags ? stringMap(add.tags) : null,
    ...(add.deletionVector ? { hasDeletionVector: true } : {}),
  })
}

/** Makes an AddFile whose statistics are parsed on first use: most files of a snapshot are never asked. */
export function addFile(file: Omit<AddFile, 'stats'>): AddFile {
  let parsed: FileStats | null | undefined
  return {
    ...file,
    get stats() {
      if (parsed === undefined) parsed = file.statsJson === null ? null : parseStats(file.statsJson)
      return parsed
    },
  }
}

/** The rows of all these files; null where a file has no statistics. */
export function sumRecords(files: Iterable<AddFile>): bigint | null {
  let sum = 0n
  for (const file of files) {
    // Every writer begins with it, and of most files nothing else is asked.
    const first = /^\{"numRecords":(\d+)/.exec(file.statsJson ?? '')?.[1]
    const count = first === undefined ? file.stats?.numRecords : BigInt(first)
    if (count === undefined) return null
    sum += count
  }
  return sum
}

export function parseRemove(remove: Record<string, unknown>, where: string): RemoveFile {
  return {
    ...spelledPath(textOf(remove.path, 'remove.path', where)),
    deletionTimestamp: numberOr(remove.deletionTimestamp, 0),
    dataChange: remove.dataChange !== false,
    partitionValues: remove.partitionValues ? textMap(remove.partitionValues) : null,
    size:
      remove.size === undefined || remove.size === null ? null : bigintOf(remove.size, 'remove.size', where),
  }
}

export function parseTxn(txn: Record<string, unknown>, where: string): Txn {
  return {
    appId: textOf(txn.appId, 'txn.appId', where),
    version: bigintOf(txn.version, 'txn.version', where),
    lastUpdated: typeof txn.lastUpdated === 'number' ? txn.lastUpdated : null,
  }
}

export function parseMetadata(metadata: Record<string, unknown>, where: string): Metadata {
  return {
    id: textOf(metadata.id, 'metaData.id', where),
    name: typeof metadata.name === 'string' ? metadata.name : null,
    description: typeof metadata.description === 'string' ? metadata.description : null,
    fields: schemaFromJson(textOf(metadata.schemaString, 'metaData.schemaString', where), where),
    partitionColumns: stringList(metadata.partitionColumns) ?? [],
    configuration: stringMap(metadata.configuration),
    createdTime: typeof metadata.createdTime === 'number' ? metadata.createdTime : null,
  }
}

export function parseProtocol(protocol: Record<string, unknown>, where: string): Protocol {
  return {
    minReaderVersion: Number(bigintOf(protocol.minReaderVersion, 'protocol.minReaderVersion', where)),
    minWriterVersion: Number(bigintOf(protocol.minWriterVersion, 'protocol.minWriterVersion', where)),
    readerFeatures: stringList(protocol.readerFeatures),
    writerFeatures: stringList(protocol.writerFeatures),
  }
}

export function addToJson(file: AddFile): Record<string, unknown> {
  return {
    path: file.spelling ?? encodePath(file.path),
    partitionValues: file.partitionValues,
    size: rawNumber(file.size),
    modificationTime: file.modificationTime,
    dataChange: file.dataChange,
    ...(file.statsJson === null ? {} : { stats: file.statsJson }),
    ...(file.tags === null ? {} : { tags: file.tags }),
  }
}

export function removeToJson(file: RemoveFile): Record<string, unknown> {
  const extended = file.partitionValues !== null && file.size !== null
  return {
    path: file.spelling ?? encodePath(file.path),
    deletionTimestamp: file.deletionTimestamp,
    dataChange: file.dataChange,
    extendedFileMetadata: extended,
    ...(extended ? { partitionValues: file.partitionValues, size: rawNumber(file.size) } : {}),
  }
}

export function txnToJson(txn: Txn): Record<string, unknown> {
  const time = txn.lastUpdated === null ? {} : { lastUpdated: txn.lastUpdated }
  return { appId: txn.appId, version: rawNumber(txn.version), ...time }
}

export function metadataToJson(metadata: Metadata): Record<string, unknown> {
  return {
    id: metadata.id,
    ...(metadata.name === null ? {} : { name: metadata.name }),
    ...(metadata.description === null ? {} : { description: metadata.description }),
    format: { provider: 'parquet', options: {} },
    schemaString: schemaToJson(metadata.fields),
    partitionColumns: metadata.partitionColumns,
    configuration: metadata.configuration,
    ...(metadata.createdTime === null ? {} : { createdTime: metadata.createdTime }),
  }
}

export function protocolToJson(protocol: Protocol): Record<string, unknown> {
  return {
    minReaderVersion: protocol.minReaderVersion,
    minWriterVersion: protocol.minWriterVersion,
    ...(protocol.readerFeatures === null ? {} : { readerFeatures: protocol.readerFeatures }),
    ...(protocol.writerFeatures === null ? {} : { writerFeatures: protocol.writerFeatures }),
  }
}

/** A bigint as a JSON number with all its digits. */
export function rawNumber(value: bigint | null): unknown {
  return value === null ? null : JSON.rawJSON(value.toString())
}

export function objectOf(value: unknown, where: string): Record<string, unknown> {
  if (isRecord(value)) return value
  throw new LakehouseError('DELTA_LOG_CORRUPT', `${where}: an action is not an object.`)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(value: unknown, what: string, where: string): string {
  if (typeof value === 'string') return value
  throw new LakehouseError('DELTA_LOG_CORRUPT', `${where}: ${what} is not text.`)
}

function bigintOf(value: unknown, what: string, where: string): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  throw new LakehouseError('DELTA_LOG_CORRUPT', `${where}: ${what} is not a whole number.`)
}

export function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}

function stringList(value: unknown): readonly string[] | null {
  return Array.isArray(value) ? value.map(String) : null
}

function textMap(value: unknown): Record<string, string | null> {
  if (!isRecord(value)) return {}
  // The protocol reads an empty text as null, whatever the type.
  return Object.fromEntries(
    Object.entries(value).map(([k, v]) => [k, v === null || v === '' ? null : String(v)]),
  )
}

function stringMap(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {}
  return Object.fromEntries(
    Object.entries(value).flatMap(([k, v]) => (typeof v === 'string' ? [[k, v]] : [])),
  )
}
