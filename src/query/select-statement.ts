// What a query is, told by DuckDB's own parser before anything of it is bound: binding has effects already
// (that of EXPORT makes the directory).
import type { DuckDBConnection } from '@duckdb/node-api'
import { LakehouseError } from '../errors/errors.ts'

/**
 * The tables that a SELECT reads, as `schema.name` or `name`, in lower case, without those that it defines
 * itself; null where only running it can tell.
 */
export type NamedTables = ReadonlySet<string> | null

const comment = String.raw`--[^\n]*(?:\n|$)|/\*[\s\S]*?\*/`
const showTables = new RegExp(String.raw`^(?:\s|${comment})*show\s+tables(?:\s|;|${comment})*$`, 'i')

/** DuckDB's own SHOW TABLES lists one schema, and the tables have several. */
export function isShowTables(sql: string): boolean {
  return showTables.test(sql)
}

/** Fails with QUERY_NOT_READ_ONLY for what is not one SELECT, with QUERY_FAILED for what is no SQL. */
export async function parseSelect(connection: DuckDBConnection, sql: string): Promise<NamedTables> {
  const query = 'SELECT json_serialize_sql($sql::VARCHAR)::VARCHAR'
  const rows = (await connection.runAndReadAll(query, { sql })).getRows()
  const parsed = JSON.parse(String(rows[0]![0])) as ParsedSql
  // The serialiser knows only SELECT; this fails for what is no SQL at all, in DuckDB's words and with the
  // position.
  if (parsed.error) await connection.extractStatements(sql)
  const count = parsed.statements?.length ?? 0
  if (!parsed.error && count === 0)
    throw new LakehouseError('QUERY_FAILED', 'the query is empty: give a SELECT.')
  if (parsed.error || count !== 1)
    throw notOneSelect(parsed.error ? 'this is another' : `there are ${count} statements`)
  return namedTables(parsed.statements![0])
}

type ParsedSql = { readonly error: boolean; readonly statements?: readonly unknown[] }

function notOneSelect(what: string): LakehouseError {
  const message =
    `a query is one SELECT statement, and ${what}. ` +
    'FROM, WITH, VALUES, DESCRIBE, SUMMARIZE and SHOW are SELECTs too; PIVOT is with IN (..)'
  return new LakehouseError('QUERY_NOT_READ_ONLY', message)
}

function namedTables(statement: unknown): NamedTables {
  const names = new Set<string>()
  const defined = new Set<string>()
  let isCatalogue = false
  visit(statement, (node) => {
    for (const name of commonTables(node)) defined.add(name)
    if (node.type === 'SHOW_REF' || node.type === 'TABLE_FUNCTION') isCatalogue = true
    if (node.type !== 'BASE_TABLE') return
    const [schema, table] = [String(node.schema_name), String(node.table_name)].map((name) =>
      name.toLowerCase(),
    )
    if (schema === 'information_schema' || table!.startsWith('duckdb_')) isCatalogue = true
    names.add(schema === '' || schema === 'main' ? table! : `${schema}.${table}`)
  })
  return isCatalogue ? null : names.difference(defined)
}

/** The names that the WITH of a query defines. */
function commonTables(node: Readonly<Record<string, unknown>>): string[] {
  const { map } = Object(node.cte_map) as { readonly map?: unknown }
  return Array.isArray(map) ? map.map((entry) => String(Object(entry).key).toLowerCase()) : []
}

function visit(node: unknown, onObject: (node: Readonly<Record<string, unknown>>) => void): void {
  if (node === null || typeof node !== 'object') return
  if (!Array.isArray(node)) onObject(node as Readonly<Record<string, unknown>>)
  for (const child of Object.values(node)) visit(child, onObject)
}
