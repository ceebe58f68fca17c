// Which table a person means.

import { resolve } from 'node:path'
import type { Config } from '../config/config.ts'
import { inHome } from '../config/values.ts'
import { DeltaTable } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { editDistance } from '../errors/nearest-name.ts'
import { type NamedTable, notWrittenAdvice, readableTables } from '../ops/readable.ts'
import { tableDirectory } from '../ops/tables.ts'

/** The name of a table in SQL: `silver/transactions` is silver.transactions. */
export function sqlName(table: Pick<NamedTable, 'path'>): string {
  return table.path.replace('/', '.')
}

const distanceMax = 3

/** Those of `names` that somebody may have meant: with the same last or first part, or spelt nearly so. */
export function nearestNames(name: string, names: readonly string[]): readonly string[] {
  const [given, last] = [name.toLowerCase(), name.toLowerCase().split('.').at(-1)!]
  const isPart = (known: string): boolean => {
    const parts = known.split('.')
    return parts.length > 1 && (parts.at(-1) === last || parts[0] === given)
  }
  const parts = names.filter((known) => isPart(known) || known === last)
  if (parts.length > 0) return parts
  const distances = names.map((known) => {
    const toLast = given.includes('.') ? Infinity : editDistance(given, known.split('.').at(-1)!)
    return { known, distance: Math.min(editDistance(given, known), toLast) }
  })
  const least = Math.min(...distances.map(({ distance }) => distance))
  if (least > Math.min(distanceMax, last.length / 2)) return []
  return distances.filter(({ distance }) => distance === least).map(({ known }) => known)
}

/**
 * By the name in SQL or by the path; the last part is enough where only one table has it. Fails with
 * TABLE_UNKNOWN, which names the tables.
 */
export function tableNamed<T extends NamedTable>(name: string, among: readonly T[]): T {
  const path = name.toLowerCase().replace('.', '/')
  const exact = among.find((table) => table.path === path)
  if (exact !== undefined) return exact
  const alike = among.filter((table) => table.path.endsWith(`/${path}`))
  if (alike.length === 1) return alike[0]!
  const known = among.map(sqlName)
  const near = nearestNames(name.replace('/', '.'), known)
  const advice = near.length > 0 ? `; did you mean ${near.join(' or ')}?` : ''
  const message =
    alike.length > 1
      ? `${JSON.stringify(name)} may be ${alike.map(sqlName).join(' or ')}`
      : `there is no table ${JSON.stringify(name)}${advice || `; the tables are ${known.join(', ')}`}`
  throw new LakehouseError('TABLE_UNKNOWN', message)
}

/** Opens a table of the lakehouse by its name, or any Delta table by a path that starts with /, . or ~. */
export async function openNamedTable(config: Config, name: string): Promise<DeltaTable> {
  if (/^[./~]/.test(name)) return DeltaTable.open(resolve(inHome(name)))
  const table = tableNamed(name, readableTables(config.lakehouse))
  const directory = tableDirectory(config.deltaBasePath, table)
  if (await DeltaTable.exists(directory)) return DeltaTable.open(directory)
  const message = `${sqlName(table)}: not written yet in ${config.deltaBasePath}; ${notWrittenAdvice}`
  throw new LakehouseError('DELTA_TABLE_NOT_FOUND', message)
}
