// The bronze query: Kafka to bronze, a Structured Streaming query in the cluster. It is started, found again,
// watched and started anew from here. Its checkpoint serves one run of it: where it starts is decided from
// bronze itself, every time, so no checkpoint can be stale, and none can be missed.
import { createHash } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OnNotice } from '../../batches/notice.ts'
import { type OffsetRange, type Offsets, partitionKey } from '../../batches/offsets.ts'
import { NO_TIMESTAMP_MS, timestampFirstMs, timestampLastMs } from '../../batches/source.ts'
import { hasEnded } from '../../batches/streamed.ts'
import type { DeltaTable } from '../../delta/index.ts'
import { LakehouseError } from '../../errors/errors.ts'
import { inputsOf, type Lakehouse } from '../../plan/index.ts'
import { compileTable, spark } from '../../sql/index.ts'
import { checkpointsDirectory, endQueries } from '../bronze-writers.ts'
import type { PipelineOptions } from '../engine.ts'
import { FailuresInARow, seconds } from '../retry.ts'
import { isSessionGone } from './cluster.ts'
import { type Relation, readStream, sqlRelation } from './connect/relations.ts'
import type { CallOptions, SparkSession } from './connect/session.ts'
import { activeStreams, type StreamingQuery, startStream } from './connect/streaming.ts'
import type { StreamedKafka } from './options.ts'
import { fileUri } from './rows.ts'

/** The time between two looks at the query; each renews the session, so they are its lease. */
const lookMs = 2_000
export type BronzeQueryOptions = {
  readonly session: SparkSession
  readonly kafka: StreamedKafka
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly bronze: DeltaTable
  readonly triggerIntervalMs: number
  readonly retries: Pick<PipelineOptions, 'once' | 'retryFirstMs'>
  /** The next offsets behind all that bronze and silver know. */
  readonly ends: () => Promise<Offsets>
  /** Told where reading starts, before the query does, so that the tables know it. */
  readonly onPositions: (positions: readonly OffsetRange[]) => Promise<void>
  /** Brings records to bronze that the query fails on; false where there are none. */
  readonly bringUnreadable: (positions: readonly OffsetRange[], signal: AbortSignal) => Promise<boolean>
  readonly onNotice: OnNotice
}

export class BronzeQuery {
  readonly #options: BronzeQueryOptions
  #query: StreamingQuery | null = null
  /** How far the query has read. */
  #readTo: Offsets = new Map()
  /** Whether the query that runs was seen with nothing left to read. */
  #isCaughtUp = false
  readonly #failures: FailuresInARow
  /** Whether the query before failed by what it read, perhaps. */
  #mayBeUnreadable = false

  constructor(options: BronzeQueryOptions) {
    this.#options = options
    this.#failures = new FailuresInARow(options.retries)
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp
  }

