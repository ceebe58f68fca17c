// The schemas that the records of a batch name, by the few bytes that do.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { RecordChunk } from '../../batches/source.ts'
import { beginsAsWire, headerOf, namingIn, namingOf, type SchemaKey } from '../../formats/wire-format.ts'
import { duckdb, isWireSql } from '../../sql/index.ts'
import type { BatchInput } from './row-batch.ts'
import { eachRow } from './selected-rows.ts'

export async function schemasNamed(
  input: Extract<BatchInput, { kind: 'records' | 'bronze' }>,
  connection: DuckDBConnection,
): Promise<ReadonlySet<SchemaKey>> {
  if (input.kind === 'bronze') {
    const keys = new Set<SchemaKey>()
    await eachWireRow(connection, input.select, ({ value, headers }) => {
      const naming = namingOf(value, headers)
      if (naming !== null) keys.add(naming.key)
    })
    return keys
  }
  return schemasNamedIn(input.records.chunks)
}

/** The schemas that records in memory name. */
export function schemasNamedIn(chunks: readonly RecordChunk[]): ReadonlySet<SchemaKey> {
  const keys = new Set<SchemaKey>()
  const ids = new Set<number>()
  for (const { values, headers } of chunks) {
    for (let index = 0; index < values.length; index++) {
      const value = values[index]!
      if (value === null) continue
      const header = headers[index] === null ? null : headerOf(headers[index]!)
      if (header !== null) {
        const naming = namingIn(header)
        if (naming !== null) keys.add(naming.key)
      } else if (beginsAsWire(value)) {
        ids.add(((value[1]! << 24) | (value[2]! << 16) | (value[3]! << 8) | value[4]!) >>> 0)
      }
    }
  }
  for (const id of ids) keys.add(String(id))
  return keys
}

type WireRow = { readonly value: Uint8Array; readonly headers: readonly unknown[] | null }

/** Of rows of bronze the values and headers of those that are in the wire format. */
async function eachWireRow(
  connection: DuckDBConnection,
  select: string,
  take: (row: WireRow) => void,
): Promise<void> {
  const isWire = isWireSql(duckdb, 'value', 'headers')
  const wire = `SELECT value, headers FROM (${select}) WHERE ${isWire}`
  await eachRow(connection, wire, (row) => take(row as WireRow)) // As selected.
}
