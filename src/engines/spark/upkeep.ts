// How Spark puts small files of a table together.
import { spark } from '../../sql/index.ts'
import type { Compact } from '../upkeep.ts'
import type { SparkSession } from './connect/session.ts'
import { fileUri } from './rows.ts'

export function compactWith(session: SparkSession): Compact {
  return async ({ definition, delta }, smallFileBytes, signal) => {
    const call = { signal, what: `Compaction of ${definition.path} failed` }
    const sizes = { 'spark.databricks.delta.optimize.minFileSize': String(smallFileBytes) }
    await session.setConfig(sizes, call)
    await session.run(`OPTIMIZE delta.${spark.name(fileUri(delta.directory))}`, call)
  }
}
