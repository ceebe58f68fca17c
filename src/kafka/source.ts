// A Kafka topic as an input. It belongs to no consumer group: the tables hold the progress, and what a batch
// takes is decided from the offsets of the log alone.
import type { AlignedCut } from '../batches/aligned-cut.ts'
import { type OffsetRange, type Offsets, partitionKey, type TopicPartition } from '../batches/offsets.ts'
import { preferredCut } from '../batches/preferred-cut.ts'
import type { Cut, PartitionEnd, RecordChunk, RecordSource } from '../batches/source.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { Cluster, type ClusterView } from './cluster.ts'
import { Losses, logRewound, topicRecreated } from './losses.ts'
import { type KafkaSourceOptions, topicNames } from './options.ts'
import { Polls } from './polls.ts'
import { type LedPartition, ledPartitions, listOffsets } from './positions.ts'
import { ProgressReports } from './progress-reports.ts'
import { type ReadContext, readRanges } from './reader.ts'
import { Retrier } from './retry.ts'

/**
 * How old the view of partitions and leaders may be before a cut: so long may a new partition stay unseen.
 */
const VIEW_AGE_MS_MAX = 5_000
/**
 * Opens a topic (or several). It needs no broker yet: the first cut waits for one, and says so.
 * Fails with CONFIG_INVALID where an address or a name cannot be one.
 */
export async function openKafkaSource(options: KafkaSourceOptions): Promise<RecordSource & KafkaPositions> {
  return new KafkaSource(options)
}

/** For whom the records are read by another: Spark's streaming query. */
export type KafkaPositions = {
  /**
   * Every partition, from where reading goes on (as `cut` decides it, losses included) to what is readable
   * now.
   */
  positions(next: Offsets, signal: AbortSignal): Promise<readonly OffsetRange[]>
}

/**
 * What is readable of a partition: [start, end), the start being where the tables are. `realEnd` lies beyond
 * where a run takes only what was there at its first look.
 */
type Readable = {
  readonly led: LedPartition
  readonly earliest: bigint
  readonly start: bigint
  readonly end: bigint
  readonly realEnd: bigint
}

class KafkaSource implements RecordSource, KafkaPositions {
  readonly kind = 'kafka'
  readonly #options: KafkaSourceOptions
  readonly #topics: readonly string[]
  readonly #viewAgeMsMax: number
  readonly #cluster: Cluster
  readonly #retrier: Retrier
  readonly #losses: Losses
  readonly #polls: Polls
  readonly #reports: ProgressReports
  readonly #closed = new AbortController()
  #view: { readonly view: ClusterView; readonly atMs: number } | null = null
  /** Where partitions without progress start; a place like "latest" must not move on while nothing comes. */
  readonly #starts = new Map<string, bigint>()
  /** The ends at the first look; null where the run has no end. */
  #firstEnds: ReadonlyMap<string, bigint> | null = null
  #cutAtMs: number | null = null
  /** Of every partition, at the last look: from here the lag is told without a request. */
  #lastSeen: readonly Readable[] | null = null

  constructor(options: KafkaSourceOptions) {
    this.#options = options
    this.#topics = topicNames(options.topic)
    this.#viewAgeMsMax = options.viewAgeMsMax ?? VIEW_AGE_MS_MAX
    this.#cluster = new Cluster(options)
    this.#retrier = new Retrier(options.bootstrapServers.join(', '), options)
    this.#losses = new Losses(options)
    this.#polls = new Polls(this.#cluster)
    const onNotice = options.onNotice ?? (() => {})
    this.#reports = new ProgressReports({ cluster: this.#cluster, groupId: options.groupId, onNotice })
  }

