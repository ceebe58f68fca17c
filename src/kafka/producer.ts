// Writes records to a topic, partitioned as Kafka's Java producer does, each exactly once in the topic
// (idempotent).
import { Admin, type CompressionAlgorithmValue, Producer } from '@platformatic/kafka'
import type { OnNotice } from '../batches/notice.ts'
import { LakehouseError } from '../errors/errors.ts'
import { Cluster } from './cluster.ts'
import { connectionOptions } from './connection-options.ts'
import { BrokerError, failureOf, LEADER_NOT_AVAILABLE, TOPIC_ALREADY_EXISTS } from './failures.ts'
import { Login } from './login.ts'
import { partitionOfKey } from './murmur2.ts'
import { type KafkaConnectionOptions, topicNames } from './options.ts'
import { contentBytes, type ProducedRecord } from './produced-record.ts'
import { abortable, BACKOFF_MS_MAX, BACKOFF_MS_MIN, Retrier } from './retry.ts'
import { grantAdvice } from './security-failures.ts'
import { SharedBatches } from './shared-batches.ts'
import { topicSettings } from './topic-settings.ts'

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

export type KafkaProducer = {
  /** The partitions of the topic when the producer was opened. */
  readonly partitionCount: number
  /**
   * Resolves when all in-sync replicas have the records. Records of one partition keep the order of the
   * calls, so after a failure every later call fails with it. A record that is larger than the topic takes
   * fails its own call alone, with KAFKA_RECORD_TOO_LARGE.
   */
  send(records: readonly ProducedRecord[]): Promise<void>
  close(): Promise<void>
}

const BATCH_BYTES_MAX = 900_000
const BATCH_OVERHEAD_BYTES = 1_000
/** A broker refuses a batch that is larger, unless it or the topic is told otherwise. */
const MESSAGE_BYTES_DEFAULT = 1_048_588
/** Partitions that are added to the topic are looked for so often. */
const PARTITIONS_EVERY_MS = 30_000
/** With the back-off between them these are about a minute. */
const RETRIES_MAX = 16
const OPEN_MAX_MS = 30_000

/** Opens a producer; fails when the brokers stay away for `OPEN_MAX_MS`. */
export async function openKafkaProducer(options: KafkaProducerOptions): Promise<KafkaProducer> {
  const signal = options.signal ?? new AbortController().signal
  const [topic] = topicNames(options.topic) as [string]
  const partitions = new Partitions(await preparedTopic(options, topic, signal))
  const recordMax = await recordBytesMax(options, topic, signal)
  const bytesMax = Math.min(BATCH_BYTES_MAX, Math.max(1, recordMax - BATCH_OVERHEAD_BYTES))
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
  const reopen = async (): Promise<void> => {
    const old = producer
    producer = open()
    await old.close()
  }
  // A record without a key goes wherever its batch goes; batches take turns.
  let turn = 0
  const sendBatch = async (batch: readonly ProducedRecord[]): Promise<void> => {
    turn++
    if (login?.isDue) {
      login.renewed()
      await reopen()
    }
    try {
      if (partitions.isDue) await partitions.ask(producer, topic)
      const messages = batch.map((record) => messageOf(topic, partitions.count, turn, record))
      await abortable(producer.send({ messages, acks: ALL_IN_SYNC }), signal)
    } catch (error) {
      signal.throwIfAborted()
      throw produceError(error, topic)
    }
  }
  const calls = new SharedBatches({ bytesMax, send: sendBatch, reopen })
  return {
    partitionCount: partitions.count,
    send: (records) => {
      const isPlain = options.compression === 'none'
      const tooLarge = isPlain && records.some((record) => contentBytes(record) > recordMax)
      return tooLarge ? Promise.reject(recordTooLarge(topic)) : calls.send(records)
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

/** How many partitions the topic has; more may come. */
class Partitions {
  count: number
  #askedMs = performance.now()

  constructor(count: number) {
    this.count = count
  }

  get isDue(): boolean {
    return performance.now() - this.#askedMs > PARTITIONS_EVERY_MS
  }

  async ask(producer: Producer<Buffer, Buffer, Buffer, Buffer>, topic: string): Promise<void> {
    this.#askedMs = performance.now()
    const metadata = await producer.metadata({ topics: [topic], forceUpdate: true })
    this.count = Math.max(this.count, metadata.topics.get(topic)?.partitionsCount ?? 0)
  }
}

/** What the topic takes at most; the default of brokers where the user may not ask. */
async function recordBytesMax(
  options: KafkaProducerOptions,
  topic: string,
  signal: AbortSignal,
): Promise<number> {
  const found = Number(
    (await topicSettings(options, topic, ['max.message.bytes'], signal)).get('max.message.bytes'),
  )
  return found > 0 ? found : MESSAGE_BYTES_DEFAULT
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

function produceError(error: unknown, topic: string): unknown {
  const failure = failureOf(error)
  if (failure.apiCodes.has(MESSAGE_TOO_LARGE)) return recordTooLarge(topic, error)
  if (failure.kind === 'final') return failure.error
  const message = `Records were not written to topic ${topic}: ${failure.reason} Check that the brokers run.`
  return new LakehouseError('KAFKA_UNREACHABLE', message, { cause: error, details: { topic } })
}

const MESSAGE_TOO_LARGE = 10

function recordTooLarge(topic: string, cause?: unknown): LakehouseError {
  return new LakehouseError(
    'KAFKA_RECORD_TOO_LARGE',
    `A record is larger than topic ${topic} takes. Raise its max.message.bytes, or send a smaller record.`,
    { cause, details: { topic } },
  )
}
