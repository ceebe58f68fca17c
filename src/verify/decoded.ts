// The records of a slice with the text that their values are as JSON: by the schemas that each batch knew.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { quoteIdentifier, quotePathToRead } from '../delta/sql.ts'
import { type DecodeNode, writeDecodedRows } from '../engines/decoded-rows.ts'
import { tellNobody } from '../engines/events.ts'
import { SchemaStore } from '../engines/schema-store.ts'
import type { ValueDecoder } from '../formats/known-schemas.ts'
import { alreadyDecoded, decodeOf, type TableDefinition } from '../plan/index.ts'
import { decodeSql, duckdb, isWireSql } from '../sql/index.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import { keys } from './position.ts'
import { type Slice, sliceOf } from './slice.ts'

/** The rows of bronze in the slice, with the columns of the operator that decodes. */
const decodedSlice = 'decoded_slice'
const positions = { topic: 'string', partition: 'int', offset: 'long' } as const

/** The relation that the events' plan is judged from. */
export function recordsToJudge(events: TableDefinition): string {
  return decodeOf(events.rows.node) === null ? sliceOf.bronze : decodedSlice
}

/** The table where its records come with what is decoded of them. */
export function withRecordsDecoded<T extends TableDefinition>(events: T): T {
  return { ...events, rows: { ...events.rows, node: alreadyDecoded(events.rows.node) } }
}

/** Makes that relation; nothing where it is bronze itself. */
export function prepareDecoded(lakehouse: WrittenLakehouse, slice: Slice): Promise<void> {
  return slice.prepare(decodedSlice, async () => {
    const node = decodeOf(slice.definition(lakehouse.paths.events).rows.node)
    if (node === null) return
    const sql = await decodedSql(lakehouse, node)
    await lakehouse.connection.run(`CREATE OR REPLACE TEMP VIEW ${decodedSlice} AS ${sql}`)
  })
}

async function decodedSql(lakehouse: WrittenLakehouse, node: DecodeNode): Promise<string> {
  const files = await decodedFiles(lakehouse, node)
  if (files.length === 0) return decodeSql(duckdb, node, sliceOf.bronze)
  const [from, headers, as, failure] = [node.from, node.headers, node.as, node.failure].map(
    quoteIdentifier,
  ) as [string, string, string, string]
  const isWire = isWireSql(duckdb, `b.${from}`, `b.${headers}`)
  return `SELECT b.*, CASE WHEN ${isWire} THEN d.${as} ELSE b.${from} END AS ${as}, d.${failure}
    FROM ${sliceOf.bronze} AS b
    LEFT JOIN read_parquet([${files.map(quotePathToRead).join(', ')}]) AS d USING (${keys})`
}

async function decodedFiles(lakehouse: WrittenLakehouse, node: DecodeNode): Promise<readonly string[]> {
  const { connection, options } = lakehouse
  const directory = join(lakehouse.spillDirectory, 'decoded')
  await rm(directory, { recursive: true, force: true }) // That of the slice before.
  await mkdir(directory, { recursive: true })
  const read = [keys, quoteIdentifier(node.from), quoteIdentifier(node.headers)].join(', ')
  const schemas = await SchemaStore.open(
    { deltaBasePath: options.deltaBasePath, tableProperties: {}, tell: tellNobody },
    connection,
  )
  let [last, decoder]: [unknown, ValueDecoder | null] = [null, null]
  return await writeDecodedRows(node, {
    connection,
    select: `SELECT ${read}, coalesce(epoch_us(batch_time), 0) AS batch_micros FROM ${sliceOf.bronze}`,
    copied: positions,
    decoderOf: ({ batch_micros: micros }) => {
      if (decoder === null || micros !== last) decoder = schemas.decoderAt(BigInt(String(micros)))
      last = micros
      return decoder
    },
    directory,
  })
}
