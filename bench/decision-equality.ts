// Are decisions what the tables come to say, whatever happens? Sends transactions with disorder, repeats and
// late ones, some of them without a key, while a run writes the tables, three
// processes decide, one of them is killed and started again now and then, and the topic gets partitions.
// `assay verify --decisions` has to find a cause for every difference; fails where it does not.
// Run: npx node bench/decision-equality.ts [records] [records per second] [seed]
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProducedRecord } from '../src/kafka/produced-record.ts'
import { openKafkaProducer } from '../src/kafka/producer.ts'
import { openKafkaSource } from '../src/kafka/source.ts'
import { createGenerator } from '../src/produce/generator.ts'
import { startBroker } from '../test/services/broker.ts'

const records = Number(process.argv[2] ?? 1_000_000)
const rate = Number(process.argv[3] ?? 5_000)
const seed = Number(process.argv[4] ?? Date.now() % 1_000_000)
const killEveryMs = 20_000
const [topic, decisionsTopic] = ['equal.transactions', 'equal.decisions']
const work = await mkdtemp(join(tmpdir(), 'assay-decision-equality-'))
const broker = await startBroker()
const { bootstrapServers } = broker
const children = new Set<ChildProcess>()
const odd = { duplicateShare: 0.02, disorderShare: 0.1, lateShare: 0.02, malformedShare: 0.01 }

const assay = (args: readonly string[]): ChildProcess => {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../bin/assay.js'), ...args], {
    env: {
      ...process.env,
      ...{ KAFKA_BOOTSTRAP_SERVERS: bootstrapServers.join(','), KAFKA_TOPIC: topic, LOG_FORMAT: 'json' },
      ...{ DECISIONS_TOPIC: decisionsTopic, DELTA_BASE_PATH: join(work, 'tables'), DECISIONS_PORT: '0' },
      ...{ METRICS_PORT: '0', DASHBOARD_PORT: '0' },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n'))
      if (/"level":"(?:warn|error)"|share the topic/.test(line)) console.error(`  ${line.slice(0, 300)}`)
  })
  return child
}

async function outputOf(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  await once(child, 'close')
  return output
}

async function countOf(name: string): Promise<bigint> {
  const startingOffsets = { kind: 'earliest' } as const
  const source = await openKafkaSource({
    ...{ bootstrapServers, topic: name, groupId: 'bench', startingOffsets, onDataLoss: 'fail' },
  })
  const ranges = await source.positions(new Map(), new AbortController().signal)
  await source.close()
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0n)
}

/** Some records have no key and go anywhere. */
function* transactions(): Generator<ProducedRecord> {
  const startMs = Date.parse('2026-10-31T00:00:00Z')
  const generator = createGenerator({ seed, startMs, users: 20_000, fraudShare: 0.05, ...odd })
  for (let index = 0; index < records; index++) {
    // A day of events, whatever the rate.
    const { key, value } = generator.next(startMs + Math.floor((index * 86_400_000) / records))
    yield { key: index % 100 === 99 ? null : key, value }
  }
}

async function sendAll(): Promise<void> {
  let producer = await openKafkaProducer({ bootstrapServers, topic, compression: 'none' })
  const all = transactions()
  const startedMs = Date.now()
  let sent = 0
  for (let hasMore = true; hasMore; ) {
    const due = Math.min(records, Math.ceil(((Date.now() - startedMs) * rate) / 1000))
    const some: ProducedRecord[] = []
    for (; sent < due; sent++) some.push(all.next().value as ProducedRecord)
    await producer.send(some)
    hasMore = sent < records
    if (sent >= records / 2 && producer.partitionCount === 4) {
      await broker.addPartitions(topic, 6)
      await producer.close()
      producer = await openKafkaProducer({ bootstrapServers, topic, compression: 'none' })
    }
    await sleep(20)
  }
  await producer.close()
}

async function killNowAndThen(signal: AbortSignal): Promise<number> {
  const deciding = [0, 1, 2].map(() => assay(['run', 'decisions']))
  let kills = 0
  for (; !signal.aborted; kills++) {
    await sleep(killEveryMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) break
    const victim = kills % deciding.length
    deciding[victim]!.kill('SIGKILL')
    await sleep(killEveryMs / 4)
    deciding[victim] = assay(['run', 'decisions'])
  }
  return kills
}

try {
  console.log(`seed ${seed}`)
  await broker.createTopic(topic, 4)
  const running = assay(['run'])
  const sent = new AbortController()
  const killing = killNowAndThen(sent.signal)
  await sendAll()
  const endedMs = Date.now()
  sent.abort()
  const kills = await killing
  while ((await countOf(decisionsTopic)) < (await countOf(topic))) await sleep(1_000)
  await sleep(2_000)
  console.log(`${kills} kills; the last decision ${Date.now() - endedMs} ms after the last record`)
  for (const child of [...children]) {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  if (running.exitCode !== 0) throw new Error(`the run ended with ${running.exitCode}`)
  await outputOf(assay(['run', '--once']))
  const [asked, decided] = [await countOf(topic), await countOf(decisionsTopic)]
  const verified = JSON.parse(await outputOf(assay(['verify', '--decisions', '--json']))) as {
    readonly decisions: { readonly compared: number; readonly withoutRow: number; readonly differing: object }
  }
  console.log(`${asked} records, ${decided} decisions on their topic: ${JSON.stringify(verified.decisions)}`)
  const { compared, withoutRow, differing } = verified.decisions
  const isWhole = compared >= records && withoutRow === 0
  if (!isWhole || 'unexplained' in differing) {
    console.log(JSON.stringify(verified).slice(0, 4_000))
    process.exitCode = 1
  }
} finally {
  for (const child of children) child.kill('SIGKILL')
  await broker.stop()
  await rm(work, { recursive: true, force: true })
}
