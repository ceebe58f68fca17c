// Slices of silver by event time, for what is judged by the rows around a row: repeats, windows.

import { streamOf } from '../engines/database.ts'
import type { InstantRange, WrittenLakehouse } from './lakehouse.ts'

const hourMicros = 3_600_000_000n
/** A slice is at least so many times as long as the reach of its rows, which are read with two slices. */
const reachesPerSlice = 4n

export type EventSlice = {
  /** The event times that the slice is to judge; null is without a bound. Both ends are included. */
  readonly fromMicros: bigint | null
  readonly toMicros: bigint | null
  /** A SELECT of silver's rows of these times, and of those within the reach before them. */
  readonly rows: string
  /** The slice is to be judged in so many parts, by a hash of what makes rows meet. */
  readonly part: number
  readonly parts: number
}

/** The slices one after another, and the parts of each. */
export async function* eventSlices(
  lakehouse: WrittenLakehouse,
  reachMicros: bigint,
): AsyncGenerator<EventSlice> {
  for (const { fromMicros, toMicros, rows: count } of await hoursInSlices(lakehouse, reachMicros)) {
    const parts = Math.max(1, Math.ceil(count / lakehouse.rowsAtOnce))
    const reachFrom = fromMicros === null ? null : fromMicros - reachMicros
    const rows = lakehouse.rowsWithin(lakehouse.paths.events, 'event_time', {
      fromMicros: reachFrom,
      toMicros,
    })
    for (let part = 0; part < parts; part++) {
      yield { fromMicros, toMicros, rows, part, parts }
      lakehouse.work.add(count / parts)
    }
  }
}

/**
 * Hours of event time side by side, with about `rowsAtOnce` rows or more. Where only batches since an instant
 * are judged, hours that no row of these can meet are left out.
 */
async function hoursInSlices(
  lakehouse: WrittenLakehouse,
  reachMicros: bigint,
): Promise<readonly (InstantRange & { readonly rows: number })[]> {
  const { sinceMicros, rowsAtOnce } = lakehouse
  const range = { fromMicros: sinceMicros, toMicros: null }
  const result = await streamOf(
    lakehouse.connection,
    `SELECT epoch_us(event_time) // ${hourMicros} AS hour, count(*)
    FROM (${lakehouse.rowsWithin(lakehouse.paths.events, 'processing_time', range)})
    WHERE event_time IS NOT NULL GROUP BY hour ORDER BY hour`,
  )
  const slices: { fromMicros: bigint | null; toMicros: bigint | null; rows: number }[] = []
  let current: { fromMicros: bigint | null; start: bigint; rows: number } | null = null
  let lastHour = 0n
  for await (const chunk of result.yieldRowsJs()) {
    for (const [hour, count] of chunk as [bigint, bigint][]) {
      // As selected.
      const start = hour * hourMicros
      if (
        current !== null &&
        current.rows >= rowsAtOnce &&
        start - current.start >= reachesPerSlice * reachMicros
      ) {
        slices.push({ fromMicros: current.fromMicros, toMicros: start - 1n, rows: current.rows })
        current = { fromMicros: start, start, rows: 0 }
      }
      const first: bigint | null = sinceMicros === null ? null : start - reachMicros
      current ??= { fromMicros: first, start, rows: 0 }
      current.rows += Number(count)
      lastHour = hour
    }
  }
  if (current === null) return sinceMicros === null ? [{ fromMicros: null, toMicros: null, rows: 0 }] : []
  const toMicros = sinceMicros === null ? null : (lastHour + 1n) * hourMicros + reachMicros
  slices.push({ fromMicros: current.fromMicros, toMicros, rows: current.rows })
  return slices
}
