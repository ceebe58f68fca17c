// `assay run decisions`: decides transactions as they come, from the topic and from requests.
import type { OnNotice } from '../batches/notice.ts'
import type { Config } from '../config/config.ts'
import type { ActiveRules } from '../decisions/active-rules.ts'
import type { Decider } from '../decisions/decider.ts'
import { type DecidedRecord, DecisionLedger } from '../decisions/decision-ledger.ts'
import { DecisionMetrics } from '../decisions/decision-metrics.ts'
import { DecisionPublisher } from '../decisions/decision-publisher.ts'
import { chunkOf } from '../decisions/decision-requests.ts'
import {
  type DecisionServer,
  type DecisionServerOptions,
  serveDecisions,
} from '../decisions/decision-server.ts'
import { DecisionShare, type Share } from '../decisions/decision-share.ts'
import { runDecisionStream } from '../decisions/decision-stream.ts'
import { CaughtUp, readKeys } from '../decisions/read-keys.ts'
import { keyHeader, keyRememberedMs, RequestKeys } from '../decisions/request-keys.ts'
import { refuseCopy } from '../engines/copied-place.ts'
import { isAbort } from '../engines/retry.ts'
import { LakehouseError } from '../errors/errors.ts'
import { topicNames } from '../kafka/options.ts'
import { openKafkaSource } from '../kafka/source.ts'
import { type MetricsServer, serveMetrics } from '../metrics/http.ts'
import { type DecidesAt, tellDecides, tellShare } from './decides-text.ts'
import { DecisionProducers, recordOfDecision } from './decision-producers.ts'
import { type DecisionTopics, openDecider, openDecisionTopics, whileFollowing } from './decision-topics.ts'
import { kafkaConnectionOf } from './kafka-connection.ts'
import { packageVersion } from './package-version.ts'
import { schemaRegistryOf } from './schema-registry.ts'
import type { Session } from './session.ts'

const decisionsStream = 'decisions'

/** How long a stop waits for brokers to take what is decided. */
const publishMaxMs = 10_000

/** How often another version of the rules is looked for. */
const rulesEveryMs = 1_000

/** How often the log says how many decisions were made. */
const toldEveryMs = 10_000

