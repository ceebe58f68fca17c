// Reads exact ranges of offsets: large fetches over all partitions of a broker, one response decoded while
// the next is on its way.
import type { OffsetRange } from '../batches/offsets.ts'
import { partitionKey } from '../batches/offsets.ts'
import type { RecordChunk } from '../batches/source.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import type { Cluster, ClusterView } from './cluster.ts'
import { BrokerError, LEADER_NOT_AVAILABLE, OFFSET_OUT_OF_RANGE } from './failures.ts'
import {
  FETCH_API_KEY,
  type FetchedPartition,
  type FetchLimits,
  type FetchResponse,
  type FetchVersion,
  fetchRecords,
  fetchVersions,
} from './fetch.ts'
import { type Losses, logRewound, topicRecreated } from './losses.ts'
import { byLeader, type LedPartition, ledPartitions, listOffsets } from './positions.ts'
import { type BatchHeader, committedBatches, readBatchHeaders } from './record-batches.ts'
import { decodeBatches } from './record-chunks.ts'
import { abortable, type Retrier } from './retry.ts'

/**
 * Bytes of one response, of which a broker has one being decoded and one on its way. A larger record still
 * comes.
 */
const FETCH_RESPONSE_BYTES = 16 * 1024 * 1024
const FETCH_PARTITION_BYTES = 4 * 1024 * 1024
const FETCH_WAIT_MS = 100
/**
 * How long a broker must answer with nothing before the rest of a range is taken for a hole. A single empty
 * answer is no proof, and the log of a compacted topic ends with a record, so this is hardly ever waited for.
 */
const HOLE_PROOF_MS = 10_000
/** And how often: a process that was paused has seen little of that time. */
const HOLE_PROOF_ANSWERS = 50
/** How long the end of a range may be out of reach, as after a change of leaders. */
const STALL_MAX_MS = 60_000

export type ReadContext = {
  readonly cluster: Cluster
  readonly retrier: Retrier
  readonly losses: Losses
  /** The cluster as it is now; called again after every failure. */
  describe(signal: AbortSignal): Promise<ClusterView>
}

export type OnChunk = (chunk: RecordChunk) => void | Promise<void>

/**
 * A range being read. Behind `fetched` nothing was asked for yet, before `delivered` everything was handed
 * over.
 */
type Progress = OffsetRange & {
  readonly key: string
  fetched: bigint
  delivered: bigint
}

type Fetch = {
  readonly progress: Progress
  readonly partition: FetchedPartition
  readonly headers: BatchHeader[]
}

/** Reads the committed records of `ranges`; after a failure it goes on behind the last record handed over. */
export async function readRanges(
  context: ReadContext,
  ranges: readonly OffsetRange[],
  onChunk: OnChunk,
  signal: AbortSignal,
): Promise<void> {
  const open: Progress[] = ranges.map((range) => ({
    ...range,
    key: partitionKey(range),
    fetched: range.start,
    delivered: range.start,
  }))
  const handOver = oneAtATime(onChunk)
  await context.retrier.run(async () => {
    const view = await context.describe(signal)
    const leaders = new Map(ledPartitions(view).map((led) => [led.key, led]))
    const members = open.filter(isUnfinished).map((progress) => memberOf(view, leaders, progress))
    // When one broker fails, the others must not go on handing over behind the back of the retry.
    const failed = new AbortController()
    const anyEnd = AbortSignal.any([signal, failed.signal])
    const readings = [...byLeader(members)].map(([leader, led]) =>
      readFromBroker(context, leader, led, handOver, anyEnd).catch((error: unknown) => {
        failed.abort(error)
        throw error
      }),
    )
    const results = await Promise.allSettled(readings)
    if (failed.signal.aborted) throw failed.signal.reason
    assert(results.every(({ status }) => status === 'fulfilled'))
  }, signal)
}

type Member = { readonly progress: Progress; readonly led: LedPartition; readonly leader: number }

