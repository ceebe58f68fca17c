// What a start finds changed since the last batch: rules, lists, tables and settings.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { OnNotice } from '../batches/notice.ts'
import type { RecordedBatch } from '../batches/progress.ts'
import { changedDefinitions, definitionsOf } from '../ops/definitions.ts'
import { settingsOf } from './batch-rules.ts'
import { DefinitionStore } from './definition-store.ts'
import type { PipelineOptions } from './engine.ts'

/** What decides rows from now on; recorded, unless it is known. */
export async function currentDefinitions(
  options: PipelineOptions,
  connection: DuckDBConnection,
): Promise<DefinitionStore> {
  const store = definitionsOfRun(options, connection)
  await store.record(options.tableProperties)
  return store
}

/** The same for those who only read. */
export function definitionsOfRun(options: PipelineOptions, connection: DuckDBConnection): DefinitionStore {
  const definitions = definitionsOf(options.lakehouse, settingsOf(options))
  return new DefinitionStore(options.deltaBasePath, connection, definitions)
}

/** Tells what is another than in the last batch; its rows, and all before, stay as they are. */
export async function tellChanges(
  store: DefinitionStore,
  last: RecordedBatch,
  onNotice: OnNotice,
): Promise<void> {
  const hash = last.plan?.definitions
  if (hash === undefined || hash === store.current.hash) return
  const before = await store.at(hash)
  const changes =
    before === null ? ['the definitions of then are lost'] : changedDefinitions(before, store.current)
  const message = `Since batch ${last.progress.batch} these have changed: ${changes.join('; ')}. Rows that are there stay as they are.`
  onNotice({ code: 'DEFINITIONS_CHANGED', message, details: { batch: last.progress.batch, changes } })
}
