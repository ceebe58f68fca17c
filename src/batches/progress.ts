// Progress: how far a table is. Every commit of a batch carries the batch's plan and what came of it
// together with the rows, so that the tables alone tell where to go on. docs/reference/progress.md
// describes the layout for other writers.
import { assert } from '../errors/errors.ts'
import { type NextOffset, type Offsets, type OfTopic, partitionKey, type TopicPartition } from './offsets.ts'
import { type BatchPlan, objectOf, planFromJson, planToJson } from './plan.ts'

/** By name; one that is absent has not begun. */
export type Watermarks = Readonly<Record<string, bigint>>

/** The state of the lakehouse after a batch. Instants are microseconds since the epoch. */
export type Progress = {
  /** The batch that the rows came with; the first is 1. */
  readonly batch: bigint
  /** The batch's time: processing_time of its rows. */
  readonly timeMicros: bigint
  /** The next offset to read of every partition. */
  readonly offsets: Offsets
  /**
   * Whether the batch brought its records to bronze itself, with its own time, or was cut from rows that
   * bronze had already.
   */
  readonly readFrom: 'input' | 'bronze'
  /** Greatest event_time of the events, this batch included; null without rows. */
  readonly eventTimeMaxMicros: bigint | null
  /** Where `--finalize` moved all watermarks to; null where it never did. */
  readonly finalizedToMicros: bigint | null
  /**
   * At the end of the batch: the events' judges the rows of the next one, the others say which windows are
   * closed.
   */
  readonly watermarks: Watermarks
  /** By partition of Kafka, what its records said of time; files have none. */
  readonly partitions: ReadonlyMap<string, PartitionTime>
}

/** How far the event times of a partition are, by its valid rows: those of silver, late ones and repeats. */
export type PartitionTime = TopicPartition & {
  /** null before the first valid row. */
  readonly eventTimeMaxMicros: bigint | null
  /** How many records came after the last valid one. */
  readonly recordsSinceValid: number
}

/** What came of a batch, in rows. */
export type BatchCounts = {
  /** Records that were read. */
  readonly records: number
  readonly silver: number
  readonly quarantined: number
}

/**
 * A batch as its commits tell it. Plan and counts are null for a batch of a version that did not record
 * them.
 */
export type RecordedBatch = {
  readonly plan: BatchPlan | null
  readonly progress: Progress
  readonly counts: BatchCounts | null
}

/** Before the first batch. */
export const noProgress: Progress = {
  batch: 0n,
  timeMicros: 0n,
  offsets: new Map(),
  readFrom: 'input',
  eventTimeMaxMicros: null,
  finalizedToMicros: null,
  watermarks: {},
  partitions: new Map(),
}

/** The application id of the txn action whose version is the batch; a batch is committed to a table once. */
export const batchAppId = 'assay'

/** What the application id of a watermark's txn action begins with, before its name. */
const watermarkAppId = 'assay/watermark/'

/** The application id of the txn action whose version is the last batch that was cut from bronze. */
const fromBronzeAppId = 'assay/from_bronze'

/**
 * The application id of the txn action whose version counts the processes that have written the table: a
 * writer of batches claims the next number at its start, and commits under an older one are refused.
 */
export const writerAppId = 'assay/writer'

/**
 * The application id of the txn action that says which batch silver had when the table was made, 0 for a
 * table that has been there from the first batch on or has caught up since. Until then what others claim of
 * its stream is not true of it.
 */
export const sinceAppId = 'assay/since'

/**
 * The application id of the txn action that says which batch a table had when another program put it back to
 * older rows; 0 once it has them all again.
 */
export const rewoundAppId = 'assay/rewound'

/** What a commit carries: the batch for the idempotent append, further txn actions, and the same as text. */
export type ProgressFields = {
  readonly appId: string
  readonly version: bigint
  readonly txns: Readonly<Record<string, bigint>>
  readonly userMetadata: string
}

export function encodeBatch(recorded: RecordedBatch): ProgressFields {
  const { progress } = recorded
  const userMetadata = batchJson(recorded)
  return { appId: batchAppId, version: progress.batch, txns: progressTxns(progress), userMetadata }
}

