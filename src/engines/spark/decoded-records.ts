// Records in the wire format of a registry, for a cluster: this process decodes them, and hands them over as
// Parquet files that stand in place of the rows of bronze. docs/decisions/formats.md says why.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { BatchPlan } from '../../batches/plan.ts'
import type { DeltaTable } from '../../delta/index.ts'
import { isWireSql, spark } from '../../sql/index.ts'
import { rowsOfBatch } from '../bronze-rows.ts'
import { type DecodeNode, writeDecodedRows } from '../decoded-rows.ts'
import { schemasNamed } from '../embedded/schemas-named.ts'
import type { PipelineOptions } from '../engine.ts'
import { checkpointDirectory } from '../lock.ts'
import type { SchemaStore } from '../schema-store.ts'
import { fileUri } from './rows.ts'

export type Decoding = {
  readonly schemas: SchemaStore
  readonly bronze: DeltaTable
  /** Nothing else runs on it meanwhile. */
  readonly connection: DuckDBConnection
}

/** Where the rows of a batch are decoded: a file system that the cluster sees too. */
export function decodedDirectory({ deltaBasePath, streams }: PipelineOptions): string {
  return join(checkpointDirectory(deltaBasePath, streams[0]!), 'decoded')
}

/**
 * A SELECT of `records`, the rows of the batch, with the columns of the operator; null where none of them is in
 * the wire format. The files stand until the next batch. A new batch has its schemas asked for.
 */
export async function decodedRecordsSql(
  { schemas, bronze, connection }: Decoding,
  options: PipelineOptions,
  node: DecodeNode,
  batch: { readonly plan: BatchPlan; readonly records: string; readonly isNew: boolean },
): Promise<string | null> {
  if (!schemas.mayKnow) return null
  const { plan, records } = batch
  const select = await rowsOfBatch(await bronze.snapshot(), bronze.directory, plan)
  if (batch.isNew) {
    const named = await schemasNamed({ kind: 'bronze', select }, connection)
    await schemas.prepare(named, plan.timeMicros, options.signal)
  }
  const directory = decodedDirectory(options)
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const decoder = schemas.decoderAt(plan.timeMicros)
  const { schema } = options.lakehouse.records.rows
  const rows = { connection, select, copied: schema, decoderOf: () => decoder, directory }
  if ((await writeDecodedRows(node, rows)).length === 0) return null
  const [from, headers, as, failure] = [node.from, node.headers, node.as, node.failure].map(spark.name)
  const columns = Object.keys(schema).map(spark.name).join(', ')
  return `SELECT ${columns}, ${from} AS ${as}, CAST(NULL AS STRING) AS ${failure}
    FROM (${records}) WHERE NOT ${isWireSql(spark, from!, headers!)}
    UNION ALL
    SELECT ${columns}, ${as}, ${failure} FROM parquet.${spark.name(fileUri(directory))}`
}
