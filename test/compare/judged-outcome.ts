// What a batch brought, as its judged rows say: counts, and how far they are in event time.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { BatchTimes } from '../../src/batches/planner.ts'
import type { BatchCounts, PartitionTime } from '../../src/batches/progress.ts'
import { rowsOf } from '../../src/engines/database.ts'

export type Outcome = BatchTimes & { readonly counts: BatchCounts }

export async function outcomeOfFiles(connection: DuckDBConnection): Promise<Outcome> {
  const [row] = await rowsOf(
    connection,
    'SELECT count(*)::INTEGER AS records, (count(*) FILTER (WHERE is_accepted))::INTEGER AS silver, ' +
      'epoch_us(max(event_time) FILTER (WHERE is_accepted)) AS seen FROM judged_batch',
  )
  const [records, silver] = [Number(row?.records), Number(row?.silver)]
  const seen = typeof row?.seen === 'bigint' ? row.seen : null
  const counts = { records, silver, quarantined: records - silver }
  return { eventTimeMaxMicros: seen, partitions: [], counts }
}

/** The valid rows of a partition are those of silver, late ones and repeats. */
export async function outcomeOfPartitions(connection: DuckDBConnection): Promise<Outcome> {
  const rows = await rowsOf(
    connection,
    `WITH valid AS (
      SELECT topic, partition, max(event_time) AS event_time, max("offset") AS last,
        max(event_time) FILTER (WHERE is_accepted) AS seen
      FROM judged_batch WHERE len(invalid) = 0 GROUP BY ALL
    )
    SELECT r.topic, r.partition,
      epoch_us(any_value(valid.event_time)) AS event_time, epoch_us(any_value(seen)) AS seen,
      count(*)::INTEGER AS records, (count(*) FILTER (WHERE is_accepted))::INTEGER AS silver,
      (count(*) FILTER (WHERE last IS NULL OR r."offset" > last))::INTEGER AS since_valid
    FROM judged_batch AS r LEFT JOIN valid ON valid.topic = r.topic AND valid.partition = r.partition
    GROUP BY r.topic, r.partition`,
  )
  const partitions = rows.map(
    (row): PartitionTime => ({
      topic: String(row.topic),
      partition: Number(row.partition),
      eventTimeMaxMicros: typeof row.event_time === 'bigint' ? row.event_time : null,
      recordsSinceValid: Number(row.since_valid),
    }),
  )
  const sum = (name: string): number => rows.reduce((total, row) => total + Number(row[name]), 0)
  const [records, silver] = [sum('records'), sum('silver')]
  const seen = rows.flatMap((row) => (typeof row.seen === 'bigint' ? [row.seen] : []))
  return {
    eventTimeMaxMicros: seen.reduce<bigint | null>(
      (most, one) => (most === null || one > most ? one : most),
      null,
    ),
    partitions,
    counts: { records, silver, quarantined: records - silver },
  }
}
