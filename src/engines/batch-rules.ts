// What both engines hold to when they carry a batch: which tables say how far they are, how far back silver's
// rows matter, and how a batch looks that is in the tables already.
import type { BatchPlan, BatchSettings, Parameters } from '../batches/plan.ts'
import { type BatchRules, closesWindow, floorTo, lastWindowEnd } from '../batches/planner.ts'
import type { Progress, RecordedBatch } from '../batches/progress.ts'
import type { DeltaSnapshot } from '../delta/index.ts'
import { assert } from '../errors/errors.ts'
import type { Expr } from '../expr/index.ts'
import {
  eventsWatermark,
  type HistoryNode,
  historiesOf,
  type Lakehouse,
  type SessionsNode,
  sessionsIn,
  type TableDefinition,
  type WindowNode,
  windowOf,
} from '../plan/index.ts'
import { rangesBetween } from './bronze-rows.ts'
import type { DefinitionStore } from './definition-store.ts'
import type { PipelineOptions } from './engine.ts'
import type { OpenTable } from './tables.ts'

/**
 * True for the tables that every batch commits to, with rows or without: the progress of the streams that
 * start there.
 */
export function isAlwaysCommitted({ records, events }: Lakehouse, path: string): boolean {
  return path === records.path || path === events.path
}
/**
 * The others say how far they are after so many batches without a row, so that a restart need not go through
 * them.
 */
export const silentBatchesMax = 500n

/**
 * From which event time on the history of an operator can still matter to new rows, none of which is before
 * the events' watermark. null: all of it, or there is none.
 */
export function lookBack(
  node: HistoryNode,
  watermarkMicros: bigint | null,
  parameters: Parameters,
): bigint | null {
  return watermarkMicros === null ? null : watermarkMicros - rangeOf(node, parameters)
}

/**
 * The same for the rows of an input, which several operators of a table may read; null also where none does.
 */
export function lookBackOfInput(
  table: TableDefinition,
  input: string,
  watermarkMicros: bigint | null,
  parameters: Parameters,
): bigint | null {
  const from = historiesOf(table.rows.node)
    .filter(({ history }) => history.name === input)
    .map(({ node }) => lookBack(node, watermarkMicros, parameters))
  return from.reduce((a, b) => (a === null || b === null ? null : a < b ? a : b), from[0] ?? null)
}

/** How far, in event time, the operator looks from a row, in microseconds. */
export function rangeOf(node: HistoryNode, parameters: Parameters): bigint {
  return node.kind === 'deduplicate' ? longOf(node.rangeMicros, parameters) : node.rangeMicros
}

function longOf(expr: Expr<'long'>, parameters: Parameters): bigint {
  const value =
    expr.kind === 'parameter' ? parameters[expr.name] : expr.kind === 'literal' ? expr.value : undefined
  assert(typeof value === 'bigint', 'a range is a long of the settings, or a constant')
  return value
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
  const closedToMicros = before.watermarks[table.watermark] ?? null
  const upToMicros = after.watermarks[table.watermark] ?? null
  if (upToMicros === null || !closesWindow(window, closedToMicros, upToMicros)) return null
  return { window, closedToMicros, upToMicros }
}

/** Sessions that a watermark closes which moved from `closedTo` to `upTo`. */
export type ClosingSessions = {
  readonly node: SessionsNode
  readonly closedToMicros: bigint | null
  readonly upToMicros: bigint
}

/** null where the watermark stands still. */
export function closingSessions(
  { path, rows, watermark }: TableDefinition,
  before: Progress,
  after: Progress,
): ClosingSessions | null {
  const node = sessionsIn(rows.node)
  assert(node !== null && watermark !== null, `${path} has no sessions`)
  const closedToMicros = before.watermarks[watermark] ?? null
  const upToMicros = after.watermarks[watermark] ?? null
  return upToMicros === null || upToMicros === closedToMicros ? null : { node, closedToMicros, upToMicros }
}

/**
 * No row of an open session, or of one that is still to begin, is as early as this; null where any may be.
 */
export function sessionsFrom({ node, closedToMicros }: Omit<ClosingSessions, 'upToMicros'>): bigint | null {
  return closedToMicros === null ? null : closedToMicros - node.lengthMaxMicros + 1n
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
export function planOf(before: Progress, { plan, progress }: RecordedBatch, rules: BatchRules): BatchPlan {
  if (plan !== null) return plan
  return {
    batch: progress.batch,
    timeMicros: progress.timeMicros,
    ranges: rangesBetween(before.offsets, progress.offsets),
    readFrom: progress.readFrom,
    watermarkMicros: before.watermarks[rules.eventsWatermark] ?? null,
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
export function settingsOf(
  options: Pick<PipelineOptions, 'delays' | 'parameters' | 'recordsPerBatchMax'>,
): BatchSettings {
  const { delays, parameters, recordsPerBatchMax } = options
  return { delays, parameters, recordsPerBatchMax }
}

/** What decides the rows of a batch that does not say so itself, and of the next one. */
export function rulesOf(options: PipelineOptions, { current }: Pick<DefinitionStore, 'current'>): BatchRules {
  const { lakehouse } = options
  const settings = settingsOf(options)
  return { settings, definitions: current.hash, eventsWatermark: eventsWatermark(lakehouse) }
}

/** Of the watermarks that of the events; null before it has begun. */
export function eventsWatermarkOf(
  lakehouse: Lakehouse,
  { watermarks }: Pick<Progress, 'watermarks'>,
): bigint | null {
  return watermarks[eventsWatermark(lakehouse)] ?? null
}

/**
 * False where there was no row yet, or none since all windows and sessions were closed. Those of a table that
 * came later, or was rebuilt since, may end behind them, and its watermark may not have begun.
 */
export function isOpen(
  { finalizedToMicros, eventTimeMaxMicros, watermarks }: Progress,
  tables: readonly TableDefinition[],
  sessionsEndMicros: bigint | null,
): boolean {
  if (eventTimeMaxMicros === null) return false
  if (finalizedToMicros === null || eventTimeMaxMicros >= finalizedToMicros) return true
  if (tables.some(({ watermark }) => watermark !== null && watermarks[watermark] === undefined)) return true
  const ends = [lastWindowEnd(tables, eventTimeMaxMicros), sessionsEndMicros]
  return ends.some((end) => end !== null && end > finalizedToMicros)
}