export type DecisionsRun = {
  /** By the file of rules, whichever version of them is active. */
  readonly config: Config
  readonly onNotice: OnNotice
  /** Told once, when decisions are made. */
  readonly onStart: (facts: DecidesAt) => void
  /** Told of each share of the topic that is this process's own. */
  readonly onShare: (share: Share) => void
  /** Told of decisions of this process that are on their topic. */
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
      onShare: (share) => tellShare(log, share),
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

/** Runs until the signal aborts. Several such processes of a lakehouse share the topic by their group. */
export async function runDecisions(run: DecisionsRun): Promise<void> {
  const { config, signal } = run
  await refuseCopy(config.deltaBasePath)
  // What is decided is published after the stop, too.
  const lastCall = new AbortController()
  signal.addEventListener('abort', () => setTimeout(() => lastCall.abort(), publishMaxMs).unref(), {
    once: true,
  })
  const keys = new RequestKeys()
  const metrics = new DecisionMetrics(packageVersion, keys)
  const onNotice: OnNotice = (notice) => {
    metrics.onNotice(notice)
    run.onNotice(notice)
  }
  const caughtUp = new CaughtUp()
  const served = await serveDecisionMetrics(config, metrics, caughtUp)
  const outputs = new DecisionProducers(config, lastCall.signal, onNotice)
  const kafka = await openDecisionTopics(config, onNotice)
  const asking = { onNotice, signal: AbortSignal.any([signal, kafka.member.failed]) }
  const registry = schemaRegistryOf(config, { onNotice })
  const closing: (() => Promise<void> | void)[] = []
  try {
    const { decider, active, ends } = await openDecider(config, kafka, outputs, { ...asking, registry })
    closing.push(() => decider.close())
    caughtUp.expect(ends)
    const ledger = new DecisionLedger(decider.decidedBefore)
    const publisher = new DecisionPublisher({
      ...{ ledger, ...asking, isSure: () => kafka.member.isSure },
      publish: async (decided) => {
        const { groupId } = config.decisions
        await (await outputs.decisions()).send(decided.map((one) => recordOfDecision(one, groupId)))
        metrics.onPublished(decided, Date.now())
        run.onDecided(decided)
      },
    })
    kafka.onSure = publisher.kick
    const keysRead = keysKnown(config, keys, kafka, caughtUp, asking)
    const server = await decisionServer(config, decider, outputs, { metrics, keys, keysRead })
    closing.push(async () => server?.close())
    kafka.onPublished = (published) => {
      for (const { offset, ...at } of published) ledger.onPublished(at, BigInt(offset))
      server?.onPublished(published)
    }
    metrics.opened(decider, ledger)
    const looking = lookAtRules(decider, active, asking)
    closing.push(() => clearInterval(looking))
    const share = new DecisionShare({
      ...{ member: kafka.member, follower: kafka.follower, ledger, publisher, ...asking },
      decided: () => decider.offsets,
      brokers: config.kafka.bootstrapServers.join(', '),
      onProgress: caughtUp.onProgress,
      onShare: (of) => {
        metrics.onShare(of)
        run.onShare(of)
      },
    })
    closing.push(() => share.close())
    kafka.attach(share)
    run.onStart({ rows: decider.rowCount, url: server?.url ?? null, metricsUrl: served?.url ?? null })
    await whileFollowing(kafka, asking.signal, (ended) =>
      runDecisionStream({
        ...{ decider, source: kafka.source, ledger, publisher, signal: ended },
        onDecided: (decided) => server?.onDecided(decided),
        clock: () => BigInt(Date.now()) * 1000n,
      }),
    )
    kafka.member.failed.throwIfAborted()
  } catch (error) {
    kafka.member.failed.throwIfAborted()
    // A stop ends what waits for brokers, too.
    if (!signal.aborted || !isAbort(error, signal)) throw error
  } finally {
    for (const close of closing.toReversed()) await close()
    lastCall.abort()
    await kafka.close()
    await served?.close()
    await outputs.close()
    registry?.close()
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
  caughtUp: CaughtUp,
): Promise<MetricsServer | null> {
  if (address.port === 0) return null
  return await serveMetrics(address, {
    metrics: async () => metrics.families(),
    notReady: () => {
      if (!caughtUp.isExpecting) return 'what the tables know is being read'
      if (metrics.share === null) return 'its group has given it no share yet'
      return caughtUp.isReached ? null : 'what the topic had at the start is being decided'
    },
    status: async () => ({
      ...{ streams: [decisionsStream], topic: decisions.topic },
      ...{ isCaughtUp: caughtUp.isReached, share: metrics.share },
    }),
  })
}

async function decisionServer(
  { lakehouse, decisions, kafka }: Config,
  decider: Decider,
  outputs: DecisionProducers,
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
          const bytes = Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)] as const)
          const requestKey = headers[keyHeader]
          return {
            ...{ ...record, headers: Object.fromEntries(bytes) },
            // What repeats it meets it in its partition.
            ...(requestKey === undefined ? {} : { partitionBy: Buffer.from(requestKey) }),
          }
        }),
      )
    },
  })
}

/** Resolves when the keys are known that requests before had; whoever waits for it is told of a failure. */
function keysKnown(
  config: Config,
  keys: RequestKeys,
  { follower }: DecisionTopics,
  caughtUp: CaughtUp,
  asking: Asking,
): Promise<void> {
  const known = Promise.all([
    keysOfTopic(config, keys, asking),
    // What the topic had is decided then, and what was decided is read back.
    caughtUp.reached.then(() => follower.upToNow(asking.signal)),
  ]).then(() => {})
  known.catch(() => undefined)
  return known
}

/** Never rejects unheard: who waits for it is told, and so is the log. */
function keysOfTopic(config: Config, keys: RequestKeys, { onNotice, signal }: Asking): Promise<void> {
  const reading = readKeysOfTopic(config, keys, { onNotice, signal })
  reading.catch((error: unknown) => {
    if (!signal.aborted && error instanceof LakehouseError)
      onNotice({ code: error.code, message: error.message, details: error.details })
  })
  return reading
}

async function readKeysOfTopic(
  config: Config,
  keys: RequestKeys,
  { onNotice, signal }: Asking,
): Promise<void> {
  const source = await openKafkaSource({
    ...kafkaConnectionOf(config.kafka),
    ...{ topic: config.decisions.topic, groupId: config.decisions.groupId },
    startingOffsets: { kind: 'time', timestampMs: Date.now() - keyRememberedMs },
    ...{ onDataLoss: 'continue', untilNow: true, onNotice },
  })
  try {
    await readKeys(source, keys, config.decisions.groupId, signal)
  } finally {
    await source.close()
  }
}

type Asking = { readonly onNotice: OnNotice; readonly signal: AbortSignal }
