// What is said where a query finds nothing because nothing is there.
import type { Config } from '../config/config.ts'
import { hasTables, noLakehouse } from '../ops/readable.ts'
import { printable } from './printable.ts'

/** On stderr, so that what reads the result finds an empty one. */
export async function sayWhereNoTables({ lakehouse, deltaBasePath }: Config): Promise<void> {
  if (await hasTables(lakehouse, deltaBasePath)) return
  process.stderr.write(printable(`${noLakehouse(deltaBasePath).message}\n`))
}
