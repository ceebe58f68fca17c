// What decides rows: the definitions and settings of today.
import type { DuckDBConnection } from '@duckdb/node-api'
import { definitionsOf } from '../ops/definitions.ts'
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
export function definitionsOfRun(
  options: Pick<
    PipelineOptions,
    'lakehouse' | 'deltaBasePath' | 'delays' | 'parameters' | 'recordsPerBatchMax'
  >,
  connection: DuckDBConnection,
): DefinitionStore {
  const definitions = definitionsOf(options.lakehouse, settingsOf(options))
  return new DefinitionStore(options.deltaBasePath, connection, options.lakehouse, definitions)
}
