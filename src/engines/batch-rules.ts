// What both engines hold to when they carry a batch: which tables say how far they are, how far back silver's
// rows matter, and how a batch looks that is in the tables already.
import type { BatchPlan, BatchSettings } from '../batches/plan.ts'
import { closesWindow, floorTo, windowOf } from '../batches/planner.ts'
import type { Progress, RecordedBatch } from '../batches/progress.ts'
import type { DeltaSnapshot } from '../delta/index.ts'
import { assert } from '../errors/errors.ts'
import type { PlanNode, TableDefinition, WindowNode } from '../plan/index.ts'
import { rangesBetween } from './bronze-rows.ts'
import type { DefinitionStore } from './definition-store.ts'
import type { PipelineOptions } from './engine.ts'
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

export function lookBack(
  watermark: bigint | null,
  settings: Pick<BatchSettings, 'dedupMicros'>,
  tables: readonly TableDefinition[],
): LookBack {
  if (watermark === null) return { idsMicros: null, usersMicros: null }
  const ranges = tables.map(({ rows }) => velocityMicros(rows.node))
  const most = ranges.reduce((a, b) => (a > b ? a : b), 0n)
  return { idsMicros: watermark - settings.dedupMicros, usersMicros: watermark - most }
}

/** The longest range that a velocity of the plan looks back; 0 where it has none. */
function velocityMicros(node: PlanNode): bigint {
  const below = 'input' in node ? velocityMicros(node.input) : 0n
  return node.kind === 'velocity' && node.rangeMicros > below ? node.rangeMicros : below
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

/**
 * The plan of a batch that is in the tables already. A version that did not record plans left only its
 * outcome: the rest is taken from what is configured now.
 */
export function planOf(
  before: Progress,
  { plan, progress }: RecordedBatch,
  rules: Pick<BatchPlan, 'settings' | 'definitions'>,
): BatchPlan {
  if (plan !== null) return plan
  return {
    batch: progress.batch,
    timeMicros: progress.timeMicros,
    ranges: rangesBetween(before.offsets, progress.offsets),
    readFrom: progress.readFrom,
    watermarkMicros: before.watermarks.silver,
    waiting: [],
    isFinal: progress.finalizedToMicros !== before.finalizedToMicros,
    settings: rules.settings,
    definitions: rules.definitions,
  }
}

/** The last batch that all these tables are known to be complete with. */
export function doneBatch(tables: readonly OpenTable[], claims: readonly DeltaSnapshot['txns'][]): bigint {
  return tables.map((table) => table.doneBatch(claims)).reduce((a, b) => (a < b ? a : b))
}

/** The settings that decide rows, as they are configured. */
export function settingsOf(options: Omit<PipelineOptions, 'deltaBasePath' | 'source'>): BatchSettings {
  const { delays, dedupMicros, highRiskCountries, recordsPerBatchMax } = options
  return { delays, dedupMicros, highRiskCountries, recordsPerBatchMax }
}

/** What decides the rows of a batch that does not say so itself, and of the next one. */
export function rulesOf(
  options: PipelineOptions,
  { current }: DefinitionStore,
): Pick<BatchPlan, 'settings' | 'definitions'> {
  return { settings: settingsOf(options), definitions: current.hash }
}

/** False where there was no row yet, or none since all windows were closed. */
export function hasOpenWindows({ finalizedToMicros, eventTimeMaxMicros }: Progress): boolean {
  if (eventTimeMaxMicros === null) return false
  return finalizedToMicros === null || eventTimeMaxMicros >= finalizedToMicros
}
