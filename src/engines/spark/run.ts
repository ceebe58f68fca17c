// The Spark engine: the planner's batches, computed and written by a Spark cluster that is driven from here.
// A server or session that goes away costs time only: everything is taken up again from the tables.
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { openTable } from '../../ops/tables.ts'
import { inputStream, tablesOf } from '../../plan/index.ts'
import { Database } from '../database.ts'
import type { Engine, PipelineOptions } from '../engine.ts'
import { checkpointDirectory } from '../lock.ts'
import { type Attempt, runLocked } from '../retry.ts'
import { refuseIncompatible } from '../start-changes.ts'
import { openTables, refuseMissing } from '../tables.ts'
import { openCluster } from './cluster.ts'
import { followSilver } from './follow-silver.ts'
import { runFromKafka } from './from-kafka.ts'
import type { SparkEngineOptions } from './options.ts'
import type { SparkRun } from './spark-run.ts'

export function sparkEngine(spark: SparkEngineOptions): Engine {
  const attempt: Attempt = (options, gotOn) => runStreams(options, spark, gotOn)
  // A write that a vanished client or a broken connection left in the cluster may come in between, once;
  // whose batch it then is the tables tell.
  return { run: (options) => runLocked(options, attempt, ['WRITER_FENCED']) }
}

async function runStreams(
  options: PipelineOptions,
  spark: SparkEngineOptions,
  gotOn: () => void,
): Promise<void> {
  const { signal, opens = signal } = options
  await beforeTables(options)
  const cluster = await openCluster(spark.cluster, await ownerOf(options), opens)
  try {
    // For planning and reports, which read few columns of few files.
    const database = await openDatabase(options)
    try {
      await runTables({ options, session: cluster.session, database, gotOn }, spark)
    } finally {
      database.close()
    }
  } finally {
    await cluster.close()
  }
}

/** What stops a start stops it before anything is made, and before a cluster is waited for. */
async function beforeTables(options: PipelineOptions): Promise<void> {
  const database = await openDatabase(options)
  try {
    await refuseIncompatible(options, database.load)
  } finally {
    database.close()
  }
}

async function openDatabase({ deltaBasePath, streams, duckdb }: PipelineOptions): Promise<Database> {
  const spillDirectory = join(checkpointDirectory(deltaBasePath, streams[0]!), 'spill')
  await rm(spillDirectory, { recursive: true, force: true }) // What a killed process left.
  await mkdir(spillDirectory, { recursive: true })
  return Database.open({ spillDirectory, ...duckdb })
}

/**
 * Whose session it is. A path alone may be that of another lakehouse, on another host or in another container
 * that uses the same server; the id of a table is made with it.
 */
export async function ownerOf({
  lakehouse,
  deltaBasePath,
  streams,
  tableProperties,
}: Pick<PipelineOptions, 'lakehouse' | 'deltaBasePath' | 'streams' | 'tableProperties'>): Promise<string> {
  const definitions = tablesOf(lakehouse, streams)
  await refuseMissing(lakehouse, deltaBasePath, definitions)
  const [first] = definitions
  const table = await openTable(deltaBasePath, first!, tableProperties)
  const { metadata } = await table.snapshot()
  return [resolve(deltaBasePath), metadata.id, ...streams].join('\n')
}

async function runTables(run: Omit<SparkRun, 'tables'>, spark: SparkEngineOptions): Promise<void> {
  const tables = await openTables(run.options)
  if (run.options.streams.includes(inputStream(run.options.lakehouse)))
    await runFromKafka({ ...run, spark, tables })
  else await followSilver({ ...run, tables }, null)
}
