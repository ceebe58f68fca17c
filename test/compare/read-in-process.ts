// Reads the tables of a lakehouse into the oracle's rows, in this process.
import { join } from 'node:path'
import {
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../../src/delta/index.ts'
import { directoryOf } from '../../src/delta/mounts.ts'
import { streamOf } from '../../src/engines/database.ts'
import { base64, type Cell, type Row, type Tables, tableNames } from '../oracle/rows.ts'

export async function readTables(
  deltaBasePath: string,
  names: readonly string[] = tableNames,
): Promise<Tables> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const entries: [string, Row[]][] = []
    const base = directoryOf(deltaBasePath)
    for (const name of names) entries.push([name, await readTable(connection, join(base, name))])
    return Object.fromEntries(entries) as unknown as Tables // One entry for each name.
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** One table; a large one is read in parts, so that it is in memory once. */
export async function readTable(connection: DuckDBConnection, directory: string): Promise<Row[]> {
  if (!(await DeltaTable.exists(directory))) return []
  const table = await DeltaTable.open(directory)
  const snapshot = await table.snapshot()
  // Text is read as its bytes: the driver drops a byte-order mark that a text begins with.
  const texts = snapshot.metadata.fields.filter(({ type }) => type === 'string').map(({ name }) => name)
  const asBytes = texts.map((name) => `encode("${name}") AS "${name}"`).join(', ')
  const replaced = asBytes === '' ? '' : `REPLACE (${asBytes})`
  const scan = await fetchedScanSql(snapshot, directory)
  const result = await streamOf(connection, `SELECT * ${replaced} FROM (${scan})`)
  const names = result.columnNames()
  const cells = result.columnTypes().map((type, index) => {
    if (texts.includes(names[index]!)) return textCell
    return type.typeId === DuckDBTypeId.INTEGER ? intCell : cell
  })
  const rows: Row[] = []
  for await (const part of result.yieldRows()) {
    for (const values of part) {
      rows.push(Object.fromEntries(values.map((value, index) => [names[index], cells[index]!(value)])))
    }
  }
  return rows
}

const textCell = (value: DuckDBValue): Cell =>
  value instanceof DuckDBBlobValue ? Buffer.from(value.bytes).toString('utf8') : null

const intCell = (value: DuckDBValue): Cell => (typeof value === 'number' ? BigInt(value) : null)

function cell(value: DuckDBValue): Cell {
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return value
  if (typeof value === 'number' || typeof value === 'string') return value
  if (value instanceof DuckDBTimestampTZValue) return value.micros
  if (value instanceof DuckDBDecimalValue || value instanceof DuckDBDateValue) return value.toString()
  if (value instanceof DuckDBBlobValue) return base64(value.bytes)
  if (value instanceof DuckDBListValue) return value.items.map(cell)
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, one]) => [name, cell(one)]))
  }
  throw new Error(`a value of no known type: ${value}`)
}
