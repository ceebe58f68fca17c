// What DuckDB throws, and what a batch that failed in it says.
import type { BatchPlan } from '../../batches/plan.ts'
import { LakehouseError } from '../../errors/errors.ts'

/** The driver throws plain errors without a code, for a full disk as for a number that is too large. */
export function isOfDuckdb(error: unknown): error is Error {
  return error instanceof Error && Object.getPrototypeOf(error) === Error.prototype && !('code' in error)
}

export function batchFailure(batch: BatchPlan, error: Error): LakehouseError {
  return new LakehouseError(
    'BATCH_FAILED',
    `batch ${batch.batch} failed in DuckDB: ${error.message.split('\n')[0]}. The tables are intact: the next start ` +
      'goes on with this batch. docs/guide/recovery.md says what to do about disks, memory and limits.',
    { cause: error },
  )
}
