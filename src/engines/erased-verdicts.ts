// Verdicts on erased transactions: their money and their notes go with the rows of the tables. What somebody
// decides meanwhile must not come into the table behind the deletion.
import type { DuckDBConnection } from '@duckdb/node-api'
import { DeltaTable, type PruneRange } from '../delta/index.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { begunAppId } from '../ops/erased.ts'
import { opsDirectory } from '../ops/tables.ts'
import { verdictsAppId, verdictsPath } from '../ops/verdicts.ts'
import { isErased } from './erased-rows.ts'

const about = { operation: 'ERASE', operationParameters: {} } as const
const attemptsMax = 100

/** null where nobody has reviewed anything. */
export async function verdictsTable(deltaBasePath: string): Promise<DeltaTable | null> {
  const directory = opsDirectory(deltaBasePath, verdictsPath)
  return (await DeltaTable.exists(directory)) ? DeltaTable.open(directory) : null
}

/**
 * Deletes the verdicts on the records in `erased_positions`, with files and log entries; to be called when the
 * scored table has them no more. Returns how many there were.
 */
export async function eraseVerdicts(
  table: DeltaTable,
  connection: DuckDBConnection,
  begun: bigint,
  options: { readonly prune: readonly PruneRange[]; readonly signal?: AbortSignal },
): Promise<bigint> {
  await refuseThoseUnderWay(table)
  const txns = { [begunAppId]: begun }
  const result = await table.deleteRows(connection, isErased, { ...about, ...options, txns })
  assert(result.kind === 'deleted' || result.kind === 'nothing', 'nothing refuses this deletion')
  // Deleted by this erasure, before a crash or now.
  if ((await table.snapshot()).txns.get(begunAppId)?.version === begun) {
    await table.purgeLog({ ...about, txns })
    await table.settled()
  }
  return result.kind === 'deleted' ? result.rowsDeleted : 0n
}

/** Who decides looks again at the scored table when the number of the next verdict is taken. */
async function refuseThoseUnderWay(table: DeltaTable): Promise<void> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const last = (await table.snapshot()).txns.get(verdictsAppId)?.version ?? 0n
    const outcome = await table.commit(null, { ...about, appId: verdictsAppId, version: last + 1n })
    if (outcome.kind === 'committed') return
  }
  const message = `${table.directory}: reviewers decided faster than their table could be closed to them, ${attemptsMax} times.`
  throw new LakehouseError('DELTA_COMMIT_CONFLICT', `${message} Erase again.`)
}
