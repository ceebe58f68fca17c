// `assay run decisions`: decides transactions as they come, from the topic and from requests.
import type { OnNotice } from '../batches/notice.ts'
import type { Offsets } from '../batches/offsets.ts'
import type { PartitionEnd, RecordSource } from '../batches/source.ts'
import type { Config } from '../config/config.ts'
import { ActiveRules } from '../decisions/active-rules.ts'
import { Decider } from '../decisions/decider.ts'
import { cutDecision } from '../decisions/decision.ts'
import { DecisionMetrics } from '../decisions/decision-metrics.ts'
import { chunkOf } from '../decisions/decision-requests.ts'
import {
  type DecisionServer,
  type DecisionServerOptions,
  serveDecisions,
} from '../decisions/decision-server.ts'
import { type DecidedRecord, runDecisionStream } from '../decisions/decision-stream.ts'
import { refuseBeyondEnd } from '../decisions/group-offsets.ts'
import { CaughtUp, readKeys } from '../decisions/read-keys.ts'
import { headersOfDecision, keyRememberedMs, RequestKeys } from '../decisions/request-keys.ts'
import { lockStreams } from '../engines/lock.ts'
import { isAbort } from '../engines/retry.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { Cluster } from '../kafka/cluster.ts'
import { commitOffsets, committedOffsets } from '../kafka/group.ts'
import { topicNames } from '../kafka/options.ts'
import { type KafkaProducer, openKafkaProducer } from '../kafka/producer.ts'
import { Retrier } from '../kafka/retry.ts'
import { openKafkaSource } from '../kafka/source.ts'
import { type MetricsServer, serveMetrics } from '../metrics/http.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'
import type { Logger } from './logger.ts'
import { packageVersion } from './package-version.ts'
import { deciderOptions } from './pipeline-options.ts'
import { schemaRegistryOf } from './schema-registry.ts'
import type { Session } from './session.ts'

const decisionsStream = 'decisions'

/** A larger decision would not pass a broker's own limit. */
const recordBytesMax = 512 * 1024
/** How long a stop waits for brokers to take what is decided. */
const publishMaxMs = 10_000

/** How often another version of the rules is looked for. */
const rulesEveryMs = 1_000

/** How often the log says how many decisions were made. */
const toldEveryMs = 10_000

/** A topic of decisions that is made has so many partitions. */
const partitionsDefault = 4

/** What is known at the start, and where it is asked. */
export type DecidesAt = {
  readonly rows: number
  /** null where it answers no requests, or serves no metrics. */
  readonly url: string | null
  readonly metricsUrl: string | null
}

export type DecisionsRun = {
  /** By the file of rules, whichever version of them is active. */
  readonly config: Config
  readonly onNotice: OnNotice
  /** Told once, when decisions are made. */
  readonly onStart: (facts: DecidesAt) => void
  readonly onDecided: (decided: readonly DecidedRecord[]) => void
  readonly signal: AbortSignal
}

