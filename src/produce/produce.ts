// Sends synthetic transactions to Kafka or into a directory, at a steady rate or as fast as it can.
import { setTimeout as delay } from 'node:timers/promises'
import { LakehouseError, unreachable } from '../errors/errors.ts'
import { openDirectoryWriter } from './directory-writer.ts'
import {
  createGenerator,
  type GeneratedRecord,
  type RecordKind,
  type TransactionGenerator,
  type WorldOptions,
} from './generator.ts'
import { type KafkaTarget, openKafkaWriter } from './kafka-writer.ts'
import type { RecordWriter } from './record-writer.ts'
import { createPacer, type Period, spreadOverPeriod } from './schedule.ts'

export type ProduceTarget =
  | KafkaTarget
  | {
      readonly kind: 'directory'
      readonly path: string
      readonly rotateRows: number
      readonly rotateSeconds: number
    }

export type KeyAndValue = Pick<GeneratedRecord, 'key' | 'value'>

export type ProduceOptions = {
  readonly generator: Partial<WorldOptions>
  /** How many records; Infinity goes on until the signal. */
  readonly count: number
  /** null is as fast as possible. */
  readonly ratePerSecond: number | null
  readonly to: ProduceTarget
  /** What becomes of a record's key and value before it is sent; null leaves them. */
  readonly shape?: ((of: KeyAndValue) => KeyAndValue) | null
  /** Event times are spread over this past period; null takes the clock's time. */
  readonly period: Period | null
  /** Ends the run cleanly: what was generated is sent. */
  readonly signal: AbortSignal
  /** Told of records when they are written. */
  readonly onWritten?: (records: readonly GeneratedRecord[]) => void
  readonly onProgress?: (progress: ProduceProgress) => void
  readonly clock?: ProduceClock
}

export type ProduceProgress = {
  readonly records: number
  readonly bytes: number
  readonly seconds: number
  /** Over the time since the last report; over the whole run in the summary. */
  readonly recordsPerSecond: number
  readonly recordsByKind: Readonly<Record<RecordKind, number>>
}

export type ProduceSummary = ProduceProgress & { readonly endedBy: 'count' | 'signal' }

/** Times in milliseconds. The monotonic one paces, the wall's is the time of events. */
export type ProduceClock = {
  wallMs(): number
  monotonicMs(): number
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export const systemClock: ProduceClock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  },
}

/** Rows are sent together that are due within this time: the delay that batching adds is at most this. */
const TICK_MS = 10
/** Rows in one write: bounds memory and each burst of catching up. */
const WRITE_ROWS_MAX = 2_000
const PROGRESS_EVERY_MS = 1_000

/** Fails with GENERATOR_OPTIONS_INVALID, or with the failure of Kafka or the directory. */
export async function produce(options: ProduceOptions): Promise<ProduceSummary> {
  checkOptions(options)
  const clock = options.clock ?? systemClock
  const { fromMs, toMs } = options.period ?? { fromMs: clock.wallMs(), toMs: null }
  const generator = createGenerator({ ...options.generator, startMs: fromMs, endMs: toMs })
  const tally = createTally(clock.monotonicMs())
  const writer = await openWriter(options, clock).catch((error: unknown) => {
    if (options.signal.aborted) return null // Stopped while it waited for Kafka: that is no failure.
    throw error
  })
  if (writer === null) return { ...tally.total(clock.monotonicMs()), endedBy: 'signal' }
  try {
    await sendAll(options, clock, generator, writer, tally)
  } catch (error) {
    await writer.close().catch(() => {}) // The first failure is the one to tell of.
    throw error
  }
  await writer.close()
  const endedBy = tally.records() >= options.count ? 'count' : 'signal'
  return { ...tally.total(clock.monotonicMs()), endedBy }
}

async function sendAll(
  options: ProduceOptions,
  clock: ProduceClock,
  generator: TransactionGenerator,
  writer: RecordWriter,
  tally: Tally,
): Promise<void> {
  const nextRows = createTimetable(options, clock)
  const { shape = null } = options
  while (!options.signal.aborted && tally.records() < options.count) {
    const arrivals = nextRows(Math.min(WRITE_ROWS_MAX, options.count - tally.records()))
    if (arrivals.kind === 'wait') {
      await clock.sleep(Math.max(arrivals.ms, TICK_MS), options.signal)
    } else {
      const records: GeneratedRecord[] = []
      for (let index = 0; index < arrivals.count; index++) {
        const record = generator.next(arrivals.timeOf(index))
        records.push(shape === null ? record : { ...record, ...shape(record) })
      }
      await writer.write(records)
      tally.add(records)
      options.onWritten?.(records)
    }
    const nowMs = clock.monotonicMs()
    if (options.onProgress !== undefined && tally.isDue(nowMs)) options.onProgress(tally.report(nowMs))
  }
}

