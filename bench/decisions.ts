// How long does a transaction wait for its decision? Sends so many a second to a broker of its own, and tells
// from the timestamps of the records and of their decisions, which the broker's producers write, how long it
// took; with `tables` a run writes the tables on the same machine meanwhile.
// Run: npx node bench/decisions.ts [records per second] [seconds] [tables]
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openKafkaProducer } from '../src/kafka/producer.ts'
import { openKafkaSource } from '../src/kafka/source.ts'
import { createGenerator } from '../src/produce/generator.ts'
import { startBroker } from '../test/services/broker.ts'

const [rate, seconds] = [Number(process.argv[2] ?? 2_000), Number(process.argv[3] ?? 30)]
const withTables = process.argv[4] === 'tables'
/** A process is slower until its code is compiled. */
const earlyMs = 5_000
const topic = 'bench.transactions'
const decisionsTopic = 'bench.decisions'
const directory = await mkdtemp(join(tmpdir(), 'assay-decisions-'))
const broker = await startBroker()
const children: ChildProcess[] = []
const bootstrapServers = broker.bootstrapServers

function start(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../bin/assay.js'), ...args], {
    env: {
      ...process.env,
      ...{ KAFKA_BOOTSTRAP_SERVERS: bootstrapServers.join(','), KAFKA_TOPIC: topic },
      ...{ DECISIONS_TOPIC: decisionsTopic, DECISIONS_PORT: '0', DELTA_BASE_PATH: join(directory, 'tables') },
      ...{ METRICS_PORT: '0', DASHBOARD_PORT: '0', LOG_FORMAT: 'json' },
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  children.push(child)
  return child
}

/** Resolves when it has said that it decides. */
function decides(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('decides: ')) resolve()
    })
  })
}

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
  await broker.createTopic(topic, 4)
  const producer = await openKafkaProducer({ bootstrapServers, topic, compression: 'none' })
  if (withTables) start(['run'])
  await decides(start(['run', 'decisions']))
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
  await sleep(3_000)
  await producer.close()
  const asked = await timesOf(topic, ({ place }) => place)
  const decided = await timesOf(decisionsTopic, ({ value }) => {
    const { partition, offset } = JSON.parse(Buffer.from(value).toString()) as Record<string, unknown>
    return `${partition}/${offset}`
  })
  console.log(
    `${rate} a second for ${seconds} s${withTables ? ' beside the tables' : ''}: ${asked.size} records, ` +
      `${decided.size} decisions`,
  )
  const isEarly = (ms: bigint): boolean => Number(ms) < startedMs + earlyMs
  for (const [name, isOf] of [
    [`the first ${earlyMs / 1000} s`, isEarly],
    ['after them', (ms: bigint) => !isEarly(ms)],
  ] as const) {
    const ofTime = [...asked].filter(([, ms]) => Number(ms) >= startedMs && isOf(ms))
    const waits = ofTime.map(([place, ms]) => Number((decided.get(place) ?? ms + 1_000_000n) - ms))
    waits.sort((a, b) => a - b)
    const at = (share: number): number => waits[Math.floor((waits.length - 1) * share)]!
    console.log(`  ${name}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, most ${at(1)} ms`)
  }
} finally {
  for (const child of children) child.kill('SIGTERM')
  await broker.stop()
  await rm(directory, { recursive: true, force: true })
}
