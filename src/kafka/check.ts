// What `assay check` says of Kafka: each line is ok, or says what to do.

import { Admin, ConfigResourceTypes, compressionsAlgorithms } from '@platformatic/kafka'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { Cluster, type ClusterView, CONNECT_MAX_MS } from './cluster.ts'
import { failureOf } from './failures.ts'
import { FETCH_API_KEY, fetchVersions } from './fetch.ts'
import { bootstrapAddresses, type KafkaConnectionOptions, topicNames } from './options.ts'
import { ledPartitions, listOffsets } from './positions.ts'
import { abortable } from './retry.ts'

export type KafkaCheck = { readonly name: string; readonly ok: boolean; readonly message: string }

const CHECK_MAX_MS = 15_000

/** Asks the brokers once, without retries, and never throws for what it finds. */
export async function checkKafka(
  options: KafkaConnectionOptions & { readonly topic: string },
): Promise<readonly KafkaCheck[]> {
  const signal = AbortSignal.timeout(CHECK_MAX_MS)
  const where = options.bootstrapServers.join(', ')
  let cluster: Cluster
  let topics: string[]
  try {
    cluster = new Cluster(options)
    topics = topicNames(options.topic)
  } catch (error) {
    return [{ name: 'Kafka', ok: false, message: reasonOf(error) }]
  }
  try {
    const broker = await checked('Kafka broker', async () => {
      const connection = await cluster.anyConnection(signal)
      const fetch = await cluster.version(connection, 'Fetch', FETCH_API_KEY, fetchVersions, signal)
      return `${connection.host}:${connection.port} answers (Fetch version ${fetch})`
    })
    if (!broker.ok) return [{ ...broker, message: unreachable(where, broker.message) }, checkCompressions()]
    const ofTopics = topics.map((topic) =>
      checked(`Kafka topic ${topic}`, async () => {
        const view = await cluster.describe([topic], signal)
        const records = await describeRecords(cluster, view, signal)
        return `${records}${await describeSettings(options, topic, signal)}`
      }),
    )
    return [broker, ...(await Promise.all(ofTopics)), checkCompressions()]
  } finally {
    await cluster.close()
  }
}

async function checked(name: string, check: () => Promise<string>): Promise<KafkaCheck> {
  try {
    return { name, ok: true, message: await check() }
  } catch (error) {
    return { name, ok: false, message: reasonOf(error) }
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

/** The topic's settings, or nothing: to see them needs a permission that reading does not. */
async function describeSettings(
  options: KafkaConnectionOptions,
  topic: string,
  signal: AbortSignal,
): Promise<string> {
  const admin = new Admin({
    clientId: options.clientId ?? 'assay',
    bootstrapBrokers: bootstrapAddresses(options),
    connectTimeout: CONNECT_MAX_MS,
    retries: 0,
    ...(options.tls === undefined ? {} : { tls: options.tls, tlsServerName: true }),
    ...(options.sasl === undefined ? {} : { sasl: options.sasl }),
  })
  try {
    const resource = {
      resourceType: ConfigResourceTypes.TOPIC,
      resourceName: topic,
      configurationKeys: [...settings],
    }
    const [description] = await abortable(admin.describeConfigs({ resources: [resource] }), signal)
    return (description?.configs ?? []).map(({ name, value }) => `, ${name}=${value}`).join('')
  } catch {
    return ''
  } finally {
    await admin.close()
  }
}

function checkCompressions(): KafkaCheck {
  const missing = Object.entries(compressionsAlgorithms).filter(([, { available }]) => !available)
  const names = missing.map(([name]) => name).join(', ')
  return missing.length === 0
    ? { name: 'Kafka compression', ok: true, message: 'gzip, snappy, lz4 and zstd can be read' }
    : { name: 'Kafka compression', ok: false, message: `${names} cannot be read: use Node 24` }
}

function unreachable(where: string, reason: string): string {
  return (
    `${where}: ${reason} Check that the brokers run, that KAFKA_BOOTSTRAP_SERVERS is right, and that ` +
    'the listener ' +
    'speaks the protocol of KAFKA_SECURITY_PROTOCOL.'
  )
}

function reasonOf(error: unknown): string {
  if (error instanceof LakehouseError) return error.message
  const failure = failureOf(error)
  if (failure.kind === 'retry') return failure.message ?? failure.reason
  return failure.error instanceof Error ? failure.error.message : String(failure.error)
}
