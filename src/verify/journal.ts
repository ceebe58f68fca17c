// `ops/batches` beside the logs: the batches that it notes, one after another.
import type { RecordedBatch } from '../batches/progress.ts'
import { fetchedScanSql } from '../delta/index.ts'
import { streamOf } from '../engines/database.ts'
import { batchesPath, recordedOf } from '../ops/batches.ts'
import { opsDirectory } from '../ops/tables.ts'
import type { WrittenLakehouse } from './lakehouse.ts'

/** `recorded` is null where plan and outcome cannot be read. */
export type NotedBatch = { readonly batch: bigint; readonly recorded: RecordedBatch | null }

/** In the order of their numbers; none where the lakehouse keeps no journal. */
export async function* journalBatches(
  lakehouse: WrittenLakehouse,
  sinceMicros: bigint | null = lakehouse.sinceMicros,
): AsyncGenerator<NotedBatch, null> {
  const directory = opsDirectory(lakehouse.options.deltaBasePath, batchesPath)
  const { journal } = lakehouse
  if (journal === null) return null
  const rows = `SELECT batch, plan, outcome, processing_time FROM (${await fetchedScanSql(journal, directory)})`
  // The batch before the first one that is judged is known by what it left.
  const where =
    sinceMicros === null
      ? ''
      : `WHERE batch >= coalesce((SELECT max(batch) FROM (${rows})
          WHERE processing_time < make_timestamptz(${sinceMicros})), 0)`
  const connection = await lakehouse.connect()
  const result = await streamOf(
    connection,
    `SELECT batch, plan, outcome FROM (${rows}) ${where} ORDER BY batch`,
  )
  for await (const chunk of result.yieldRowsJs()) {
    // As selected.
    for (const [batch, plan, outcome] of chunk as [bigint, string | null, string][]) {
      yield { batch, recorded: recordedOrNull(plan, outcome) }
    }
  }
  return null
}

/** Whatever is wrong with a text, the batch is told. */
function recordedOrNull(plan: string | null, outcome: string): RecordedBatch | null {
  try {
    return recordedOf(plan, outcome)
  } catch {
    return null
  }
}
