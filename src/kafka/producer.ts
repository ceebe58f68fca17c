// Writes records to a topic, partitioned as Kafka's Java producer does, each exactly once in the topic
// (idempotent).
import { Admin, type CompressionAlgorithmValue, Producer } from '@platformatic/kafka'
import type { OnNotice } from '../batches/notice.ts'
import { LakehouseError } from '../errors/errors.ts'
import { Cluster, CONNECT_MAX_MS } from './cluster.ts'
import { BrokerError, failureOf, LEADER_NOT_AVAILABLE, TOPIC_ALREADY_EXISTS } from './failures.ts'
import { Login } from './login.ts'
import { partitionOfKey } from './murmur2.ts'
import { bootstrapAddresses, type KafkaConnectionOptions, tlsServerName, topicNames } from './options.ts'
import { abortable, BACKOFF_MS_MAX, BACKOFF_MS_MIN, Retrier } from './retry.ts'
import { grantAdvice } from './security-failures.ts'

export type KafkaCompression = CompressionAlgorithmValue

export type KafkaProducerOptions = KafkaConnectionOptions & {
  readonly topic: string
  readonly compression: KafkaCompression
  /**
   * Creates the topic with so many partitions where it does not exist; absent: that is KAFKA_TOPIC_MISSING.
   */
  readonly createPartitions?: number
  /** Ends every wait of the producer. */
  readonly signal?: AbortSignal
  /** Told what the opening waits for. */
  readonly onNotice?: OnNotice
}

export type ProducedRecord = {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** What the partition of a record without a key goes by; absent: it goes wherever its batch goes. */
  readonly partitionBy?: Uint8Array
  /** Absent: now. */
  readonly timestampMs?: number
  readonly headers?: Readonly<Record<string, Uint8Array>>
}

export type KafkaProducer = {
  /** The partitions of the topic when the producer was opened. */
  readonly partitionCount: number
  /**
   * Resolves when all in-sync replicas have the records. Records of one partition keep the order of the
   * calls, so after a failure every later call fails with it.
   */
  send(records: readonly ProducedRecord[]): Promise<void>
  close(): Promise<void>
}

/** A broker refuses a batch of more than message.max.bytes, which is a little over 1 MB unless changed. */
const BATCH_BYTES_MAX = 900_000
const RECORD_OVERHEAD_BYTES = 32
/** With the back-off between them these are about a minute. */
const RETRIES_MAX = 16
const OPEN_MAX_MS = 30_000
const TIMEOUT_MS = 30_000

/** Opens a producer; fails when the brokers stay away for `OPEN_MAX_MS`. */
export async function openKafkaProducer(options: KafkaProducerOptions): Promise<KafkaProducer> {
  const signal = options.signal ?? new AbortController().signal
  const [topic] = topicNames(options.topic) as [string]
  const partitionCount = await preparedTopic(options, topic, signal)
  const login = options.sasl === undefined ? null : new Login(options.sasl)
  const open = () =>
    new Producer<Buffer, Buffer, Buffer, Buffer>({
      ...connectionOptions(options, login),
      compression: options.compression,
      idempotent: true,
      retries: RETRIES_MAX,
      retryDelay: (_client, _operation, attempt) =>
        Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (attempt - 1)),
    })
  let producer = open()
  /** Between two batches, so that no record is on its way. */
  const renewLogin = async (): Promise<void> => {
    if (login === null || !login.isDue) return
    login.renewed()
    const old = producer
    producer = open()
    await old.close()
  }
  // A record without a key goes wherever its batch goes; batches take turns.
  let turn = 0
  const sendBatch = async (batch: readonly ProducedRecord[]): Promise<void> => {
    turn = (turn + 1) % partitionCount
    const messages = batch.map((record) => messageOf(topic, partitionCount, turn, record))
    await renewLogin()
    try {
      await abortable(producer.send({ messages, acks: ALL_IN_SYNC }), signal)
    } catch (error) {
      signal.throwIfAborted()
      throw produceError(error, topic)
    }
  }
  // The broker knows a repeated batch by its sequence number, but takes a later batch that arrives before the
  // repeat for lost state; the client then repeats both under a new producer id, which no broker recognises.
  // So one batch at a time; calls that come meanwhile share the next one.
  let waiting: ProducedRecord[] = []
  let next: Promise<void> | null = null
  let last: Promise<void> = Promise.resolve()
  const sendWaiting = async (): Promise<void> => {
    const records = waiting
    waiting = []
    next = null
    for (const batch of batchesOf(records)) await sendBatch(batch)
  }
  const dropWaiting = (error: unknown): never => {
    waiting = []
    next = null
    throw error
  }
  return {
    partitionCount,
    send(records) {
      for (const record of records) waiting.push(record)
      if (next === null) {
        next = last.then(sendWaiting, dropWaiting)
        last = next
      }
      return next
    },
    async close() {
      await producer.close()
    },
  }
}

const ALL_IN_SYNC = -1

function messageOf(topic: string, partitionCount: number, turn: number, record: ProducedRecord) {
  const { key, value, timestampMs, headers, partitionBy } = record
  const placedBy = key ?? partitionBy ?? null
  return {
    topic,
    partition: placedBy === null ? turn : partitionOfKey(placedBy, partitionCount),
    ...(key === null ? {} : { key: asBuffer(key) }),
    ...(value === null ? {} : { value: asBuffer(value) }),
    ...(timestampMs === undefined ? {} : { timestamp: BigInt(timestampMs) }),
    ...(headers === undefined ? {} : { headers: headersOf(headers) }),
  }
}

