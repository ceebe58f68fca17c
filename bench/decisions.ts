// How long does a transaction wait for its decision? Sends so many a second to a broker of its own, and tells
// from the timestamps of the records and of their decisions, which the broker's producers write, how long it
// took; with `tables` a run writes the tables on the same machine meanwhile.
// Run: npx node bench/decisions.ts [records per second] [seconds] [tables]
import { setTimeout as sleep } from 'node:timers/promises'
import { openKafkaProducer } from '../src/kafka/producer.ts'
import { openKafkaSource } from '../src/kafka/source.ts'
import { createGenerator } from '../src/produce/generator.ts'
import {
  decisionsTopic,
  earlyMs,
  histogramOf,
  percentilesOf,
  startDecisionBench,
  topic,
} from './decision-process.ts'

const [rate, seconds] = [Number(process.argv[2] ?? 2_000), Number(process.argv[3] ?? 30)]
const withTables = process.argv[4] === 'tables'
const bench = await startDecisionBench()
const { bootstrapServers } = bench

type Times = Map<string, bigint>

async function timesOf(
  name: string,
  keyOf: (at: { place: string; value: Uint8Array }) => string,
): Promise<Times> {
  const source = await openKafkaSource({
    ...{ bootstrapServers, topic: name, groupId: 'bench', startingOffsets: { kind: 'earliest' } },
    ...{ onDataLoss: 'fail', untilNow: true },
  })
  const times: Times = new Map()
  const { signal } = new AbortController()
  const ranges = await source.positions(new Map(), signal)
  await source.read(
    ranges,
    (chunk) => {
      for (let index = 0; index < chunk.count; index++) {
        const place = `${chunk.partition}/${chunk.offsets[index]}`
        times.set(keyOf({ place, value: chunk.values[index]! }), chunk.timestampsMs![index]!)
      }
    },
    signal,
  )
  await source.close()
  return times
}

try {
  const producer = await openKafkaProducer({ bootstrapServers, topic, compression: 'none' })
  if (withTables) bench.startTables()
  await bench.startDecisions()
  const generator = createGenerator({ seed: 7 })
  // The first records wait for what both producers ask of brokers: that is measured by nobody.
  await producer.send([{ ...generator.next(Date.now()), timestampMs: Date.now() }])
  await sleep(2_000)
  const startedMs = Date.now()
  const sliceMs = 10
  for (let slice = 0; slice * sliceMs < seconds * 1000; slice++) {
    await sleep(Math.max(0, startedMs + slice * sliceMs - Date.now()))
    const records = Array.from({ length: Math.round((rate * sliceMs) / 1000) }, () => {
      const { key, value } = generator.next(Date.now())
      return { key, value, timestampMs: Date.now() }
    })
    await producer.send(records)
  }
  const tookSeconds = (Date.now() - startedMs) / 1000
  await sleep(3_000)
  await producer.close()
  const asked = await timesOf(topic, ({ place }) => place)
  const decided = await timesOf(decisionsTopic, ({ value }) => {
    const { partition, offset } = JSON.parse(Buffer.from(value).toString()) as Record<string, unknown>
    return `${partition}/${offset}`
  })
  console.log(
    `${rate} a second for ${tookSeconds.toFixed(1)} s${withTables ? ' beside the tables' : ''}: ${asked.size} records, ` +
      `${decided.size} decisions`,
  )
  const isEarly = (ms: bigint): boolean => Number(ms) < startedMs + earlyMs
  const waitsOf = (isOf: (ms: bigint) => boolean): number[] =>
    [...asked]
      .filter(([, ms]) => Number(ms) >= startedMs && isOf(ms))
      .map(([place, ms]) => Number((decided.get(place) ?? ms + 1_000_000n) - ms))
  console.log(`  the first ${earlyMs / 1000} s: ${percentilesOf(waitsOf(isEarly))}`)
  const later = waitsOf((ms) => !isEarly(ms))
  console.log(`  after them: ${percentilesOf(later)}\n${histogramOf(later)}`)
} finally {
  await bench.stop()
}
