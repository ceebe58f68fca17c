import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createGenerator, type GeneratedRecord } from '../../../src/produce/generator.ts'
import { type ProduceOptions, produce } from '../../../src/produce/produce.ts'
import { spreadOverPeriod } from '../../../src/produce/schedule.ts'
import { type Broker, startBroker } from '../broker.ts'
import { openSource, type PlainRecord, readAll, text } from '../kafka/records.ts'
import { javaAvailable } from '../tools.ts'

const seed = 7
const october = { fromMs: Date.UTC(2026, 9, 1), toMs: Date.UTC(2026, 9, 2) }
let broker: Broker

describe.skipIf(javaAvailable !== null)('producing to Kafka', () => {
  beforeAll(async () => {
    broker = await startBroker()
  })
  afterAll(async () => {
    await broker?.stop()
  })

  test('creates the topic, and sends every record once, in order for each user', async () => {
    const summary = await produce(
      options('whole', { generator: { seed, malformedShare: 0.02, lateShare: 0.01 } }),
    )
    expect(summary).toMatchObject({ records: 20_000, endedBy: 'count' })
    const records = await readTopic('whole')
    expect(new Set(records.map(({ partition }) => partition))).toEqual(new Set([0, 1, 2]))
    expectAsGenerated(records, generated(20_000, { malformedShare: 0.02, lateShare: 0.01 }))
  })

  test('sends records in order and once while the broker is killed and comes back', async () => {
    const count = 60_000
    // A broker that starts again knows the producers of records that are younger than a day
    // (producer.id.expiration.ms), by the records' own time: a repeat of an older one it takes for new.
    const period = { fromMs: Date.now() - 3_600_000, toMs: Date.now() }
    let killed: Promise<void> | null = null
    const summary = await produce(
      options('restarted', {
        ...{ count, period, ratePerSecond: 10_000 },
        onProgress: () => {
          killed ??= broker.restart()
        },
      }),
    )
    expect(killed).not.toBe(null)
    await killed
    expect(summary.records).toBe(count)
    expectAsGenerated(await readTopic('restarted'), generated(count, {}, period))
  })

  test('has everything it counted in the topic when it is stopped', async () => {
    const stop = new AbortController()
    const summary = await produce(
      options('stopped', {
        ...{ count: Number.POSITIVE_INFINITY, ratePerSecond: 5_000, period: null, signal: stop.signal },
        onProgress: () => stop.abort(),
      }),
    )
    expect(summary.endedBy).toBe('signal')
    expect((await readTopic('stopped')).length).toBe(summary.records)
  })

  test('stops at once where it still waits for the first broker', async () => {
    const stop = new AbortController()
    const nobody = { ...options('nobody').to, connection: { bootstrapServers: ['127.0.0.1:1'] } }
    const running = produce({ ...options('nobody'), to: nobody as ProduceOptions['to'], signal: stop.signal })
    setImmediate(() => stop.abort())
    expect(await running).toMatchObject({ records: 0, endedBy: 'signal' })
  })
})

function options(topic: string, more: Partial<ProduceOptions> = {}): ProduceOptions {
  return {
    generator: { seed },
    count: 20_000,
    ratePerSecond: null,
    to: {
      kind: 'kafka',
      connection: { bootstrapServers: broker.bootstrapServers },
      ...{ topic, partitions: 3, compression: 'lz4' },
    },
    period: october,
    signal: new AbortController().signal,
    ...more,
  }
}

function generated(count: number, dirt = {}, period = october): GeneratedRecord[] {
  const generator = createGenerator({ seed, ...dirt, startMs: period.fromMs, endMs: period.toMs })
  const timeOf = spreadOverPeriod(period, count)
  return Array.from({ length: count }, (_, index) => generator.next(timeOf(index)))
}

async function readTopic(topic: string): Promise<PlainRecord[]> {
  const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
  try {
    return await readAll(source)
  } finally {
    await source.close()
  }
}

/**
 * The same records, and those of one key in the same order: keys share partitions, so that is all Kafka
 * promises.
 */
function expectAsGenerated(records: readonly PlainRecord[], expected: readonly GeneratedRecord[]): void {
  expect(records.length).toBe(expected.length)
  const wanted = Map.groupBy(expected, ({ key }) => text(key))
  const found = Map.groupBy(records, ({ key }) => key)
  expect(found.size).toBe(wanted.size)
  for (const [key, rows] of wanted) {
    const contents = rows.map(({ value, timestampMs }) => ({ value: text(value), timestampMs }))
    const arrived = found.get(key)?.map(({ value, timestampMs }) => ({ value, timestampMs }))
    expect(arrived, `user ${key}`).toEqual(contents)
  }
}