  async cut(
    next: Offsets,
    recordsMax: number,
    signal: AbortSignal,
    preferred: readonly TopicPartition[] = [],
  ): Promise<Cut> {
    assert(recordsMax > 0, 'recordsMax must be positive')
    const anyEnd = this.#orClosed(signal)
    return await this.#retrier.run(async () => {
      const view = await this.#describe(anyEnd, this.#viewAgeMsMax)
      const readable = await this.#forgettingOnFailure(this.#readable(view, next, anyEnd))
      const bounds = readable.filter(({ start, end }) => start < end)
      const cut = await this.#forgettingOnFailure(this.#align(bounds, recordsMax, preferred, anyEnd))
      const ranges = bounds.map(({ led, start }, index) => rangeOf(led, start, cut.ends[index]!))
      const more = bounds.some(({ end }, index) => cut.ends[index]! < end)
      const withRecords = ranges.filter(({ start, end }) => start < end)
      const waiting = waitingBehind(readable, ranges)
      const unrecorded = readable.filter(
        ({ led, start }) => next.get(led.key)?.offset !== start && !withRecords.some(isOf(led)),
      )
      // "latest" and a time would mean another place after a restart, and a loss would be met again: where
      // reading goes on is recorded at once, in a batch without records if need be. The earliest record can
      // wait for the first batch.
      const canWait =
        this.#options.startingOffsets.kind === 'earliest' && unrecorded.every(({ led }) => !next.has(led.key))
      if (withRecords.length === 0 && canWait) return { ranges: [], more, waiting }
      return {
        ranges: [...withRecords, ...unrecorded.map(({ led, start }) => rangeOf(led, start, start))],
        more,
        waiting,
      }
    }, anyEnd)
  }

  async positions(next: Offsets, signal: AbortSignal): Promise<readonly OffsetRange[]> {
    const anyEnd = this.#orClosed(signal)
    return await this.#retrier.run(async () => {
      const view = await this.#describe(anyEnd, this.#viewAgeMsMax)
      const readable = await this.#forgettingOnFailure(this.#readable(view, next, anyEnd))
      return readable.map(({ led, start, end }) => rangeOf(led, start, end))
    }, anyEnd)
  }

  async read(
    ranges: readonly OffsetRange[],
    onChunk: (chunk: RecordChunk) => void | Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const { topic } of ranges) this.#refuseOtherTopic(topic)
    const withRecords = ranges.filter(({ start, end }) => start < end)
    if (withRecords.length === 0) return
    let isFirst = true
    const context: ReadContext = {
      cluster: this.#cluster,
      retrier: this.#retrier,
      losses: this.#losses,
      describe: async (anyEnd) => {
        const view = await this.#describe(anyEnd, isFirst ? this.#viewAgeMsMax : 0)
        isFirst = false
        return view
      },
    }
    await readRanges(context, withRecords, onChunk, this.#orClosed(signal))
  }

  async waitForData(next: Offsets, waitMaxMs: number, signal: AbortSignal): Promise<void> {
    const anyEnd = this.#orClosed(signal)
    const deadline = performance.now() + waitMaxMs
    let remainingMs = waitMaxMs
    while (remainingMs > 0) {
      try {
        const view = await this.#describe(anyEnd, this.#viewAgeMsMax)
        const waiting = ledPartitions(view).map((led) => ({ led, offset: this.#knownStart(led, next) }))
        const known = waiting.flatMap(({ led, offset }) => (offset === null ? [] : [{ led, offset }]))
        // Where a partition starts is the next cut's decision: a new one may hold records already.
        if (known.length < waiting.length) return
        if (await this.#forgettingOnFailure(this.#polls.anyData(known, remainingMs, anyEnd))) return
        this.#retrier.succeeded()
      } catch (error) {
        anyEnd.throwIfAborted()
        await this.#retrier.failed(error, anyEnd, deadline - performance.now())
      }
      remainingMs = deadline - performance.now()
    }
    anyEnd.throwIfAborted()
  }

  async lag(next: Offsets, signal: AbortSignal): Promise<bigint> {
    const anyEnd = this.#orClosed(signal)
    const seen =
      this.#lastSeen ??
      (await this.#retrier.run(async () => {
        const view = await this.#describe(anyEnd, this.#viewAgeMsMax)
        return await this.#forgettingOnFailure(this.#readable(view, next, anyEnd))
      }, anyEnd))
    return seen.reduce((sum, { led, earliest, start, end }) => {
      const from = max(earliest, next.get(led.key)?.offset ?? start)
      return sum + max(0n, end - from)
    }, 0n)
  }

  async ends(signal: AbortSignal): Promise<readonly PartitionEnd[]> {
    const anyEnd = this.#orClosed(signal)
    const partitions = ledPartitions(await this.#describe(anyEnd, this.#viewAgeMsMax))
    const [earliests, ends] = await this.#forgettingOnFailure(
      Promise.all([
        listOffsets(this.#cluster, partitions, 'earliest', anyEnd),
        listOffsets(this.#cluster, partitions, 'readable end', anyEnd),
      ]),
    )
    return partitions.map(({ key, topic, partition }) => {
      const earliest = earliests.get(key) ?? 0n
      return { topic, partition, earliest, end: ends.get(key) ?? earliest }
    })
  }

  async reportProgress(next: Offsets): Promise<void> {
    this.#reports.report(new Map([...next].filter(([, { topic }]) => this.#topics.includes(topic))))
  }

  async close(): Promise<void> {
    await this.#reports.close()
    this.#closed.abort(new LakehouseError('KAFKA_UNREACHABLE', 'The Kafka source was closed.'))
    await this.#cluster.close()
  }

  /** The start and end of every partition, after judging whether records were lost. */
  async #readable(view: ClusterView, next: Offsets, signal: AbortSignal): Promise<Readable[]> {
    const partitions = ledPartitions(view)
    refuseRecreated(partitions, next)
    const [earliests, ends] = await Promise.all([
      listOffsets(this.#cluster, partitions, 'earliest', signal),
      listOffsets(this.#cluster, partitions, 'readable end', signal),
    ])
    await this.#decideStarts(partitions, next, earliests, ends, signal)
    if (this.#options.untilNow === true)
      this.#firstEnds ??= new Map(partitions.map(({ key }) => [key, ends.get(key) ?? 0n]))
    const readable = partitions.map((led) => {
      const earliest = earliests.get(led.key) ?? 0n
      const end = ends.get(led.key) ?? earliest
      const wanted = this.#knownStart(led, next)
      assert(wanted !== null, 'every start is decided')
      const stored = next.get(led.key)?.offset
      const from = (start: bigint): Readable => ({
        ...{ led, earliest, start, realEnd: end },
        end: max(start, this.#endOf(led.key, end)),
      })
      if (stored === undefined) return from(max(wanted, earliest))
      if (wanted > end) throw logRewound(led, wanted, end)
      if (wanted >= earliest) return from(wanted)
      this.#losses.meet({ ...led, wanted, earliest })
      return from(earliest)
    })
    this.#lastSeen = readable
    return readable
  }

  /** Where a run with an end stops: a partition that was not there at its first look has nothing for it. */
  #endOf(key: string, end: bigint): bigint {
    const first = this.#firstEnds?.get(key) ?? 0n
    return this.#firstEnds === null || end < first ? end : first
  }

  /** Once for each partition that the tables have nothing of. */
  async #decideStarts(
    partitions: readonly LedPartition[],
    next: Offsets,
    earliests: ReadonlyMap<string, bigint | null>,
    ends: ReadonlyMap<string, bigint | null>,
    signal: AbortSignal,
  ): Promise<void> {
    const undecided = partitions.filter(({ key }) => !next.has(key) && !this.#starts.has(key))
    if (undecided.length === 0) return
    const starting = this.#options.startingOffsets
    const isRunning = (topic: string) =>
      partitions.some((each) => each.topic === topic && (next.has(each.key) || this.#starts.has(each.key)))
    const times =
      starting.kind === 'time'
        ? await listOffsets(this.#cluster, undecided, starting, signal)
        : new Map<string, bigint>()
    const starts = undecided.map((led): [string, bigint] => {
      const earliest = earliests.get(led.key) ?? 0n
      const end = ends.get(led.key) ?? earliest
      // A partition that came after the others holds nothing that was there before the start.
      if (starting.kind === 'earliest' || isRunning(led.topic)) return [led.key, earliest]
      return [led.key, starting.kind === 'time' ? (times.get(led.key) ?? end) : end]
    })
    for (const [key, start] of starts) this.#starts.set(key, start)
  }

  async #align(
    bounds: readonly Readable[],
    recordsMax: number,
    preferred: readonly TopicPartition[],
    signal: AbortSignal,
  ): Promise<AlignedCut> {
    const partitions = bounds.map(({ led }) => led)
    const indexes = new Map(partitions.map(({ key }, index) => [key, index]))
    const nowMs = Date.now()
    const cut = await preferredCut({
      bounds,
      recordsMax,
      preferred: preferred.flatMap((one) => indexes.get(partitionKey(one)) ?? []),
      fromMs: this.#cutAtMs ?? nowMs - GUESSED_BACKLOG_MS,
      toMs: nowMs,
      offsetsAfter: async (timestampMs) => {
        const place = { timestampMs: timestampMs + 1 }
        const offsets = await listOffsets(this.#cluster, partitions, place, signal)
        return partitions.map(({ key }) => offsets.get(key) ?? null)
      },
    })
    // A wrong clock's time would be a bad guess for the next cut.
    if (cut.timestampMs !== null && cut.timestampMs >= 0 && cut.timestampMs <= nowMs)
      this.#cutAtMs = cut.timestampMs
    return cut
  }

  /** Where the next record of a partition is, without asking; null where the next cut has to decide it. */
  #knownStart({ key }: LedPartition, next: Offsets): bigint | null {
    return next.get(key)?.offset ?? this.#starts.get(key) ?? null
  }

  async #describe(signal: AbortSignal, ageMsMax: number): Promise<ClusterView> {
    const known = this.#view
    if (known !== null && performance.now() - known.atMs < ageMsMax) return known.view
    this.#view = null
    const view = await this.#cluster.describe(this.#topics, signal)
    this.#view = { view, atMs: performance.now() }
    return view
  }

  #refuseOtherTopic(topic: string): void {
    if (this.#topics.includes(topic)) return
    throw new LakehouseError(
      'CONFIG_INVALID',
      `The batch to read was planned from topic ${topic}, but KAFKA_TOPIC is ` +
        `${this.#topics.join(',')}. Set ` +
        'KAFKA_TOPIC back (or add the topic) until the batch is committed.',
      { details: { topic, topics: this.#topics } },
    )
  }

  /** A failed request may mean that leaders have moved: the next attempt asks anew. */
  async #forgettingOnFailure<Result>(request: Promise<Result>): Promise<Result> {
    try {
      return await request
    } catch (error) {
      this.#view = null
      throw error
    }
  }

  #orClosed(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#closed.signal])
  }
}

/** First guess of how far back the records lie that are waiting; a wrong one costs a few requests. */
const GUESSED_BACKLOG_MS = 24 * 3600 * 1000

function isOf(led: LedPartition): (range: OffsetRange) => boolean {
  return ({ topic, partition }) => topic === led.topic && partition === led.partition
}

function rangeOf({ topic, partition, topicId }: LedPartition, start: bigint, end: bigint): OffsetRange {
  return { topic, partition, ...(topicId === null ? {} : { topicId }), start, end }
}

/** The partitions that end behind what the ranges take of them. */
function waitingBehind(readable: readonly Readable[], ranges: readonly OffsetRange[]): TopicPartition[] {
  const takenTo = new Map(ranges.map((range) => [partitionKey(range), range.end]))
  return readable
    .filter(({ led, start, realEnd }) => realEnd > (takenTo.get(led.key) ?? start))
    .map(({ led: { topic, partition } }) => ({ topic, partition }))
}

/**
 * Topics have ids: one that was deleted and created anew is known even where it has grown past the old one.
 */
function refuseRecreated(partitions: readonly LedPartition[], next: Offsets): void {
  for (const { key, topic, topicId } of partitions) {
    const stored = next.get(key)
    if (stored?.topicId === undefined || topicId === null || stored.topicId === topicId) continue
    throw topicRecreated({ topic }, stored.offset)
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
