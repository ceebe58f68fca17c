import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { RecordChunk } from '../../../src/batches/source.ts'
import { checkKafka } from '../../../src/kafka/check.ts'
import type { KafkaSourceOptions } from '../../../src/kafka/options.ts'
import { openKafkaProducer } from '../../../src/kafka/producer.ts'
import { type Broker, SASL_USER, startBroker } from '../broker.ts'
import { javaAvailable } from '../tools.ts'
import { advance, NO_SIGNAL, offsetsOf, openSource, readAll, readRecords } from './records.ts'

let broker: Broker

describe.skipIf(javaAvailable !== null)('when something fails', () => {
  beforeAll(async () => {
    broker = await startBroker()
  })
  afterAll(async () => {
    await broker?.stop()
  })

  test('a read goes on where it was when the broker is killed and restarted in its middle', async () => {
    const topic = 'killed'
    await broker.createTopic(topic, 2)
    const count = 200_000
    // Uncompressed, so that it takes many fetches.
    await produce(topic, count, 'none')
    const { source, notices } = await openFor(topic)
    const { ranges } = await source.cut(new Map(), count, NO_SIGNAL)
    const values = new Set<string>()
    let records = 0
    let chunks = 0
    const onChunk = async (chunk: RecordChunk): Promise<void> => {
      records += chunk.count
      for (const value of chunk.values) values.add(Buffer.from(value!).toString())
      chunks += 1
      if (chunks === 1) {
        await broker.kill()
        void sleep(1_500).then(() => broker.restart())
      }
    }
    await source.read(ranges, onChunk, AbortSignal.timeout(120_000))
    expect(records).toBe(count)
    expect(values.size).toBe(count)
    expect(chunks).toBeGreaterThan(1)
    expect(notices.map(({ code }) => code)).toEqual(['KAFKA_UNREACHABLE', 'KAFKA_BACK'])
    // The same connections serve what comes next.
    expect(await source.lag(offsetsOf(topic, [0n, 0n]), NO_SIGNAL)).toBe(BigInt(count))
  })

  test('lag and progress are told without waiting, also while the broker is away', async () => {
    const topic = 'unhurried'
    await broker.createTopic(topic, 1)
    await produce(topic, 30)
    const { source, notices } = await openFor(topic)
    await source.cut(new Map(), 10, NO_SIGNAL)
    await broker.kill()
    const begun = performance.now()
    for (let offset = 0n; offset < 20n; offset += 1n) {
      await source.reportProgress(offsetsOf(topic, [offset]))
      expect(await source.lag(offsetsOf(topic, [offset]), NO_SIGNAL)).toBe(30n - offset)
    }
    expect(performance.now() - begun).toBeLessThan(100)
    const closing = performance.now()
    await source.close()
    expect(performance.now() - closing).toBeLessThan(5_000)
    expect(notices.map(({ code }) => code)).toEqual(['KAFKA_PROGRESS_NOT_REPORTED'])
    await broker.restart()
  })

  test('a wait lasts through the absence of the broker, and ends at its limit', async () => {
    const topic = 'absent'
    await broker.createTopic(topic, 1)
    const { source, notices } = await openFor(topic)
    const next = offsetsOf(topic, [0n])
    await source.cut(next, 10, NO_SIGNAL)
    await broker.kill()
    const begun = performance.now()
    await source.waitForData(next, 1_000, NO_SIGNAL)
    expect(performance.now() - begun).toBeGreaterThan(950)
    expect(performance.now() - begun).toBeLessThan(3_000)
    const waited = source.waitForData(next, 60_000, NO_SIGNAL)
    await broker.restart()
    await produce(topic, 3)
    await waited
    expect((await source.cut(next, 10, NO_SIGNAL)).ranges).toHaveLength(1)
    expect(notices.map(({ code }) => code)).toEqual(['KAFKA_UNREACHABLE', 'KAFKA_BACK'])
  })

  test('a topic that is created later is waited for; the notice says how to create it', async () => {
    const { source, notices } = await openFor('later')
    const cutting = source.cut(new Map(), 1_000, NO_SIGNAL)
    await expect.poll(() => notices.length).toBe(1)
    expect(notices[0]).toMatchObject({ code: 'KAFKA_TOPIC_MISSING' })
    expect(notices[0]!.message).toContain('kafka-topics.sh')
    await broker.createTopic('later', 1)
    await produce('later', 5)
    const { ranges } = await cutting
    expect(ranges.length).toBeLessThanOrEqual(1)
    expect(await readAll(source)).toHaveLength(5)
    expect(notices.map(({ code }) => code)).toEqual(['KAFKA_TOPIC_MISSING', 'KAFKA_BACK'])
  })

  test('offsets that retention deleted are an error, or counted and passed over', async () => {
    const topic = 'deleted'
    await broker.createTopic(topic, 1)
    await produce(topic, 100)
    const failing = await openFor(topic)
    const lossy = await openFor(topic, { onDataLoss: 'continue' })
    const { ranges } = await failing.source.cut(offsetsOf(topic, [10n]), 1_000, NO_SIGNAL)
    await broker.deleteRecordsBefore(topic, 0, 40n)
    const lost = { topic, partition: 0, wanted: 10n, earliest: 40n, lost: 30n }
    const error = { code: 'KAFKA_OFFSETS_LOST', details: lost }
    await expect(failing.source.cut(offsetsOf(topic, [10n]), 1_000, NO_SIGNAL)).rejects.toMatchObject(error)
    await expect(failing.source.read(ranges, () => {}, NO_SIGNAL)).rejects.toMatchObject(error)
    expect((await failing.source.cut(offsetsOf(topic, [40n]), 1_000, NO_SIGNAL)).ranges).toHaveLength(1)

    const cut = await lossy.source.cut(offsetsOf(topic, [10n]), 1_000, NO_SIGNAL)
    expect(cut.ranges).toMatchObject([{ topic, partition: 0, start: 40n, end: 100n }])
    let records = 0
    // The batch was planned before the records were deleted.
    const count = (chunk: RecordChunk): void => {
      records += chunk.count
    }
    await lossy.source.read(ranges, count, NO_SIGNAL)
    expect(records).toBe(60)
    expect(lossy.notices).toMatchObject([error])

    // Where nothing is left, the place behind the loss is what the tables get, so that no later run finds the
    // lost offsets again.
    await broker.deleteRecordsBefore(topic, 0, 100n)
    const moved = await lossy.source.cut(offsetsOf(topic, [10n]), 1_000, NO_SIGNAL)
    expect(moved.ranges).toMatchObject([{ topic, partition: 0, start: 100n, end: 100n }])
    const next = advance(new Map(), moved)
    expect((await failing.source.cut(next, 1_000, NO_SIGNAL)).ranges).toEqual([])
    const begun = performance.now()
    await lossy.source.waitForData(next, 300, NO_SIGNAL)
    expect(performance.now() - begun).toBeGreaterThan(280)
    await produce(topic, 1)
    const behind = await lossy.source.cut(next, 1_000, NO_SIGNAL)
    expect(behind.ranges).toMatchObject([{ topic, partition: 0, start: 100n, end: 101n }])
    expect(await lossy.source.lag(offsetsOf(topic, [101n]), NO_SIGNAL)).toBe(0n)
  })

  test('a topic that was deleted and created anew is not taken for the old one', async () => {
    const topic = 'anew'
    await broker.createTopic(topic, 1)
    await produce(topic, 50)
    const { source } = await openFor(topic)
    const cut = await source.cut(new Map(), 100, NO_SIGNAL)
    const next = advance(new Map(), cut)
    await broker.deleteTopic(topic)
    await broker.createTopic(topic, 1)
    await produce(topic, 60)
    // It has more records than were read of the old one: only the id of the topic tells.
    const recreated = { code: 'KAFKA_TOPIC_CHANGED', details: { topic, kind: 'recreated' } }
    await expect(source.read(cut.ranges, () => {}, NO_SIGNAL)).rejects.toMatchObject(recreated)
    // The tables keep the id, so a run that starts now knows it too; and no loss of records is what it is.
    for (const onDataLoss of ['fail', 'continue'] as const) {
      const later = await openFor(topic, { onDataLoss })
      await expect(later.source.cut(next, 100, NO_SIGNAL)).rejects.toMatchObject(recreated)
    }

    // Brokers of old give topics no ids: then tables that are ahead of the topic tell.
    const withoutId = await openFor(topic, { onDataLoss: 'continue' })
    await expect(withoutId.source.cut(offsetsOf(topic, [61n]), 100, NO_SIGNAL)).rejects.toMatchObject({
      code: 'KAFKA_TOPIC_CHANGED',
      details: { kind: 'rewound', wanted: 61n, end: 60n },
    })
  })

  test('a password is checked: right, wrong, missing', async () => {
    const topic = 'secret'
    await broker.createTopic(topic, 1)
    await produce(topic, 4)
    const bootstrapServers = broker.saslBootstrapServers
    const right = await openFor(topic, { bootstrapServers, sasl: { mechanism: 'PLAIN', ...SASL_USER } })
    expect(await readAll(right.source)).toHaveLength(4)
    const sasl = { mechanism: 'PLAIN', username: SASL_USER.username, password: 'wrong' } as const
    const wrong = await openFor(topic, { bootstrapServers, sasl })
    await expect(wrong.source.cut(new Map(), 10, NO_SIGNAL)).rejects.toMatchObject({
      code: 'KAFKA_AUTHENTICATION_FAILED',
    })
    const missing = await openFor(topic, { bootstrapServers, giveUpAfterMs: 500 })
    await expect(missing.source.cut(new Map(), 10, NO_SIGNAL)).rejects.toMatchObject({
      code: 'KAFKA_UNREACHABLE',
    })
  })

  test('a broker that advertises an address that does not answer is told as that', async () => {
    const other = await startBroker({ saslAdvertised: 'broker.invalid:29092' })
    onTestFinished(() => other.stop())
    const topic = 'unreachable'
    await other.createTopic(topic, 1)
    const bootstrapServers = other.saslBootstrapServers
    const sasl = { mechanism: 'PLAIN', ...SASL_USER } as const
    const said = new RegExp(
      `^Kafka at ${bootstrapServers[0]} answers.* broker.invalid:29092 .*advertised.listeners`,
    )
    const { source, notices } = await openFor(topic, { bootstrapServers, sasl, giveUpAfterMs: 1_500 })
    const failure = await source.cut(new Map(), 10, NO_SIGNAL).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'KAFKA_UNREACHABLE', message: expect.stringMatching(said) })
    // Only what goes on says so.
    expect(String(failure)).not.toContain('tries again')
    expect(notices[0]!.message).toMatch(said)
    expect(notices[0]!.message).toMatch(/Assay tries again\.$/)
    expect(await checkKafka({ bootstrapServers, sasl, topic, ...asked })).toMatchObject([
      { name: 'Kafka broker', verdict: 'ok' },
      { name: `Kafka topic ${topic}`, verdict: 'FAIL', message: expect.stringMatching(said) },
      { name: 'Kafka compression', verdict: 'ok' },
    ])
    const producing = openKafkaProducer({ bootstrapServers, sasl, topic, compression: 'none' })
    await expect(producing).rejects.toMatchObject({ message: expect.stringMatching(said) })
  })

  test('calls of a producer that come at once keep their order, and none fails for a record of another that is too large', async () => {
    const topic = 'sent-at-once'
    await broker.createTopic(topic, 2, { 'max.message.bytes': '1000000' })
    const { bootstrapServers } = broker
    const producer = await openKafkaProducer({ bootstrapServers, topic, compression: 'none' })
    const calls = 2_000
    const record = (index: number) => ({ key: Buffer.from(`${index % 7}`), value: Buffer.from(`${index}`) })
    await Promise.all(Array.from({ length: calls }, (_, index) => producer.send([record(index)])))

    const { source } = await openFor(topic)
    const { ranges } = await source.cut(new Map(), 2 * calls, NO_SIGNAL)
    const found = await readRecords(source, ranges)
    const ofKey = Map.groupBy(found, ({ key }) => key)
    for (const [key, records] of ofKey) {
      const sent = Array.from({ length: calls }, (_, index) => index).filter(
        (index) => `${index % 7}` === key,
      )
      expect(records.map(({ value }) => Number(value))).toEqual(sent)
    }
    expect(found).toHaveLength(calls)

    const large = { key: null, value: Buffer.alloc(990_000) }
    const sent = [record(1), large, { key: null, value: Buffer.alloc(2_000_000) }, record(2), record(3)]
    const settled = await Promise.allSettled(sent.map((one) => producer.send([one])))
    const codes = settled.map((one) =>
      one.status === 'rejected' ? (one.reason as { code?: string }).code : 'sent',
    )
    // Of a batch the broker counts more than the bytes of its record.
    expect(codes).toEqual(['sent', 'sent', 'KAFKA_RECORD_TOO_LARGE', 'sent', 'sent'])
    await producer.close()
  })

  test('it gives up after the time that it was given', async () => {
    const { source } = await openFor('any', { bootstrapServers: ['127.0.0.1:1'], giveUpAfterMs: 400 })
    await expect(source.cut(new Map(), 10, NO_SIGNAL)).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
    const missing = await openFor('never', { giveUpAfterMs: 400 })
    await expect(missing.source.lag(new Map(), NO_SIGNAL)).rejects.toMatchObject({
      code: 'KAFKA_TOPIC_MISSING',
    })
  })

  test('every wait ends with its signal and with the source', async () => {
    const topic = 'aborted'
    await broker.createTopic(topic, 1)
    const away = await openFor('any', { bootstrapServers: ['127.0.0.1:1'] })
    const { source } = await openFor(topic)
    const next = offsetsOf(topic, [0n])
    await source.cut(next, 10, NO_SIGNAL)
    const waits = (signal: AbortSignal): Promise<unknown>[] => [
      away.source.cut(next, 10, signal),
      away.source.lag(next, signal),
      away.source.waitForData(next, 600_000, signal),
      source.waitForData(next, 600_000, signal),
      // Offsets that do not exist yet: the read waits for them.
      source.read([{ topic, partition: 0, start: 0n, end: 5n }], () => {}, signal),
    ]
    const abort = new AbortController()
    const aborted = Promise.allSettled(waits(abort.signal))
    await sleep(300)
    abort.abort(new Error('enough'))
    for (const result of await aborted)
      expect(result).toMatchObject({ status: 'rejected', reason: { message: 'enough' } })
    const closed = Promise.allSettled(waits(NO_SIGNAL))
    await sleep(300)
    await Promise.all([source.close(), away.source.close()])
    for (const result of await closed) expect(result.status).toBe('rejected')
  })

  test('a failure of the consumer ends the read as it is, and nothing more is handed over', async () => {
    const topic = 'consumer'
    await broker.createTopic(topic, 2)
    await produce(topic, 100_000)
    const { source } = await openFor(topic)
    const { ranges } = await source.cut(new Map(), 100_000, NO_SIGNAL)
    let chunks = 0
    const failure = new Error('disk full')
    const reading = source.read(
      ranges,
      () => {
        chunks += 1
        throw failure
      },
      NO_SIGNAL,
    )
    await expect(reading).rejects.toBe(failure)
    expect(chunks).toBe(1)
  })

  test('a configuration that cannot be right is refused at once', async () => {
    for (const wrong of [
      { bootstrapServers: ['host:x'] },
      { bootstrapServers: [] },
      { topic: 'a b' },
      { topic: '' },
    ]) {
      const options = { bootstrapServers: ['localhost:9092'], topic: 'a', ...wrong }
      await expect(openSource(options)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    }
  })

  test('the check tells what is right and what is not', async () => {
    await broker.createTopic('checked', 3)
    await produce('checked', 7)
    const { bootstrapServers } = broker
    expect(await checkKafka({ bootstrapServers, topic: 'checked,unknown', ...asked })).toMatchObject([
      { name: 'Kafka broker', verdict: 'ok' },
      {
        name: 'Kafka topic checked',
        verdict: 'ok',
        message: expect.stringMatching(/^3 partitions on 1 broker, 7 offsets/),
      },
      { name: 'Kafka topic unknown', verdict: 'FAIL', message: expect.stringContaining('Create it') },
      { name: 'Kafka compression', verdict: 'ok' },
    ])
    expect(await checkKafka({ bootstrapServers: ['127.0.0.1:1'], topic: 'checked', ...asked })).toMatchObject(
      [
        { name: 'Kafka broker', verdict: 'FAIL' },
        { name: 'Kafka compression', verdict: 'ok' },
      ],
    )
  })
})

const asked = { groupId: 'group', principal: null }

async function openFor(topic: string, options: Partial<KafkaSourceOptions> = {}) {
  const opened = await openSource({ bootstrapServers: broker.bootstrapServers, topic, ...options })
  onTestFinished(() => opened.source.close())
  return opened
}

async function produce(topic: string, count: number, compression: 'lz4' | 'none' = 'lz4'): Promise<void> {
  const producer = await openKafkaProducer({
    bootstrapServers: broker.bootstrapServers,
    topic,
    compression,
  })
  const padding = 'x'.repeat(200)
  const records = Array.from({ length: count }, (_, index) => ({
    key: Buffer.from(`${index % 97}`),
    value: Buffer.from(`${index} ${index * 7919} ${padding}`),
  }))
  await producer.send(records)
  await producer.close()
}
