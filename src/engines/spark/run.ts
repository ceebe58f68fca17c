// The Spark engine: the planner's batches, computed and written by a Spark cluster that is driven from here.
// A server or session that goes away costs time only: everything is taken up again from the tables.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, LakehouseError } from '../../errors/errors.ts'
import { Database } from '../database.ts'
import type { Engine, PipelineOptions } from '../engine.ts'
import { checkpointDirectory, lockStreams } from '../lock.ts'
import { storageFailure } from '../storage-failure.ts'
import { openTables } from '../tables.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { followSilver } from './follow-silver.ts'
import { runFromKafka } from './from-kafka.ts'
import type { SparkEngineOptions } from './options.ts'

const backOffFirstMs = 1_000
const backOffMostMs = 60_000
/** A run with an end gives up after so many failures one after another. */
const onceFailuresMax = 5
/** What ran for so long has recovered: the next failure is a first one. */
const healthyMs = 60_000

export function sparkEngine(spark: SparkEngineOptions): Engine {
  return {
    run: async (options) => {
      try {
        await runLocked(options, spark)
      } catch (error) {
        throw storageFailure(error, options.deltaBasePath) ?? error
      }
    },
  }
}

async function runLocked(options: PipelineOptions, spark: SparkEngineOptions): Promise<void> {
  const lock = await lockStreams(options.deltaBasePath, options.streams, options)
  try {
    // A holder that lost its lock stops after the batch at hand, as on SIGTERM, and then says why.
    await runWithRetries({ ...options, signal: AbortSignal.any([options.signal, lock.lost]) }, spark)
    lock.lost.throwIfAborted()
  } finally {
    await lock.release()
  }
}

async function runWithRetries(options: PipelineOptions, spark: SparkEngineOptions): Promise<void> {
  const { signal, once, onNotice } = options
  let failures = 0
  let codeBefore: ErrorCode | null = null
  for (;;) {
    const startedMs = performance.now()
    try {
      return await runStreams(options, spark)
    } catch (error) {
      if (signal.aborted && !(error instanceof LakehouseError)) return
      if (performance.now() - startedMs > healthyMs) [failures, codeBefore] = [0, null]
      failures += 1
      if (!isPassing(error, codeBefore) || signal.aborted || (once && failures >= onceFailuresMax))
        throw error
      codeBefore = error.code
      const waitMs = Math.min(backOffMostMs, backOffFirstMs * 2 ** (failures - 1))
      const { errorClass = null } = error.details as { errorClass?: string | null }
      const message = `${error.message} It goes on from the tables in ${Math.round(waitMs / 1000)} s.`
      onNotice({ code: error.code, message, details: { failures, errorClass } })
      await sleep(waitMs, undefined, { signal }).catch(() => undefined) // Stopped: the next round sees it.
      if (signal.aborted) return
    }
  }
}

/**
 * A write that a vanished client or a broken connection left in the cluster may come in between, once;
 * whose batch it then is the tables tell.
 */
function isPassing(error: unknown, codeBefore: ErrorCode | null): error is LakehouseError {
  if (!(error instanceof LakehouseError)) return false
  if (error.policy.retry === 'backoff') return true
  return error.code === 'WRITER_FENCED' && codeBefore !== 'WRITER_FENCED'
}

async function runStreams(options: PipelineOptions, spark: SparkEngineOptions): Promise<void> {
  const { deltaBasePath, streams, signal } = options
  const cluster = await openCluster(spark.cluster, ownerOf(options), signal)
  try {
    const spillDirectory = join(checkpointDirectory(deltaBasePath, streams[0]!), 'spill')
    await rm(spillDirectory, { recursive: true, force: true }) // What a killed process left.
    await mkdir(spillDirectory, { recursive: true })
    // For planning and reports, which read few columns of few files.
    const database = await Database.open({ spillDirectory, ...options.duckdb })
    try {
      await runTables(options, spark, cluster, database)
    } finally {
      database.close()
    }
  } finally {
    await cluster.close()
  }
}

/** Whose session it is. */
export function ownerOf({
  deltaBasePath,
  streams,
}: Pick<PipelineOptions, 'deltaBasePath' | 'streams'>): string {
  return `${deltaBasePath}\n${streams.join(' ')}`
}

async function runTables(
  options: PipelineOptions,
  spark: SparkEngineOptions,
  cluster: Cluster,
  database: Database,
): Promise<void> {
  const tables = await openTables(options)
  const { session } = cluster
  if (options.streams.includes('kafka-to-delta'))
    await runFromKafka({ options, spark, session, database, tables })
  else await followSilver({ options, session, database, tables }, null)
}
