// What is said where a query finds nothing because nothing is there.
import type { Config } from '../config/config.ts'
import { DeltaTable } from '../delta/index.ts'
import { readableTables } from '../ops/readable.ts'
import { tableDirectory } from '../ops/tables.ts'
import { notWrittenAdvice } from '../query/table-name.ts'
import { printable } from './printable.ts'

/** On stderr, so that what reads the result finds an empty one. */
export async function sayWhereNoTables({ lakehouse, deltaBasePath }: Config): Promise<void> {
  for (const table of readableTables(lakehouse))
    if (await DeltaTable.exists(tableDirectory(deltaBasePath, table))) return
  process.stderr.write(printable(`${deltaBasePath} has no table yet: ${notWrittenAdvice}\n`))
}
