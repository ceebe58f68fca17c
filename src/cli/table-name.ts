// Which table a person means.
import { resolve } from 'node:path'
import type { Config } from '../config/config.ts'
import { DeltaTable } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import { tableDirectory } from '../lakehouse/delta.ts'
import { tables } from '../lakehouse/pipeline.ts'
import type { TableDefinition } from '../plan/index.ts'

/** The name of a table in SQL: `silver/transactions` is silver.transactions. */
export function sqlName(table: Pick<TableDefinition, 'path'>): string {
  return table.path.replace('/', '.')
}

/**
 * By the name in SQL or by the path; the last part is enough where only one table has it. Fails with
 * TABLE_UNKNOWN, which names the tables.
 */
export function tableNamed(name: string): TableDefinition {
  const path = name.toLowerCase().replace('.', '/')
  const exact = tables.find((table) => table.path === path)
  if (exact !== undefined) return exact
  const alike = tables.filter((table) => table.path.endsWith(`/${path}`))
  if (alike.length === 1) return alike[0]!
  const message =
    alike.length > 1
      ? `${JSON.stringify(name)} may be ${alike.map(sqlName).join(' or ')}`
      : `there is no table ${JSON.stringify(name)}; the tables are ${tables.map(sqlName).join(', ')}`
  throw new LakehouseError('TABLE_UNKNOWN', message)
}

/** Opens a table of the lakehouse by its name, or any Delta table by a path that starts with / or a dot. */
export async function openNamedTable(config: Config, name: string): Promise<DeltaTable> {
  const directory = /^[./]/.test(name)
    ? resolve(name)
    : tableDirectory(config.deltaBasePath, tableNamed(name))
  return DeltaTable.open(directory)
}
