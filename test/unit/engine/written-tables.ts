// Tables on disk as a test looks at them, and as others may leave them.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { draftOf, writeCommit } from '../../../src/delta/commit.ts'
import { DeltaTable, scanSql } from '../../../src/delta/index.ts'
import { loadState } from '../../../src/delta/state.ts'

/** Columns of the rows that a table has, or had at a version, in an order of their own. */
export async function rowsOfTable(
  directory: string,
  columns = '*',
  version?: bigint,
): Promise<Record<string, unknown>[]> {
  const table = await DeltaTable.open(directory)
  const snapshot = await table.snapshot(version === undefined ? {} : { version })
  const instance = await DuckDBInstance.create(':memory:')
  try {
    const connection = await instance.connect()
    const select = `SELECT ${columns} FROM (${scanSql(snapshot, table.directory)}) ORDER BY ALL`
    return (await connection.runAndReadAll(select)).getRowObjectsJS()
  } finally {
    instance.closeSync()
  }
}

/** As maintenance of somebody else leaves a log: a checkpoint, and no commit before it. */
export async function cleanLog(table: DeltaTable): Promise<void> {
  await table.checkpoint()
  const { version } = await table.snapshot()
  const log = join(table.directory, '_delta_log')
  for (const name of await readdir(log)) {
    if (/^\d{20}\.json$/.test(name) && BigInt(name.slice(0, 20)) <= version) await rm(join(log, name))
  }
}

/** As delta-rs and Spark do it: the files of then come back, those of later go. */
export async function restoreTable(base: string, path: string, version: bigint): Promise<void> {
  const directory = join(base, path)
  const table = await DeltaTable.open(directory)
  const [now, then] = [await table.snapshot(), await table.snapshot({ version })]
  const gone = [...now.files.values()].filter((file) => !then.files.has(file.path))
  const back = [...then.files.values()].filter((file) => !now.files.has(file.path))
  const removes = gone.map(({ path: file, partitionValues, size }) => {
    return { path: file, partitionValues, size, deletionTimestamp: 0, dataChange: true }
  })
  const operationParameters = { version: String(version), timestamp: null }
  const draft = draftOf({ operationParameters }, { operation: 'RESTORE', adds: back, removes })
  const foreign = { ...draft, info: { ...draft.info, engineInfo: 'another program' } }
  const state = () => loadState(directory)
  await writeCommit(directory, foreign, { known: state, newest: state })
}
