// A row of silver: a transaction that was kept, with its record and the time of its batch.
import type { Transaction } from '../../src/verify/judge.ts'
import { silverCells } from '../../src/verify/silver-cells.ts'
import { utcDate } from '../../src/verify/timestamp.ts'
import type { RawRecord, Row } from './rows.ts'

export type SilverTransaction = Transaction & { readonly record: RawRecord; readonly processingTime: bigint }

export function silverRow(of: SilverTransaction): Row {
  return {
    ...silverCells(of),
    topic: of.record.topic,
    partition: BigInt(of.record.partition),
    offset: of.record.offset,
    processing_time: of.processingTime,
    processing_date: utcDate(of.processingTime),
  }
}
