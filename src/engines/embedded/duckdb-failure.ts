// What DuckDB throws, and what a batch that failed in it says.
import type { BatchPlan } from '../../batches/plan.ts'
import { LakehouseError } from '../../errors/errors.ts'

/** The driver throws plain errors without a code, for a full disk as for a number that is too large. */
export function isOfDuckdb(error: unknown): error is Error {
  return error instanceof Error && Object.getPrototypeOf(error) === Error.prototype && !('code' in error)
}

/** DuckDB's kind of an error stands before the colon, and nowhere else. */
export function isOutOfMemory(error: unknown): boolean {
  return isOfDuckdb(error) && error.message.startsWith('Out of Memory Error:')
}

const advice = 'docs/guide/recovery.md says what to do about disks, memory and limits.'

export function batchFailure(batch: BatchPlan, error: Error): LakehouseError {
  const message =
    `batch ${batch.batch} failed in DuckDB: ${firstLine(error)}. The tables are intact: the next start goes on ` +
    `with this batch. ${advice}`
  return new LakehouseError('BATCH_FAILED', message, { cause: error })
}

function firstLine(error: Error): string {
  return error.message.split('\n')[0] ?? ''
}
