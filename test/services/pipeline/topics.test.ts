// The whole pipeline over the kinds of topics that Kafka has, and from each place where reading may start.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { partitionKey } from '../../../src/batches/offsets.ts'
import { batchBytes, batchContent } from '../../generate/record-batch.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { takingTurns } from '../../turns.ts'
import { type JavaConsumer, openJavaConsumer } from '../kafka/java-consumer.ts'
import { type JavaProducer, openJavaProducer, type SentRecord } from '../kafka/java-producer.ts'
import { produceBatch } from '../kafka/raw-producer.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { runAssay, type Settings, startAssay, temporaryDirectory } from './assay.ts'
import { expectRight, sampleOf, settingsFor } from './lakehouse.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
let broker: SharedBroker
let consumer: JavaConsumer

describe.skipIf(javaAvailable !== null)(`topics of every kind (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    broker = await sharedBroker()
    consumer = await openJavaConsumer(broker.bootstrapServers)
  })
  afterAll(async () => {
    await consumer?.close()
    await broker?.leave()
  })
  beforeEach(takingTurns(seed, 2))

  test('a transactional topic: aborted records are in no table, those of open transactions come later', async () => {
    const topic = 'transactional'
    await broker.createTopic(topic, 3)
    const records = sampleOf(topic, 320, 3, seed)
    const producers = await Promise.all(
      ['first', 'second'].map((id) =>
        openJavaProducer(broker.bootstrapServers, { 'transactional.id': id, 'linger.ms': '5' }),
      ),
    )
    const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: '30' })
    let aborted = 0
    for (let round = 0; round < 8; round += 1) {
      for (const producer of producers) await producer.command('begin')
      // The two interleave, so that an aborted transaction of one lies around a committed one of the other.
      for (const [index, record] of records.slice(round * 40, round * 40 + 40).entries())
        producers[index % 2]!.send(record)
      for (const producer of producers) await producer.command('flush')
      // Both transactions are open: nothing of them is there yet.
      if (round === 3) await runAssay(['run', '--once'], settings)
      const ends = [round % 3 === 0 ? 'abort' : 'commit', round % 2 === 0 ? 'commit' : 'abort'] as const
      for (const [index, producer] of producers.entries()) await producer.command(ends[index]!)
      aborted += ends.filter((end) => end === 'abort').length * 20
    }
    await runAssay(['run', '--once', '--finalize'], settings)
    const raw = await consumer.read(topic)
    expect(raw).toHaveLength(records.length - aborted)
    await expectRight(settings.DELTA_BASE_PATH!, raw)
    await runAssay(['verify'], settings)
    for (const producer of producers) await producer.close()
  })

  test('a compacted topic with holes, tombstones and values of no bytes', async () => {
    const topic = 'compacted'
    await broker.createTopic(topic, 2, {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
      'max.compaction.lag.ms': '100',
      'delete.retention.ms': '600000', // Tombstones stay, that they are read.
    })
    const producer = await openJavaProducer(broker.bootstrapServers, { 'linger.ms': '0', 'batch.size': '1' })
    const records = sampleOf(topic, 160, 2, seed).map((record, index): SentRecord => {
      const key = Buffer.from(`key ${index % 40}`)
      const value = index % 10 === 7 ? null : index % 10 === 9 ? Buffer.alloc(0) : record.value
      return { ...record, key, value, timestampMs: Date.now() - 1_000_000 + index }
    })
    for (const record of records) producer.send(record)
    await producer.command('flush')
    await compacted(producer, topic, records.length / 2)
    const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: '25' })
    await runAssay(['run', '--once', '--finalize'], settings)
    await producer.close()
    const raw = await consumer.read(topic)
    expect(raw.some(({ value }) => value === null)).toBe(true)
    expect(raw.some(({ value }) => value?.length === 0)).toBe(true)
    await expectRight(settings.DELTA_BASE_PATH!, raw)
    await runAssay(['verify'], settings)
  })

  test('records without a timestamp, and of clocks that ran ahead, back or in other units', async () => {
    const topic = 'clocks'
    await broker.createTopic(topic, 3, {
      'message.timestamp.before.max.ms': '9223372036854775807',
      'message.timestamp.after.max.ms': '9223372036854775807',
    })
    const records = sampleOf(topic, 360, 3, seed)
    const timestampOf = ({ timestampMs }: SentRecord, index: number): bigint => {
      const right = BigInt(timestampMs!)
      const wrong = [-1n, right + 3_000_000n, right - 40_000_000n, right * 1_000_000n, 2n ** 62n, -5n]
      return index % 4 === 0 ? wrong[(index / 4) % wrong.length]! : right
    }
    for (const partition of [0, 1, 2]) {
      // The first of the last partition is ahead of all others.
      const ofPartition = records
        .filter((record) => record.partition === partition)
        .map((record, index) => ({
          ...{ key: record.key, value: record.value },
          timestampMs: timestampOf(record, partition === 2 ? index + 4 : index),
        }))
      for (let start = 0; start < ofPartition.length; start += 15) {
        const some = ofPartition.slice(start, start + 15)
        const batch = batchBytes(some, 'none', batchContent(some))
        expect(await produceBatch(broker.bootstrapServers[0]!, { topic, partition }, batch)).toBe(0)
      }
    }
    const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: '25' })
    await runAssay(['run', '--once', '--finalize'], settings)
    const raw = await consumer.read(topic)
    expect(raw).toHaveLength(records.length)
    await expectRight(settings.DELTA_BASE_PATH!, raw)
    await runAssay(['verify'], settings)
  })

  test('several topics are one input, and arrive in the order of their names', async () => {
    const topics = ['both.b', 'both.A', 'both.a']
    for (const topic of topics) await broker.createTopic(topic, 2)
    const records = sampleOf('', 300, 6, seed).map((record): SentRecord => {
      const { partition } = record
      return { ...record, topic: topics[partition! % 3]!, partition: partition! % 2 }
    })
    const producer = await openJavaProducer(broker.bootstrapServers)
    for (const record of records) producer.send(record)
    await producer.command('flush')
    await producer.close()
    const settings = await lakehouseOf(topics.join(','), { MAX_RECORDS_PER_BATCH: '60' })
    await runAssay(['run', '--once', '--finalize'], settings)
    const raw = []
    for (const topic of topics) raw.push(...(await consumer.read(topic)))
    expect(raw).toHaveLength(records.length)
    await expectRight(settings.DELTA_BASE_PATH!, raw)
    await runAssay(['verify'], settings)
  })

  test('from the earliest record, the latest, or a time; a restart goes on from the tables', async () => {
    const topic = 'starts'
    await broker.createTopic(topic, 2)
    const records = sampleOf(topic, 90, 2, seed)
    const time = records[30]!.timestampMs!
    const producer = await openJavaProducer(broker.bootstrapServers)
    const send = async (part: readonly SentRecord[]): Promise<RawRecord[]> => {
      for (const record of part) producer.send(record)
      await producer.command('flush')
      return await consumer.read(topic)
    }
    const lakehouses = new Map<string, Settings>()
    for (const start of ['earliest', 'latest', new Date(time).toISOString()])
      lakehouses.set(start, await lakehouseOf(topic, { STARTING_OFFSETS: start }))
    const before = await send(records.slice(0, 60))
    // With "latest" there is nothing to read now, and yet this is where reading starts for good.
    for (const settings of lakehouses.values()) await runAssay(['run', '--once'], settings)
    await send(records.slice(60, 75))
    for (const settings of lakehouses.values()) await runAssay(['run', '--once'], settings)
    const all = await send(records.slice(75))
    // What is configured by then has no say any more.
    for (const settings of lakehouses.values())
      await runAssay(['run', '--once', '--finalize'], { ...settings, STARTING_OFFSETS: 'earliest' })
    await producer.close()

    const starts = new Map<string, Map<string, bigint>>([
      ['earliest', new Map()],
      ['latest', startsOf(before, () => false)],
      [new Date(time).toISOString(), startsOf(before, ({ timestampMs }) => timestampMs! >= time)],
    ])
    for (const [name, settings] of lakehouses) {
      const first = starts.get(name)!
      const expected = all.filter((record) => record.offset >= (first.get(partitionKey(record)) ?? 0n))
      expect(expected.length, name).toBeGreaterThan(0)
      await expectRight(settings.DELTA_BASE_PATH!, expected, first)
      await runAssay(['verify'], settings)
    }
  })

  test('with "latest", a stop before the first record does not move the start', async () => {
    const topic = 'latest'
    await broker.createTopic(topic, 2)
    const records = sampleOf(topic, 40, 2, seed)
    const producer = await openJavaProducer(broker.bootstrapServers)
    for (const record of records.slice(0, 20)) producer.send(record)
    await producer.command('flush')
    const before = await consumer.read(topic)
    const settings = await lakehouseOf(topic, { STARTING_OFFSETS: 'latest' })
    const running = startAssay(['run'], settings)
    await expect.poll(running.log, { timeout: 60_000 }).toContain('batch 1: 0 records')
    const { code, log } = await running.end('SIGTERM')
    expect(code, log).toBe(0)
    for (const record of records.slice(20)) producer.send(record)
    await producer.command('flush')
    await producer.close()
    await runAssay(['run', '--once', '--finalize'], settings)
    const starts = startsOf(before, () => false)
    const all = await consumer.read(topic)
    const expected = all.filter((record) => record.offset >= starts.get(partitionKey(record))!)
    expect(expected).toHaveLength(20)
    await expectRight(settings.DELTA_BASE_PATH!, expected, starts)
  })
})

async function lakehouseOf(topic: string, more: Settings = {}): Promise<Settings> {
  return settingsFor(broker.bootstrapServers, topic, await temporaryDirectory(), more)
}

/** Where the first wanted record of each partition is; behind the last one where none is wanted. */
function startsOf(
  records: readonly RawRecord[],
  wanted: (record: RawRecord) => boolean,
): Map<string, bigint> {
  const starts = new Map<string, bigint>()
  for (const [key, members] of Map.groupBy(records, (record) => partitionKey(record)))
    starts.set(key, members.find(wanted)?.offset ?? members.at(-1)!.offset + 1n)
  return starts
}

/** Waits until so few of the records are left; a segment is cleaned when a later record has closed it. */
async function compacted(producer: JavaProducer, topic: string, recordsMax: number): Promise<void> {
  const left = async (): Promise<number> => {
    for (const partition of [0, 1])
      producer.send({
        topic,
        partition,
        timestampMs: Date.now(),
        key: Buffer.from('last'),
        value: Buffer.from('{}'),
      })
    await producer.command('flush')
    return (await consumer.read(topic)).filter(({ key }) => text(key) !== 'last').length
  }
  await expect.poll(left, { timeout: 60_000, interval: 250 }).toBeLessThanOrEqual(recordsMax)
  // What is left must be the same before and after it was read.
  let before = ''
  const unchanged = async (): Promise<boolean> => {
    const now = (await consumer.read(topic)).map((one) => `${one.partition} ${one.offset}`).join()
    const same = now === before
    before = now
    return same
  }
  await expect.poll(unchanged, { timeout: 60_000, interval: 1_000 }).toBe(true)
}

const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString()
