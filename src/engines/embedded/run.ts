// The embedded engine: one process, DuckDB for the rows, TypeScript for the log.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Database } from '../database.ts'
import type { Engine, PipelineOptions } from '../engine.ts'
import { checkpointDirectory, lockStreams } from '../lock.ts'
import { storageFailure } from '../storage-failure.ts'
import { openTables } from '../tables.ts'
import { followSilver } from './follow-silver.ts'
import { runFromSource } from './from-source.ts'

export const embeddedEngine: Engine = { run }

async function run(options: PipelineOptions): Promise<void> {
  try {
    await runLocked(options)
  } catch (error) {
    throw storageFailure(error, options.deltaBasePath) ?? error
  }
}

async function runLocked(options: PipelineOptions): Promise<void> {
  const lock = await lockStreams(options.deltaBasePath, options.streams, options)
  try {
    // A holder that lost its lock stops after the batch at hand, as on SIGTERM, and then says why.
    await runStreams({ ...options, signal: AbortSignal.any([options.signal, lock.lost]) })
    lock.lost.throwIfAborted()
  } finally {
    await lock.release()
  }
}

async function runStreams(options: PipelineOptions): Promise<void> {
  const spillDirectory = join(checkpointDirectory(options.deltaBasePath, options.streams[0]!), 'spill')
  await rm(spillDirectory, { recursive: true, force: true }) // What a killed process left.
  await mkdir(spillDirectory, { recursive: true })
  const database = await Database.open({ spillDirectory, ...options.duckdb })
  try {
    const tables = await openTables(options)
    if (options.streams.includes('kafka-to-delta')) await runFromSource(options, database, tables)
    else await followSilver(options, database, tables, null)
  } finally {
    database.close()
  }
}
