// The rows of a table as plain values, for a test to compare.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Schema } from '../expr/index.ts'
import { tableDirectory } from '../ops/tables.ts'
import { type Lakehouse, namedTables } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'

export type TestCell = string | number | bigint | boolean | null | readonly TestCell[]
export type TestRow = Readonly<Record<string, TestCell>>

export class TableReader {
  readonly #lakehouse: Lakehouse
  readonly #base: string
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection

  private constructor(
    lakehouse: Lakehouse,
    base: string,
    instance: DuckDBInstance,
    connection: DuckDBConnection,
  ) {
    this.#lakehouse = lakehouse
    this.#base = base
    this.#instance = instance
    this.#connection = connection
  }

  static async open(lakehouse: Lakehouse, base: string): Promise<TableReader> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
    const connection = await instance.connect()
    await connection.run(`SET TimeZone = 'UTC'`)
    return new TableReader(lakehouse, base, instance, connection)
  }

  async rows(name: string): Promise<TestRow[]> {
    const path = name.replaceAll('.', '/')
    const tables = namedTables(this.#lakehouse)
    const table = tables.find((one) => one.path === path)
    if (table === undefined) {
      const known = tables.map((one) => one.path).join(', ')
      throw new LakehouseError('TABLE_UNKNOWN', `there is no table ${name}; there is ${known}`)
    }
    const directory = tableDirectory(this.#base, table)
    if (!(await DeltaTable.exists(directory))) return []
    const snapshot = await (await DeltaTable.open(directory)).snapshot()
    const scan = await fetchedScanSql(snapshot, directory, { naiveTimestamps: true })
    const columns = Object.entries(table.rows.schema as Schema).map(([column, type]) => cellSql(column, type))
    // By the columns as they are: a decimal as text has another order.
    const select = `SELECT ${columns.join(', ')} FROM (SELECT * FROM (${scan}) ORDER BY ALL) AS rows_in_order`
    const reader = await this.#connection.runAndReadAll(select)
    return reader.getRowObjectsJS().map((row) => {
      return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, cellOf(value)]))
    })
  }

  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }
}

function cellSql(column: string, type: string): string {
  const name = duckdb.name(column)
  if (type.startsWith('decimal') || type === 'date') return `CAST(${name} AS VARCHAR) AS ${name}`
  if (type === 'timestamp') return `strftime(${name}, '%Y-%m-%dT%H:%M:%S.%gZ') AS ${name}`
  if (type === 'binary') return `decode(${name}) AS ${name}`
  return type === 'headers' ? `CAST(${name} AS VARCHAR) AS ${name}` : name
}

/** What DuckDB's driver gives, which has no more kinds of values for such columns. */
function cellOf(value: unknown): TestCell {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  return Array.isArray(value) ? value.map(cellOf) : (value as TestCell)
}
