// The planner: what the next batch is and what the lakehouse's progress is after it. Pure; the engines carry
// it out.
import { assert } from '../errors/errors.ts'
import {
  type PlanNode,
  type TableDefinition,
  type WatermarkName,
  type WindowNode,
  watermarkNames,
} from '../plan/index.ts'
import { type OffsetRange, type Offsets, partitionKey } from './offsets.ts'
import type { Progress, Watermarks } from './progress.ts'

export type Delays = Readonly<Record<WatermarkName, bigint>>

/** A batch as data: what an engine needs to execute it. */
export type Batch = {
  readonly batch: bigint
  readonly timeMicros: bigint
  /** What is read; empty for a batch that only closes windows. */
  readonly ranges: readonly OffsetRange[]
  /** Where the records of the ranges are: still to be brought to bronze, or there already. */
  readonly readFrom: Progress['readFrom']
  /** Silver's watermark at the start: rows before it are late. */
  readonly watermarkMicros: bigint | null
  /** Moves all watermarks behind the last window. */
  readonly isFinal: boolean
}

/** The batch after `progress`. Its time is now, but always later than the last one's. */
export function planBatch(
  progress: Progress,
  ranges: readonly OffsetRange[],
  nowMicros: bigint,
  { readFrom = 'input', isFinal = false }: Partial<Pick<Batch, 'readFrom' | 'isFinal'>> = {},
): Batch {
  const earliest = progress.timeMicros + 1n
  return {
    batch: progress.batch + 1n,
    timeMicros: nowMicros > earliest ? nowMicros : earliest,
    ranges,
    readFrom,
    watermarkMicros: progress.watermarks.silver,
    isFinal,
  }
}

/** The next offsets after the ranges were read. */
export function advanceOffsets(offsets: Offsets, ranges: readonly OffsetRange[]): Offsets {
  const next = new Map(offsets)
  for (const { start, end, ...of } of ranges) {
    assert(start <= end)
    next.set(partitionKey(of), { ...of, offset: end })
  }
  return next
}

/**
 * The progress after a batch, from the greatest event_time of the rows it brought to silver (null without
 * any).
 */
export function progressAfter(
  before: Progress,
  batch: Batch,
  eventTimeMaxMicros: bigint | null,
  delays: Delays,
  tables: readonly TableDefinition[],
): Progress {
  const seen = greatest(before.eventTimeMaxMicros, eventTimeMaxMicros)
  const finalizedTo = batch.isFinal
    ? greatest(before.finalizedToMicros, lastWindowEnd(tables, seen))
    : before.finalizedToMicros
  return {
    batch: batch.batch,
    timeMicros: batch.timeMicros,
    offsets: advanceOffsets(before.offsets, batch.ranges),
    readFrom: batch.readFrom,
    eventTimeMaxMicros: seen,
    finalizedToMicros: finalizedTo,
    watermarks: watermarksAfter(before.watermarks, seen, finalizedTo, delays),
  }
}

/** Each watermark follows the greatest event time by its delay, and never goes back. */
function watermarksAfter(
  before: Watermarks,
  seen: bigint | null,
  finalizedTo: bigint | null,
  delays: Delays,
): Watermarks {
  const entries = watermarkNames.map((name) => {
    const following = seen === null ? null : seen - delays[name]
    return [name, greatest(before[name], greatest(following, finalizedTo))]
  })
  return Object.fromEntries(entries) as Watermarks // One entry for each name.
}

/** The greatest end of any window of any table that holds the instant; null without one. */
export function lastWindowEnd(
  tables: readonly TableDefinition[],
  eventTimeMicros: bigint | null,
): bigint | null {
  if (eventTimeMicros === null) return null
  return tables
    .map((table) => windowOf(table.rows.node))
    .filter((node) => node !== null)
    .map((node) => floorTo(eventTimeMicros, node.slideMicros) + node.sizeMicros)
    .reduce<bigint | null>(greatest, null)
}

/** True where a window ends in (after, upTo]: ends are multiples of the slide, and size is one of it. */
export function closesWindow(node: WindowNode, after: bigint | null, upTo: bigint | null): boolean {
  if (upTo === null) return false
  return after === null || floorTo(upTo, node.slideMicros) > after
}

/** The window aggregate of a table's plan; null where it has none. */
export function windowOf(node: PlanNode): WindowNode | null {
  if (node.kind === 'window') return node
  return 'input' in node ? windowOf(node.input) : null
}

/** The greatest multiple of `step` that is not greater; also before the epoch. */
export function floorTo(micros: bigint, step: bigint): bigint {
  return micros - (((micros % step) + step) % step)
}

function greatest(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}
