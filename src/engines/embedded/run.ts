// The embedded engine: one process, DuckDB for the rows, TypeScript for the log.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { inputStream } from '../../plan/index.ts'
import { Database } from '../database.ts'
import type { Engine, PipelineOptions } from '../engine.ts'
import { checkpointDirectory } from '../lock.ts'
import { runLocked } from '../retry.ts'
import { refuseIncompatible } from '../start-changes.ts'
import { openTables } from '../tables.ts'
import { followSilver } from './follow-silver.ts'
import { runFromSource } from './from-source.ts'

export const embeddedEngine: Engine = { run: (options) => runLocked(options, runStreams) }

async function runStreams(options: PipelineOptions): Promise<void> {
  const spillDirectory = join(checkpointDirectory(options.deltaBasePath, options.streams[0]!), 'spill')
  await rm(spillDirectory, { recursive: true, force: true }) // What a killed process left.
  await mkdir(spillDirectory, { recursive: true })
  const database = await Database.open({ spillDirectory, ...options.duckdb })
  try {
    await refuseIncompatible(options, database.load)
    const tables = await openTables(options)
    if (options.streams.includes(inputStream(options.lakehouse)))
      await runFromSource(options, database, tables)
    else await followSilver(options, database, tables, null)
  } finally {
    database.close()
  }
}
