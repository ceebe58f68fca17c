// Several processes share the decisions of one topic: while they are killed, paused and added, and the topic
// gets partitions, no record waits long for its decision, and each decision is what a batch makes of it.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import { createGenerator } from '../../../src/produce/generator.ts'
import { turnSeed as seed } from '../../turns.ts'
import { type JavaConsumer, openJavaConsumer } from '../kafka/java-consumer.ts'
import { type JavaProducer, openJavaProducer } from '../kafka/java-producer.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { type Assay, runAssay, type Settings, startAssay, temporaryDirectory } from './assay.ts'
import { expectRight, settingsFor } from './lakehouse.ts'

const topic = 'owned'
const recordsPerSecond = 150
/** From the timestamp of a record to that of its decision. */
const waitMaxMs = 5_000

let broker: SharedBroker
let consumer: JavaConsumer
let producer: JavaProducer

describe.skipIf(javaAvailable !== null)(`owners of decisions (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    broker = await sharedBroker()
    consumer = await openJavaConsumer(broker.bootstrapServers)
    producer = await openJavaProducer(broker.bootstrapServers, {})
  })
  afterAll(async () => {
    await producer?.close()
    await consumer?.close()
    await broker?.leave()
  })

  test('kills, pauses, new processes and new partitions hold up and change no decision', async () => {
    await broker.createTopic(topic, 4)
    const settings: Settings = {
      ...settingsFor(broker.bootstrapServers, topic, await temporaryDirectory()),
      ...{ DECISIONS_TOPIC: `${topic}-decisions`, LOG_FORMAT: 'json' },
    }
    const [one, two, three] = await Promise.all([0, 1, 2].map((index) => started(settings, index)))
    await expectShared([one!, two!, three!], 4)
    const load = sendOn()
    onTestFinished(load.end)
    const answers = await expectAnswers([one!, two!, three!])
    const events: [string, number][] = []
    const happens = async (what: string, act: () => unknown): Promise<void> => {
      events.push([what, Date.now()])
      await act()
    }
    await happens('one is killed', () => one!.end('SIGKILL'))
    await expectShared([two!, three!], 4)
    let four: Assay
    await happens('one is added', async () => {
      four = await started(settings, 3)
    })
    await expectShared([two!, three!, four!], 4)
    await happens('two partitions are added', async () => {
      await broker.addPartitions(topic, 6)
      load.partitions = 6
    })
    await expectShared([two!, three!, four!], 6)
    await happens('one is paused, and goes on', async () => {
      process.kill(two!.pid, 'SIGSTOP')
      await expectShared([three!, four!], 6)
      process.kill(two!.pid, 'SIGCONT')
    })
    await expectShared([two!, three!, four!], 6)
    await load.end()
    await eventually(
      four!,
      async () => (await decided(settings)).size === (await consumer.read(topic)).length,
    )
    for (const assay of [two!, three!, four!]) expect((await assay.end('SIGTERM')).code).toBe(0)
    await expectInTime(settings, events, answers)
    await expectAsBatches(settings)
  })

  test('lakehouses that share a topic of decisions, or a group besides, each decide all of their own', async () => {
    const [one, two] = ['shared-one', 'shared-two']
    for (const name of [one, two]) await broker.createTopic(name, 2)
    const lakehouses = [
      { of: one, group: 'shared' },
      { of: two, group: 'shared' },
      { of: one, group: 'shared-other' },
    ]
    const all = await Promise.all(
      lakehouses.map(async ({ of, group }, index) => {
        const settings = settingsFor(broker.bootstrapServers, of, await temporaryDirectory())
        const decides = { DECISIONS_TOPIC: 'shared-decisions', DECISIONS_GROUP_ID: group }
        return await started({ ...settings, ...decides }, index)
      }),
    )
    const count = 300
    for (const name of [one, two])
      for (let index = 0; index < count; index++)
        producer.send({
          ...{ topic: name, partition: index % 2, timestampMs: Date.now(), headers: [], key: null },
          value: Buffer.from(`{"transaction_id":"${index}"}`),
        })
    await producer.command('flush')
    const told = async (): Promise<readonly number[]> => {
      const places = (await consumer.read('shared-decisions')).map(({ value, headers }) => {
        const { topic: of, partition, offset } = JSON.parse(String(value)) as Decision
        const group = headers?.find(({ key }) => key === 'assay-group')?.value
        return `${group} ${of} ${partition}/${offset}`
      })
      const different = [...new Set(places)]
      return lakehouses.map(
        ({ of, group }) => different.filter((one) => one.startsWith(`${group} ${of} `)).length,
      )
    }
    await expect.poll(told, { timeout: 30_000, interval: 200 }).toEqual([count, count, count])
    for (const assay of all) expect((await assay.end('SIGTERM')).code).toBe(0)
  })
})

async function started(settings: Settings, index: number): Promise<Assay> {
  const ports = { DECISIONS_PORT: `${18_300 + 10 * index}`, METRICS_PORT: `${19_700 + 10 * index}` }
  const assay = startAssay(['run', 'decisions'], { ...settings, ...ports })
  onTestFinished(async () => void (await assay.end('SIGKILL')))
  await eventually(
    assay,
    async () => (await fetch(`${metricsOf(assay)}/readyz`).catch(() => null))?.ok === true,
  )
  return assay
}

function urlOf(assay: Assay): string {
  return /(http:\/\/localhost:\d+)\/v1\/decisions/.exec(assay.log())![1]!
}

function metricsOf(assay: Assay): string {
  return /metrics of decisions at (http:\/\/localhost:\d+)/.exec(assay.log())?.[1] ?? 'http://localhost:1'
}

/** These and no others have the partitions, all of them and about the same number. */
async function expectShared(all: readonly Assay[], partitions: number): Promise<void> {
  const owned = async (assay: Assay): Promise<number> => {
    const text = await (await fetch(`${metricsOf(assay)}/metrics`)).text()
    return Number(/^assay_decision_partitions (\d+)$/m.exec(text)![1])
  }
  const shares = async (): Promise<number[]> => (await Promise.all(all.map(owned))).sort()
  const least = Math.floor(partitions / all.length)
  const fair = all.map((_, index) => least + (index < partitions % all.length ? 1 : 0)).sort()
  await expect.poll(shares, { timeout: 60_000, interval: 100 }).toEqual(fair)
}

/** Until it is ended: each user has one partition, as keys have. */
function sendOn(): { partitions: number; end(): Promise<void> } {
  const startMs = Date.parse('2026-10-31T12:00:00Z')
  const generator = createGenerator({ seed, startMs, users: 400, fraudShare: 0.2, malformedShare: 0.05 })
  const [sliceMs, load] = [50, { partitions: 4, end: async () => {} }]
  const partitionOf = new Map<string, number>()
  let isEnding = false
  let sent = 0
  const sending = (async () => {
    for (const fromMs = Date.now(); !isEnding; await sleep(sliceMs))
      for (; sent < ((Date.now() - fromMs) * recordsPerSecond) / 1000; sent++) {
        const { key, value } = generator.next(startMs + sent * 500)
        // Who is new may be in a new partition; the others stay where they are.
        const partition = partitionOf.get(key.toString()) ?? sent % load.partitions
        partitionOf.set(key.toString(), partition)
        const record = { topic, partition, timestampMs: Date.now(), headers: [] }
        producer.send({ ...record, key: Buffer.from(key), value: Buffer.from(value) })
      }
    await producer.command('flush')
  })()
  load.end = async () => {
    isEnding = true
    await sending
  }
  return load
}

/** Whoever is asked answers, also of a record that is another's; requests with one key at once are one. */
async function expectAnswers(all: readonly Assay[]): Promise<readonly Decision[]> {
  let users = 1_000_000
  const post = async (assay: Assay, id: string, headers: Readonly<Record<string, string>> = {}) => {
    const user = id.startsWith('k') ? 999_999 : users++
    const transaction = { transaction_id: id, user_id: user, amount: 9000, payment_method: 'crypto' }
    const answer = await fetch(`${urlOf(assay)}/v1/decisions`, {
      ...{ method: 'POST', body: JSON.stringify({ ...transaction, timestamp: '2026-10-31T12:00:00Z' }) },
      headers: { 'content-type': 'application/json', ...headers },
    })
    expect(answer.status).toBe(200)
    return (await answer.json()) as Decision
  }
  const asked = await Promise.all(
    all.flatMap((assay, index) => [0, 1, 2, 3].map((number) => post(assay, `a-${index}-${number}`))),
  )
  // Whose partition each was in is not chosen: some are another's with near certainty.
  expect(new Set(asked.map(({ partition }) => partition)).size).toBeGreaterThan(1)
  const keyed = await Promise.all(all.map((assay) => post(assay, 'k-1', { 'idempotency-key': 'at-once' })))
  expect(keyed[0]).toMatchObject({ decision: 'scored', id: 'k-1' })
  for (const answer of keyed) expect(answer).toEqual(keyed[0])
  return [...asked, keyed[0]!]
}

type Timed = { readonly decision: Decision; readonly timestampMs: number }

/** By partition and offset, the first one first. */
async function decided(settings: Settings): Promise<Map<string, Timed[]>> {
  const all = (await consumer.read(settings.DECISIONS_TOPIC!)).map(({ value, timestampMs }) => ({
    ...{ decision: JSON.parse(Buffer.from(value!).toString()) as Decision, timestampMs: timestampMs! },
  }))
  all.sort((a, b) => a.timestampMs - b.timestampMs)
  return Map.groupBy(all, ({ decision }) => `${decision.partition}/${decision.offset}`)
}

async function expectInTime(
  settings: Settings,
  events: readonly (readonly [string, number])[],
  answers: readonly Decision[],
): Promise<void> {
  const decisions = await decided(settings)
  for (const answer of answers)
    expect(decisions.get(`${answer.partition}/${answer.offset}`)?.[0]?.decision).toEqual(answer)
  const records = await consumer.read(topic)
  const waits = records.map(({ partition, offset, timestampMs }) => ({
    timestampMs: timestampMs!,
    waitMs:
      (decisions.get(`${partition}/${offset}`)?.[0]?.timestampMs ?? Number.POSITIVE_INFINITY) - timestampMs!,
  }))
  const told = events.map(([what, fromMs], index) => {
    const toMs = events[index + 1]?.[1] ?? Number.POSITIVE_INFINITY
    const ofEvent = waits.filter(({ timestampMs }) => timestampMs >= fromMs - waitMaxMs && timestampMs < toMs)
    return `${what}: at most ${Math.max(...ofEvent.map(({ waitMs }) => waitMs))} ms`
  })
  const repeats = [...decisions.values()].filter((all) => all.length > 1)
  console.log(`${records.length} records; ${told.join('; ')}; ${repeats.length} were decided more than once`)
  // How long it takes on this machine while nothing happens.
  const before = waits.filter(({ timestampMs, waitMs }) => timestampMs + waitMs < events[0]![1])
  const undisturbedMs = Math.max(...before.map(({ waitMs }) => waitMs))
  expect(Math.max(...waits.map(({ waitMs }) => waitMs))).toBeLessThan(waitMaxMs + undisturbedMs)
  for (const [first, ...others] of repeats)
    for (const { decision } of others) expect(decision).toEqual(first!.decision)
}

/** Nothing may differ: each user is in one partition, and no record is late or there twice. */
async function expectAsBatches(settings: Settings): Promise<void> {
  await runAssay(['run', '--once'], settings)
  const records = await consumer.read(topic)
  await expectRight(settings.DELTA_BASE_PATH!, records)
  type Verified = { readonly decisions: { readonly compared: number; readonly differing: object } }
  const { stdout } = await runAssay(['verify', '--decisions', '--json'], settings)
  const { compared, differing } = (JSON.parse(stdout) as Verified).decisions
  // Those that were asked with one key at once are there more than once, and refused but for the first.
  expect({ compared, differing }).toEqual({ compared: records.length, differing: {} })
}

async function eventually(assay: Assay, isSo: () => Promise<boolean>): Promise<void> {
  const check = async (): Promise<boolean> => {
    if (assay.hasEnded()) throw new Error(`it ended:\n${assay.log()}`)
    return await isSo()
  }
  await expect.poll(check, { timeout: 60_000, interval: 100 }).toBe(true)
}
