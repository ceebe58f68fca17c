// No row is late because another partition was read first, whatever record timestamps say.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type JavaConsumer, openJavaConsumer } from '../kafka/java-consumer.ts'
import { type JavaProducer, openJavaProducer, type SentRecord } from '../kafka/java-producer.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { runAssay, temporaryDirectory } from './assay.ts'
import { expectRight, settingsFor } from './lakehouse.ts'

const start = Date.UTC(2026, 9, 1, 10)
const minuteMs = 60_000
const partitionCount = 4
/** Of each partition. */
const rows = 150
const stepMs = 72_000
let broker: SharedBroker
let consumer: JavaConsumer
let producer: JavaProducer

/** Three hours of one partition in order, a record every 72 seconds; `stampOf` is its clock. */
function records(
  topic: string,
  stampOf: (partition: number, index: number, eventMs: number) => number,
): SentRecord[] {
  return Array.from({ length: partitionCount * rows }, (_, number): SentRecord => {
    const [partition, index] = [number % partitionCount, Math.floor(number / partitionCount)]
    const eventMs = start + index * stepMs
    const facts = { transaction_id: `t${number}`, user_id: partition, amount: 5, merchant: 'm' }
    const value = JSON.stringify({ ...facts, timestamp: new Date(eventMs).toISOString() })
    return {
      topic,
      partition,
      timestampMs: stampOf(partition, index, eventMs),
      key: null,
      value: Buffer.from(value),
    }
  })
}

const clocks: Readonly<Record<string, (partition: number, index: number, eventMs: number) => number>> = {
  'a partition begins with a record stamped 50 minutes ahead': (partition, index, eventMs) =>
    partition === 2 && index === 0 ? eventMs + 50 * minuteMs : eventMs,
  'the clock of one partition is 50 minutes fast': (partition, _, eventMs) =>
    partition === 1 ? eventMs + 50 * minuteMs : eventMs,
  'record timestamps go backward': (_, index) => start + (2 * rows - index) * stepMs,
  'the clock of one partition is a month fast': (partition, _, eventMs) =>
    partition === 3 ? eventMs + 30 * 24 * 60 * minuteMs : eventMs,
  'a record of each partition is stamped in the far future': (partition, index, eventMs) =>
    index === 100 + partition ? Date.UTC(2200, 0, 1) : eventMs,
}

describe.skipIf(javaAvailable !== null)('rows in order, by wrong clocks', () => {
  beforeAll(async () => {
    broker = await sharedBroker()
    consumer = await openJavaConsumer(broker.bootstrapServers)
    producer = await openJavaProducer(broker.bootstrapServers, { 'linger.ms': '20' })
  })
  afterAll(async () => {
    await producer?.close()
    await consumer?.close()
    await broker?.leave()
  })

  test.each(Object.keys(clocks))('%s', async (name) => {
    const topic = `clocks-${Object.keys(clocks).indexOf(name)}`
    // The broker itself refuses timestamps that are an hour ahead of its clock, unless it is told not to.
    const anyTime = { 'message.timestamp.after.max.ms': '9223372036854775807' }
    await broker.createTopic(topic, partitionCount, anyTime)
    for (const record of records(topic, clocks[name]!)) producer.send(record)
    await producer.command('flush')
    const base = await temporaryDirectory()
    const settings = settingsFor(broker.bootstrapServers, topic, base, { MAX_RECORDS_PER_BATCH: '100' })
    await runAssay(['run', '--once'], settings)
    const tables = await expectRight(base, await consumer.read(topic))
    expect(tables['silver/quarantine'].map(({ reasons }) => String(reasons))).toEqual([])
    expect(tables['silver/transactions']).toHaveLength(partitionCount * rows)
    // Windows close all the same: the watermark is held back and not stopped.
    expect(tables['gold/transactions'].length).toBeGreaterThan(0)
  })
})
