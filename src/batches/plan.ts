// The plan of a batch: everything that decides its rows, as data. The first commit of a batch carries the
// plan; from then on the plan alone counts, whatever is configured when the batch is carried on.
import { assert } from '../errors/errors.ts'
import { type WatermarkName, watermarkNames } from '../plan/index.ts'
import type { OffsetRange, TopicPartition } from './offsets.ts'

export type Delays = Readonly<Record<WatermarkName, bigint>>

/** The settings that decide rows. */
export type BatchSettings = {
  /** How far each watermark stays behind the greatest event time, in microseconds. */
  readonly delays: Delays
  readonly dedupMicros: bigint
  readonly highRiskCountries: readonly string[]
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
  /** Silver's watermark at the start: rows before it are late. */
  readonly watermarkMicros: bigint | null
  /** The partitions that have more to read than the batch takes: they hold the watermark. */
  readonly waiting: readonly TopicPartition[]
  /** Moves all watermarks behind the last window. */
  readonly isFinal: boolean
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
    settings: settingsToJson(plan.settings),
    definitions: plan.definitions,
  }
}

/** Durations are microseconds. */
export function settingsToJson(settings: BatchSettings): Readonly<Record<string, unknown>> {
  return {
    delays: Object.fromEntries(watermarkNames.map((name) => [name, String(settings.delays[name])])),
    dedup_window: String(settings.dedupMicros),
    high_risk_countries: settings.highRiskCountries,
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
  const settings = objectOf(json.settings)
  const delays = objectOf(settings.delays)
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
    settings: {
      // A watermark that came with a later version had no delay then.
      delays: Object.fromEntries(
        watermarkNames.map((name) => [name, delays[name] === undefined ? 0n : bigintOf(delays[name])]),
      ) as Delays, // All keys.
      dedupMicros: bigintOf(settings.dedup_window),
      highRiskCountries: listOf(settings.high_risk_countries).map(textOf),
      recordsPerBatchMax: Number(settings.records_per_batch_max),
    },
    definitions: textOf(json.definitions),
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