function headersOf(headers: Readonly<Record<string, Uint8Array>>): Map<Buffer, Buffer> {
  return new Map(Object.entries(headers).map(([name, value]) => [Buffer.from(name), asBuffer(value)]))
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A batch counts the bytes of all its partitions, so that none of them can be too large for the broker. */
function* batchesOf(records: readonly ProducedRecord[]): Generator<readonly ProducedRecord[]> {
  let start = 0
  let bytes = 0
  for (const [index, { key, value, headers }] of records.entries()) {
    let size = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
    for (const name in headers) size += name.length + headers[name]!.length
    if (bytes + size > BATCH_BYTES_MAX && index > start) {
      yield records.slice(start, index)
      start = index
      bytes = 0
    }
    bytes += size
  }
  if (start < records.length) yield records.slice(start)
}

/** Creates the topic when asked, and tells how many partitions it has. */
async function preparedTopic(
  options: KafkaProducerOptions,
  topic: string,
  signal: AbortSignal,
): Promise<number> {
  const cluster = new Cluster(options)
  const retrier = new Retrier(options.bootstrapServers.join(', '), {
    giveUpAfterMs: OPEN_MAX_MS,
    ...(options.onNotice === undefined ? {} : { onNotice: options.onNotice }),
  })
  const countPartitions = async (): Promise<number> => {
    const [view] = (await cluster.describe([topic], signal)).topics
    if (view!.partitions.some(({ leader }) => leader < 0)) throw new BrokerError(LEADER_NOT_AVAILABLE, topic)
    await cluster.anyAdvertised(signal)
    return view!.partitions.length
  }
  try {
    return await retrier.run(async () => {
      try {
        return await countPartitions()
      } catch (error) {
        if (!(error instanceof LakehouseError && error.code === 'KAFKA_TOPIC_MISSING')) throw error
        if (options.createPartitions === undefined) throw new TopicMissing(error)
      }
      await cluster.anyAdvertised(signal)
      await createTopic(options, topic, options.createPartitions, signal)
      // Brokers learn of a new topic one after another: until this one has, the retry asks again.
      return await countPartitions()
    }, signal)
  } catch (error) {
    throw error instanceof TopicMissing ? error.error : error
  } finally {
    await cluster.close()
  }
}

/** Nobody will create the topic while the producer waits: unlike a reader it does not wait for one. */
class TopicMissing extends Error {
  readonly error: LakehouseError

  constructor(error: LakehouseError) {
    super(error.message)
    this.error = error
  }
}

async function createTopic(
  options: KafkaProducerOptions,
  topic: string,
  partitions: number,
  signal: AbortSignal,
): Promise<void> {
  const login = options.sasl === undefined ? null : new Login(options.sasl)
  const admin = new Admin({ ...connectionOptions(options, login), retries: 0 })
  try {
    await abortable(admin.createTopics({ topics: [topic], partitions, replicas: DEFAULT_OF_BROKER }), signal)
  } catch (error) {
    const { apiCodes } = failureOf(error)
    if (apiCodes.has(TOPIC_ALREADY_EXISTS)) return
    throw apiCodes.has(TOPIC_NOT_AUTHORIZED) ? mayNotCreate(topic, error) : error
  } finally {
    await admin.close()
  }
}

const DEFAULT_OF_BROKER = -1
const TOPIC_NOT_AUTHORIZED = 29

function mayNotCreate(topic: string, cause: unknown): LakehouseError {
  const message =
    `There is no topic ${topic}, and the user may not create it: create it by hand, or give the right. ` +
    grantAdvice('<user>', ['Create'], { kind: 'topic', name: topic })
  return new LakehouseError('KAFKA_NOT_AUTHORIZED', message, { cause, details: { topic } })
}

export function connectionOptions(options: KafkaConnectionOptions, login: Login | null) {
  const addresses = bootstrapAddresses(options)
  return {
    clientId: options.clientId ?? 'assay',
    bootstrapBrokers: addresses,
    connectTimeout: CONNECT_MAX_MS,
    timeout: TIMEOUT_MS,
    ...(options.tls === undefined ? {} : { tls: options.tls, tlsServerName: tlsServerName(addresses) }),
    ...(login === null ? {} : { sasl: login.options }),
  }
}

function produceError(error: unknown, topic: string): unknown {
  const failure = failureOf(error)
  if (failure.apiCodes.has(MESSAGE_TOO_LARGE)) {
    return new LakehouseError(
      'KAFKA_RECORD_TOO_LARGE',
      `A record is larger than topic ${topic} takes. Raise its max.message.bytes, or send a smaller record.`,
      { cause: error, details: { topic } },
    )
  }
  if (failure.kind === 'final') return failure.error
  const message = `Records were not written to topic ${topic}: ${failure.reason} Check that the brokers run.`
  return new LakehouseError('KAFKA_UNREACHABLE', message, { cause: error, details: { topic } })
}

const MESSAGE_TOO_LARGE = 10
