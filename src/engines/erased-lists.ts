// Snoozes of erased persons, and elements of lists that are their ids: rules/lists names the person itself,
// so they go before the records are noted. What ended half-way the next erasure of the person carries on.
import type { DuckDBConnection } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { assert } from '../errors/errors.ts'
import { ruleListsPath } from '../ops/rule-lists.ts'
import { opsDirectory } from '../ops/tables.ts'
import { duckdb } from '../sql/index.ts'
import { step } from '../steps/step.ts'
import { rowsOf } from './database.ts'
import type { PersonId } from './erased-rows.ts'

/** The application ids of the txn actions that count deletions, and say which the log was purged of. */
const [deletedAppId, purgedToAppId] = ['assay/rules/lists/erased', 'assay/rules/lists/erased/purged']

const about = { operation: 'ERASE', operationParameters: {} } as const

/** A number may be anything in a list: of persons with numbers the snoozes alone are theirs for certain. */
function isOfPersons(persons: readonly PersonId[]): string {
  const ids = persons.map((id) => {
    if (typeof id === 'string') return `value = ${duckdb.text(id)}`
    return `(rule IS NOT NULL AND TRY_CAST(value AS HUGEINT) = ${id})`
  })
  return ids.length === 0 ? 'false' : `(${ids.join(' OR ')})`
}

async function listsTable(deltaBasePath: string): Promise<DeltaTable | null> {
  const directory = opsDirectory(deltaBasePath, ruleListsPath)
  return (await DeltaTable.exists(directory)) ? DeltaTable.open(directory) : null
}

/** How many rows that would be; null where there is no table. */
export async function countErasedEntries(
  deltaBasePath: string,
  connection: DuckDBConnection,
  persons: readonly PersonId[],
): Promise<bigint | null> {
  const table = await listsTable(deltaBasePath)
  if (table === null) return null
  const scan = await fetchedScanSql(await table.snapshot(), table.directory, { columns: ['rule', 'value'] })
  const count = `SELECT count(*) AS count FROM (${scan}) WHERE ${isOfPersons(persons)}`
  return (await rowsOf(connection, count))[0]!.count as bigint // As DuckDB counts.
}

/** Deletes the rows, with files and log entries; how many there were, or null where there is no table. */
export async function eraseEntries(
  deltaBasePath: string,
  connection: DuckDBConnection,
  persons: readonly PersonId[],
  signal?: AbortSignal,
): Promise<bigint | null> {
  const table = await listsTable(deltaBasePath)
  if (table === null) return null
  const deletions = (await table.snapshot()).txns.get(deletedAppId)?.version ?? 0n
  const result = await table.deleteRows(connection, isOfPersons(persons), {
    ...about,
    txns: { [deletedAppId]: deletions + 1n },
    ...(signal === undefined ? {} : { signal }),
  })
  assert(result.kind === 'deleted' || result.kind === 'nothing', 'nothing refuses this deletion')
  await step('rows erased')
  const { txns } = await table.snapshot()
  const deleted = txns.get(deletedAppId)?.version ?? 0n
  // By this erasure, or by one that ended before it came to the log.
  if (deleted > (txns.get(purgedToAppId)?.version ?? 0n)) {
    await table.purgeLog({ ...about, txns: { [purgedToAppId]: deleted } })
    await step('log purged')
  }
  await table.settled()
  return result.kind === 'deleted' ? result.rowsDeleted : 0n
}
