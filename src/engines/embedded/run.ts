// The embedded engine: one process, DuckDB for the rows, TypeScript for the log.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { tablesOf } from '../../lakehouse/pipeline.ts'
import type { Engine, PipelineOptions } from '../engine.ts'
import { Database } from './database.ts'
import { followSilver } from './follow-silver.ts'
import { runFromSource } from './from-source.ts'
import { checkpointDirectory, lockStreams } from './lock.ts'
import { OpenTable } from './tables.ts'

export const embeddedEngine: Engine = { run }

async function run(options: PipelineOptions): Promise<void> {
  const lock = await lockStreams(options.deltaBasePath, options.streams)
  try {
    const spillDirectory = join(checkpointDirectory(options.deltaBasePath, options.streams[0]!), 'spill')
    await mkdir(spillDirectory, { recursive: true })
    const database = await Database.open({ spillDirectory, ...options.duckdb })
    try {
      const tables: OpenTable[] = []
      for (const definition of tablesOf(options.streams)) {
        tables.push(await OpenTable.open(options.deltaBasePath, definition, options.tableProperties))
      }
      if (options.streams.includes('kafka-to-delta')) await runFromSource(options, database, tables)
      else await followSilver(options, database, tables, null)
    } finally {
      database.close()
    }
  } finally {
    await lock.release()
  }
}