/** The progress as txn actions, which stay when old commits are cleaned up. */
export function progressTxns(progress: Progress): Readonly<Record<string, bigint>> {
  const txns: Record<string, bigint> = { 'assay/batch': progress.batch, 'assay/time': progress.timeMicros }
  const optional = (name: string, value: bigint | null): void => {
    if (value !== null) txns[name] = value
  }
  if (progress.readFrom === 'bronze') txns[fromBronzeAppId] = progress.batch
  optional('assay/event_time_max', progress.eventTimeMaxMicros)
  optional('assay/finalized_to', progress.finalizedToMicros)
  for (const [name, micros] of Object.entries(progress.watermarks)) txns[`${watermarkAppId}${name}`] = micros
  for (const { topic, partition, offset, topicId } of offsetsInCommits(progress)) {
    txns[`assay/offset/${partition}/${topic}`] = offset
    if (topicId !== undefined) txns[`assay/topic/${topicId}/${topic}`] = progress.batch
  }
  for (const { topic, partition, eventTimeMaxMicros, recordsSinceValid } of progress.partitions.values()) {
    optional(`assay/valid_event_time_max/${partition}/${topic}`, eventTimeMaxMicros)
    txns[`assay/records_since_valid/${partition}/${topic}`] = BigInt(recordsSinceValid)
  }
  return txns
}

/** Those of files are not: they stand in `ops/files`, or every commit would grow with every file. */
function offsetsInCommits({ offsets }: Progress): NextOffset[] {
  return [...offsets.values()].filter(({ isFile }) => isFile !== true)
}

/**
 * Txn actions that say which streams the writer of a batch carries in the same process: their tables have
 * everything up to the batch before. Without them a stream is as far as the last commit to its table that is
 * furthest behind.
 */
export function streamTxns(streams: readonly string[], batch: bigint): Readonly<Record<string, bigint>> {
  return Object.fromEntries(streams.map((stream) => [`assay/stream/${stream}`, batch]))
}

/** The batch up to which, by the txn actions of bronze or silver, all tables of the stream are complete. */
export function streamDone(txns: ReadonlyMap<string, { readonly version: bigint }>, stream: string): bigint {
  const carried = txns.get(`assay/stream/${stream}`)?.version
  return carried === undefined ? 0n : carried - 1n
}

/**
 * The last batch that a table is known to be complete with: its own, or what others claim of its stream,
 * which is not true of a table that was made again until it has caught up.
 */
export function carriedBatch(
  txns: ReadonlyMap<string, { readonly version: bigint }>,
  own: bigint,
  stream: string,
  claims: readonly ReadonlyMap<string, { readonly version: bigint }>[],
): bigint {
  if ((txns.get(sinceAppId)?.version ?? 0n) > 0n) return own
  return claims
    .map((one) => streamDone(one, stream))
    .reduce((most, batch) => (batch > most ? batch : most), own)
}

/**
 * The progress of a table from the txn actions of its snapshot; null where it was never written by Assay. A
 * writer that can record only one txn (Spark) puts the same into userMetadata: `needsUserMetadata` says when
 * to look there.
 */
export function decodeTxns(txns: ReadonlyMap<string, { readonly version: bigint }>): Progress | null {
  const batch = txns.get(batchAppId)?.version
  if (batch === undefined) return null
  const topicIds = new Map<string, string>()
  for (const appId of txns.keys()) {
    const match = /^assay\/topic\/([^/]+)\/(.+)$/s.exec(appId)
    if (match) topicIds.set(match[2]!, match[1]!)
  }
  const offsets = new Map<string, NextOffset>()
  for (const [appId, { version }] of txns) {
    const match = /^assay\/offset\/(\d+)\/(.+)$/s.exec(appId)
    if (!match) continue
    const at = { topic: match[2]!, partition: Number(match[1]), offset: version }
    offsets.set(partitionKey(at), { ...at, ...ofTopic(topicIds.get(at.topic)) })
  }
  const watermarks = [...txns].flatMap(([appId, { version }]) =>
    appId.startsWith(watermarkAppId) ? [[appId.slice(watermarkAppId.length), version]] : [],
  )
  return {
    batch,
    timeMicros: txns.get('assay/time')?.version ?? 0n,
    offsets,
    readFrom: txns.get(fromBronzeAppId)?.version === batch ? 'bronze' : 'input',
    eventTimeMaxMicros: txns.get('assay/event_time_max')?.version ?? null,
    finalizedToMicros: txns.get('assay/finalized_to')?.version ?? null,
    watermarks: Object.fromEntries(watermarks),
    partitions: partitionTimes(txns),
  }
}

function partitionTimes(
  txns: ReadonlyMap<string, { readonly version: bigint }>,
): ReadonlyMap<string, PartitionTime> {
  const times = new Map<string, PartitionTime>()
  for (const [appId, { version }] of txns) {
    const match = /^assay\/records_since_valid\/(\d+)\/(.+)$/s.exec(appId)
    if (!match) continue
    const at = { topic: match[2]!, partition: Number(match[1]) }
    const eventTimeMaxMicros = txns.get(`assay/valid_event_time_max/${match[1]}/${match[2]}`)?.version ?? null
    times.set(partitionKey(at), { ...at, eventTimeMaxMicros, recordsSinceValid: Number(version) })
  }
  return times
}

