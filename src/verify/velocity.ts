// The velocity of fraud_detection: for each row the rows of its user in the half hour before it that had
// arrived, counted by a plain join.

import { type Findings, findingsOf, nothingFound, together } from './check.ts'
import { type EventSlice, eventSlices } from './event-slices.ts'
import type { Lakehouse, TableState } from './lakehouse.ts'
import { keys, position, samePosition } from './position.ts'

/** Pairs of rows that one user's range of time may make; a busier one is counted by nothing but the engine. */
const pairsMaxPerBucket = 100_000_000

/** `skipped`: rows whose velocity was not counted. */
export async function checkVelocity(
  lakehouse: Lakehouse,
  { definition: { path } }: TableState,
): Promise<{ readonly findings: Findings; readonly skipped: bigint }> {
  const { connection } = lakehouse
  const rangeMicros = lakehouse.periods.velocityMicrosMax
  let findings = nothingFound
  let skipped = 0n
  for await (const slice of eventSlices(lakehouse, rangeMicros)) {
    skipped += await countVelocity(lakehouse, slice, rangeMicros)
    const found = `SELECT f.topic, f.partition, f."offset", 'differs' AS problem, 'tx_count_30min' AS "column",
        f.tx_count_30min AS found, v.tx_count_30min AS expected
      FROM (${lakehouse.rowsWithin(path, 'event_time', slice)}) AS f JOIN velocity AS v ON ${samePosition('f', 'v')}
      WHERE f.tx_count_30min IS DISTINCT FROM v.tx_count_30min`
    findings = together(findings, await findingsOf(connection, found, position))
    await connection.run('DROP TABLE velocity')
  }
  return { findings, skipped }
}

/**
 * `velocity`: one row for each of silver's rows in the part of the slice. Rows meet by user and range of time
 * (their own and the one before it), then each pair is judged. Returns how many rows are left out.
 */
async function countVelocity(lakehouse: Lakehouse, slice: EventSlice, rangeMicros: bigint): Promise<bigint> {
  const { connection } = lakehouse
  const isOwn = slice.fromMicros === null ? 'true' : `micros >= ${slice.fromMicros}`
  await connection.run(`CREATE OR REPLACE TEMP TABLE arrivals AS
    SELECT ${keys}, user_id, epoch_us(event_time) AS micros, epoch_us(event_time) // ${rangeMicros} AS bucket,
      row_number() OVER (ORDER BY processing_time, ${keys}) AS arrival, velocity_micros
    FROM (${slice.rows}) ASOF JOIN (${lakehouse.periods.sql()}) AS p ON processing_time >= p.from_time
    WHERE hash(user_id) % ${slice.parts} = ${slice.part}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE busy AS
    SELECT user_id, bucket FROM arrivals GROUP BY ALL HAVING count(*) * count(*) > ${pairsMaxPerBucket}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE velocity AS
    WITH judged AS (SELECT * FROM arrivals ANTI JOIN busy USING (user_id, bucket) WHERE ${isOwn}),
    met AS (
      SELECT user_id, bucket, micros, arrival FROM arrivals
      UNION ALL SELECT user_id, bucket + 1, micros, arrival FROM arrivals
    ),
    counted AS (
      SELECT r.arrival, CAST(count(*) AS INTEGER) AS tx_count_30min
      FROM judged AS r JOIN met AS s ON s.user_id = r.user_id AND s.bucket = r.bucket
      WHERE s.micros BETWEEN r.micros - r.velocity_micros AND r.micros AND s.arrival <= r.arrival
      GROUP BY r.arrival
    )
    SELECT ${keys}, tx_count_30min FROM counted JOIN arrivals USING (arrival)`)
  const select = `SELECT count(*) FROM arrivals SEMI JOIN busy USING (user_id, bucket) WHERE ${isOwn}`
  const skipped = await lakehouse.number(select)
  await connection.run('DROP TABLE arrivals')
  await connection.run('DROP TABLE busy')
  return skipped
}
