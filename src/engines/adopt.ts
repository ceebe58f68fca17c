// Adopting a deletion that another program did (Spark's DELETE, delta-rs): the rows that went with it are
// noted in ops/erased, so that `assay verify` knows that they were meant to go.
import { type DeltaCommit, type DeltaTable, foreignRemoval } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { adoptedAppId, carriedAppId } from '../ops/erased.ts'
import { type EraseOptions, LockedLakehouse } from './erase.ts'
import { countErased, hasRecords, recordTables, setPositions } from './erased-rows.ts'
import { goneRecordsSql, missingFile } from './gone-records.ts'

export type Adoption = {
  readonly path: string
  readonly version: bigint
  /** True where this was adopted before: nothing was noted now. */
  readonly isKnown: boolean
  readonly records: bigint
  /** How many rows of these records the other tables have. */
  readonly stillIn: Readonly<Record<string, bigint>>
  /** How many rows were erased from the others, where that was asked for. */
  readonly erased: Readonly<Record<string, bigint>> | null
}

/** With `everywhere` the rows are erased from the other tables too. */
export async function adoptDeletion(
  options: EraseOptions,
  path: string,
  version: bigint,
  everywhere: boolean,
): Promise<Adoption> {
  const of = options.lakehouse
  if (!hasRecords(of, path)) {
    const advice = 'it is computed from silver: remove its directory, and "assay run" makes it anew'
    throw refused(
      `${path} has no rows of single records (${recordTables(of)
        .map((one) => one.path)
        .join(', ')} have); ${advice}`,
    )
  }
  return LockedLakehouse.use(options, async (lakehouse) => {
    const table = lakehouse.tables.get(path)?.delta
    if (table === undefined) throw refused(`${path} is not there`)
    await lakehouse.carryOn()
    const { database, erased } = lakehouse
    const appId = adoptedAppId(path, version)
    const commit = await deletionOf(table, version)
    const records = await setPositions(database.batch, await goneSql(table, commit))
    const isKnown = (await erased.snapshot()).txns.has(appId)
    let done: Adoption['erased'] = null
    if (!isKnown || everywhere) {
      const { erase } = await lakehouse.note((number) => ({
        [appId]: number,
        ...(everywhere ? {} : { [carriedAppId]: number }),
      }))
      if (everywhere) done = await lakehouse.carry({ begun: erase, carried: erase - 1n })
    }
    const stillIn: Record<string, bigint> = {}
    for (const { path: other } of recordTables(of)) {
      const delta = lakehouse.tables.get(other)?.delta
      if (delta !== undefined) stillIn[other] = await countErased(database.batch, delta)
    }
    return { path, version, isKnown, records, stillIn, erased: done }
  })
}

async function deletionOf(table: DeltaTable, version: bigint): Promise<DeltaCommit> {
  const commit = await table.commitAt(version)
  const where = `${table.directory}, version ${version}`
  if (commit === null) throw refused(`${where}: the log does not have this version (any more)`)
  const removal = foreignRemoval(commit)
  const operation = String(commit.commitInfo?.operation ?? 'unnamed')
  if (removal === null) throw refused(`${where}: ${operation} is no deletion by another program`)
  if (removal.operation === 'RESTORE') {
    throw refused(`${where} is a RESTORE: "assay run" brings the rows back that it took`)
  }
  return commit
}

/** A SELECT of the records that went with the commit, as long as the files of before are there. */
async function goneSql(table: DeltaTable, commit: DeltaCommit): Promise<string> {
  const missing = await missingFile(table, commit)
  if (missing === null) return goneRecordsSql(table, commit)
  const why = `the file ${missing} is gone (VACUUM deletes removed files), so nobody knows which rows went`
  throw refused(`${table.directory}, version ${commit.version}: ${why}`)
}

function refused(what: string): LakehouseError {
  return new LakehouseError('ADOPTION_REFUSED', `${what}.`)
}