/** True where the newest batch was committed with userMetadata alone. */
export function needsUserMetadata(txns: ReadonlyMap<string, { readonly version: bigint }>): boolean {
  return txns.get(batchAppId)?.version !== txns.get('assay/batch')?.version
}

/** The batch as the text of a commit. */
export function batchJson({ plan, progress, counts }: RecordedBatch): string {
  return JSON.stringify({
    ...progressToJson(progress),
    ...(plan === null ? {} : { plan: planToJson(plan) }),
    ...(counts === null ? {} : { counts }),
  })
}

/** Bigints are text: JSON numbers are doubles to most readers. */
function progressToJson(progress: Progress): Readonly<Record<string, unknown>> {
  return {
    assay: 1,
    batch: String(progress.batch),
    time: String(progress.timeMicros),
    ...(progress.readFrom === 'bronze' ? { from_bronze: true } : {}),
    event_time_max: textOf(progress.eventTimeMaxMicros),
    finalized_to: textOf(progress.finalizedToMicros),
    watermarks: Object.fromEntries(
      Object.entries(progress.watermarks).map(([name, micros]) => [name, String(micros)]),
    ),
    offsets: offsetsInCommits(progress).map(({ topic, partition, offset, topicId }) => [
      topic,
      partition,
      String(offset),
      ...(topicId === undefined ? [] : [topicId]),
    ]),
    partitions: [...progress.partitions.values()].map((one) => [
      one.topic,
      one.partition,
      textOf(one.eventTimeMaxMicros),
      one.recordsSinceValid,
    ]),
  }
}

/** The batch in a commit's userMetadata; null where that is not ours. */
export function parseBatch(userMetadata: string | undefined): RecordedBatch | null {
  const parsed = parseObject(userMetadata)
  if (parsed?.assay !== 1) return null
  return {
    plan: parsed.plan === undefined ? null : planFromJson(objectOf(parsed.plan)),
    progress: progressFromJson(parsed),
    counts: parsed.counts === undefined ? null : (parsed.counts as BatchCounts), // As batchJson wrote it.
  }
}

/** The progress in a commit's userMetadata; null where that is not ours. */
export function parseProgress(userMetadata: string | undefined): Progress | null {
  const parsed = parseObject(userMetadata)
  return parsed?.assay === 1 ? progressFromJson(parsed) : null
}

function progressFromJson(parsed: Readonly<Record<string, unknown>>): Progress {
  // One that had not begun was null in commits of an earlier version.
  const watermarks = Object.entries(parsed.watermarks ?? {}).flatMap(([name, micros]) =>
    typeof micros === 'string' ? [[name, BigInt(micros)]] : [],
  )
  const offsets = new Map<string, NextOffset>()
  for (const entry of parsed.offsets as unknown[]) {
    assert(Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'number')
    const at = { topic: entry[0], partition: entry[1], offset: BigInt(String(entry[2])) }
    const id = typeof entry[3] === 'string' ? entry[3] : undefined
    offsets.set(partitionKey(at), { ...at, ...ofTopic(id) })
  }
  return {
    batch: BigInt(String(parsed.batch)),
    timeMicros: BigInt(String(parsed.time)),
    offsets,
    readFrom: parsed.from_bronze === true ? 'bronze' : 'input',
    eventTimeMaxMicros: microsOf(parsed.event_time_max),
    finalizedToMicros: microsOf(parsed.finalized_to),
    watermarks: Object.fromEntries(watermarks),
    partitions: partitionTimesOf(parsed.partitions),
  }
}

/** Absent in commits of a version that did not record them. */
function partitionTimesOf(entries: unknown): ReadonlyMap<string, PartitionTime> {
  const times = new Map<string, PartitionTime>()
  for (const entry of Array.isArray(entries) ? (entries as unknown[]) : []) {
    assert(Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'number')
    const [topic, partition, eventTimeMax, recordsSinceValid] = entry
    const at = { topic, partition, eventTimeMaxMicros: microsOf(eventTimeMax) }
    times.set(partitionKey(at), { ...at, recordsSinceValid: Number(recordsSinceValid) })
  }
  return times
}

function ofTopic(topicId: string | undefined): OfTopic {
  return topicId === undefined ? {} : { topicId }
}

function parseObject(text: string | undefined): Record<string, unknown> | null {
  if (text === undefined) return null
  try {
    const value: unknown = JSON.parse(text)
    // An object, as just seen.
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null // Another writer's text, in a format of its own.
  }
}

const textOf = (value: bigint | null): string | null => (value === null ? null : String(value))
const microsOf = (value: unknown): bigint | null => (typeof value === 'string' ? BigInt(value) : null)
