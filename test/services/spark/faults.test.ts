// What happens to Kafka, to the session and to the tables while Spark carries a lakehouse: nothing is lost,
// nothing comes twice, and where it cannot go on it says why.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { topicLines } from '../../generate/lines.ts'
import { type Broker, SASL_USER, startBroker } from '../broker.ts'
import { type JavaConsumer, openJavaConsumer } from '../kafka/java-consumer.ts'
import { type JavaProducer, openJavaProducer, type SentRecord } from '../kafka/java-producer.ts'
import { runAssay, type Settings, startAssay, temporaryDirectory } from '../pipeline/assay.ts'
import { recordsOfLines, settingsFor, unevenPartition } from '../pipeline/lakehouse.ts'
import { smallServer, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'
import { expectRight, silverHas } from './lakehouse.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
let broker: Broker
let producer: JavaProducer
let consumer: JavaConsumer
let server: TestSpark

describe.skipIf(sparkAbsent !== null)(`faults around Spark (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    ;[broker, server] = await Promise.all([startBroker(), startTestSpark(smallServer)])
    consumer = await openJavaConsumer(broker.bootstrapServers)
    // Not idempotent: it would not know a topic again that was created anew.
    producer = await openJavaProducer(broker.bootstrapServers, { 'enable.idempotence': 'false' })
  })
  afterAll(async () => {
    await producer?.close()
    await consumer?.close()
    await server?.close()
    await broker?.stop()
  })

  test('retention deletes offsets that were not read: the run stops with the numbers, or counts them and goes on', async () => {
    const topic = 'retention'
    await broker.createTopic(topic, 2)
    const records = sampleOf(topic, 160, 2)
    await produce(records.slice(0, 60))
    const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: '50' })
    await runAssay(['run', '--once'], settings)
    const before = await consumer.read(topic)
    const taken = before.filter(({ partition }) => partition === 1).length
    await produce(records.slice(60))
    const first = BigInt(taken + 10)
    await broker.deleteRecordsBefore(topic, 1, first)
    for (const args of [['run', '--once'], ['run']]) {
      const { code, log } = await startAssay(args, settings).ended
      expect(code, log).toBe(1)
      expect(log).toContain(`${topic}, partition 1: Kafka deleted 10 offsets from ${taken} on`)
      expect(log).toContain(`ON_DATA_LOSS=continue to go on from offset ${first}`)
      expect(log).toContain('[KAFKA_OFFSETS_LOST]')
    }
    const lossy = { ...settings, ON_DATA_LOSS: 'continue' }
    const { log } = await runAssay(['run', '--once', '--finalize'], lossy)
    expect(log).toMatch(/"code":"KAFKA_OFFSETS_LOST".*"lost":10\b/)
    expect(log).toMatch(/lost before they were read +10\n/)
    await runAssay(['verify'], lossy)
    const after = await consumer.read(topic)
    const kept = before.filter(({ partition, offset }) => partition === 1 && offset < first)
    await expectRight(settings, [...kept, ...after])
  })

  test('retention deletes all that was not read: the tables go on behind the hole, and the loss is counted once', async () => {
    const topic = 'expiring'
    await broker.createTopic(topic, 1)
    const records = sampleOf(topic, 90, 1)
    await produce(records.slice(0, 30))
    const settings = await lakehouseOf(topic, { ON_DATA_LOSS: 'continue' })
    await runAssay(['run', '--once'], settings)
    const before = await consumer.read(topic)
    await produce(records.slice(30, 60))
    await broker.deleteRecordsBefore(topic, 0, 60n)
    const { log } = await runAssay(['run', '--once'], settings)
    expect(log.match(/KAFKA_OFFSETS_LOST/g)).toHaveLength(1)
    await produce(records.slice(60))
    await runAssay(['run', '--once', '--finalize'], { ...settings, ON_DATA_LOSS: 'fail' })
    await expectRight(settings, [...before, ...(await consumer.read(topic))])
  })

  test('the topic is deleted and created anew, with fewer records or with more: neither is taken for the old one', async () => {
    const topic = 'anew'
    await broker.createTopic(topic, 1)
    const records = sampleOf(topic, 100, 1)
    await produce(records.slice(0, 40))
    const settings = await lakehouseOf(topic, { ON_DATA_LOSS: 'continue' })
    const running = startAssay(['run'], settings)
    await silverHas(settings, 40, running)
    const old = await consumer.read(topic)
    await broker.deleteTopic(topic)
    await broker.createTopic(topic, 1)
    await produce(records.slice(0, 10))
    const { code, log } = await running.ended
    expect(code, log).toBe(1)
    expect(log).toContain('[KAFKA_TOPIC_CHANGED]')
    expect(log).toContain('give the topic another name, or set DELTA_BASE_PATH to a new directory')
    // A new process has only the tables to know it by; by now the topic has more offsets than the old one had.
    await produce(records.slice(10))
    for (const onDataLoss of ['fail', 'continue']) {
      const again = await startAssay(['run', '--once'], { ...settings, ON_DATA_LOSS: onDataLoss }).ended
      expect(again.code, again.log).toBe(1)
      expect(again.log).toMatch(
        /anew was deleted and created anew since it was read to offset 40.*\[KAFKA_TOPIC_CHANGED\]/,
      )
    }
    await runAssay(['verify'], settings)
    await expectRight(settings, old)
  })

  test('a broker with passwords: the query logs in, and the password is in no table, checkpoint or log', async () => {
    const topic = 'passwords'
    await broker.createTopic(topic, 2)
    await produce(sampleOf(topic, 40, 2))
    const settings = await lakehouseOf(topic, {
      KAFKA_BOOTSTRAP_SERVERS: broker.saslBootstrapServers.join(','),
      KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT',
      KAFKA_SASL_MECHANISM: 'PLAIN',
      KAFKA_SASL_USERNAME: SASL_USER.username,
      KAFKA_SASL_PASSWORD: SASL_USER.password,
    })
    const { log } = await runAssay(['run', '--once', '--finalize'], settings)
    await expectRight(settings, await consumer.read(topic))
    expect(log).not.toContain(SASL_USER.password)
    for (const file of await filesOf(settings.DELTA_BASE_PATH!))
      expect((await readFile(file)).includes(SASL_USER.password), file).toBe(false)
    const refused = await startAssay(['run', '--once'], { ...settings, KAFKA_SASL_PASSWORD: 'wrong' }).ended
    expect(refused).toMatchObject({ code: 1, log: expect.stringContaining('[KAFKA_AUTHENTICATION_FAILED]') })
  })
})

function sampleOf(topic: string, count: number, partitionCount: number): SentRecord[] {
  const [lines] = fc.sample(topicLines(count, 8), { seed, numRuns: 1 })
  return recordsOfLines(topic, lines!, (_, index) => unevenPartition(index, partitionCount))
}

async function lakehouseOf(topic: string, more: Settings = {}): Promise<Settings> {
  return settingsFor(broker.bootstrapServers, topic, await temporaryDirectory(), {
    ENGINE: 'spark',
    SPARK_MASTER: server.address,
    SPARK_SHUFFLE_PARTITIONS: '2',
    ...more,
  })
}

async function produce(records: readonly SentRecord[]): Promise<void> {
  for (const record of records) producer.send(record)
  await producer.command('flush')
}

async function filesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