  /**
   * What Kafka has now, of partitions that have more than bronze, whose rows end at `here`, and than the
   * query was seen to have read: behind the last record there may be offsets without one.
   */
  async inputEnds(here: Offsets, signal: AbortSignal): Promise<Offsets> {
    return endsOf(await this.#behind(further(this.#readTo, here), signal))
  }

  /** Brings what Kafka has now to bronze. */
  async once(signal: AbortSignal): Promise<void> {
    await this.#supervise(signal, { kind: 'availableNow' })
  }

  /** Keeps bringing records to bronze until the signal aborts; a query that fails is started anew. */
  async follow(signal: AbortSignal): Promise<void> {
    const trigger = { kind: 'every', ms: this.#options.triggerIntervalMs } as const
    await this.#supervise(signal, trigger)
  }

  /** Ends the query. A trigger that is under way is given up: bronze has all of it or nothing. */
  async stop(): Promise<void> {
    const query = this.#query
    this.#query = null
    await query?.stop(this.#call('The bronze query could not be stopped', new AbortController().signal))
  }

  async #supervise(signal: AbortSignal, trigger: Trigger): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#start(trigger, signal)
        await this.#watch(signal)
        if (trigger.kind === 'availableNow' || signal.aborted) return
        throw new LakehouseError('SPARK_STREAM_NOT_FOUND', 'Somebody stopped the bronze query.')
      } catch (error) {
        if (signal.aborted) break
        this.#isCaughtUp = false
        if (!isPassing(error)) throw error
        this.#mayBeUnreadable = error.code === 'SPARK_EXECUTION_FAILED'
        const waitMs = this.#failures.next(error.policy.retry === 'wait')
        if (waitMs === null) throw this.#failedForGood(error)
        const { errorClass = null } = error.details as { errorClass?: string | null }
        this.#options.onNotice({
          code: error.code,
          message: `${error.message} It is started again in ${seconds(waitMs)}.`,
          details: { failures: this.#failures.count, errorClass },
        })
        await sleep(waitMs, undefined, { signal }).catch(() => undefined) // Stopped: the loop sees it.
      }
    }
  }

  /** It must not begin again with another session: the session is not what failed. */
  #failedForGood(cause: LakehouseError): LakehouseError {
    const { count } = this.#failures
    const message =
      `The bronze query failed ${count} times one after another, and brought no record between: ` +
      `${cause.message} The tables are whole, and the next start goes on behind what they have.`
    return new LakehouseError('SPARK_BRONZE_QUERY_FAILED', message, { cause, details: cause.details })
  }

  /** Starts the query, or takes over the one that a process before this one left running in the session. */
  async #start(trigger: Trigger, signal: AbortSignal): Promise<void> {
    const { session, kafka, bronze, lakehouse } = this.#options
    const name = this.#name(trigger)
    const active = await activeStreams(
      session,
      this.#call('The bronze query could not be looked for', signal),
    )
    const same = active.find((query) => query.name === name && trigger.kind === 'every') ?? null
    const { txns } = await bronze.snapshot()
    const kept = same !== null && !hasEnded(txns, same.instance.id) ? same : null
    for (const query of active.filter((one) => one !== kept && one.name?.startsWith(namePrefix))) {
      await query.stop(this.#call('The bronze query before this one could not be stopped', signal))
    }
    await endQueries(this.#options, bronze, kept?.instance.id ?? null)
    const known = await this.#options.ends()
    this.#readTo = known
    if (kept !== null) {
      this.#query = kept
      return
    }
    let positions = await kafka.positions.positions(known, signal)
    await this.#options.onPositions(positions)
    if (this.#mayBeUnreadable && (await this.#options.bringUnreadable(positions, signal))) {
      this.#failures.gotOn()
      this.#readTo = await this.#options.ends()
      positions = await kafka.positions.positions(this.#readTo, signal)
    }
    this.#mayBeUnreadable = false
    this.#query = await startStream(
      session,
      {
        name,
        input: this.#input(positions),
        format: 'delta',
        path: fileUri(bronze.directory),
        partitionColumns: lakehouse.records.partitionBy === null ? [] : [lakehouse.records.partitionBy],
        checkpointLocation: fileUri(await this.#newCheckpoint()),
        trigger,
      },
      this.#call('The bronze query could not be started', signal),
    )
  }

  /** Looks at the query until it ends or the signal aborts. */
  async #watch(signal: AbortSignal): Promise<void> {
    const what = 'The bronze query could not be looked at'
    while (!signal.aborted && this.#query !== null) {
      await this.#look(this.#query, signal)
      if (await this.#query.awaitEnd(lookMs, this.#call(what, signal))) {
        const failure = await this.#query.failure(this.#call(what, signal))
        this.#query = null
        if (failure !== null) throw failure
      }
    }
  }

  async #look(query: StreamingQuery, signal: AbortSignal): Promise<void> {
    const progress = await query.lastProgress(this.#call('The bronze query could not be asked', signal))
    const read = further(this.#readTo, offsetsRead(progress))
    const hasRead = [...read].some(([key, { offset }]) => offset > (this.#readTo.get(key)?.offset ?? 0n))
    this.#readTo = read
    this.#isCaughtUp = (await this.#behind(this.#readTo, signal)).length === 0
    if (hasRead || this.#isCaughtUp) this.#failures.gotOn()
  }

  async #behind(readTo: Offsets, signal: AbortSignal): Promise<readonly OffsetRange[]> {
    const positions = await this.#options.kafka.positions.positions(readTo, signal)
    return positions.filter(({ start, end }) => start < end)
  }

  /** Another topic or another way to read it is another query. */
  #name(trigger: Trigger): string {
    const { topics, bootstrapServers, offsetsPerTriggerMax, partitionsMin } = this.#options.kafka
    const facts = [topics, bootstrapServers, offsetsPerTriggerMax, partitionsMin, trigger]
    const hash = createHash('sha256').update(JSON.stringify(facts)).digest('hex')
    return `${namePrefix}${hash.slice(0, 12)}`
  }

  #input(positions: readonly OffsetRange[]): Relation {
    const { kafka, lakehouse } = this.#options
    const records = readStream({
      format: 'kafka',
      options: {
        'kafka.bootstrap.servers': kafka.bootstrapServers,
        ...kafka.security(),
        // As the embedded engine reads: nothing of a transaction that was not committed.
        'kafka.isolation.level': 'read_committed',
        subscribe: kafka.topics.join(','),
        startingOffsets: startingOffsets(positions),
        // A loss ends the query; where it starts again the loss is told, and passed over if that is allowed.
        failOnDataLoss: 'true',
        includeHeaders: 'true',
        maxOffsetsPerTrigger: String(kafka.offsetsPerTriggerMax),
        ...(kafka.partitionsMin === null ? {} : { minPartitions: String(kafka.partitionsMin) }),
      },
    })
    const named =
      'SELECT topic, `partition`, `offset`, key AS kafka_key, value, headers, ' +
      `CASE WHEN timestamp BETWEEN ${millis(timestampFirstMs)} AND ${millis(timestampLastMs)} ` +
      `AND timestamp <> ${millis(NO_TIMESTAMP_MS)} THEN timestamp END AS kafka_timestamp FROM records`
    // The one parameter of bronze is its time; a streaming query takes the time of its trigger.
    const dialect = { ...spark, parameter: () => 'current_timestamp()' }
    const { node } = lakehouse.records.rows
    const { sql } = compileTable(dialect, node)
    const input = sqlRelation(named, { records })
    return sqlRelation(sql, Object.fromEntries(inputsOf(node).map(({ name }) => [name, input])))
  }

  /** A directory that no query had; those of earlier runs go. */
  async #newCheckpoint(): Promise<string> {
    const directory = checkpointsDirectory(this.#options)
    const before = await readdir(directory).catch(() => [])
    const numbers = before.map(Number).filter(Number.isInteger)
    const next = join(directory, String(Math.max(0, ...numbers) + 1))
    await mkdir(next, { recursive: true })
    for (const name of before) await rm(join(directory, name), { recursive: true, force: true })
    return next
  }

  #call(what: string, signal: AbortSignal): CallOptions {
    return { what, signal }
  }
}

