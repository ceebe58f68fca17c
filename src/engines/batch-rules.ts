// What both engines hold to when they carry a batch: which tables say how far they are, how far back silver's
// rows matter, and how a batch looks that is in the tables already.
import { type Batch, closesWindow, floorTo, windowOf } from '../batches/planner.ts'
import type { Progress } from '../batches/progress.ts'
import type { DeltaTable } from '../delta/index.ts'
import { assert } from '../errors/errors.ts'
import { velocityRangeMinutes } from '../fraud/rules.ts'
import { minutes } from '../lakehouse/batch.ts'
import type { TableDefinition, WindowNode } from '../plan/index.ts'
import type { OpenTable } from './tables.ts'

/**
 * The tables that every batch commits to, with rows or without: the progress of the streams that start there.
 */
export const alwaysCommitted: ReadonlySet<string> = new Set(['bronze/transactions', 'silver/transactions'])
/**
 * The others say how far they are after so many batches without a row, so that a restart need not go through
 * them.
 */
export const silentBatchesMax = 500n

/**
 * From which event time on silver's rows can still matter to new ones, none of which is before silver's
 * watermark: as what they repeat, and for the velocity of their users. null: all rows, or there are none.
 */
export type LookBack = { readonly idsMicros: bigint | null; readonly usersMicros: bigint | null }

export function lookBack(watermark: bigint | null, settings: { readonly dedupMicros: bigint }): LookBack {
  if (watermark === null) return { idsMicros: null, usersMicros: null }
  return {
    idsMicros: watermark - settings.dedupMicros,
    usersMicros: watermark - minutes(velocityRangeMinutes),
  }
}

/** The windows of a table that end in (closedTo, upTo]; closedTo is null where none was closed before. */
export type Closing = {
  readonly window: WindowNode
  readonly closedToMicros: bigint | null
  readonly upToMicros: bigint
}

/** null where no window closes. */
export function closingWindows(table: TableDefinition, before: Progress, after: Progress): Closing | null {
  const window = windowOf(table.rows.node)
  assert(window !== null && table.watermark !== null, `${table.path} has no window`)
  const [closedToMicros, upToMicros] = [before.watermarks[table.watermark], after.watermarks[table.watermark]]
  if (upToMicros === null || !closesWindow(window, closedToMicros, upToMicros)) return null
  return { window, closedToMicros, upToMicros }
}

/** The event times, both ends included, of the rows in such windows. */
export function eventTimesOf({ window, closedToMicros, upToMicros }: Closing) {
  return {
    fromMicros: closedToMicros === null ? null : closedToMicros - window.sizeMicros,
    toMicros: upToMicros - 1n,
  }
}

/** The same windows in at most so many parts, one after another, with about as many windows in each. */
export function inParts(closing: Closing, partsMax: number): Closing[] {
  const { window, closedToMicros, upToMicros } = closing
  if (closedToMicros === null) return [closing]
  const first = floorTo(closedToMicros, window.slideMicros)
  const windows = (floorTo(upToMicros, window.slideMicros) - first) / window.slideMicros
  const parts = BigInt(Math.max(1, partsMax)) < windows ? BigInt(Math.max(1, partsMax)) : windows
  const endOf = (part: bigint) => first + ((windows * part) / parts) * window.slideMicros
  return Array.from({ length: Number(parts) }, (_, part) => ({
    window,
    closedToMicros: part === 0 ? closedToMicros : endOf(BigInt(part)),
    upToMicros: part + 1 === Number(parts) ? upToMicros : endOf(BigInt(part) + 1n),
  }))
}

/** The batch that led from one progress to the next, for a replay: it reads nothing of the input. */
export function batchBetween(before: Progress, after: Progress): Batch {
  return {
    batch: after.batch,
    timeMicros: after.timeMicros,
    ranges: [],
    readFrom: after.readFrom,
    watermarkMicros: before.watermarks.silver,
    isFinal: after.finalizedToMicros !== before.finalizedToMicros,
  }
}

/** The last batch that all these tables are known to be complete with. */
export async function doneBatch(silver: DeltaTable, tables: readonly OpenTable[]): Promise<bigint> {
  const { txns } = await silver.snapshot()
  return tables.map((table) => table.doneBatch(txns)).reduce((a, b) => (a < b ? a : b))
}

/** False where there was no row yet, or none since all windows were closed. */
export function hasOpenWindows({ finalizedToMicros, eventTimeMaxMicros }: Progress): boolean {
  if (eventTimeMaxMicros === null) return false
  return finalizedToMicros === null || eventTimeMaxMicros >= finalizedToMicros
}
