// Reading a checkpoint: the replayed log in one Parquet file, or in several parts.
import { DuckDBInstance } from '@duckdb/node-api'
import { LakehouseError } from '../errors/errors.ts'
import {
  type AddFile,
  type DeltaCommit,
  type Metadata,
  objectOf,
  type Protocol,
  parseAdd,
  parseMetadata,
  parseProtocol,
  parseRemove,
  parseTxn,
  type RemoveFile,
  type Txn,
} from './actions.ts'
import { parseExact } from './json.ts'
import type { CheckpointFiles } from './log-files.ts'
import { storageOf } from './mounts.ts'
import { quotePathToRead } from './sql.ts'

/** The actions of a checkpoint, as if they were one commit. */
export async function readCheckpoint(checkpoint: CheckpointFiles): Promise<DeltaCommit> {
  const where = checkpoint.paths[0] ?? ''
  const adds: AddFile[] = []
  const removes: RemoveFile[] = []
  const txns: Txn[] = []
  let metadata: Metadata | null = null
  let protocol: Protocol | null = null
  const actions = await storageOf(where).withCopies(checkpoint.paths, readActions)
  for (const [kind, json] of actions) {
    const action = objectOf(parseExact(json), where)
    if (kind === 'add') adds.push(parseAdd(action, where))
    else if (kind === 'remove') removes.push(parseRemove(action, where))
    else if (kind === 'txn') txns.push(parseTxn(action, where))
    else if (kind === 'metaData') metadata = parseMetadata(action, where)
    else if (kind === 'protocol') protocol = parseProtocol(action, where)
  }
  const { version } = checkpoint
  if (metadata === null || protocol === null)
    throw new LakehouseError('DELTA_LOG_CORRUPT', `${where}: the checkpoint has no protocol or no metaData.`)
  return {
    version,
    timestamp: 0,
    adds,
    removes,
    dataChange: true,
    txns,
    metadata,
    protocol,
    commitInfo: null,
  }
}

const actionColumns = ['add', 'remove', 'txn', 'metaData', 'protocol']

async function readActions(paths: readonly string[]): Promise<[string, string][]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  try {
    const connection = await instance.connect()
    const source = `read_parquet([${paths.map(quotePathToRead).join(', ')}], union_by_name = true)`
    const present = await connection.runAndReadAll(`SELECT * FROM ${source} LIMIT 0`)
    const columns = actionColumns.filter((column) => present.columnNames().includes(column))
    const selects = columns.map((column) => {
      return `SELECT '${column}' AS kind, CAST(to_json("${column}") AS VARCHAR) AS action
        FROM ${source} WHERE "${column}" IS NOT NULL`
    })
    const reader = await connection.runAndReadAll(selects.join('\nUNION ALL\n'))
    return reader.getRows().map(([kind, action]) => [String(kind), String(action)])
  } finally {
    instance.closeSync()
  }
}
