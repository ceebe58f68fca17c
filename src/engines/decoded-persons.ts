// Records that silver does not have, whose values go by a schema: whose they are stands in what they are
// decoded to.
import type { DuckDBConnection } from '@duckdb/node-api'
import { jsonValueAt } from '../json/json-value-at.ts'
import type { Lakehouse } from '../plan/index.ts'
import { duckdb, isWireSql } from '../sql/index.ts'
import { eachRow } from './embedded/selected-rows.ts'
import type { SchemaStore } from './schema-store.ts'

type Found = { readonly topic: string; readonly partition: number; readonly offset: unknown }

/** A SELECT of the positions of the persons' records among rows of bronze; null where there are none. */
export async function decodedOfPersons(
  connection: DuckDBConnection,
  /** SELECTs of rows of bronze. */
  records: readonly string[],
  schemas: SchemaStore,
  { names }: Pick<Lakehouse, 'names'>,
  persons: readonly (bigint | string)[],
): Promise<string | null> {
  if (!schemas.mayKnow || records.length === 0) return null
  const keys = 'topic, partition, "offset"'
  const selects = records.map((one) => `SELECT ${keys}, value, headers FROM (${one})`)
  const select = `SELECT * FROM (${selects.join(' UNION ALL ')}) WHERE ${isWireSql(duckdb, 'value', 'headers')}`
  // Whatever a batch knew: a person is found by every schema that is there.
  const decoder = schemas.decoderAt(2n ** 62n)
  const wanted = new Set(persons.map(String))
  const found: Found[] = []
  await eachRow(connection, select, ({ topic, partition, offset, value, headers }) => {
    // As bronze has them.
    const document = decoder.document(value as Uint8Array, headers as readonly unknown[] | null)
    if (document === null || !wanted.has(textAt(document, names.person.path))) return
    found.push({ topic: String(topic), partition: Number(partition), offset })
  })
  if (found.length === 0) return null
  const rows = found.map(({ topic, partition, offset }) => `(${duckdb.text(topic)}, ${partition}, ${offset})`)
  return `SELECT ${keys} FROM (VALUES ${rows.join(', ')}) AS found(topic, partition, "offset")`
}

function textAt(document: Uint8Array, path: readonly string[]): string {
  try {
    const source = Buffer.from(document).toString('utf8')
    // Whole numbers beyond 2^53 keep their digits.
    const exact = (_: string, value: unknown, context?: { readonly source?: string }): unknown =>
      typeof value === 'number' && Number.isInteger(value) ? (context?.source ?? value) : value
    return String(jsonValueAt(JSON.parse(source, exact), path))
  } catch {
    return '' // No document: it is in no way a person's.
  }
}
