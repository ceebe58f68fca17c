// The whole pipeline on a real broker, run by the real command, against the oracle.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { differences } from '../../compare/differences.ts'
import { badInput, punctualTopicLines, topicLines } from '../../generate/lines.ts'
import { oddValue } from '../../generate/odd-values.ts'
import { isItsTurn } from '../../turns.ts'
import { type JavaConsumer, openJavaConsumer } from '../kafka/java-consumer.ts'
import { openJavaProducer, type SentRecord } from '../kafka/java-producer.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { runAssay, type Settings, startAssay, temporaryDirectory } from './assay.ts'
import {
  expectRight,
  offsetsTaken,
  recordsOfLines,
  settingsFor,
  tablesOf,
  times,
  unevenPartition,
} from './lakehouse.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
/** Where the contract leaves everything open, the oracle gives up. */
const tooDeep = badInput.find(({ name }) => name === 'deep-nesting-20000')!.value
let broker: SharedBroker
let consumer: JavaConsumer

describe.skipIf(javaAvailable !== null)(`the pipeline on a real broker (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    broker = await sharedBroker()
    consumer = await openJavaConsumer(broker.bootstrapServers)
  })
  afterAll(async () => {
    await consumer?.close()
    await broker?.leave()
  })

  test.each(
    (
      [
        [1, 'zstd'],
        [4, 'lz4'],
        [12, 'snappy'],
      ] as const
    ).filter((_, index) => isItsTurn(seed, index, 3)),
  )(
    '%i partitions of uneven length (%s), in one go and in many small batches with restarts',
    async (partitionCount, codec) => {
      const topic = `partitions-${partitionCount}`
      await broker.createTopic(topic, partitionCount)
      const [lines] = fc.sample(topicLines(800, 12), { seed, numRuns: 1 })
      const records = recordsOfLines(topic, lines!, (_, index) => unevenPartition(index, partitionCount))
      const small = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: '50' })
      const producer = await openJavaProducer(broker.bootstrapServers, {
        'compression.type': codec,
        'linger.ms': '20',
      })
      const [first, second, rest] = [records.slice(0, 300), records.slice(300, 320), records.slice(320)]
      for (const part of [first, second, rest]) {
        for (const record of part) producer.send(record)
        await producer.command('flush')
        // Each is a process of its own, which goes on from the tables alone.
        await runAssay(['run', '--once', ...(part === rest ? ['--finalize'] : [])], small)
      }
      await producer.close()
      const whole = await lakehouseOf(topic)
      await runAssay(['run', '--once', '--finalize'], whole)
      const raw = await consumer.read(topic)
      expect(raw).toHaveLength(records.length)
      const reasons = [whole, small].map(async ({ DELTA_BASE_PATH: base }) => {
        const tables = await expectRight(base!, raw)
        return new Set(tables['silver/quarantine'].map((row) => String(row.reasons)))
      })
      // The data must hold what the test is about: only between batches is something late.
      expect([...(await reasons[0])!]).toEqual(expect.arrayContaining(['malformed', 'duplicate']))
      expect([...(await reasons[1])!]).toEqual(expect.arrayContaining(['malformed', 'duplicate', 'late']))
      await runAssay(['verify'], small)
    },
  )

  test('where nothing is late, all batch sizes give the same tables', async () => {
    const topic = 'punctual'
    await broker.createTopic(topic, 4)
    const [lines] = fc.sample(punctualTopicLines(600, 12), { seed, numRuns: 1 })
    await produce(
      recordsOfLines(topic, lines!, ({ user }) => unevenPartition(user, 4)),
      'gzip',
    )
    const found = []
    for (const size of ['1000000', '100', '17']) {
      const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: size })
      await runAssay(['run', '--once', '--finalize'], settings)
      found.push(await tablesOf(settings.DELTA_BASE_PATH!))
    }
    expect(found[0]!['silver/quarantine'].map(({ reasons }) => String(reasons))).toContain('duplicate')
    for (const other of found.slice(1)) expect(differences(other, found[0]!, times)).toEqual([])
  })

  test('every case of bad input and random odd values, over 4 partitions', async () => {
    const topic = 'odd'
    await broker.createTopic(topic, 4)
    const values = [
      ...badInput.map(({ value }) => value).filter((value) => value !== tooDeep),
      ...fc.sample(oddValue({ oneLine: false }), { seed, numRuns: 400 }),
    ]
    const records = values.map((value, index): SentRecord => {
      // Earlier than the times of some of them, so that these are in the future whatever the clock says.
      const timestampMs = Date.UTC(2026, 10, 1) + index
      return { topic, partition: index % 4, timestampMs, key: null, value }
    })
    await produce(records, 'lz4')
    for (const size of ['1000000', '60']) {
      const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: size })
      await runAssay(['run', '--once', '--finalize'], settings)
      await expectRight(settings.DELTA_BASE_PATH!, await consumer.read(topic))
    }
  })

  test('a value that is nested too deep for the oracle ends in silver or in quarantine', async () => {
    const topic = 'deep'
    await broker.createTopic(topic, 1)
    await produce([{ topic, timestampMs: Date.UTC(2026, 10, 1), key: null, value: tooDeep }], 'none')
    const settings = await lakehouseOf(topic)
    await runAssay(['run', '--once'], settings)
    const tables = await tablesOf(settings.DELTA_BASE_PATH!)
    expect(tables['bronze/transactions']).toHaveLength(1)
    expect([...tables['silver/transactions'], ...tables['silver/quarantine']]).toHaveLength(1)
  })

  test('three streams as three processes, continuous until SIGTERM and then --once', async () => {
    const topic = 'three'
    await broker.createTopic(topic, 4)
    const [lines] = fc.sample(topicLines(500, 8), { seed, numRuns: 1 })
    const records = recordsOfLines(topic, lines!, (_, index) => unevenPartition(index, 4))
    const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: '40' })
    // The later streams come first and wait for silver.
    const [aggregations, fraud] = ['aggregations', 'fraud-detection'].map((stream) =>
      startAssay(['run', stream], settings),
    )
    const first = startAssay(['run', 'kafka-to-delta'], settings)
    const producer = await openJavaProducer(broker.bootstrapServers, { 'compression.type': 'zstd' })
    let sent = 0
    for (const until of [5, 150, 151, 400]) {
      for (const record of records.slice(sent, until)) producer.send(record)
      await producer.command('flush')
      sent = until
      const taken = () => offsetsTaken(settings.DELTA_BASE_PATH!)
      await expect.poll(taken, { timeout: 60_000, interval: 50 }).toBe(BigInt(sent))
    }
    for (const process of [first, aggregations!, fraud!]) {
      const { code, log } = await process.end('SIGTERM')
      expect(code, log).toBe(0)
    }
    for (const record of records.slice(sent)) producer.send(record)
    await producer.command('flush')
    await producer.close()
    await runAssay(['run', 'kafka-to-delta', '--once', '--finalize'], settings)
    await Promise.all([
      runAssay(['run', 'fraud-detection', '--once'], settings),
      runAssay(['run', 'aggregations', '--once'], settings),
    ])
    await expectRight(settings.DELTA_BASE_PATH!, await consumer.read(topic))
    await runAssay(['verify'], settings)
  })
})

async function lakehouseOf(topic: string, more: Settings = {}): Promise<Settings> {
  return settingsFor(broker.bootstrapServers, topic, await temporaryDirectory(), more)
}

async function produce(records: readonly SentRecord[], codec: string): Promise<void> {
  const producer = await openJavaProducer(broker.bootstrapServers, {
    'compression.type': codec,
    'linger.ms': '20',
  })
  for (const record of records) producer.send(record)
  await producer.command('flush')
  await producer.close()
}
