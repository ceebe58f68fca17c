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

/** What a SELECT may read beside tables where it may read nothing else: rows made of nothing. */
const rowMakers = ['generate_series', 'range', 'unnest']

/** A name that a query defines, and that is no file and no catalogue elsewhere in the same query. */
const plainName = /^(?!duckdb_|pg_|sqlite_|pragma_|information_)[a-z_][a-z0-9_]*$/

/**
 * Fails with QUERY_NOT_READ_ONLY for what is not one SELECT, with QUERY_FAILED for what is no SQL. With
 * `tables` it reads these alone, by their names in lower case: no file, no catalogue, no function that reads.
 */
export async function parseSelect(
  connection: DuckDBConnection,
  sql: string,
  tables: readonly string[] | null = null,
): Promise<NamedTables> {
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
  const [statement] = parsed.statements!
  if (tables !== null) refuseOthers(statement, tables)
  return namedTables(statement)
}

function refuseOthers(statement: unknown, tables: readonly string[]): void {
  const [others, defined] = [new Set<string>(), new Set<string>()]
  visit(statement, (node) => {
    for (const name of commonTables(node)) defined.add(name)
    const { function_name } = Object(node.function) as { readonly function_name?: unknown }
    if (node.type === 'TABLE_FUNCTION' && !rowMakers.includes(String(function_name))) {
      others.add(`${String(function_name)}(..)`)
    }
    if (node.type === 'BASE_TABLE') others.add(tableNameOf(node))
  })
  for (const name of tables) others.delete(name)
  for (const name of defined) if (plainName.test(name)) others.delete(name)
  const odd = [...defined].filter((name) => !plainName.test(name))
  if (others.size + odd.length === 0) return
  const named = [...others, ...odd].map((name) => JSON.stringify(name)).join(', ')
  const message = `a query here reads tables alone, not ${named}; the tables are ${tables.join(', ')}`
  throw new LakehouseError('QUERY_NOT_READ_ONLY', message)
}

function tableNameOf(node: Readonly<Record<string, unknown>>): string {
  const [schema, table] = [node.schema_name, node.table_name].map((name) => String(name).toLowerCase())
  return schema === '' || schema === 'main' ? table! : `${schema}.${table}`
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
    const name = tableNameOf(node)
    if (/^(?:information_schema\.|duckdb_|.*\.duckdb_)/.test(name)) isCatalogue = true
    names.add(name)
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
