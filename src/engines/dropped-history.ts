// What can still be computed where silver has dropped its old days: a batch is, when silver has its rows and
// all earlier ones that windows and operators over earlier rows can ask for.
import type { Parameters } from '../batches/plan.ts'
import { floorTo } from '../batches/planner.ts'
import type { Progress, RecordedBatch } from '../batches/progress.ts'
import type { DeltaSnapshot } from '../delta/index.ts'
import { dayMicros, type Retained, retainedOf } from '../ops/retained.ts'
import { historiesOf, sessionsIn, type TableDefinition, windowOf } from '../plan/index.ts'
import type { BatchHistory } from './batch-history.ts'
import { rangeOf } from './batch-rules.ts'
import type { DefinitionStore } from './definition-store.ts'
import type { PipelineOptions } from './engine.ts'
import type { OnEvent } from './events.ts'
import type { OpenTable } from './tables.ts'

/** How far before a watermark, in event time, a row of the events can still matter to any of the tables. */
export function reachOf(tables: readonly TableDefinition[], parameters: Parameters): bigint {
  const ranges = tables.flatMap(({ rows: { node } }) => [
    ...historiesOf(node).map((one) => rangeOf(one.node, parameters)),
    windowOf(node)?.sizeMicros ?? 0n,
    sessionsIn(node)?.lengthMaxMicros ?? 0n,
  ])
  return ranges.reduce((most, range) => (range > most ? range : most), 0n)
}

/** At least `least`, and what a batch went by asks for: the tables that lack it get it by that. */
export async function reachOfBatch(
  definitions: Pick<DefinitionStore, 'at'>,
  { plan }: Pick<RecordedBatch, 'plan'>,
  least: bigint,
): Promise<bigint> {
  const recorded = plan === null ? null : await definitions.at(plan.definitions)
  if (plan === null || recorded === null) return least
  const reach = reachOf(recorded.tables, plan.settings.parameters)
  return reach > least ? reach : least
}

/**
 * The event time before which no row of the events matters to the batches after this one; null while one of
 * the watermarks has not begun, when all of them may.
 */
export function neededFrom(
  { watermarks }: Pick<Progress, 'watermarks'>,
  names: readonly string[],
  reachMicros: bigint,
): bigint | null {
  const reached = names.map((name) => watermarks[name] ?? null)
  const least = reached.reduce(
    (a, b) => (a === null || b === null ? null : a < b ? a : b),
    reached[0] ?? null,
  )
  return least === null ? null : least - reachMicros
}

/** Whether the batches after this one can be computed from what was not dropped. */
export function isComputableAfter(
  before: Pick<Progress, 'watermarks'>,
  names: readonly string[],
  reachMicros: bigint,
  { droppedTimeMicros }: Retained,
): boolean {
  const from = neededFrom(before, names, reachMicros)
  return droppedTimeMicros === null || (from !== null && from > droppedTimeMicros)
}

/**
 * The progress from which on batches can be computed anew: the given one, where silver has the rows of the
 * batches behind it.
 */
export async function computableFrom(
  { lakehouse, parameters }: Pick<PipelineOptions, 'lakehouse' | 'parameters'>,
  definitions: Pick<DefinitionStore, 'at'>,
  history: Pick<BatchHistory, 'after' | 'silver'>,
  before: Progress,
): Promise<Progress> {
  const retained = retainedOf((await history.silver.snapshot()).txns)
  if (retained === null) return before
  const names = lakehouse.watermarks.map(({ name }) => name)
  const today = reachOf(lakehouse.tables, parameters)
  let last = before
  let isBehindDropped = false
  for await (const next of history.after(before.batch)) {
    const { progress } = next
    if (progress.timeMicros >= retained.keptFromMicros) {
      if (!isBehindDropped) return last
      const reach = await reachOfBatch(definitions, next, today)
      if (isComputableAfter(last, names, reach, retained)) return last
    } else isBehindDropped = true
    last = progress
  }
  return isBehindDropped ? last : before
}

/** Says of tables that lack batches which can no longer be computed that they never get their rows. */
export function tellPassedOver(
  tell: OnEvent,
  tables: readonly OpenTable[],
  claims: readonly DeltaSnapshot['txns'][],
  { batch: upTo }: Progress,
): void {
  for (const table of tables) {
    const done = table.doneBatch(claims)
    if (done >= upTo) continue
    const { path } = table.definition
    const message =
      `${path} had its batches up to ${done} and goes on behind ${upTo}: of those in between silver ` +
      'has dropped rows, as its retention says, and the table stays without them.'
    tell({ kind: 'notice', code: 'BATCHES_PASSED_OVER', message, details: { table: path, done, upTo } })
  }
}

/** The first instant of the day, in UTC. */
export function dayBeginning(micros: bigint): bigint {
  return floorTo(micros, dayMicros)
}