/** Until SIGINT or SIGTERM; what happens is told by the log. */
export async function runDecisionsLogged({ config, log }: Session): Promise<void> {
  const stop = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    log.info(`${signal}: what is decided is published, then it ends`)
    stop.abort()
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  const { topic, bootstrapServers } = config.kafka
  log.info(
    `reads topic ${topic} at ${bootstrapServers.join(', ')}, decides to topic ${config.decisions.topic}`,
  )
  const counts = { scored: 0, refused: 0 }
  const tell = (): void => {
    const { scored, refused } = counts
    if (scored + refused > 0) log.info({ scored, refused }, `${scored} scored, ${refused} refused`)
    Object.assign(counts, { scored: 0, refused: 0 })
  }
  const telling = setInterval(tell, toldEveryMs)
  try {
    await runDecisions({
      config,
      onNotice: ({ code, message, details }) => log.warn({ code, ...details }, message),
      onStart: (facts) => tellDecides(log, facts),
      onDecided: (decided) => {
        for (const { decision } of decided) counts[decision.decision]++
      },
      signal: stop.signal,
    })
  } finally {
    clearInterval(telling)
    tell()
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

export function tellDecides(log: Logger, { rows, url, metricsUrl }: DecidesAt): void {
  const where = url === null ? 'no requests' : `requests at ${url}/v1/decisions`
  log.info({ rows, url }, `decides: ${counted(rows, 'row')} known, ${where}`)
  if (metricsUrl !== null) log.info(`metrics of decisions at ${metricsUrl}/metrics`)
}

/** Runs until the signal aborts. Of a lakehouse there is one such process: others fail with STREAM_LOCKED. */
export async function runDecisions(run: DecisionsRun): Promise<void> {
  const { config, onNotice, signal } = run
  const lock = await lockStreams(config.deltaBasePath, [decisionsStream], {
    leaseMs: config.writerLeaseMs,
    signal,
  })
  const ended = AbortSignal.any([signal, lock.lost])
  const connection = kafkaConnectionOf(config.kafka)
  const { topic, startingOffsets } = config.kafka
  const { groupId } = config.decisions
  // What is decided is published after the stop, too.
  const lastCall = new AbortController()
  signal.addEventListener('abort', () => setTimeout(() => lastCall.abort(), publishMaxMs).unref(), {
    once: true,
  })
  const keys = new RequestKeys()
  const metrics = new DecisionMetrics(packageVersion, keys)
  const tellNotice: OnNotice = (notice) => {
    metrics.onNotice(notice)
    onNotice(notice)
  }
  const served = await serveDecisionMetrics(config, metrics)
  const outputs = new Producers(config, AbortSignal.any([lock.lost, lastCall.signal]), tellNotice)
  const source = await openKafkaSource({
    ...connection,
    ...{ topic, groupId, startingOffsets, onNotice: tellNotice },
    onDataLoss: 'continue', // What is gone from the topic cannot be decided, and the tables tell of it.
  })
  const registry = schemaRegistryOf(config, { onNotice: tellNotice })
  let decider: Decider | null = null
  let server: DecisionServer | null = null
  let stopLooking = (): void => {}
  try {
    const asking = { onNotice: tellNotice, signal: ended }
    const { committed, ends } = await groupAndEnds(config, source, asking)
    const { rules, active } = await ActiveRules.open(config)
    const known = await Decider.open({ ...deciderOptions(config), ...rules, registry, ofGroup: committed })
    decider = known
    await beginGroup(config, known.decidedBefore, asking)
    const caughtUp = new CaughtUp(ends)
    caughtUp.onProgress(known.offsets)
    const keysRead = Promise.all([keysOfTopic(config, keys, outputs, asking), caughtUp.reached]).then(
      () => {},
    )
    server = await decisionServer(config, known, outputs, { metrics, keys, keysRead })
    metrics.opened(known)
    const looking = lookAtRules(known, active, asking)
    stopLooking = () => clearInterval(looking)
    run.onStart({ rows: known.rowCount, url: server?.url ?? null, metricsUrl: served?.url ?? null })
    await runDecisionStream({
      ...{ decider: known, source, onNotice: tellNotice, signal: ended },
      committed: known.decidedBefore,
      publish: async (decided) => {
        await (await outputs.decisions()).send(decided.map(recordOf))
        server?.onPublished(decided)
        metrics.onPublished(decided, Date.now())
      },
      onProgress: caughtUp.onProgress,
      onDecided: (decided) => {
        server?.onDecided(decided)
        run.onDecided(decided)
      },
      clock: () => BigInt(Date.now()) * 1000n,
    })
    lock.lost.throwIfAborted()
  } catch (error) {
    // A stop ends what waits for brokers, too.
    if (!signal.aborted || !isAbort(error, signal)) throw error
  } finally {
    stopLooking()
    await server?.close()
    await served?.close()
    await source.close()
    await outputs.close()
    await decider?.close()
    registry?.close()
    await lock.release()
  }
}

/** Another version of the rules decides from when it is seen. */
function lookAtRules(decider: Decider, active: ActiveRules, { onNotice, signal }: Asking): NodeJS.Timeout {
  let isLooking = false
  const look = async (): Promise<void> => {
    const rules = await active.changed()
    if (rules === null || signal.aborted) return
    decider.goBy(rules)
    const { version } = rules
    const message = `Version ${version} of the rules decides from the next record on.`
    onNotice({ code: 'RULES_ACTIVE', message, details: { version } })
  }
  return setInterval(() => {
    if (isLooking) return
    isLooking = true
    look()
      .catch((error: unknown) => {
        if (!(error instanceof LakehouseError)) throw error
        onNotice({ code: error.code, message: error.message, details: error.details })
      })
      .finally(() => {
        isLooking = false
      })
  }, rulesEveryMs)
}

/** null where METRICS_PORT is 0. */
async function serveDecisionMetrics(
  { metrics: address, decisions }: Config,
  metrics: DecisionMetrics,
): Promise<MetricsServer | null> {
  if (address.port === 0) return null
  return await serveMetrics(address, {
    metrics: async () => metrics.families(),
    notReady: () => (metrics.isOpen ? null : 'what the tables know is being read'),
    status: async () => ({ streams: [decisionsStream], topic: decisions.topic, isOpen: metrics.isOpen }),
  })
}

async function decisionServer(
  { lakehouse, decisions, kafka }: Config,
  decider: Decider,
  outputs: Producers,
  {
    metrics,
    keys,
    keysRead,
  }: { readonly metrics: DecisionMetrics } & Pick<DecisionServerOptions, 'keys' | 'keysRead'>,
): Promise<DecisionServer | null> {
  if (decisions.http.port === 0) return null
  return await serveDecisions({
    ...{ address: decisions.http, lakehouse, onAnswer: metrics.onAnswer, version: packageVersion },
    ...{ keys, keysRead },
    tryOut: (records) =>
      decider.tryOut(chunkOf(topicNames(kafka.topic)[0]!, records), BigInt(Date.now()) * 1000n),
    produce: async (records) => {
      const producer = await outputs.input()
      await producer.send(
        records.map(({ headers, ...record }) => {
          const bytes = Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])
          return { ...record, headers: Object.fromEntries(bytes) as Readonly<Record<string, Buffer>> }
        }),
      )
    },
  })
}

