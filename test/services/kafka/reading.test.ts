import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { openJavaProducer, type SentRecord } from './java-producer.ts'
import { NO_SIGNAL, openSource, type PlainRecord, readAll, readRecords, text } from './records.ts'

let broker: SharedBroker

describe.skipIf(javaAvailable !== null)('reading a topic', () => {
  beforeAll(async () => {
    broker = await sharedBroker()
  })
  afterAll(async () => {
    await broker?.leave()
  })

  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
    'records that Java compressed with %s are equal',
    async (codec) => {
      const topic = `codec-${codec}`
      await broker.createTopic(topic, 2)
      const sent = Array.from({ length: 3_000 }, (_, index) => variedRecord(topic, index))
      await produce(sent, { 'compression.type': codec, 'linger.ms': '20' })
      const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
      const read = await readAll(source)
      expect(withoutOffsets(read)).toEqual(expectedOf(sent))
      for (const partition of [0, 1]) {
        const offsets = read.filter((record) => record.partition === partition).map(({ offset }) => offset)
        expect(offsets).toEqual(offsets.map((_, index) => BigInt(index)))
      }
      await source.close()
    },
  )

  test('a range gives exactly its records, wherever batches begin and end', async () => {
    const topic = 'ranges'
    await broker.createTopic(topic, 1)
    const sent = Array.from({ length: 1_000 }, (_, index) => plainRecord(topic, 0, index))
    await produce(sent, { 'compression.type': 'lz4', 'linger.ms': '50', 'batch.size': '4096' })
    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
    const ranges: [number, number][] = [
      [0, 1000],
      [0, 1],
      [999, 1000],
      [1, 999],
      [333, 334],
      [500, 700],
    ]
    for (const [start, end] of ranges) {
      const read = await readRecords(source, [
        { topic, partition: 0, start: BigInt(start), end: BigInt(end) },
      ])
      expect(read.map(({ offset }) => Number(offset))).toEqual(integers(start, end))
      expect(read.map(({ value }) => value)).toEqual(integers(start, end).map((index) => `value ${index}`))
    }
    await source.close()
  })

  test('aborted transactions are not read, and open ones end the range', async () => {
    const topic = 'transactions'
    await broker.createTopic(topic, 2)
    const first = await openJavaProducer(broker.bootstrapServers, {
      'transactional.id': 'first',
      'linger.ms': '5',
    })
    const second = await openJavaProducer(broker.bootstrapServers, {
      'transactional.id': 'second',
      'linger.ms': '5',
    })
    const committed: SentRecord[] = []
    // Two producers interleave, so that an aborted transaction of one lies around a committed one of the
    // other.
    for (let round = 0; round < 6; round += 1) {
      await first.command('begin')
      await second.command('begin')
      for (let index = 0; index < 20; index += 1) {
        const ofFirst = plainRecord(topic, index % 2, round * 1000 + index)
        const ofSecond = plainRecord(topic, index % 2, round * 1000 + 500 + index)
        first.send(ofFirst)
        second.send(ofSecond)
        if (index === 10) await Promise.all([first.command('flush'), second.command('flush')])
        if (round % 2 === 0) committed.push(ofFirst)
        if (round % 3 === 0) committed.push(ofSecond)
      }
      await Promise.all([first.command('flush'), second.command('flush')])
      await first.command(round % 2 === 0 ? 'commit' : 'abort')
      await second.command(round % 3 === 0 ? 'commit' : 'abort')
    }
    await first.command('begin')
    for (const partition of [0, 1]) first.send(plainRecord(topic, partition, 9_000))
    await first.command('flush')

    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
    const byValue = (records: PlainRecord[]) =>
      records.map(({ partition, value }) => `${partition} ${value}`).sort()
    const expected = committed.map(({ partition, value }) => `${partition} ${text(value)}`)
    expect(byValue(await readAll(source))).toEqual(expected.sort())
    expect(byValue(await readAll(source, 7))).toEqual(expected)
    await first.command('abort')
    expect(byValue(await readAll(source))).toEqual(expected)
    await Promise.all([first.close(), second.close(), source.close()])
  })

  test('a compacted topic is read over its holes, also where a range ends in one', async () => {
    const topic = 'compacted'
    await broker.createTopic(topic, 1, {
      'cleanup.policy': 'compact',
      'segment.ms': '200',
      'min.cleanable.dirty.ratio': '0.01',
      'max.compaction.lag.ms': '200',
      'delete.retention.ms': '0',
    })
    const keyed = (index: number): SentRecord => ({
      ...plainRecord(topic, 0, index),
      key: Buffer.from(`key ${index % 5}`),
      value: index % 5 === 4 ? null : Buffer.from(`value ${index}`),
    })
    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
    const producer = await openJavaProducer(broker.bootstrapServers, { 'linger.ms': '0', 'batch.size': '1' })
    for (const index of integers(0, 200)) producer.send(keyed(index))
    await producer.command('flush')
    let read = await readAll(source)
    // A segment is cleaned when a later record has closed it: the tail grows until holes show.
    const deadline = Date.now() + 60_000
    for (let index = 200; read.length > 100 && Date.now() < deadline; index += 1) {
      producer.send(keyed(index))
      await producer.command('flush')
      await sleep(250)
      read = await readAll(source)
    }
    expect(read.length).toBeLessThan(100)
    for (const { offset, key, value } of read) {
      const index = Number(offset)
      expect([key, value]).toEqual([`key ${index % 5}`, index % 5 === 4 ? null : `value ${index}`])
    }
    const existing = read.map(({ offset }) => offset)
    for (const end of [1n, 50n, 100n, 199n]) {
      const range = { topic, partition: 0, start: 0n, end }
      const part = await readRecords(source, [range], AbortSignal.timeout(10_000))
      expect(part.map(({ offset }) => offset)).toEqual(existing.filter((offset) => offset < end))
    }
    await producer.close()
    await source.close()
  })

  test('records of 10 MB come through, beside small ones in other partitions', async () => {
    const topic = 'large'
    await broker.createTopic(topic, 3, { 'max.message.bytes': '20000000' })
    const large = (fill: number): Uint8Array => Buffer.alloc(10_000_000, fill)
    const sent: SentRecord[] = []
    for (const partition of [0, 1, 2]) {
      sent.push(plainRecord(topic, partition, partition))
      sent.push({ ...plainRecord(topic, partition, 10 + partition), value: large(65 + partition) })
      sent.push(plainRecord(topic, partition, 20 + partition))
    }
    await produce(sent, { 'compression.type': 'none' })
    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
    const { ranges } = await source.cut(new Map(), 100, NO_SIGNAL)
    expect(ranges.map(({ end }) => end)).toEqual([3n, 3n, 3n])
    const read = withoutOffsets(await readAll(source))
    const expected = expectedOf(sent)
    const shape = (records: Omit<PlainRecord, 'offset'>[]) =>
      records.map(({ partition, value }) => `${partition}: ${value?.length} bytes`)
    expect(shape(read)).toEqual(shape(expected))
    for (const [index, record] of read.entries()) {
      const { value, ...rest } = expected[index]!
      expect(record).toMatchObject(rest)
      expect(record.value === value).toBe(true)
    }
    await source.close()
  })

  test('with LogAppendTime a record has the time of the broker', async () => {
    const topic = 'append-time'
    await broker.createTopic(topic, 1, { 'message.timestamp.type': 'LogAppendTime' })
    const before = Date.now()
    await produce([plainRecord(topic, 0, 1)], {})
    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
    const [record] = await readAll(source)
    expect(record!.timestampMs).toBeGreaterThanOrEqual(before)
    expect(record!.timestampMs).toBeLessThanOrEqual(Date.now())
    await source.close()
  })

  test('several topics are one input', async () => {
    for (const topic of ['one', 'two']) {
      await broker.createTopic(topic, 1)
      await produce([plainRecord(topic, 0, 1), plainRecord(topic, 0, 2)], {})
    }
    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic: 'one,two' })
    const { ranges } = await source.cut(new Map(), 100, NO_SIGNAL)
    expect(ranges).toMatchObject([
      { topic: 'one', partition: 0, start: 0n, end: 2n },
      { topic: 'two', partition: 0, start: 0n, end: 2n },
    ])
    expect(await readRecords(source, ranges)).toHaveLength(4)
    await source.close()
  })
})

