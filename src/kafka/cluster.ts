// Connections to the brokers, the versions of their protocol, and what they lead. The library does the wire;
// retries are the caller's, so that every wait can be seen and ended.
import {
  apiVersionsV3,
  type Connection,
  ConnectionPool,
  metadataV10,
  metadataV12,
  NetworkError,
  type Reader,
  type Writer,
} from '@platformatic/kafka'
import { LakehouseError } from '../errors/errors.ts'
import {
  AdvertisedListenerError,
  BrokerError,
  LEADER_NOT_AVAILABLE,
  UNKNOWN_TOPIC_OR_PARTITION,
} from './failures.ts'
import { Login } from './login.ts'
import {
  type BrokerAddress,
  bootstrapAddresses,
  type KafkaConnectionOptions,
  tlsServerName,
} from './options.ts'
import { abortable } from './retry.ts'

export const CONNECT_MAX_MS = 5_000
export const REQUEST_MAX_MS = 30_000

/**
 * A broker answers the requests of one connection in order, so a long poll would hold up what stands behind
 * it: each kind of traffic has connections of its own.
 */
export type Traffic = 'control' | 'fetch' | 'poll'

export type PartitionLeader = {
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
}
export type TopicView = {
  readonly name: string
  /** Null where the cluster's protocol is set to one that has none. */
  readonly id: string | null
  readonly partitions: readonly PartitionLeader[]
}
export type ClusterView = {
  readonly brokers: ReadonlyMap<number, BrokerAddress>
  readonly topics: readonly TopicView[]
}

const NO_TOPIC_ID = '00000000-0000-0000-0000-000000000000'
const software = ['assay', '1'] as const

export class Cluster {
  readonly #bootstrap: readonly BrokerAddress[]
  readonly #options: KafkaConnectionOptions
  readonly #login: Login | null
  #pools: Pools
  /** Pools whose requests are on their way yet, each with what ends it. */
  readonly #left = new Map<Pools, NodeJS.Timeout>()
  readonly #versions = new WeakMap<Connection, Promise<ReadonlyMap<number, VersionRange>>>()
  #brokers: ReadonlyMap<number, BrokerAddress> = new Map()
  /** The last address that was asked for the others. */
  #answering = ''
  /** Addresses that have answered: one that does not any more is no question of what brokers advertise. */
  readonly #reached = new Set<string>()

  constructor(options: KafkaConnectionOptions) {
    this.#options = options
    this.#bootstrap = bootstrapAddresses(options)
    this.#login = options.sasl === undefined ? null : new Login(options.sasl)
    this.#pools = this.#createPools()
  }