function memberOf(view: ClusterView, leaders: ReadonlyMap<string, LedPartition>, progress: Progress): Member {
  progress.fetched = progress.delivered
  const led = leaders.get(progress.key)
  if (led === undefined && !view.topics.some(({ name }) => name === progress.topic)) {
    throw new BrokerError(LEADER_NOT_AVAILABLE, `topic ${progress.topic}`)
  }
  // Partitions are never taken away from a topic.
  if (led === undefined || isRecreated(progress, led)) throw topicRecreated(progress, progress.delivered)
  return { progress, led, leader: led.leader }
}

async function readFromBroker(
  context: ReadContext,
  leader: number,
  members: readonly Member[],
  handOver: OnChunk,
  signal: AbortSignal,
): Promise<void> {
  const connection = await context.cluster.connection(leader, 'fetch', signal)
  const version = (await context.cluster.version(
    connection,
    'Fetch',
    FETCH_API_KEY,
    usableVersions(members),
    signal,
  )) as FetchVersion
  const request = (wanted: readonly Member[]): Promise<FetchResponse> => {
    const partitions = wanted.map(({ led, progress }) => ({
      ...led,
      topicId: led.topicId ?? '',
      offset: progress.fetched,
    }))
    const response = fetchRecords(connection, version, partitions, limits)
    // Whoever waits for it learns of a failure; nobody waits when another one ended the read.
    response.catch(() => {})
    return response
  }
  let waiting = [...members]
  let pending = request(waiting)
  let empty: Emptiness | null = null
  while (waiting.length > 0) {
    const response = await abortable(pending, signal)
    if (response.errorCode !== 0) throw new BrokerError(response.errorCode, 'Fetch')
    const fetches = await interpret(context, waiting, response, signal)
    context.retrier.succeeded()
    empty = fetches.length === 0 ? oneMore(empty) : null
    if (empty !== null) judgeEmptiness(context, waiting, response, empty)
    const served = new Set(fetches.map(({ progress }) => progress))
    // Who got nothing comes first now: a broker never leaves out the first for size.
    waiting = waiting
      .filter(({ progress }) => progress.fetched < progress.end)
      .sort((a, b) => Number(served.has(a.progress)) - Number(served.has(b.progress)))
    if (waiting.length > 0) pending = request(waiting)
    for (const fetch of fetches) await deliver(fetch, handOver, signal)
  }
}

const limits: FetchLimits = {
  waitMaxMs: FETCH_WAIT_MS,
  responseBytesMax: FETCH_RESPONSE_BYTES,
  partitionBytesMax: FETCH_PARTITION_BYTES,
}

/** Without ids of topics only the versions before 13 can be used: they go by names. */
export function usableVersions(members: readonly { readonly led: LedPartition }[]): number[] {
  const hasIds = members.every(({ led }) => led.topicId !== null)
  return fetchVersions.filter((version) => hasIds || version < 13)
}

/** Which ranges a response brings forward, and moves their positions. */
async function interpret(
  context: ReadContext,
  waiting: readonly Member[],
  response: FetchResponse,
  signal: AbortSignal,
): Promise<Fetch[]> {
  const byKey = new Map(waiting.map((member) => [member.led.key, member]))
  const fetches: Fetch[] = []
  for (const partition of response.partitions) {
    const member = byKey.get(partitionKey(partition))
    assert(member !== undefined, 'a broker answered for a partition that was not asked for')
    const { progress, led } = member
    if (partition.errorCode === OFFSET_OUT_OF_RANGE) {
      await meetDeletion(context, progress, led, signal)
      continue
    }
    if (partition.errorCode !== 0) throw new BrokerError(partition.errorCode, `${led.topic}-${led.partition}`)
    const headers = readBatchHeaders(partition.records, partition)
    const last = headers.at(-1)
    if (last === undefined) continue // It did not fit, or there is none.
    progress.fetched = last.lastOffset + 1n
    fetches.push({ progress, partition, headers })
  }
  return fetches
}

/** Answers without a whole batch of records, one after another. */
type Emptiness = { readonly answers: number; readonly sinceMs: number }

