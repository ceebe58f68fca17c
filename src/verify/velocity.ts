// The velocity of fraud_detection: for each row the rows of its user in the half hour before it that had
// arrived, counted by a plain join.

import { type Findings, findingsOf, nothingFound, together } from './check.ts'
import { erasedInBatches, mayLieWithin, wasThereAt } from './erased.ts'
import { type EventSlice, eventSlices } from './event-slices.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import { keys, position, samePosition } from './position.ts'

/** Pairs of rows that one user's range of time may make; a busier one is counted by nothing but the engine. */
const pairsMaxPerBucket = 100_000_000

/** `skipped`: rows whose velocity was not counted; `unproved`: rows that may have counted erased records. */
export async function checkVelocity(
  lakehouse: WrittenLakehouse,
  { definition: { path } }: TableState,
): Promise<{ readonly findings: Findings; readonly skipped: bigint; readonly unproved: bigint }> {
  const { connection } = lakehouse
  const rangeMicros = lakehouse.periods.velocityMicrosMax
  let findings = nothingFound
  let [skipped, unproved] = [0n, 0n]
  for await (const slice of eventSlices(lakehouse, rangeMicros)) {
    skipped += await countVelocity(lakehouse, slice, rangeMicros)
    const found = `SELECT f.topic, f.partition, f."offset", 'differs' AS problem, 'tx_count_30min' AS "column",
        f.tx_count_30min AS found, v.tx_count_30min AS expected, f.processing_time, f.event_time
      FROM (${lakehouse.rowsWithin(path, 'event_time', slice)}) AS f JOIN velocity AS v ON ${samePosition('f', 'v')}
      WHERE f.tx_count_30min IS DISTINCT FROM v.tx_count_30min`
    await connection.run(`CREATE OR REPLACE TEMP TABLE other_velocity AS ${found}`)
    if (!lakehouse.erased.isNone) unproved += await excused(lakehouse, rangeMicros)
    findings = together(findings, await findingsOf(connection, 'FROM other_velocity', position))
    await connection.run('DROP TABLE other_velocity')
    await connection.run('DROP TABLE velocity')
  }
  return { findings, skipped, unproved }
}

/**
 * Takes those out of `other_velocity` that may have counted records which another program deleted: an erasure
 * takes all rows of a user, so none is left that could have counted them. Returns how many they are.
 */
async function excused({ connection }: WrittenLakehouse, rangeMicros: bigint): Promise<bigint> {
  const reach = `to_microseconds(${rangeMicros})`
  const most = `(SELECT count(*) FROM ${erasedInBatches} AS e WHERE e.is_adopted
    AND ${wasThereAt('o.processing_time')} AND ${mayLieWithin(`o.event_time - ${reach}`, 'o.event_time')})`
  const { rowsChanged } = await connection.run(
    `DELETE FROM other_velocity AS o WHERE o.found - o.expected BETWEEN 1 AND ${most}`,
  )
  return BigInt(rowsChanged)
}

/**
 * `velocity`: one row for each of silver's rows in the part of the slice. Rows meet by user and range of time
 * (their own and the one before it), then each pair is judged. Returns how many rows are left out.
 */
async function countVelocity(
  lakehouse: WrittenLakehouse,
  slice: EventSlice,
  rangeMicros: bigint,
): Promise<bigint> {
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
