// What `assay check` says of Kafka: each line is ok, or says what to do.

import { compressionsAlgorithms } from '@platformatic/kafka'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { Cluster, type ClusterView } from './cluster.ts'
import { failureOf } from './failures.ts'
import { FETCH_API_KEY, fetchVersions } from './fetch.ts'
import { type Listener, probeListener, protocolOf, protocolOfOptions } from './listener.ts'
import { bootstrapAddresses, type KafkaConnectionOptions, topicNames } from './options.ts'
import { ledPartitions, listOffsets } from './positions.ts'
import { clusterRights, mayCommit, topicRights } from './rights.ts'
import { grantAdvice, mechanismAdvice } from './security-failures.ts'
import { topicSettings } from './topic-settings.ts'

export type KafkaCheck = {
  readonly name: string
  readonly verdict: 'ok' | 'warn' | 'FAIL'
  readonly message: string
}

export type KafkaCheckOptions = KafkaConnectionOptions & {
  readonly topic: string
  readonly groupId: string
  /** Whom an administrator has to give rights to; null where the broker takes it from the certificate. */
  readonly principal: string | null
}

const CHECK_MAX_MS = 25_000

/** Asks the brokers once, without retries, and never throws for what it finds. */
export async function checkKafka(options: KafkaCheckOptions): Promise<readonly KafkaCheck[]> {
  const signal = AbortSignal.timeout(CHECK_MAX_MS)
  let cluster: Cluster
  let topics: string[]
  try {
    cluster = new Cluster(options)
    topics = topicNames(options.topic)
  } catch (error) {
    return [{ name: 'Kafka', verdict: 'FAIL', message: reasonOf(error) }]
  }
  try {
    const broker = await checkBroker(cluster, options, signal)
    if (broker.verdict === 'FAIL') return [broker, checkCompressions()]
    const ofTopics = topics.map((topic) => checkTopic(cluster, options, topic, signal))
    const checks = [broker, ...(await Promise.all(ofTopics))]
    // Of a user without the right to a topic that of the group is no news.
    const hasTopics = checks.every(({ verdict }) => verdict === 'ok')
    if (hasTopics) checks.push(...(await checkGroup(cluster, options, signal)))
    return [...checks, checkCompressions()]
  } finally {
    await cluster.close()
  }
}

async function checked(
  name: string,
  check: () => Promise<string>,
  explain: (error: unknown) => string | Promise<string> = reasonOf,
): Promise<KafkaCheck> {
  try {
    return { name, verdict: 'ok', message: await check() }
  } catch (error) {
    return { name, verdict: 'FAIL', message: await explain(error) }
  }
}

async function checkBroker(
  cluster: Cluster,
  options: KafkaCheckOptions,
  signal: AbortSignal,
): Promise<KafkaCheck> {
  const check = async (): Promise<string> => {
    const connection = await cluster.anyConnection(signal)
    const fetch = await cluster.version(connection, 'Fetch', FETCH_API_KEY, fetchVersions, signal)
    // A listener with a login tells its versions before it.
    await cluster.describe([], signal)
    const by = options.sasl === undefined ? '' : `, ${options.sasl.mechanism}`
    return `${connection.host}:${connection.port} answers (${protocolOfOptions(options)}${by}; Fetch version ${fetch})`
  }
  return await checked('Kafka broker', check, (error) => explainBroker(options, error, signal))
}

/** The listener itself says best whether it is spoken to as it wants. */
async function explainBroker(
  options: KafkaCheckOptions,
  error: unknown,
  signal: AbortSignal,
): Promise<string> {
  const where = options.bootstrapServers.join(', ')
  for (const address of bootstrapAddresses(options)) {
    const listener = await probeListener(address, signal).catch(() => null)
    const advice = listener === null ? null : mismatch(listener, options)
    if (advice !== null) return `${address.host}:${address.port}: ${advice}`
  }
  const failure = failureOf(error)
  if (failure.kind === 'final') return `${where}: ${reasonOf(error)}`
  if (failure.message !== null) return failure.message
  return (
    `${where}: ${failure.reason} Check that the brokers run, that KAFKA_BOOTSTRAP_SERVERS is right, and that ` +
    'the listener speaks the protocol of KAFKA_SECURITY_PROTOCOL.'
  )
}

/** What has to be set otherwise for this listener; null where all is as it wants. */
function mismatch(listener: Listener, options: KafkaConnectionOptions): string | null {
  const configured = protocolOfOptions(options)
  const spoken = protocolOf(listener) ?? (listener.tls === (options.tls !== undefined) ? configured : 'SSL')
  if (spoken !== configured) {
    return `this listener speaks ${spoken}, and KAFKA_SECURITY_PROTOCOL is ${configured}: set it to ${spoken}, or use the port of another listener.`
  }
  const { mechanisms } = listener
  const isOffered = !mechanisms || !options.sasl || mechanisms.includes(options.sasl.mechanism)
  return isOffered ? null : mechanismAdvice(mechanisms)
}

