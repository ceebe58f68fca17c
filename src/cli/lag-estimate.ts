// How many records wait in the input, from what batches tell: the lag of files is in bytes, and a record that
// waits has about as many as those that were read.
import type { BatchReport } from '../engines/batch-report.ts'

export type LagEstimate = {
  /** To be told each report, in their order; null where the lag is not known, or nothing was read yet. */
  records(report: Pick<BatchReport, 'records' | 'input'>): bigint | null
}

export function createLagEstimate(): LagEstimate {
  let [records, consumed] = [0n, 0n]
  return {
    records({ records: more, input }) {
      if (input === null) return null
      records += BigInt(more)
      consumed += input.consumed
      if (input.lag === 0n) return 0n
      return consumed === 0n ? null : (input.lag * records) / consumed
    },
  }
}
