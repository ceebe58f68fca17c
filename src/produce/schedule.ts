// When rows come: the pace of a stream in real time, and the spread of a given number of rows over a past
// period.
import { worldActivityAt } from './world.ts'

export type Pacer = {
  /** Rows that are due by now and not yet taken, at most `rowsMax`. Times are monotonic milliseconds. */
  take(nowMs: number, rowsMax: number): PacedRows
  /** How long until another row is due; zero when one is. */
  waitMs(nowMs: number): number
}

/** Row i of these was due at `firstDueMs + i * everyMs`. */
export type PacedRows = { readonly count: number; readonly firstDueMs: number; readonly everyMs: number }

/** A producer that was held up catches up with this much at most; what is older than that is not made up. */
export const CATCH_UP_MAX_MS = 2_000

/** Paces by deadline: row i is due at start + i / rate, so waiting too long once does not lower the rate. */
export function createPacer(rowsPerSecond: number, startMs: number): Pacer {
  const everyMs = 1000 / rowsPerSecond
  let originMs = startMs
  let taken = 0
  return {
    take(nowMs, rowsMax) {
      const behindMs = nowMs - (originMs + taken * everyMs)
      if (behindMs > CATCH_UP_MAX_MS) originMs += behindMs - CATCH_UP_MAX_MS
      // The first row is due at once, so n rows are due when n - 1 intervals have passed.
      const due = Math.floor((nowMs - originMs) / everyMs) + 1 - taken
      const count = Math.max(0, Math.min(due, rowsMax))
      const firstDueMs = originMs + taken * everyMs
      taken += count
      return { count, firstDueMs, everyMs }
    },
    waitMs: (nowMs) => Math.max(0, originMs + taken * everyMs - nowMs),
  }
}

export type Period = { readonly fromMs: number; readonly toMs: number }

const SLICE_MS = 15 * 60_000
const SLICES_MAX = 100_000

/** Arrival times of rows 0..count-1 in order over the period, denser where more of the world is awake. */
export function spreadOverPeriod({ fromMs, toMs }: Period, count: number): (index: number) => number {
  const sliceMs = Math.max(SLICE_MS, (toMs - fromMs) / SLICES_MAX)
  const slices = Math.max(1, Math.ceil((toMs - fromMs) / sliceMs))
  const activityUpTo = new Float64Array(slices + 1)
  for (let slice = 0; slice < slices; slice++) {
    const startMs = fromMs + slice * sliceMs
    const lengthMs = Math.min(sliceMs, toMs - startMs)
    activityUpTo[slice + 1] = activityUpTo[slice]! + worldActivityAt(startMs + lengthMs / 2) * lengthMs
  }
  const total = activityUpTo[slices]!
  let slice = 0 // Rows come in order, so the search goes on where it was.
  return (index) => {
    const wanted = ((index + 0.5) / count) * total
    if (wanted < activityUpTo[slice]!) slice = 0
    while (slice < slices - 1 && activityUpTo[slice + 1]! <= wanted) slice++
    const inSlice = (wanted - activityUpTo[slice]!) / (activityUpTo[slice + 1]! - activityUpTo[slice]!)
    const startMs = fromMs + slice * sliceMs
    return startMs + inSlice * Math.min(sliceMs, toMs - startMs)
  }
}
