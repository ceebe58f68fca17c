// What happens to Kafka while the pipeline runs, or before it starts: nothing is lost, nothing comes twice,
// and where it cannot go on it says why. The real command, a real broker, and the oracle over all tables.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RawRecord } from '../../oracle/rows.ts'
import { takingTurns } from '../../turns.ts'
import { type Broker, startBroker } from '../broker.ts'
import { type JavaConsumer, openJavaConsumer } from '../kafka/java-consumer.ts'
import { type JavaProducer, openJavaProducer, type SentRecord } from '../kafka/java-producer.ts'
import { javaAvailable } from '../tools.ts'
import { type Assay, runAssay, type Settings, startAssay, temporaryDirectory } from './assay.ts'
import { expectRight, offsetsTaken, sampleOf, settingsFor } from './lakehouse.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
/** Far below what any time-out of Kafka would take, and more than a busy machine needs. */
const stopMaxMs = 8_000
const waitMax = { timeout: 120_000, interval: 50 }
let broker: Broker
let producer: JavaProducer
let consumer: JavaConsumer

describe.skipIf(javaAvailable !== null)(`faults of Kafka (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    broker = await startBroker()
    consumer = await openJavaConsumer(broker.bootstrapServers)
    // Not idempotent: it would not know a topic again that was created anew.
    producer = await openJavaProducer(broker.bootstrapServers, {
      'compression.type': 'lz4',
      'enable.idempotence': 'false',
    })
  })
  // A test that failed while the broker was away must not take the others with it.
  beforeEach(async () => {
    if (!broker.isRunning()) await broker.restart()
  })
  afterAll(async () => {
    await producer?.close()
    await consumer?.close()
    await broker?.stop()
  })
  beforeEach(takingTurns(seed, 2))

  test('the broker is killed and restarted during a run', async () => {
    const topic = 'killed'
    await broker.createTopic(topic, 4)
    const records = sampleOf(topic, 600, 4, seed)
    await produce(records.slice(0, 500))
    const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: '20' })
    const running = startAssay(['run'], settings)
    await untilTaken(settings, 100n, running)
    await broker.kill()
    await untilSaid(running, 'KAFKA_UNREACHABLE')
    await broker.restart()
    await produce(records.slice(500))
    await untilTaken(settings, 600n, running)
    await expectStops(running)
    expect(running.log()).toContain('KAFKA_BACK')
    await finish(settings)
    await expectRight(base(settings), await read(topic))
  })

  test('no broker at the start: it waits and says so, ends with 0 on SIGTERM, and goes on when there is one', async () => {
    const topic = 'away'
    await broker.createTopic(topic, 2)
    const records = sampleOf(topic, 60, 2, seed)
    await produce(records)
    await broker.kill()
    const settings = await lakehouseOf(topic)
    const stopped = startAssay(['run'], settings)
    await untilSaid(stopped, 'KAFKA_UNREACHABLE')
    await expectStops(stopped)
    const running = startAssay(['run'], settings)
    await untilSaid(running, 'KAFKA_UNREACHABLE')
    await broker.restart()
    await untilTaken(settings, 60n, running)
    // Away again, in the middle of a wait for records.
    await broker.kill()
    await untilSaid(running, 'KAFKA_UNREACHABLE', 2)
    await expectStops(running)
    await broker.restart()
    await finish(settings)
    await expectRight(base(settings), await read(topic))
  })

  test('the topic is missing at the start and created later', async () => {
    const topic = 'later'
    const settings = await lakehouseOf(topic)
    const stopped = startAssay(['run'], settings)
    await untilSaid(stopped, 'kafka-topics.sh')
    await expectStops(stopped)
    const running = startAssay(['run'], settings)
    await untilSaid(running, 'KAFKA_TOPIC_MISSING')
    await broker.createTopic(topic, 2)
    await produce(sampleOf(topic, 60, 2, seed))
    await untilTaken(settings, 60n, running)
    await expectStops(running)
    await finish(settings)
    await expectRight(base(settings), await read(topic))
  })

  test('partitions are added during a run: they are read from their beginning, also with "latest"', async () => {
    const topic = 'growing'
    await broker.createTopic(topic, 1)
    const records = sampleOf(topic, 120, 3, seed)
    const settings = await lakehouseOf(topic, { STARTING_OFFSETS: 'latest' })
    const running = startAssay(['run'], settings)
    await untilSaid(running, 'batch 1: 0 records')
    await produce(records.slice(0, 40).map((record) => ({ ...record, partition: 0 })))
    await untilTaken(settings, 40n, running)
    await broker.addPartitions(topic, 3)
    await produce(records.slice(40))
    await untilTaken(settings, 120n, running)
    await expectStops(running)
    await finish(settings)
    await expectRight(base(settings), await read(topic))
  })

  test('retention deletes offsets that were not read: the run stops with the numbers, or counts them and goes on', async () => {
    const topic = 'retention'
    await broker.createTopic(topic, 2)
    const records = sampleOf(topic, 200, 2, seed)
    await produce(records.slice(0, 80))
    const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: '50' })
    await runAssay(['run', '--once'], settings)
    const before = await read(topic)
    const [taken] = [before.filter(({ partition }) => partition === 1).length]
    await produce(records.slice(80))
    const first = BigInt(taken + 10)
    await broker.deleteRecordsBefore(topic, 1, first)
    const failed = await startAssay(['run', '--once'], settings).ended
    expect(failed.code).toBe(1)
    expect(failed.log).toContain(`${topic}, partition 1: Kafka deleted 10 offsets from ${taken} on`)
    expect(failed.log).toContain(`ON_DATA_LOSS=continue to go on from offset ${first}`)
    expect(failed.log).toContain('[KAFKA_OFFSETS_LOST]')
    expect(await offsetsTaken(base(settings))).toBe(80n)
    // The continuous run stops alike.
    const continuous = await startAssay(['run'], settings).ended
    expect(continuous).toMatchObject({ code: 1, log: expect.stringContaining('[KAFKA_OFFSETS_LOST]') })

    const lossy = { ...settings, ON_DATA_LOSS: 'continue' }
    const { log } = await runAssay(['run', '--once'], lossy)
    expect(log).toMatch(/"code":"KAFKA_OFFSETS_LOST".*"lost":10\b/)
    expect(log).toMatch(/lost before they were read +10\n/)
    await finish(lossy)
    const after = await read(topic)
    const kept = before.filter(({ partition, offset }) => partition === 1 && offset < first)
    await expectRight(base(settings), [...kept, ...after])
  })

  test('retention deletes all that was not read: the tables go on behind the hole, and the loss is counted once', async () => {
    const topic = 'expiring'
    await broker.createTopic(topic, 1)
    const records = sampleOf(topic, 90, 1, seed)
    await produce(records.slice(0, 30))
    const settings = await lakehouseOf(topic, { ON_DATA_LOSS: 'continue' })
    await runAssay(['run', '--once'], settings)
    const before = await read(topic)
    await produce(records.slice(30, 60))
    // Everything that was not read is gone: nothing is left to read, yet the tables go on behind the hole.
    await broker.deleteRecordsBefore(topic, 0, 60n)
    const running = startAssay(['run'], settings)
    await untilSaid(running, '"records":0,"lag":0,"lost":30')
    await expectStops(running)
    expect(running.log().match(/KAFKA_OFFSETS_LOST/g)).toHaveLength(1)
    await produce(records.slice(60))
    const { log } = await runAssay(['run', '--once'], { ...settings, ON_DATA_LOSS: 'fail' })
    expect(log).not.toContain('KAFKA_OFFSETS_LOST')
    await finish(settings)
    await expectRight(base(settings), [...before, ...(await read(topic))])
  })

  test('the topic is deleted and created anew, with fewer records or with more: neither is taken for the old one', async () => {
    const topic = 'anew'
    await broker.createTopic(topic, 1)
    const records = sampleOf(topic, 100, 1, seed)
    await produce(records.slice(0, 40))
    const settings = await lakehouseOf(topic)
    const running = startAssay(['run'], settings)
    await untilTaken(settings, 40n, running)
    const old = await read(topic)
    await broker.deleteTopic(topic)
    await broker.createTopic(topic, 1)
    await produce(records.slice(0, 10))
    const ended = await running.ended
    expect(ended.code, ended.log).toBe(1)
    expect(ended.log).toContain('[KAFKA_TOPIC_CHANGED]')
    expect(ended.log).toContain('give the topic another name, or set DELTA_BASE_PATH to a new directory')
    // A new process has only the tables to know it by; by now the topic has more offsets than the old one
    // had.
    await produce(records.slice(10))
    for (const more of [{}, { ON_DATA_LOSS: 'continue' }]) {
      const { code, log } = await startAssay(['run', '--once'], { ...settings, ...more }).ended
      expect(code, log).toBe(1)
      expect(log).toMatch(
        /anew was deleted and created anew since it was read to offset 40.*\[KAFKA_TOPIC_CHANGED\]/,
      )
    }
    await expectRight(base(settings), old)
    const fresh = await lakehouseOf(topic)
    await finish(fresh)
    await expectRight(base(fresh), await read(topic))
  })

  test('records of 10 MB, values of no bytes and tombstones among ordinary ones', async () => {
    const topic = 'large'
    await broker.createTopic(topic, 2, { 'max.message.bytes': '20000000' })
    const records = sampleOf(topic, 40, 2, seed)
    const [first, second] = [records[3]!, records[30]!]
    const spaces = Buffer.concat([first.value!, Buffer.alloc(10_000_000, 32)])
    const garbage = Buffer.alloc(10_000_000, 120)
    const odd = [spaces, garbage, Buffer.alloc(0), null].map(
      (value, index): SentRecord => ({
        ...second,
        partition: index % 2,
        value,
      }),
    )
    await produce([...records.slice(0, 20), ...odd, ...records.slice(20)])
    const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: '10' })
    await finish(settings)
    const tables = await expectRight(base(settings), await read(topic))
    const sizes = tables['bronze/transactions'].map(({ value }) => String(value ?? '').length)
    expect(sizes.filter((size) => size > 13_000_000)).toHaveLength(2)
  })
})

async function lakehouseOf(topic: string, more: Settings = {}): Promise<Settings> {
  return settingsFor(broker.bootstrapServers, topic, await temporaryDirectory(), more)
}

function base(settings: Settings): string {
  return settings.DELTA_BASE_PATH!
}

async function produce(records: readonly SentRecord[]): Promise<void> {
  for (const record of records) producer.send(record)
  await producer.command('flush')
}

function read(topic: string): Promise<RawRecord[]> {
  return consumer.read(topic)
}

/** Waits until silver has so many offsets; a process that ended meanwhile would never bring them. */
async function untilTaken(settings: Settings, count: bigint, by: Assay): Promise<void> {
  const isThere = async () => (await offsetsTaken(base(settings))) >= count || by.hasEnded()
  await expect.poll(isThere, waitMax).toBe(true)
  expect(by.hasEnded(), by.log()).toBe(false)
}

async function untilSaid(by: Assay, text: string, times = 1): Promise<void> {
  await expect.poll(() => by.log().split(text).length > times || by.hasEnded(), waitMax).toBe(true)
  expect(by.log().split(text).length, by.log()).toBeGreaterThan(times)
}

/** SIGTERM ends it with 0, and soon. */
async function expectStops(running: Assay): Promise<void> {
  const begun = performance.now()
  const { code, log } = await running.end('SIGTERM')
  expect(code, log).toBe(0)
  expect(performance.now() - begun).toBeLessThan(stopMaxMs)
}

async function finish(settings: Settings): Promise<void> {
  await runAssay(['run', '--once', '--finalize'], settings)
  await runAssay(['verify'], settings)
}