/** A record may hold a text that it is compressed with; its decision has it as it is. */
function recordOf({ decision, key, headers }: DecidedRecord) {
  const value = Buffer.from(JSON.stringify(decision))
  const kept = headersOfDecision(headers)
  const more = kept === null ? {} : { headers: kept }
  if (value.length + (key?.length ?? 0) <= recordBytesMax) return { key, value, ...more }
  return { key: null, value: Buffer.from(JSON.stringify(cutDecision(decision))), ...more }
}

/** Never rejects unheard: who waits for it is told, and so is the log. */
function keysOfTopic(
  config: Config,
  keys: RequestKeys,
  outputs: Producers,
  { onNotice, signal }: Asking,
): Promise<void> {
  const reading = readKeysOfTopic(config, keys, outputs, { onNotice, signal })
  reading.catch((error: unknown) => {
    if (!signal.aborted && error instanceof LakehouseError)
      onNotice({ code: error.code, message: error.message, details: error.details })
  })
  return reading
}

async function readKeysOfTopic(
  config: Config,
  keys: RequestKeys,
  outputs: Producers,
  { onNotice, signal }: Asking,
): Promise<void> {
  await outputs.decisions() // It makes the topic where there is none.
  const source = await openKafkaSource({
    ...kafkaConnectionOf(config.kafka),
    ...{ topic: config.decisions.topic, groupId: config.decisions.groupId },
    startingOffsets: { kind: 'time', timestampMs: Date.now() - keyRememberedMs },
    ...{ onDataLoss: 'continue', untilNow: true, onNotice },
  })
  try {
    await readKeys(source, keys, signal)
  } finally {
    await source.close()
  }
}

