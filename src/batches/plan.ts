// The plan of a batch: everything that decides its rows, as data. The first commit of a batch carries the
// plan; from then on the plan alone counts, whatever is configured when the batch is carried on.
import { assert } from '../errors/errors.ts'
import type { OffsetRange, TopicPartition } from './offsets.ts'

/** By the name of a watermark: how far it stays behind the greatest event time, in microseconds. */
export type Delays = Readonly<Record<string, bigint>>

/** By the name of a parameter of plans: a long, or an array<string>. */
export type Parameters = Readonly<Record<string, bigint | readonly string[]>>

/** The settings that decide rows. */
export type BatchSettings = {
  readonly delays: Delays
  readonly parameters: Parameters
  /** A partition whose last so many records had no valid row does not hold the watermark. */
  readonly recordsPerBatchMax: number
}

export type BatchPlan = {
  readonly batch: bigint
  /** processing_time of its rows, in microseconds since the epoch; greater than that of the batch before. */
  readonly timeMicros: bigint
  /** What is read; empty for a batch that only closes windows. */
  readonly ranges: readonly OffsetRange[]
  /** Whether the records come from the input, to be brought to bronze, or are in bronze already. */
  readonly readFrom: 'input' | 'bronze'
  /** The events' watermark at the start: rows before it are late. */
  readonly watermarkMicros: bigint | null
  /** The partitions that have more to read than the batch takes: they hold the watermark. */
  readonly waiting: readonly TopicPartition[]
  /** Moves all watermarks behind the last window. */
  readonly isFinal: boolean
  /** Of a final batch: behind the last session that is open. Absent where there are no sessions. */
  readonly sessionsEndMicros?: bigint
  readonly settings: BatchSettings
  /** The hash of the definitions of the tables, which `ops/definitions` keeps. */
  readonly definitions: string
}

/** Bigints are text: JSON numbers are doubles to most readers. */
export function planToJson(plan: BatchPlan): Readonly<Record<string, unknown>> {
  return {
    batch: String(plan.batch),
    time: String(plan.timeMicros),
    ranges: plan.ranges.map(rangeToJson),
    ...(plan.readFrom === 'bronze' ? { from_bronze: true } : {}),
    watermark: plan.watermarkMicros === null ? null : String(plan.watermarkMicros),
    waiting: plan.waiting.map(({ topic, partition }) => [topic, partition]),
    ...(plan.isFinal ? { final: true } : {}),
    ...(plan.sessionsEndMicros === undefined ? {} : { sessions_end: String(plan.sessionsEndMicros) }),
    settings: settingsToJson(plan.settings),
    definitions: plan.definitions,
  }
}

/** Durations are microseconds, longs are text. */
export function settingsToJson(settings: BatchSettings): Readonly<Record<string, unknown>> {
  return {
    delays: Object.fromEntries(
      Object.entries(settings.delays).map(([name, micros]) => [name, String(micros)]),
    ),
    parameters: Object.fromEntries(
      Object.entries(settings.parameters).map(([name, value]) => [
        name,
        typeof value === 'bigint' ? String(value) : value,
      ]),
    ),
    records_per_batch_max: settings.recordsPerBatchMax,
  }
}

function rangeToJson({ topic, partition, start, end, topicId, isFile }: OffsetRange): readonly unknown[] {
  const place = [topic, partition, String(start), String(end)]
  if (isFile === true) return [...place, null, true]
  return topicId === undefined ? place : [...place, topicId]
}

/** The plan of an object that `planToJson` made. */
export function planFromJson(json: Readonly<Record<string, unknown>>): BatchPlan {
  return {
    batch: bigintOf(json.batch),
    timeMicros: bigintOf(json.time),
    ranges: listOf(json.ranges).map(rangeFromJson),
    readFrom: json.from_bronze === true ? 'bronze' : 'input',
    watermarkMicros: json.watermark === null ? null : bigintOf(json.watermark),
    waiting: listOf(json.waiting).map((entry) => {
      const [topic, partition] = listOf(entry)
      return { topic: textOf(topic), partition: Number(partition) }
    }),
    isFinal: json.final === true,
    ...(json.sessions_end === undefined ? {} : { sessionsEndMicros: bigintOf(json.sessions_end) }),
    settings: settingsFromJson(objectOf(json.settings)),
    definitions: textOf(json.definitions),
  }
}

function settingsFromJson(json: Readonly<Record<string, unknown>>): BatchSettings {
  const delays = Object.entries(objectOf(json.delays)).map(([name, micros]) => [name, bigintOf(micros)])
  return {
    delays: Object.fromEntries(delays),
    parameters: json.parameters === undefined ? earlierParameters(json) : parametersOf(json.parameters),
    recordsPerBatchMax: Number(json.records_per_batch_max),
  }
}

function parametersOf(json: unknown): Parameters {
  const entries = Object.entries(objectOf(json)).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.map(textOf) : bigintOf(value),
  ])
  return Object.fromEntries(entries)
}

/** A version whose lakehouses all had these two wrote them by names of their own. */
function earlierParameters(json: Readonly<Record<string, unknown>>): Parameters {
  return {
    dedup_micros: bigintOf(json.dedup_window),
    high_risk_countries: listOf(json.high_risk_countries).map(textOf),
  }
}

function rangeFromJson(entry: unknown): OffsetRange {
  const [topic, partition, start, end, topicId, isFile] = listOf(entry)
  return {
    topic: textOf(topic),
    partition: Number(partition),
    ...(typeof topicId === 'string' ? { topicId } : {}),
    ...(isFile === true ? { isFile } : {}),
    start: bigintOf(start),
    end: bigintOf(end),
  }
}

export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  assert(typeof value === 'object' && value !== null && !Array.isArray(value), 'an object stands there')
  return value as Readonly<Record<string, unknown>> // As just seen.
}

function listOf(value: unknown): readonly unknown[] {
  assert(Array.isArray(value), 'a list stands there')
  return value
}

function textOf(value: unknown): string {
  assert(typeof value === 'string', 'a text stands there')
  return value
}

function bigintOf(value: unknown): bigint {
  return BigInt(textOf(value))
}