  #createPools(): Pools {
    const { clientId = 'assay', tls } = this.#options
    const createPool = () =>
      new ConnectionPool(clientId, {
        connectTimeout: CONNECT_MAX_MS,
        requestTimeout: REQUEST_MAX_MS,
        ...(tls === undefined ? {} : { tls, tlsServerName: tlsServerName(this.#bootstrap) }),
        ...(this.#login === null ? {} : { sasl: this.#login.options }),
      })
    return { control: createPool(), fetch: createPool(), poll: createPool() }
  }

  /** What is on its way goes on over the connections that there are; what begins gets new ones. */
  #renewLogin(): void {
    if (this.#login === null || !this.#login.isDue) return
    this.#login.renewed()
    const old = this.#pools
    this.#pools = this.#createPools()
    const end = setTimeout(() => {
      this.#left.delete(old)
      void closePools(old)
    }, REQUEST_MAX_MS)
    this.#left.set(old, end.unref())
  }

  /**
   * The partitions of `topics` with their leaders. Fails with KAFKA_TOPIC_MISSING when one does not exist.
   */
  async describe(topics: readonly string[], signal: AbortSignal): Promise<ClusterView> {
    const connection = await this.anyConnection(signal)
    const version = await this.version(connection, 'Metadata', 3, [10, 12], signal)
    const { createRequest, parseResponse } = version === 12 ? metadataV12 : metadataV10
    const createPayload = () => createRequest([...topics], false)
    const response = await abortable(
      send(connection, 3, version, createPayload, (id, key, ver, reader) =>
        parseLeniently(parseResponse, id, key, ver, reader),
      ),
      signal,
    )
    this.#brokers = new Map(response.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    return { brokers: this.#brokers, topics: response.topics.map(topicView) }
  }

  /** A connection to any broker that answers: those of the configuration first. */
  async anyConnection(signal: AbortSignal): Promise<Connection> {
    const errors: unknown[] = []
    for (const address of [...this.#bootstrap, ...this.#brokers.values()]) {
      try {
        const connection = await this.connectionTo(address, 'control', signal)
        this.#answering = textOf(address)
        return connection
      } catch (error) {
        signal.throwIfAborted()
        errors.push(error)
      }
    }
    throw new AggregateError(errors, 'No broker can be reached.')
  }

  async connection(nodeId: number, traffic: Traffic, signal: AbortSignal): Promise<Connection> {
    const address = this.#brokers.get(nodeId)
    // A partition without a leader has -1 here: an election is under way.
    if (address === undefined) throw new BrokerError(LEADER_NOT_AVAILABLE, `broker ${nodeId}`)
    try {
      return await this.connectionTo(address, traffic, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (this.#reached.has(textOf(address))) throw error
      throw new AdvertisedListenerError(this.#answering, textOf(address), nodeId, error)
    }
  }

  /** Fails where none of the addresses that the brokers give for themselves answers. */
  async anyAdvertised(signal: AbortSignal): Promise<void> {
    const errors: unknown[] = []
    for (const nodeId of this.#brokers.keys()) {
      try {
        await this.connection(nodeId, 'control', signal)
        return
      } catch (error) {
        signal.throwIfAborted()
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  async connectionTo(
    { host, port }: BrokerAddress,
    traffic: Traffic,
    signal: AbortSignal,
  ): Promise<Connection> {
    this.#renewLogin()
    const connection = await abortable(this.#pools[traffic].get({ host, port }), signal)
    this.#reached.add(textOf({ host, port }))
    // Without a listener a later error of the socket would end the process.
    if (!socketErrors.has(connection)) {
      socketErrors.set(connection, null)
      connection.on('error', (error) => socketErrors.set(connection, error))
    }
    return connection
  }

  /** The greatest of `supported` that the broker speaks too. */
  async version<Version extends number>(
    connection: Connection,
    api: string,
    apiKey: number,
    supported: readonly Version[],
    signal: AbortSignal,
  ): Promise<Version> {
    const range = (await abortable(this.#versionsOf(connection), signal)).get(apiKey)
    const common = supported.filter((each) => range !== undefined && each >= range.min && each <= range.max)
    if (common.length > 0) return Math.max(...common) as Version
    const offered = range === undefined ? 'not at all' : `in versions ${range.min} to ${range.max}`
    throw new LakehouseError(
      'KAFKA_UNSUPPORTED',
      `The broker ${connection.host}:${connection.port} offers ${api} ${offered}; Assay speaks ` +
        `${supported.join(', ')}. Use Apache Kafka 2.8 or later, or a broker that is compatible with it.`,
      { details: { api, offered: range ?? null, supported } },
    )
  }

  async close(): Promise<void> {
    for (const end of this.#left.values()) clearTimeout(end)
    await Promise.all([this.#pools, ...this.#left.keys()].map(closePools))
  }

  #versionsOf(connection: Connection): Promise<ReadonlyMap<number, VersionRange>> {
    const known = this.#versions.get(connection)
    if (known !== undefined) return known
    const asked = apiVersionsV3.api.async(connection, ...software).then(
      ({ apiKeys }) =>
        new Map(apiKeys.map((each) => [each.apiKey, { min: each.minVersion, max: each.maxVersion }])),
      (error: unknown) => {
        throw withSocketError(connection, error)
      },
    )
    this.#versions.set(connection, asked)
    asked.catch(() => this.#versions.delete(connection))
    return asked
  }
}

type Pools = Readonly<Record<Traffic, ConnectionPool>>

async function closePools(pools: Pools): Promise<void> {
  await Promise.all(Object.values(pools).map((pool) => pool.close()))
}

/**
 * What a socket failed with. A broker may refuse the certificate of the client after the connection was made
 * (TLS 1.3): the request in flight only learns that the connection is closed.
 */
const socketErrors = new WeakMap<Connection, Error | null>()

function withSocketError(connection: Connection, error: unknown): unknown {
  const cause = socketErrors.get(connection)
  return cause && error instanceof NetworkError ? new NetworkError(error.message, { cause }) : error
}

function textOf({ host, port }: BrokerAddress): string {
  return `${host}:${port}`
}

type VersionRange = { readonly min: number; readonly max: number }
type Parser<Response> = (id: number, apiKey: number, apiVersion: number, reader: Reader) => Response

/** Sends a request with flexible headers, which all versions used here have. */
export function send<Response>(
  connection: Connection,
  apiKey: number,
  apiVersion: number,
  createPayload: () => Writer,
  parse: Parser<Response>,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    connection.send(apiKey, apiVersion, createPayload, parse, true, true, (error, response) => {
      if (error !== null) reject(withSocketError(connection, error))
      else resolve(response!)
    })
  })
}

/** The library throws when one of the topics has an error; which one is judged here, from its response. */
export function parseLeniently<Response>(
  parse: Parser<Response>,
  id: number,
  apiKey: number,
  apiVersion: number,
  reader: Reader,
): Response {
  try {
    return parse(id, apiKey, apiVersion, reader)
  } catch (error) {
    if (error instanceof Error && 'response' in error) return error.response as Response
    throw error
  }
}

type ResponseTopic = {
  readonly errorCode: number
  readonly name?: string | null | undefined
  readonly topicId?: string | undefined
  readonly partitions: readonly {
    readonly partitionIndex: number
    readonly leaderId: number
    readonly leaderEpoch: number
  }[]
}

function topicView(topic: ResponseTopic): TopicView {
  const name = topic.name ?? ''
  if (topic.errorCode === UNKNOWN_TOPIC_OR_PARTITION) throw topicMissing(name)
  if (topic.errorCode !== 0) throw new BrokerError(topic.errorCode, `topic ${name}`)
  const id = topic.topicId === undefined || topic.topicId === NO_TOPIC_ID ? null : topic.topicId
  const partitions = topic.partitions.map(({ partitionIndex, leaderId, leaderEpoch }) => ({
    partition: partitionIndex,
    leader: leaderId,
    leaderEpoch,
  }))
  return { name, id, partitions: partitions.sort((a, b) => a.partition - b.partition) }
}

function topicMissing(topic: string): LakehouseError {
  return new LakehouseError(
    'KAFKA_TOPIC_MISSING',
    `There is no topic ${topic}. Create it: kafka-topics.sh --bootstrap-server <broker> --create ` +
      `--topic ${topic} --partitions <n>.`,
    { details: { topic } },
  )
}