type Asking = { readonly onNotice: OnNotice; readonly signal: AbortSignal }

type GroupAndEnds = { readonly committed: Offsets; readonly ends: readonly PartitionEnd[] }

async function groupAndEnds(config: Config, source: RecordSource, asking: Asking): Promise<GroupAndEnds> {
  const { groupId } = config.decisions
  const topics = topicNames(config.kafka.topic)
  return await askGroup(config, asking, async (cluster) => {
    const committed = await committedOffsets(cluster, groupId, topics, asking.signal)
    const ends = (await source.ends?.(asking.signal)) ?? []
    refuseBeyondEnd(committed, ends, groupId)
    return { committed, ends }
  })
}

/** A first start that ends before its first decision must not begin elsewhere when the tables went on. */
async function beginGroup(config: Config, decided: Offsets, asking: Asking): Promise<void> {
  const topics = topicNames(config.kafka.topic)
  const known = new Map([...decided].filter(([, { topic }]) => topics.includes(topic)))
  if (known.size === 0) return
  const { groupId } = config.decisions
  await askGroup(config, asking, (cluster) => commitOffsets(cluster, groupId, known, asking.signal))
}

async function askGroup<Result>(
  { kafka }: Config,
  { onNotice, signal }: Asking,
  ask: (cluster: Cluster) => Promise<Result>,
): Promise<Result> {
  const cluster = new Cluster(kafkaConnectionOf(kafka))
  const retrier = new Retrier(kafka.bootstrapServers.join(', '), { onNotice })
  try {
    return await retrier.run(() => ask(cluster), signal)
  } finally {
    await cluster.close()
  }
}

/** Producers that are opened anew after a failure: one that has failed fails for ever. */
class Producers {
  readonly #config: Config
  readonly #signal: AbortSignal
  readonly #onNotice: OnNotice
  readonly #open = new Map<string, Promise<KafkaProducer>>()

  constructor(config: Config, signal: AbortSignal, onNotice: OnNotice) {
    this.#config = config
    this.#signal = signal
    this.#onNotice = onNotice
  }

  decisions(): Promise<KafkaProducer> {
    return this.#of(this.#config.decisions.topic, partitionsDefault)
  }

  input(): Promise<KafkaProducer> {
    return this.#of(topicNames(this.#config.kafka.topic)[0]!, null)
  }

  async close(): Promise<void> {
    for (const opening of this.#open.values()) await closeIfOpen(opening)
  }

  #of(topic: string, createPartitions: number | null): Promise<KafkaProducer> {
    const opening = this.#open.get(topic) ?? this.#opened(topic, createPartitions)
    this.#open.set(topic, opening)
    return opening
  }

  async #opened(topic: string, createPartitions: number | null): Promise<KafkaProducer> {
    const forget = (): void => {
      const opening = this.#open.get(topic)
      this.#open.delete(topic)
      if (opening !== undefined) void closeIfOpen(opening)
    }
    try {
      const producer = await openKafkaProducer({
        ...kafkaConnectionOf(this.#config.kafka),
        ...{ topic, compression: 'none', signal: this.#signal, onNotice: this.#onNotice },
        ...(createPartitions === null ? {} : { createPartitions }),
      })
      return {
        ...producer,
        send: (records) =>
          producer.send(records).catch((error: unknown) => {
            forget()
            throw error
          }),
      }
    } catch (error) {
      forget()
      throw error
    }
  }
}

async function closeIfOpen(opening: Promise<KafkaProducer>): Promise<void> {
  // What is broken is not closed in order.
  await opening.then((producer) => producer.close()).catch(() => undefined)
}