type Arrivals =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'rows'; readonly count: number; readonly timeOf: (index: number) => number }

/**
 * When the next rows arrive: paced or at once, by the clock or in the period. Arrival times never go back.
 */
function createTimetable(options: ProduceOptions, clock: ProduceClock): (rowsMax: number) => Arrivals {
  const startMs = clock.monotonicMs()
  const pacer = options.ratePerSecond === null ? null : createPacer(options.ratePerSecond, startMs)
  const periodTime = options.period === null ? null : spreadOverPeriod(options.period, options.count)
  let rowsBefore = 0
  let latestMs = Number.NEGATIVE_INFINITY
  let lastTurnMs = startMs
  const forward = (ms: number): number => {
    latestMs = Math.max(latestMs, ms)
    return latestMs
  }
  return (rowsMax) => {
    const nowMs = clock.monotonicMs()
    const paced = pacer?.take(nowMs, rowsMax) ?? {
      count: rowsMax,
      firstDueMs: lastTurnMs,
      everyMs: (nowMs - lastTurnMs) / rowsMax,
    }
    if (paced.count === 0) return { kind: 'wait', ms: pacer!.waitMs(nowMs) }
    lastTurnMs = nowMs
    const base = rowsBefore
    rowsBefore += paced.count
    const wallAheadMs = clock.wallMs() - nowMs
    const timeOf = (index: number): number =>
      forward(periodTime?.(base + index) ?? wallAheadMs + paced.firstDueMs + index * paced.everyMs)
    return { kind: 'rows', count: paced.count, timeOf }
  }
}

async function openWriter(
  { to, period, signal }: ProduceOptions,
  clock: ProduceClock,
): Promise<RecordWriter> {
  switch (to.kind) {
    case 'kafka':
      return openKafkaWriter(to, signal)
    case 'directory':
      return openDirectoryWriter({
        ...to,
        startMs: period?.fromMs ?? clock.wallMs(),
        nowMs: () => clock.monotonicMs(),
      })
    default:
      return unreachable(to)
  }
}

type Tally = ReturnType<typeof createTally>

function createTally(startMs: number) {
  let records = 0
  let bytes = 0
  let reportedMs = startMs
  let reportedRecords = 0
  const byKind: Record<RecordKind, number> = {
    ordinary: 0,
    disordered: 0,
    late: 0,
    duplicate: 0,
    malformed: 0,
  }

  const progress = (nowMs: number, recordsPerSecond: number): ProduceProgress => {
    const seconds = (nowMs - startMs) / 1000
    return { records, bytes, seconds, recordsPerSecond, recordsByKind: { ...byKind } }
  }
  return {
    records: () => records,
    add(sent: readonly GeneratedRecord[]): void {
      records += sent.length
      for (const { kind, value } of sent) {
        bytes += value.length
        byKind[kind]++
      }
    },
    isDue: (nowMs: number) => nowMs - reportedMs >= PROGRESS_EVERY_MS,
    report(nowMs: number): ProduceProgress {
      const rate = (1000 * (records - reportedRecords)) / (nowMs - reportedMs)
      reportedMs = nowMs
      reportedRecords = records
      return progress(nowMs, rate)
    },
    total: (nowMs: number) => progress(nowMs, nowMs > startMs ? (1000 * records) / (nowMs - startMs) : 0),
  }
}

function checkOptions({ count, ratePerSecond, period }: ProduceOptions): void {
  const fail = (what: string): never => {
    throw new LakehouseError('GENERATOR_OPTIONS_INVALID', what)
  }
  if (!(count === Number.POSITIVE_INFINITY || (Number.isSafeInteger(count) && count >= 0))) {
    fail(`The count must be a whole number of records, not ${count}.`)
  }
  if (ratePerSecond !== null && !(ratePerSecond > 0 && Number.isFinite(ratePerSecond))) {
    fail(`The rate must be more than zero records a second, not ${ratePerSecond}.`)
  }
  if (period === null) return
  if (!(period.fromMs < period.toMs)) fail('The period must end after it begins.')
  if (count === Number.POSITIVE_INFINITY) {
    fail('A period needs a count: how many records to spread over it. Give --count.')
  }
}
