// Every Kafka record, tombstones and garbage included: what anything else can be computed from again.
import { dateOf } from '../../expr/index.ts'
import { defineTable, extend, input } from '../../plan/index.ts'
import { kafkaRecords } from '../0-kafka/transactions.ts'
import { processingTime } from '../batch.ts'

export const bronzeTransactions = defineTable({
  path: 'bronze/transactions',
  meaning: 'One row for every Kafka record, nothing parsed, nothing lost.',
  stream: 'kafka-to-delta',
  partitionBy: 'processing_date',
  watermark: null,
  rows: extend(kafkaRecords, () => ({
    processing_time: processingTime,
    processing_date: dateOf(processingTime),
  })),
})

/** The rows that this batch brings to bronze. */
export const bronzeBatch = input('bronze_batch', bronzeTransactions.rows.schema, {
  of: 'batch',
  table: bronzeTransactions.path,
})