const millis = (value: bigint): string => `timestamp_millis(${value})`

const namePrefix = 'assay-bronze-'

type Trigger = { readonly kind: 'availableNow' } | { readonly kind: 'every'; readonly ms: number }

/** True for what time may heal in this session. */
function isPassing(error: unknown): error is LakehouseError {
  if (!(error instanceof LakehouseError) || isSessionGone(error)) return false
  return error.policy.retry !== 'never'
}

/** As Spark's Kafka source takes them: every partition of the topics has to be there. */
function startingOffsets(positions: readonly OffsetRange[]): string {
  const topics: Record<string, Record<string, unknown>> = {}
  for (const { topic, partition, start } of positions) {
    topics[topic] ??= {}
    topics[topic][String(partition)] = JSON.rawJSON(String(start))
  }
  return JSON.stringify(topics)
}

function endsOf(ranges: readonly OffsetRange[]): Offsets {
  return new Map(ranges.map((range) => [partitionKey(range), { ...range, offset: range.end }]))
}

/**
 * Behind both, where both know a partition. The ids of topics stay, and no offset goes back: so a topic that
 * was made anew is known by both.
 */
function further(known: Offsets, read: Offsets): Offsets {
  const all = new Map(known)
  for (const [key, at] of read) {
    const before = known.get(key)
    if (at.offset >= (before?.offset ?? 0n)) all.set(key, { ...before, ...at })
  }
  return all
}

/** The offsets behind the last trigger, from Spark's report of it: those of a source are JSON within JSON. */
function offsetsRead(progress: unknown): Offsets {
  const read = new Map<string, { topic: string; partition: number; offset: bigint }>()
  const { sources } = (progress ?? {}) as { sources?: { endOffset?: unknown }[] } // Judged below.
  for (const { endOffset } of sources ?? []) {
    if (typeof endOffset !== 'string') continue
    const topics = JSON.parse(endOffset) as Record<string, Record<string, number>> // As Spark writes it.
    for (const [topic, partitions] of Object.entries(topics)) {
      for (const [name, offset] of Object.entries(partitions)) {
        const at = { topic, partition: Number(name), offset: BigInt(offset) }
        read.set(partitionKey(at), at)
      }
    }
  }
  return read
}