/**
 * Every shape that a record may have: no key, an empty value, a tombstone, headers with and without values.
 */
function variedRecord(topic: string, index: number): SentRecord {
  const value = Buffer.from(`{"transaction_id":"${index}","note":"${'\u00e9x'.repeat(index % 60)}"}`)
  return {
    topic,
    partition: index % 3 === 0 ? 1 : 0,
    // Back and forth, and over more than 32 bits from the first to the last.
    timestampMs: 1_700_000_000_000 + (index % 2 === 0 ? index : -index) * 3_000_000,
    key: index % 7 === 0 ? null : Buffer.from(index % 11 === 0 ? '' : `key ${index}`),
    value: index % 13 === 0 ? null : index % 17 === 0 ? Buffer.alloc(0) : value,
    headers:
      index % 5 === 0
        ? [
            ['trace', Buffer.from([0, 255, index % 256])],
            ['none', null],
            ['trace', Buffer.alloc(0)],
          ]
        : [],
  }
}

function plainRecord(topic: string, partition: number, index: number): SentRecord {
  const timestampMs = 1_700_000_000_000 + index
  return {
    topic,
    partition,
    timestampMs,
    key: Buffer.from(`key ${index}`),
    value: Buffer.from(`value ${index}`),
  }
}

async function produce(records: readonly SentRecord[], properties: Record<string, string>): Promise<void> {
  const producer = await openJavaProducer(broker.bootstrapServers, properties)
  for (const record of records) producer.send(record)
  await producer.command('flush')
  await producer.close()
}

function expectedOf(sent: readonly SentRecord[]): Omit<PlainRecord, 'offset'>[] {
  return sent
    .map(({ partition, timestampMs, key, value, headers = [] }) => ({
      partition: partition!,
      timestampMs: timestampMs!,
      key: text(key),
      value: text(value),
      headers: headers.length === 0 ? null : headers.map(([name, bytes]) => [name, text(bytes)] as const),
    }))
    .sort((a, b) => a.partition - b.partition)
}

function withoutOffsets(records: readonly PlainRecord[]): Omit<PlainRecord, 'offset'>[] {
  return records.map(({ offset: _, ...rest }) => rest)
}

function integers(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index)
}
