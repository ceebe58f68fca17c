// A DuckDB file for tools that have no reader of Delta: a view of each table, over the files of one snapshot.
// All tables are seen at one batch, so that what one has the others have too, though a run writes meanwhile.
import { DuckDBInstance } from '@duckdb/node-api'
import { decodeTxns, streamDone } from '../batches/progress.ts'
import type { Config } from '../config/config.ts'
import { type DeltaSnapshot, type DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { batchesPath } from '../ops/batches.ts'
import { type NamedTable, notWrittenAdvice, readableTables } from '../ops/readable.ts'
import { namedTables } from '../plan/index.ts'
import { sqlName } from './table-name.ts'
import { createTableView, openWritten } from './table-view.ts'

export type Catalog = {
  /** The last batch that all tables have. */
  readonly batch: bigint
  readonly tables: readonly string[]
  /** Tables that nobody has written; they have no view. */
  readonly absent: readonly string[]
}

type Of = Pick<Config, 'lakehouse' | 'deltaBasePath'>

type Opened = { readonly table: NamedTable; readonly delta: DeltaTable; readonly snapshot: DeltaSnapshot }

/** Writes the file, which must not be there; fails with DELTA_TABLE_NOT_FOUND without a table of events. */
export async function writeCatalog(of: Of, file: string): Promise<Catalog> {
  // Silver is looked at last: what the tables behind it have, it has too.
  const named = readableTables(of.lakehouse).toReversed()
  const opened: Opened[] = []
  for (const table of named) {
    const delta = await openWritten(of.deltaBasePath, table)
    if (delta !== null) opened.push({ table, delta, snapshot: await delta.snapshot() })
  }
  const batch = batchOfAll(of, opened)
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    for (const one of opened) {
      const scan = await fetchedScanSql(await at(one, batch), one.delta.directory)
      await createTableView(connection, one.table, scan)
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
  const isThere = (table: NamedTable): boolean => opened.some((one) => one.table === table)
  return {
    batch,
    tables: named.filter(isThere).map(sqlName),
    absent: named.filter((table) => !isThere(table)).map(sqlName),
  }
}

/** A table may have no commit of a batch that brought it nothing: others claim that it has come so far. */
function batchOfAll({ lakehouse, deltaBasePath }: Of, opened: readonly Opened[]): bigint {
  const of = (path: string): Opened | undefined => opened.find(({ table }) => table.path === path)
  const events = of(lakehouse.events.path)
  if (events === undefined) {
    const message = `${sqlName(lakehouse.events)}: not written yet in ${deltaBasePath}; ${notWrittenAdvice}`
    throw new LakehouseError('DELTA_TABLE_NOT_FOUND', message)
  }
  const claims = [events, of(lakehouse.records.path), of(batchesPath)].flatMap(
    (one) => one?.snapshot.txns ?? [],
  )
  const done = namedTables(lakehouse).flatMap((definition) => {
    const one = of(definition.path)
    if (one === undefined) return []
    const claimed = claims.map((txns) => streamDone(txns, definition.stream))
    return [[batchOf(one.snapshot), ...claimed].reduce(greater)]
  })
  return done.reduce(less, batchOf(events.snapshot))
}

/** The newest version that has no later batch. */
async function at({ delta, snapshot }: Opened, batch: bigint): Promise<DeltaSnapshot> {
  let found = snapshot
  while (batchOf(found) > batch && found.version > 0n)
    found = await delta.snapshot({ version: found.version - 1n })
  return found
}

function batchOf({ txns }: DeltaSnapshot): bigint {
  return decodeTxns(txns)?.batch ?? 0n
}

const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const less = (a: bigint, b: bigint): bigint => (a < b ? a : b)
