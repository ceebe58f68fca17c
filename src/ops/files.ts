// ops/files: how far each file of an input was read. A commit of a batch carries only the files that it
// read, so it does not grow with those that are done.
import type { NextOffset } from '../batches/offsets.ts'
import type { DeltaTableDefinition } from '../delta/index.ts'
import { duckdb } from '../sql/index.ts'

export const filesPath = 'ops/files'

export const filesDefinition = {
  description: 'How far each file of an input was read; of several rows of a file the greatest counts.',
  partitionColumns: [],
  fields: [
    { name: 'topic', type: 'string', nullable: true, metadata: {} },
    { name: 'bytes_read', type: 'long', nullable: true, metadata: {} },
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>

/** A SELECT of the rows, in the columns of the table. */
export function fileRowsSql(files: readonly NextOffset[]): string {
  const rows = files.map(({ topic, offset }) => `(${duckdb.text(topic)}, ${offset}::BIGINT)`)
  return `SELECT * FROM (VALUES ${rows.join(',\n')}) AS files(topic, bytes_read)`
}

export function fileOffset(topic: string, bytesRead: bigint): NextOffset {
  return { topic, partition: 0, offset: bytesRead, isFile: true }
}
