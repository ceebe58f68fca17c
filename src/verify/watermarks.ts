// Watermarks and times: the recorded watermarks follow the rows, no row came behind the one of its batch, and
// every row has the time of a batch.

import { formatDuration } from '../config/duration.ts'
import { watermarkVariable } from '../config/variables.ts'
import { quoteIdentifier, quoteText } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { retainedOf } from '../ops/retained.ts'
import { findingsOf, instantSql, nothingFound, together } from './check.ts'
import { erasedInBatches, unprovedNote } from './erased.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import type { LoggedBatch } from './logged-batches.ts'
import { judgePlanned } from './planned-watermarks.ts'
import { position } from './position.ts'
import { type RunningCheck, sliceOf } from './slice.ts'

/**
 * The recorded greatest event times are those of the rows, and the watermarks follow them: each by its delay,
 * and not beyond what partitions that waited had shown.
 */
export function checkWatermarks(lakehouse: WrittenLakehouse, state: TableState): RunningCheck {
  const { connection } = lakehouse
  let findings = nothingFound
  let batches = 0
  let seenMicros: bigint | null = null
  let unproved = 0n
  const followed: Followed = new Map()
  return {
    async slice(slice) {
      const [first] = slice.batches
      if (first === undefined) return
      // Of the rows before the instant that the check begins with, nobody has told the greatest event time.
      if (batches === 0 && lakehouse.sinceMicros !== null) seenMicros = await seenBefore(lakehouse, first)
      const selects = [seenSql(lakehouse, state, seenMicros), ...lakehouse.watermarkNames.map(aheadSql)]
      const planned = await judgePlanned(lakehouse, slice, state.doneBatch)
      unproved += planned.unproved
      findings = together(
        findings,
        await findingsOf(connection, selects.join('\nUNION ALL\n'), ['batch']),
        planned.findings,
      )
      const seen = `SELECT max(epoch_us(computed)) FROM (${computedSql(lakehouse, seenMicros)})`
      const value = (await connection.runAndReadAll(seen)).getRows()[0]?.[0]
      if (typeof value === 'bigint' && (seenMicros === null || value > seenMicros)) seenMicros = value
      batches += slice.batches.length
      keepFollowed(lakehouse, followed, slice.batches)
    },
    async finish() {
      const { notes, hint } = delayNotes(lakehouse, followed)
      return {
        proved: `the watermarks of ${counted(batches, 'batch', 'batches')} follow the greatest event times of the rows`,
        findings,
        notes: [...notes, ...unprovedNote(unproved, 'outcome of a partition', 'outcomes of partitions')],
        hint,
      }
    },
  }
}

async function seenBefore(lakehouse: WrittenLakehouse, { timeMicros }: LoggedBatch): Promise<bigint | null> {
  const rows = lakehouse.rowsWithin(lakehouse.paths.events, 'processing_time', {
    fromMicros: null,
    toMicros: timeMicros - 1n,
  })
  const select = `SELECT max(epoch_us(event_time)) FROM (${rows})`
  const value = (await lakehouse.connection.runAndReadAll(select)).getRows()[0]?.[0]
  const there = typeof value === 'bigint' ? value : null
  const dropped = retainedOf(lakehouse.state(lakehouse.paths.events).snapshot.txns)?.droppedTimeMicros ?? null
  return there === null || (dropped !== null && dropped > there) ? dropped : there
}

function seenSql(lakehouse: WrittenLakehouse, { doneBatch }: TableState, seenMicros: bigint | null): string {
  return `SELECT batch, 'differs from the rows' AS problem, 'event_time_max' AS "column",
    CAST(seen AS VARCHAR) AS found, CAST(computed AS VARCHAR) AS expected
  FROM (${computedSql(lakehouse, seenMicros)})
  WHERE seen IS DISTINCT FROM computed AND coalesce(batch, 0) <= ${doneBatch}`
}

/**
 * For each batch the greatest event time that it recorded, and that of the rows so far. Where records of the
 * batch were erased, one of them may have had the time that it recorded.
 */
