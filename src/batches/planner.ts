// The planner: what the next batch is and what the lakehouse's progress is after it. Pure; the engines carry
// it out.
import { assert } from '../errors/errors.ts'
import { type TableDefinition, type WindowNode, windowOf } from '../plan/index.ts'
import { type OffsetRange, type Offsets, partitionKey, type TopicPartition } from './offsets.ts'
import type { BatchPlan, Delays } from './plan.ts'
import type { PartitionTime, Progress, Watermarks } from './progress.ts'

/** What decides the rows of the next batch, beside its records. */
export type BatchRules = Pick<BatchPlan, 'settings' | 'definitions'> & {
  /** The name of the watermark that judges which records are late. */
  readonly eventsWatermark: string
}

/** The batch after `progress`. Its time is now, but always later than the last one's. */
export function planBatch(
  progress: Progress,
  ranges: readonly OffsetRange[],
  nowMicros: bigint,
  rules: BatchRules,
  { readFrom = 'input', isFinal = false, waiting = [], sessionsEndMicros }: Partial<BatchPlan> = {},
): BatchPlan {
  const earliest = progress.timeMicros + 1n
  return {
    batch: progress.batch + 1n,
    timeMicros: nowMicros > earliest ? nowMicros : earliest,
    ranges,
    readFrom,
    watermarkMicros: progress.watermarks[rules.eventsWatermark] ?? null,
    waiting,
    isFinal,
    ...(sessionsEndMicros === undefined ? {} : { sessionsEndMicros }),
    settings: rules.settings,
    definitions: rules.definitions,
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

/** What the rows of a batch say of time. */
export type BatchTimes = {
  /** The greatest event_time that the batch brought to silver; null without rows. */
  readonly eventTimeMaxMicros: bigint | null
  /** By partition of Kafka: the greatest event_time of its valid rows, and the records after the last one. */
  readonly partitions: readonly PartitionTime[]
}

export const noTimes: BatchTimes = { eventTimeMaxMicros: null, partitions: [] }

/** The progress after a batch. */
export function progressAfter(
  before: Progress,
  plan: BatchPlan,
  times: BatchTimes,
  tables: readonly TableDefinition[],
): Progress {
  const seen = greatest(before.eventTimeMaxMicros, times.eventTimeMaxMicros)
  const finalizedTo = plan.isFinal
    ? greatest(
        before.finalizedToMicros,
        greatest(lastWindowEnd(tables, seen), plan.sessionsEndMicros ?? null),
      )
    : before.finalizedToMicros
  const partitions = partitionsAfter(before.partitions, times.partitions)
  const held = plan.isFinal ? seen : heldBack(seen, plan, partitions)
  return {
    batch: plan.batch,
    timeMicros: plan.timeMicros,
    offsets: advanceOffsets(before.offsets, plan.ranges),
    readFrom: plan.readFrom,
    eventTimeMaxMicros: seen,
    finalizedToMicros: finalizedTo,
    watermarks: watermarksAfter(before.watermarks, held, finalizedTo, plan.settings.delays),
    partitions,
  }
}

function partitionsAfter(
  before: Progress['partitions'],
  read: readonly PartitionTime[],
): ReadonlyMap<string, PartitionTime> {
  if (read.length === 0) return before
  const after = new Map(before)
  for (const one of read) {
    const known = before.get(partitionKey(one))
    const isInvalid = one.eventTimeMaxMicros === null
    after.set(partitionKey(one), {
      topic: one.topic,
      partition: one.partition,
      eventTimeMaxMicros: greatest(known?.eventTimeMaxMicros ?? null, one.eventTimeMaxMicros),
      recordsSinceValid: one.recordsSinceValid + (isInvalid ? (known?.recordsSinceValid ?? 0) : 0),
    })
  }
  return after
}

/**
 * The event time that watermarks follow: the greatest of silver, but not beyond what a partition that waits
 * has shown, so that no row is late because another partition was read first. null leaves them where they
 * are: of a partition that waits nothing is known yet. docs/decisions/holds.md
 */
function heldBack(
  seen: bigint | null,
  plan: Pick<BatchPlan, 'waiting' | 'settings'>,
  partitions: Progress['partitions'],
): bigint | null {
  let held = seen
  for (const one of plan.waiting) {
    const hold = holdOf(one, plan, partitions)
    if (hold === 'none') continue
    if (hold === 'unknown' || held === null) return null
    if (hold < held) held = hold
  }
  return held
}

/**
 * Of the partitions that wait, the one whose event time the watermarks follow; null where none holds them.
 */
export function holdingPartition(
  plan: Pick<BatchPlan, 'waiting' | 'settings'>,
  partitions: Progress['partitions'],
): TopicPartition | null {
  let most: { readonly of: TopicPartition; readonly hold: bigint } | null = null
  for (const of of plan.waiting) {
    const hold = holdOf(of, plan, partitions)
    if (hold === 'none') continue
    if (hold === 'unknown') return of
    if (most === null || hold < most.hold) most = { of, hold }
  }
  return most?.of ?? null
}

function holdOf(
  of: TopicPartition,
  { settings }: Pick<BatchPlan, 'settings'>,
  partitions: Progress['partitions'],
): bigint | 'none' | 'unknown' {
  const time = partitions.get(partitionKey(of))
  if (time === undefined) return 'unknown'
  if (time.recordsSinceValid >= settings.recordsPerBatchMax) return 'none'
  return time.eventTimeMaxMicros ?? 'unknown'
}

/**
 * The partitions in the order in which reading them moves the watermark, the least hold first: of those that
 * waited in the last batch and were never read nothing is known yet.
 */
export function byHold(progress: Progress, waited: readonly TopicPartition[]): TopicPartition[] {
  const unread = waited.filter((one) => !progress.partitions.has(partitionKey(one)))
  const read = [...progress.partitions.values()]
  return [...unread, ...read.sort((a, b) => compareHolds(a.eventTimeMaxMicros, b.eventTimeMaxMicros))]
}

/** A partition of which nothing is known comes first. */
function compareHolds(a: bigint | null, b: bigint | null): number {
  if (a === b) return 0
  if (a === null) return -1
  return b === null || a > b ? 1 : -1
}

/** Each watermark follows the event time by its delay, and never goes back. */
function watermarksAfter(
  before: Watermarks,
  followed: bigint | null,
  finalizedTo: bigint | null,
  delays: Delays,
): Watermarks {
  const after: Record<string, bigint> = { ...before }
  for (const [name, delay] of Object.entries(delays)) {
    const following = followed === null ? null : followed - delay
    const micros = greatest(before[name] ?? null, greatest(following, finalizedTo))
    if (micros !== null) after[name] = micros
  }
  return after
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

/** The greatest multiple of `step` that is not greater; also before the epoch. */
export function floorTo(micros: bigint, step: bigint): bigint {
  return micros - (((micros % step) + step) % step)
}

function greatest(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}
