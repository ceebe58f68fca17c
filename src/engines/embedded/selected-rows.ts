// Rows of a SELECT of DuckDB as rows of the compiled row path.
import {
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api'
import { whole } from '../../columns/whole.ts'
import { assert } from '../../errors/errors.ts'
import type { SourceRow } from '../../javascript/index.ts'
import { streamOf } from '../database.ts'

/** Hands over row after row, in one object for all of them: whoever keeps a row copies it. */
export async function eachRow(
  connection: DuckDBConnection,
  select: string,
  add: (row: SourceRow) => void,
): Promise<void> {
  for await (const rows of rowChunks(connection, select)) for (const row of rows) add(row)
}

/** The same, some rows at a time. */
export async function* rowChunks(
  connection: DuckDBConnection,
  select: string,
): AsyncGenerator<Iterable<SourceRow>> {
  const result = await streamOf(connection, select)
  const names = result.columnNames()
  const row: Record<string, unknown> = Object.fromEntries(names.map((name) => [name, null]))
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return
    const columns = names.map((_, index) => chunk.getColumnValues(index))
    yield rowsOfChunk(names, columns, chunk.rowCount, row)
  }
}

function* rowsOfChunk(
  names: readonly string[],
  columns: readonly (readonly DuckDBValue[])[],
  rowCount: number,
  row: Record<string, unknown>,
): Generator<SourceRow> {
  for (let index = 0; index < rowCount; index++) {
    for (let column = 0; column < names.length; column++) {
      row[names[column]!] = javascriptValue(columns[column]![index]!)
    }
    yield row
  }
}

/** As src/columns says that the value is in JavaScript. */
function javascriptValue(value: DuckDBValue): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'boolean') return value
  if (typeof value === 'bigint') return whole(value)
  if (value instanceof DuckDBTimestampValue) return whole(value.micros)
  if (value instanceof DuckDBDecimalValue) return whole(value.value)
  if (value instanceof DuckDBDateValue) return value.days
  if (value instanceof DuckDBBlobValue) return new Uint8Array(value.bytes)
  if (value instanceof DuckDBListValue) return value.items.map(javascriptValue)
  assert(value instanceof DuckDBStructValue, 'tables of rows have no other types')
  return Object.fromEntries(
    Object.entries(value.entries).map(([name, entry]) => [name, javascriptValue(entry)]),
  )
}