function oneMore(empty: Emptiness | null): Emptiness {
  return empty === null
    ? { answers: 1, sinceMs: performance.now() }
    : { ...empty, answers: empty.answers + 1 }
}

/**
 * What it means that a broker has sent nothing for so long although there is something to read. It may be
 * slow (tiered storage answers with nothing until it has read), so nothing is passed over without
 * ON_DATA_LOSS=continue.
 */
function judgeEmptiness(
  context: ReadContext,
  waiting: readonly Member[],
  response: FetchResponse,
  empty: Emptiness,
): void {
  const emptyMs = performance.now() - empty.sinceMs
  if (emptyMs < HOLE_PROOF_MS || empty.answers < HOLE_PROOF_ANSWERS) return
  const answers = new Map(response.partitions.map((each) => [partitionKey(each), each]))
  for (const { progress } of waiting) {
    const { topic, partition, fetched, end, key } = progress
    const answer = answers.get(key)
    if (fetched >= end || answer === undefined) continue
    const readableEnd = answer.lastStableOffset
    const details = { topic, partition, start: fetched, end, readableEnd }
    const where = `${topic}, partition ${partition}: from offset ${fetched} to ${end}`
    if (answer.records.length > 0) {
      const message = `${where} the broker sends bytes that are no whole batch of records. Check its disk and log.`
      throw new LakehouseError('KAFKA_RECORDS_CORRUPT', message, { details })
    }
    if (readableEnd >= end) {
      const what =
        `${where} the broker gave no record in ${Math.round(emptyMs / 1000)} s. They were compacted away, or its ` +
        'storage is slow: then start again later.'
      context.losses.meet({ topic, partition, wanted: fetched, earliest: end }, what)
      progress.fetched = end
      progress.delivered = end
    } else if (emptyMs >= STALL_MAX_MS) {
      const message =
        `${where} nothing can be read; the broker says that the partition ends at ${readableEnd}. ` +
        'It may have lost the end of its log.'
      throw new LakehouseError('KAFKA_OFFSETS_LOST', message, { details })
    }
  }
}

async function deliver(fetch: Fetch, handOver: OnChunk, signal: AbortSignal): Promise<void> {
  const { progress, partition, headers } = fetch
  const committed = committedBatches(partition.records, headers, partition.aborted).filter(
    ({ baseOffset, lastOffset }) => lastOffset >= progress.delivered && baseOffset < progress.end,
  )
  const range = { start: progress.delivered, end: progress.end }
  for await (const { records, behind } of decodeBatches(partition.records, committed, range, partition)) {
    signal.throwIfAborted()
    await handOver(records)
    progress.delivered = behind
  }
  progress.delivered = headers.at(-1)!.lastOffset + 1n
}

/** The offset is not in the log: deleted before it was read, or the log is another one. */
async function meetDeletion(
  context: ReadContext,
  progress: Progress,
  led: LedPartition,
  signal: AbortSignal,
): Promise<void> {
  const [starts, ends] = await Promise.all([
    listOffsets(context.cluster, [led], 'earliest', signal),
    listOffsets(context.cluster, [led], 'readable end', signal),
  ])
  const earliest = starts.get(led.key) ?? 0n
  const end = ends.get(led.key) ?? earliest
  if (progress.fetched >= earliest) throw logRewound(led, progress.fetched, end)
  context.losses.meet({ ...led, wanted: progress.fetched, earliest })
  progress.fetched = earliest < progress.end ? earliest : progress.end
  progress.delivered = progress.fetched
}

function isRecreated(progress: Progress, led: LedPartition): boolean {
  return progress.topicId !== undefined && led.topicId !== null && progress.topicId !== led.topicId
}

function isUnfinished(progress: Progress): boolean {
  return progress.delivered < progress.end
}

/**
 * Several brokers are read at once, but the consumer sees one chunk after another, and none after its own
 * failure.
 */
function oneAtATime(onChunk: OnChunk): OnChunk {
  let last: Promise<void> = Promise.resolve()
  return (chunk) => {
    last = last.then(() => onChunk(chunk))
    return last
  }
}
