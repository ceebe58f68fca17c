// The records of bronze that are in the wire format of a registry, decoded, as Parquet files: for who
// computes with SQL. What it means is the row path's: both have one decoder.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { type Column, newColumn } from '../columns/column.ts'
import type { Schema } from '../expr/index.ts'
import type { ValueDecoder } from '../formats/known-schemas.ts'
import type { SourceRow } from '../javascript/index.ts'
import { writeParquet } from '../parquet/file.ts'
import type { PlanNode } from '../plan/index.ts'
import { duckdb, isWireSql } from '../sql/index.ts'
import { eachRow } from './embedded/selected-rows.ts'

export type DecodeNode = Extract<PlanNode, { kind: 'decode' }>

export type DecodedRows = {
  readonly connection: DuckDBConnection
  /** A SELECT of rows with the columns that are copied, and those that the operator reads. */
  readonly select: string
  readonly copied: Schema
  readonly decoderOf: (row: SourceRow) => ValueDecoder
  /** Where the files are made; it is there. */
  readonly directory: string
}

/** So many rows are in memory at a time, and in a file. */
const rowsPerFile = 50_000

/** The files: the columns that are copied and the two of the operator; none where no row is decoded. */
export async function writeDecodedRows(node: DecodeNode, rows: DecodedRows): Promise<readonly string[]> {
  const schema: Schema = { ...rows.copied, [node.as]: 'binary', [node.failure]: 'string' }
  const full: Promise<string>[] = []
  let columns = newColumns(schema)
  let count = 0
  const flush = (): void => {
    if (count === 0) return
    full.push(writeFile(join(rows.directory, `${full.length}.parquet`), columns, count))
    full.at(-1)!.catch(() => undefined) // Told when it is awaited.
    columns = newColumns(schema)
    count = 0
  }
  const isWire = isWireSql(duckdb, duckdb.name(node.from), duckdb.name(node.headers))
  await eachRow(rows.connection, `SELECT * FROM (${rows.select}) WHERE ${isWire}`, (row) => {
    const decoder = rows.decoderOf(row)
    // As the columns of records are.
    const [value, headers] = [
      row[node.from] as Uint8Array | null,
      row[node.headers] as readonly unknown[] | null,
    ]
    const document = decoder.document(value, headers)
    for (const name of Object.keys(rows.copied)) columns[name]!.push(row[name] as never)
    columns[node.as]!.push(document === null ? null : (document.slice() as never))
    columns[node.failure]!.push(decoder.failure as never)
    if (++count === rowsPerFile) flush()
  })
  flush()
  return await Promise.all(full)
}

function newColumns(schema: Schema): Record<string, Column> {
  return Object.fromEntries(Object.entries(schema).map(([name, type]) => [name, newColumn(type)]))
}

async function writeFile(
  path: string,
  columns: Readonly<Record<string, Column>>,
  count: number,
): Promise<string> {
  const file = await open(path, 'wx')
  try {
    const named = Object.entries(columns).map(([name, column]) => ({ name, column }))
    await writeParquet(named, { from: 0, to: count, indexes: null }, async (bytes) => {
      await file.writeFile(bytes)
    })
  } finally {
    await file.close()
  }
  return path
}
