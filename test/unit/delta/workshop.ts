// What the tests of Delta tables share: a directory that is deleted at the end, a DuckDB connection, short
// spellings.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import {
  type DeltaField,
  type DeltaTable,
  type DeltaType,
  type ScanOptions,
  scanSql,
} from '../../../src/delta/index.ts'

export function column(name: string, type: DeltaType, nullable = true): DeltaField {
  return { name, type, nullable, metadata: {} }
}

/** A directory, a DuckDB connection and what it takes to leave nothing behind. */
export class Workshop {
  readonly directory: string
  readonly connection: DuckDBConnection
  readonly #instance: DuckDBInstance

  private constructor(directory: string, instance: DuckDBInstance, connection: DuckDBConnection) {
    this.directory = directory
    this.#instance = instance
    this.connection = connection
  }

  static async open(): Promise<Workshop> {
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    await connection.run("SET TimeZone = 'America/New_York'") // Nothing may depend on the session's zone.
    return new Workshop(await mkdtemp(join(tmpdir(), 'delta-test-')), instance, connection)
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** The rows of a table as our own scan gives them, by the first column. */
  async rows(
    table: DeltaTable,
    columns: readonly string[],
    options: ScanOptions & { readonly version?: bigint } = {},
  ): Promise<Record<string, unknown>[]> {
    const { version, ...scanOptions } = options
    const snapshot = await table.snapshot(version === undefined ? {} : { version })
    const scan = scanSql(snapshot, table.directory, { columns, naiveTimestamps: true, ...scanOptions })
    const reader = await this.connection.runAndReadAll(`SELECT * FROM (${scan}) ORDER BY 1`)
    return reader.getRowObjectsJson()
  }

  async close(): Promise<void> {
    this.#instance.closeSync()
    // A checkpoint may still be written beside the last commit.
    await rm(this.directory, { recursive: true, maxRetries: 10 })
  }
}
