// Record timestamps of any kind on Spark: the same rows as on the embedded engine, also where Spark cannot
// read the record at all.

import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { kafkaConnectionOf } from '../../../src/cli/kafka-connection.ts'
import { pipelineOptions } from '../../../src/cli/pipeline-options.ts'
import { sparkOptions } from '../../../src/cli/spark-options.ts'
import { loadConfig } from '../../../src/config/config.ts'
import { listener } from '../../../src/engines/events.ts'
import { failuresMax } from '../../../src/engines/retry.ts'
import { sparkEngine } from '../../../src/engines/spark/run.ts'
import { openKafkaSource } from '../../../src/kafka/source.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { differences } from '../../compare/differences.ts'
import { type BatchRecord, batchBytes, batchContent } from '../../generate/record-batch.ts'
import { takingTurns, turnSeed } from '../../turns.ts'
import { produceBatch } from '../kafka/raw-producer.ts'
import { runAssay, type Settings, startAssay, temporaryDirectory } from '../pipeline/assay.ts'
import { settingsFor, times } from '../pipeline/lakehouse.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'
import { silverHas, tablesOf } from './lakehouse.ts'

/** The broker refuses records of a wrong clock unless it is told not to. */
const anyTime = {
  'message.timestamp.before.max.ms': '9223372036854775807',
  'message.timestamp.after.max.ms': '9223372036854775807',
  'retention.ms': '-1',
}
const baseMs = 1_790_848_800_000n

describe.skipIf(sparkAbsent !== null)('record timestamps on Spark', () => {
  let broker: SharedBroker
  let server: TestSpark
  beforeAll(async () => {
    ;[broker, server] = await Promise.all([sharedBroker(), startTestSpark()])
  })
  afterAll(async () => {
    await server?.close()
    await broker?.leave()
  })
  beforeEach(takingTurns(turnSeed, 3))

  async function settingsOf(
    topic: string,
    engine: 'spark' | 'embedded',
    more: Settings = {},
  ): Promise<Settings> {
    const spark = { SPARK_MASTER: server.address, SPARK_SHUFFLE_PARTITIONS: '2' }
    const all = { ENGINE: engine, ...(engine === 'spark' ? spark : {}), ...more }
    return settingsFor(broker.bootstrapServers, topic, await temporaryDirectory(), all)
  }

  async function send(
    topic: string,
    partition: number,
    timestamps: readonly bigint[],
    first = 0,
  ): Promise<void> {
    const records = timestamps.map((timestampMs, index) =>
      record(timestampMs, `${partition}-${first + index}`),
    )
    const batch = batchBytes(records, 'none', batchContent(records))
    // A topic that was made just now may have no leader yet.
    const sent = () => produceBatch(broker.bootstrapServers[0]!, { topic, partition }, batch)
    await expect.poll(sent, { timeout: 30_000 }).toBe(0)
  }

  const odd = [baseMs, -1n, 0n, -5n, 253_402_300_799_999n, 253_402_300_800_000n, baseMs * 1_000n]
  const nanos = [baseMs * 1_000_000n, baseMs * 1_000_000n + 1n, 2n ** 63n - 1n]

  test('missing, far and backward ones, and those that no microseconds can hold, are as on the embedded engine', async () => {
    const topic = 'odd-times'
    await broker.createTopic(topic, 2, anyTime)
    await send(topic, 0, odd)
    await send(topic, 1, [baseMs, nanos[0]!, baseMs + 1n, ...nanos, baseMs + 2n])
    const [onSpark, embedded] = [await settingsOf(topic, 'spark'), await settingsOf(topic, 'embedded')]
    const { log } = await runAssay(['run', '--once', '--finalize'], onSpark)
    expect(log).toMatch(/"code":"SPARK_TIMESTAMPS_UNREADABLE".*"partition":1,"count":4,"last":5/)
    await runAssay(['run', '--once', '--finalize'], embedded)
    await runAssay(['verify'], onSpark)
    const tables = await tablesOf(onSpark)
    expect(tables['bronze/transactions']).toHaveLength(14)
    expect(differences(tables, await tablesOf(embedded), times)).toEqual([])
  })

  test('a run that goes on meets them again and again, and the other engine takes the rows over', async () => {
    const topic = 'more-odd-times'
    await broker.createTopic(topic, 1, anyTime)
    const onSpark = await settingsOf(topic, 'spark')
    await send(topic, 0, nanos)
    const running = startAssay(['run'], onSpark)
    await silverHas(onSpark, 3, running)
    await send(topic, 0, [baseMs, ...nanos, baseMs], 3)
    await silverHas(onSpark, 8, running)
    const { code, log } = await running.end('SIGTERM')
    expect(code, log).toBe(0)
    await send(topic, 0, nanos, 8)
    await runAssay(['run', '--once', '--finalize'], { ...onSpark, ENGINE: 'embedded' })
    await runAssay(['verify'], onSpark)
    expect((await tablesOf(onSpark))['silver/transactions']).toHaveLength(11)
  })

  test('a query that fails again and again ends the run with its cause, also one without an end', async () => {
    const topic = 'never'
    await broker.createTopic(topic, 1, anyTime)
    await send(topic, 0, [baseMs])
    const settings = await settingsOf(topic, 'spark')
    const config = loadConfig(standardLakehouse, settings, join(settings.DELTA_BASE_PATH!, 'absent'))
    const source = await openKafkaSource({ ...kafkaConnectionOf(config.kafka), ...config.kafka })
    const spark = sparkOptions(config, source)
    // What Kafka's consumer in the cluster refuses each time.
    const security = () => ({ ...spark.kafka!.security(), 'kafka.max.poll.records': '-1' })
    const notices: string[] = []
    const run = sparkEngine({ ...spark, kafka: { ...spark.kafka!, security } }).run({
      ...pipelineOptions(config),
      streams: standardLakehouse.streams,
      source,
      once: false,
      finalize: false,
      retryFirstMs: 1,
      signal: call.signal,
      tell: listener({ notice: ({ code }) => void notices.push(code) }),
    })
    await expect(run).rejects.toMatchObject({
      code: 'SPARK_BRONZE_QUERY_FAILED',
      message: expect.stringContaining(`failed ${failuresMax} times one after another`),
    })
    await source.close()
    expect(notices).toHaveLength(failuresMax - 1)
  })
})

function record(timestampMs: bigint, id: string): BatchRecord {
  const transaction = {
    transaction_id: id,
    user_id: 7,
    amount: 12.5,
    merchant: 'Shop',
    payment_method: 'credit_card',
    location: 'Oslo, Norway',
    device_id: 'd1',
    timestamp: '2026-10-01T10:00:00Z',
    is_fraud: false,
  }
  return { timestampMs, key: Buffer.from('7'), value: Buffer.from(JSON.stringify(transaction)), headers: [] }
}
