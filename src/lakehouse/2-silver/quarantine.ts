// The records that silver refused, each with its reasons, whole: nothing is lost, and each can be brought
// back.
import { defineTable, project } from '../../plan/index.ts'
import { type Silver, seedSilver } from './transactions.ts'

export const quarantine = quarantineOf(seedSilver)

/** The table of what the silver of a project refuses. */
export function quarantineOf({ refused }: Silver) {
  return defineTable({
    path: 'silver/quarantine',
    meaning: 'Every record that is not in silver: all its invalid reasons, or `late`, or `duplicate`.',
    stream: 'kafka-to-delta',
    partitionBy: 'processing_date',
    watermark: null,
    rows: project(refused, (row) => ({
      topic: row.topic,
      partition: row.partition,
      offset: row.offset,
      kafka_key: row.kafka_key,
      value: row.value,
      reasons: row.reasons,
      processing_time: row.processing_time,
      processing_date: row.processing_date,
    })),
  })
}
