import { Admin } from '@platformatic/kafka'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { OffsetRange } from '../../../src/batches/offsets.ts'
import type { Cut } from '../../../src/batches/source.ts'
import type { StartingOffsets } from '../../../src/kafka/options.ts'
import type { ProducedRecord } from '../../../src/kafka/produced-record.ts'
import { openKafkaProducer } from '../../../src/kafka/producer.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { openJavaProducer } from './java-producer.ts'
import { advance, NO_SIGNAL, offsetsOf, openSource, readAll, readRecords } from './records.ts'

const start = Date.UTC(2024, 2, 10)
let broker: SharedBroker

describe.skipIf(javaAvailable !== null)('cutting batches', () => {
  beforeAll(async () => {
    broker = await sharedBroker()
  })
  afterAll(async () => {
    await broker?.leave()
  })

  test('uneven partitions are cut at one timestamp, and every record comes once', async () => {
    const topic = 'uneven'
    await broker.createTopic(topic, 3)
    // Partition 0 has a record every ms, 1 every 10 ms, 2 in bursts of 500 at one ms.
    const times = [
      Array.from({ length: 5_000 }, (_, index) => index),
      Array.from({ length: 500 }, (_, index) => index * 10),
      Array.from({ length: 2_000 }, (_, index) => Math.floor(index / 500) * 1_000),
    ]
    const producer = await openJavaProducer(broker.bootstrapServers, {
      'linger.ms': '20',
      'compression.type': 'lz4',
    })
    for (const [partition, offsets] of times.entries()) {
      for (const time of offsets) {
        producer.send({
          topic,
          partition,
          timestampMs: start + time,
          key: null,
          value: Buffer.from(`${time}`),
        })
      }
    }
    await producer.command('flush')
    await producer.close()
    const source = await openFor(topic)
    const seen = new Set<string>()
    let next = offsetsOf(topic, [])
    let latestBefore = -1
    for (let more = true; more; ) {
      const cut = await source.cut(next, 700, NO_SIGNAL)
      const records = await readRecords(source, cut.ranges)
      const earliest = Math.min(...records.map(({ timestampMs }) => timestampMs))
      const latest = Math.max(...records.map(({ timestampMs }) => timestampMs))
      // Nothing that is earlier than what an earlier batch held is left for a later one.
      expect(earliest).toBeGreaterThan(latestBefore)
      expect(records.length).toBeLessThanOrEqual(700)
      for (const { partition, offset } of records) seen.add(`${partition} ${offset}`)
      latestBefore = latest
      next = advance(next, cut)
      more = cut.more
    }
    expect(seen.size).toBe(7_500)
  })

  test('a millisecond that holds more than the limit is shared among batches', async () => {
    const topic = 'burst'
    await broker.createTopic(topic, 2)
    const records = Array.from({ length: 300 }, (_, index) => record(index, start + Math.floor(index / 100)))
    await produce(topic, records)
    const source = await openFor(topic)
    let next = offsetsOf(topic, [])
    let seen: number[] = []
    for (let more = true; more; ) {
      const cut = await source.cut(next, 10, NO_SIGNAL)
      const values = (await readRecords(source, cut.ranges)).map(({ value }) => Number(value))
      expect(values.length).toBeLessThanOrEqual(10)
      // What is earlier was read before.
      if (seen.length > 0)
        expect(Math.min(...values)).toBeGreaterThanOrEqual(Math.floor(Math.max(...seen) / 100) * 100)
      seen = [...seen, ...values]
      next = advance(next, cut)
      more = cut.more
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, index) => index))
  })

  test('a partition waits when it ends behind what the batch takes of it', async () => {
    const topic = 'waiting-behind'
    await broker.createTopic(topic, 3)
    const at = (partition: number, ms: number) => ({
      ...{ topic, partition, timestampMs: start + ms, key: null, value: Buffer.from(`${ms}`) },
    })
    const [ahead, others] = [at(0, 3_000_000), Array.from({ length: 40 }, (_, index) => at(index % 2, index))]
    const java = await openJavaProducer(broker.bootstrapServers)
    for (const one of [ahead, ...others]) java.send(one)
    await java.command('flush')
    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic, untilNow: true })
    onTestFinished(() => source.close())
    const taken = ({ ranges }: Cut) =>
      ranges
        .filter(({ start, end }) => start < end)
        .map(({ partition, start, end }) => [partition, start, end])
    const waitingOf = ({ waiting }: Cut) => waiting.map(({ partition }) => partition)
    const first = await source.cut(new Map(), 10, NO_SIGNAL)
    // The record that is ahead keeps its partition out of the cut at one timestamp.
    expect(taken(first)).toEqual([[1, 0n, 10n]])
    expect(waitingOf(first)).toEqual([0, 1])
    const next = advance(offsetsOf(topic, []), first)
    const preferring = await source.cut(next, 10, NO_SIGNAL, [{ topic, partition: 0 }])
    expect(taken(preferring)).toEqual([
      [0, 0n, 5n],
      [1, 10n, 15n],
    ])
    const rest = await source.cut(next, 1_000, NO_SIGNAL)
    expect(waitingOf(rest)).toEqual([])
    // The run takes only what was there at its start; the end is the real one.
    java.send(at(1, 50))
    java.send(at(2, 50))
    await java.command('flush')
    await java.close()
    const done = await source.cut(advance(next, rest), 1_000, NO_SIGNAL)
    expect([taken(done), done.more]).toEqual([[], false])
    expect(waitingOf(done)).toEqual([1, 2])
  })

  test('timestamps out of order never stop the progress', async () => {
    const topic = 'disorder'
    await broker.createTopic(topic, 2)
    const records = Array.from({ length: 400 }, (_, index) => record(index, start + ((index * 7_919) % 400)))
    await produce(topic, [record(1_000, start + 3_000_000), ...records])
    const all = await readAll(await openFor(topic), 25)
    expect(all.map(({ value }) => Number(value)).sort((a, b) => a - b)).toEqual([
      ...Array.from({ length: 400 }, (_, index) => index),
      1_000,
    ])
  })

  test('it starts at the earliest record, at the end, or at a time', async () => {
    const topic = 'starts'
    await broker.createTopic(topic, 1)
    await produce(
      topic,
      Array.from({ length: 100 }, (_, index) => record(index, start + index * 1_000)),
    )
    const values = async (startingOffsets: Parameters<typeof openFor>[1]) => {
      const source = await openFor(topic, startingOffsets)
      return (await readAll(source)).map(({ value }) => Number(value))
    }
    expect((await values({ kind: 'earliest' }))[0]).toBe(0)
    expect((await values({ kind: 'time', timestampMs: start + 41_500 }))[0]).toBe(42)
    expect(await values({ kind: 'time', timestampMs: start + 1_000_000 })).toEqual([])

    const latest = await openFor(topic, { kind: 'latest' })
    const started = await latest.cut(new Map(), 10, NO_SIGNAL)
    // Without a record, but with the place where reading starts: the tables keep it.
    expect(started).toMatchObject({ ranges: [{ topic, partition: 0, start: 100n, end: 100n }], more: false })
    expect((await latest.cut(advance(new Map(), started), 10, NO_SIGNAL)).ranges).toEqual([])
    await produce(topic, [record(500, start), record(501, start)])
    expect((await readAll(latest)).map(({ value }) => value)).toEqual(['500', '501'])
    // The progress of the tables counts, not the starting position.
    const { ranges } = await latest.cut(offsetsOf(topic, [10n]), 1_000, NO_SIGNAL)
    expect(ranges).toMatchObject([{ topic, partition: 0, start: 10n, end: 102n }])
  })

  test('until now means what was there at the first look', async () => {
    const topic = 'until'
    await broker.createTopic(topic, 1)
    await produce(topic, [record(1, start), record(2, start)])
    const { source } = await openSource({
      ...{ bootstrapServers: broker.bootstrapServers, topic, untilNow: true },
    })
    onTestFinished(() => source.close())
    const first = await source.cut(new Map(), 1_000, NO_SIGNAL)
    expect(first.ranges).toMatchObject([{ start: 0n, end: 2n }])
    await broker.addPartitions(topic, 2)
    await produce(
      topic,
      Array.from({ length: 20 }, (_, index) => record(index, start)),
    )
    const next = advance(new Map(), first)
    expect((await source.cut(next, 1_000, NO_SIGNAL)).ranges).toEqual([])
    expect(await source.lag(next, NO_SIGNAL)).toBe(0n)
    const later = await openFor(topic)
    const { ranges } = await later.cut(next, 1_000, NO_SIGNAL)
    expect(ranges.reduce((sum, range) => sum + Number(range.end - range.start), 0)).toBe(20)
  })

  test('partitions that are added are read from their beginning', async () => {
    const topic = 'growing'
    await broker.createTopic(topic, 1)
    await produce(topic, [record(1, start)])
    const source = await openFor(topic, { kind: 'latest' })
    const before = await source.cut(new Map(), 10, NO_SIGNAL)
    expect(before.ranges).toMatchObject([{ topic, partition: 0, start: 1n, end: 1n }])
    await broker.addPartitions(topic, 3)
    await produce(
      topic,
      Array.from({ length: 60 }, (_, index) => record(index, start)),
    )
    let ranges: readonly OffsetRange[] = []
    const deadline = AbortSignal.timeout(30_000)
    while (ranges.length < 3) {
      const next = advance(new Map(), before)
      await source.waitForData(next, 500, deadline)
      ranges = (await source.cut(next, 1_000, deadline)).ranges
    }
    expect(ranges.map(({ partition }) => partition)).toEqual([0, 1, 2])
    expect(ranges.reduce((sum, range) => sum + Number(range.end - range.start), 0)).toBe(60)
    expect(ranges.map((range) => range.start)).toEqual([1n, 0n, 0n])
    // A run that starts now and has the progress of partition 0 alone takes the others as new ones, too.
    const restarted = await openFor(topic, { kind: 'latest' })
    const cut = await restarted.cut(offsetsOf(topic, [1n]), 1_000, NO_SIGNAL)
    expect(cut.ranges).toEqual(ranges)
    // Nor does a time at which reading starts count for them, however old their records are.
    const sinceLater = await openFor(topic, { kind: 'time', timestampMs: start + 1_000_000 })
    expect((await sinceLater.cut(offsetsOf(topic, [1n]), 1_000, NO_SIGNAL)).ranges).toEqual(ranges)
  })

  test('a wait ends soon after the first record was written, else at its limit', async () => {
    const topic = 'waiting'
    await broker.createTopic(topic, 4)
    const producer = await openKafkaProducer({
      bootstrapServers: broker.bootstrapServers,
      topic,
      compression: 'none',
    })
    const source = await openFor(topic)
    let next = offsetsOf(topic, [0n, 0n, 0n, 0n])
    await source.cut(next, 10, NO_SIGNAL)
    const begun = performance.now()
    await source.waitForData(next, 150, NO_SIGNAL)
    expect(performance.now() - begun).toBeGreaterThan(140)
    expect(performance.now() - begun).toBeLessThan(1_000)
    const latencies: number[] = []
    for (let index = 0; index < 20; index += 1) {
      const waited = source.waitForData(next, 30_000, NO_SIGNAL).then(() => performance.now())
      await producer.send([record(index, start)])
      const written = performance.now()
      latencies.push((await waited) - written)
      const cut = await source.cut(next, 10, NO_SIGNAL)
      expect(cut.ranges).toHaveLength(1)
      next = advance(next, cut)
    }
    latencies.sort((a, b) => a - b)
    console.log(
      `from the acknowledged record to the end of the wait, median: ${latencies[10]!.toFixed(1)} ms`,
    )
    expect(latencies[10]).toBeLessThan(50)
    await producer.close()
  })

  test('lag counts the offsets that are waiting, and progress is reported to the group', async () => {
    const topic = 'lag'
    await broker.createTopic(topic, 1)
    await produce(
      topic,
      Array.from({ length: 30 }, (_, index) => record(index, start)),
    )
    const source = await openFor(topic)
    expect(await source.lag(new Map(), NO_SIGNAL)).toBe(30n)
    expect(await source.lag(offsetsOf(topic, [12n]), NO_SIGNAL)).toBe(18n)
    // The newest of what is told while a request is under way is what the group has in the end.
    for (const offset of [3n, 5n, 12n]) await source.reportProgress(offsetsOf(topic, [offset]))
    await source.close()
    const admin = new Admin({ clientId: 'assay-test', bootstrapBrokers: broker.bootstrapServers })
    const [group] = await admin.listConsumerGroupOffsets({ groups: ['assay-test'] })
    await admin.close()
    expect(group!.topics).toMatchObject([
      { name: topic, partitions: [{ partitionIndex: 0, committedOffset: 12n }] },
    ])
  })

  test('the producer writes what Java writes, into the same partitions', async () => {
    for (const topic of ['by-java', 'by-assay']) await broker.createTopic(topic, 5)
    const keys = Array.from({ length: 200 }, (_, index) => Buffer.from(`user ${index * 31}`))
    const java = await openJavaProducer(broker.bootstrapServers)
    const headers = { trace: Buffer.from([0, 255]) }
    for (const [index, key] of keys.entries()) {
      const value = index % 9 === 0 ? null : Buffer.from(`${index}`)
      java.send({
        topic: 'by-java',
        timestampMs: start + index,
        key,
        value,
        headers: Object.entries(headers),
      })
    }
    await java.command('flush')
    await java.close()
    const records = keys.map((key, index) => ({
      key,
      value: index % 9 === 0 ? null : Buffer.from(`${index}`),
      timestampMs: start + index,
      headers,
    }))
    await produce('by-assay', records)
    const [byJava, byAssay] = [
      await readAll(await openFor('by-java')),
      await readAll(await openFor('by-assay')),
    ]
    expect(byAssay).toEqual(byJava)
    expect(byAssay).toHaveLength(200)
  })

  test('the producer creates a topic when asked, and says when there is none', async () => {
    const options = { bootstrapServers: broker.bootstrapServers, topic: 'made', compression: 'zstd' } as const
    await expect(openKafkaProducer(options)).rejects.toMatchObject({ code: 'KAFKA_TOPIC_MISSING' })
    const producer = await openKafkaProducer({ ...options, createPartitions: 3 })
    expect(producer.partitionCount).toBe(3)
    await producer.send([{ key: null, value: Buffer.from('x') }])
    await producer.close()
    expect(await readAll(await openFor('made'))).toMatchObject([{ key: null, value: 'x' }])
  })

  test('a record larger than the topic takes is refused by name', async () => {
    await broker.createTopic('small', 1, { 'max.message.bytes': '1000' })
    const options = {
      bootstrapServers: broker.bootstrapServers,
      topic: 'small',
      compression: 'none',
    } as const
    const producer = await openKafkaProducer(options)
    const large = { key: null, value: Buffer.alloc(5_000, 1) }
    await expect(producer.send([large])).rejects.toMatchObject({ code: 'KAFKA_RECORD_TOO_LARGE' })
    await producer.close()
  })
})

async function openFor(topic: string, startingOffsets: StartingOffsets = { kind: 'earliest' }) {
  const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic, startingOffsets })
  onTestFinished(() => source.close())
  return source
}

function record(index: number, timestampMs: number): ProducedRecord {
  return { key: Buffer.from(`key ${index}`), value: Buffer.from(`${index}`), timestampMs }
}

async function produce(topic: string, records: readonly ProducedRecord[]): Promise<void> {
  const producer = await openKafkaProducer({
    bootstrapServers: broker.bootstrapServers,
    topic,
    compression: 'lz4',
  })
  await producer.send(records)
  await producer.close()
}
