// How DuckDB puts small files of a table together.
import type { DuckDBConnection } from '@duckdb/node-api'
import { step } from '../../steps/step.ts'
import type { Compact } from '../upkeep.ts'

export function compactWith(connection: DuckDBConnection): Compact {
  return async ({ delta }, smallFileBytes, signal) => {
    await delta.optimize(connection, { smallFileBytes, sparesLarge: true, signal })
    await step('compaction ended')
  }
}