function computedSql({ erased: { isNone } }: WrittenLakehouse, seenMicros: bigint | null): string {
  const ofErased = `time IN (SELECT time FROM ${erasedInBatches}) AND seen > coalesce(event_time, TIMESTAMP '-infinity')`
  const ofBatch = isNone ? 'event_time' : `if(${ofErased}, seen, event_time)`
  return `SELECT batch, seen, greatest(${instantSql(seenMicros)}, max(${ofBatch}) OVER (ORDER BY time)) AS computed
    FROM ${sliceOf.batches} LEFT JOIN (
      SELECT processing_time AS time, max(event_time) AS event_time FROM ${sliceOf.silver} GROUP BY ALL
    ) USING (time)`
}

/**
 * A delay may have been changed between two batches, and a watermark never goes back; but none outruns the
 * rows. One of a lakehouse that had no such watermark has not begun.
 */
function aheadSql(name: string): string {
  const column = quoteIdentifier(name)
  return `SELECT batch, 'is ahead of the rows' AS problem, ${quoteText(`watermark ${name}`)} AS "column",
    CAST(${column} AS VARCHAR) AS found, 'at most ' || coalesce(CAST(greatest(seen, finalized) AS VARCHAR), 'none') AS expected
  FROM ${sliceOf.batches} WHERE ${column} > coalesce(greatest(seen, finalized), TIMESTAMP '-infinity')
    OR ${column} < finalized`
}

/** Of each watermark the newest batch without a plan in which it followed the rows. */
type Followed = Map<string, LoggedBatch>

function keepFollowed(
  { watermarkNames }: WrittenLakehouse,
  followed: Followed,
  batches: readonly LoggedBatch[],
): void {
  for (const name of watermarkNames) {
    const newest = batches.findLast(({ batch, plan, eventTimeMaxMicros, finalizedToMicros, watermarks }) => {
      const isFollowing = eventTimeMaxMicros !== null && watermarks[name] !== finalizedToMicros
      return batch !== null && plan === null && isFollowing
    })
    if (newest !== undefined) followed.set(name, newest)
  }
}

/** The delays that the newest batches were written with, where they are not those that are configured. */
function delayNotes(
  { options }: WrittenLakehouse,
  followed: Followed,
): { readonly notes: string[]; readonly hint: string | null } {
  const notes = [...followed].flatMap(([name, { eventTimeMaxMicros, watermarks }]) => {
    const delay = (eventTimeMaxMicros ?? 0n) - (watermarks[name] ?? 0n)
    const configured = options.delays[name]
    if (configured === undefined || delay === configured) return []
    const written = `watermark ${name} was written ${formatDuration(delay)} behind the rows`
    return [`${written}; ${watermarkVariable(name)} is ${formatDuration(configured)}`]
  })
  const hint =
    notes.length === 0 ? null : 'the configuration is not the one that the tables were written with'
  return { notes, hint }
}

/** No row of silver came after its watermark had passed. */
export function checkNoneLate({ connection }: WrittenLakehouse): RunningCheck {
  let findings = nothingFound
  let forgotten = 0
  return {
    async slice(slice) {
      const late = `SELECT s.topic, s.partition, s."offset", 'is late, but not in quarantine' AS problem,
        'event_time' AS "column", CAST(s.event_time AS VARCHAR) AS found,
        CAST(b.late_before AS VARCHAR) || ' or later' AS expected
      FROM ${sliceOf.silver} AS s JOIN ${sliceOf.batches} AS b ON b.time = s.processing_time
      WHERE s.event_time < b.late_before`
      findings = together(findings, await findingsOf(connection, late, position))
      forgotten += slice.batches.filter(({ batch }) => batch === null).length
    },
    async finish() {
      const told = counted(forgotten, 'batch', 'batches')
      const note =
        `nobody has recorded ${told} any more: their watermarks are computed from the rows and the configured ` +
        'delays, as if no --finalize had been among them'
      return {
        proved: 'no row is behind the watermark of its batch',
        findings,
        notes: forgotten === 0 ? [] : [note],
      }
    },
  }
}

/** The times of a relation's rows that are of no batch of the slice. */
export function timesOutsideSql(relation: string, column: string): string {
  const name = quoteIdentifier(column)
  return `SELECT ${name}, 'is no time of a batch' AS problem, ${quoteText(column)} AS "column",
    CAST(count(*) AS VARCHAR) || if(count(*) = 1, ' row', ' rows') AS found, NULL AS expected
  FROM ${relation} WHERE ${name} IS NULL OR ${name} NOT IN (SELECT time FROM ${sliceOf.batches}) GROUP BY ${name}`
}