async function checkTopic(
  cluster: Cluster,
  options: KafkaCheckOptions,
  topic: string,
  signal: AbortSignal,
): Promise<KafkaCheck> {
  const principal = options.principal ?? '<user>'
  const name = `Kafka topic ${topic}`
  const check = async (): Promise<string> => {
    const view = await cluster.describe([topic], signal)
    const rights = await topicRights(cluster, topic, signal)
    if (rights !== null && !rights.has('Read')) {
      const grant = grantAdvice(principal, ['Read', 'Describe'], { kind: 'topic', name: topic })
      throw new LakehouseError('KAFKA_NOT_AUTHORIZED', `the user may not read it. ${grant}`)
    }
    return `${await describeRecords(cluster, view, signal)}${await describeSettings(options, topic, signal)}`
  }
  return await checked(name, check, async (error) => {
    if (failureOf(error).apiCodes.has(TOPIC_NOT_AUTHORIZED)) {
      const grant = grantAdvice(principal, ['Read', 'Describe'], { kind: 'topic', name: topic })
      return `the user may not see it, or it does not exist. ${grant}`
    }
    const isMissing = error instanceof LakehouseError && error.code === 'KAFKA_TOPIC_MISSING'
    return isMissing
      ? `${error.message} ${await mayCreate(cluster, topic, principal, signal)}`
      : reasonOf(error)
  })
}

const TOPIC_NOT_AUTHORIZED = 29

async function mayCreate(
  cluster: Cluster,
  topic: string,
  principal: string,
  signal: AbortSignal,
): Promise<string> {
  const rights = await clusterRights(cluster, signal).catch(() => null)
  if (rights?.has('Create')) return '"assay produce" creates it: this user may.'
  const grant = grantAdvice(principal, ['Create'], { kind: 'topic', name: topic })
  if (rights === null || !rights.has('Describe')) {
    return `Whether this user may create it is not to be seen, for it may not describe the cluster. ${grant}`
  }
  return `This user has no right on the cluster to create topics. ${grant}`
}

/** The group serves lag tools alone, so nothing fails without it. */
async function checkGroup(
  cluster: Cluster,
  { groupId, principal }: KafkaCheckOptions,
  signal: AbortSignal,
): Promise<readonly KafkaCheck[]> {
  const name = `Kafka group ${groupId}`
  try {
    if (await mayCommit(cluster, groupId, signal)) {
      return [{ name, verdict: 'ok', message: 'progress may be reported to it' }]
    }
    const grant = grantAdvice(principal ?? '<user>', ['Read'], { kind: 'group', name: groupId })
    const what =
      'the user may not commit offsets to it, so lag tools will show no progress; the tables hold it.'
    return [{ name, verdict: 'warn', message: `${what} ${grant}, or set KAFKA_GROUP_ID` }]
  } catch (error) {
    return [
      { name, verdict: 'warn', message: `whether progress can be reported is not known: ${reasonOf(error)}` },
    ]
  }
}

async function describeRecords(cluster: Cluster, view: ClusterView, signal: AbortSignal): Promise<string> {
  const partitions = ledPartitions(view)
  const starts = await listOffsets(cluster, partitions, 'earliest', signal)
  const ends = await listOffsets(cluster, partitions, 'readable end', signal)
  const held = partitions.reduce((sum, { key }) => sum + (ends.get(key) ?? 0n) - (starts.get(key) ?? 0n), 0n)
  return `${counted(partitions.length, 'partition')} on ${counted(view.brokers.size, 'broker')}, ${counted(held, 'offset')} readable`
}

const settings = ['retention.ms', 'cleanup.policy', 'compression.type', 'max.message.bytes'] as const

/** The topic's settings, or nothing. */
async function describeSettings(
  options: KafkaConnectionOptions,
  topic: string,
  signal: AbortSignal,
): Promise<string> {
  const found = await topicSettings(options, topic, settings, signal)
  return [...found].map(([name, value]) => `, ${name}=${value}`).join('')
}

function checkCompressions(): KafkaCheck {
  const missing = Object.entries(compressionsAlgorithms).filter(([, { available }]) => !available)
  const names = missing.map(([name]) => name).join(', ')
  return missing.length === 0
    ? { name: 'Kafka compression', verdict: 'ok', message: 'gzip, snappy, lz4 and zstd can be read' }
    : { name: 'Kafka compression', verdict: 'FAIL', message: `${names} cannot be read: use Node 24` }
}

function reasonOf(error: unknown): string {
  const failure = failureOf(error)
  if (failure.kind === 'retry') return failure.message ?? failure.reason
  return failure.error instanceof Error ? failure.error.message : String(failure.error)
}
