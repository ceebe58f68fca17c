// Decisions from the topic and from requests, against what the tables come to say of the same records.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import { createGenerator } from '../../../src/produce/generator.ts'
import { readTables } from '../../compare/read-in-process.ts'
import type { RawRecord, Row } from '../../oracle/rows.ts'
import { turnSeed as seed } from '../../turns.ts'
import { type JavaConsumer, openJavaConsumer } from '../kafka/java-consumer.ts'
import { type JavaProducer, openJavaProducer } from '../kafka/java-producer.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { type Assay, runAssay, type Settings, startAssay, temporaryDirectory } from './assay.ts'
import { settingsFor } from './lakehouse.ts'

let broker: SharedBroker
let consumer: JavaConsumer
let producer: JavaProducer

describe.skipIf(javaAvailable !== null)(`decisions (repeat with SEED=${seed})`, () => {
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

  test('each record is decided as the tables will have it, also across a kill; requests are answered', async () => {
    const topic = 'decided'
    await broker.createTopic(topic, 1)
    const settings: Settings = {
      ...settingsFor(broker.bootstrapServers, topic, await temporaryDirectory()),
      ...{
        DECISIONS_TOPIC: 'decided-decisions',
        DECISIONS_PORT: '18081',
        METRICS_PORT: '19464',
        LOG_FORMAT: 'json',
      },
    }
    const sent = records(topic, 900)
    await send(sent.slice(0, 300))
    await runAssay(['run', '--once'], settings)
    const first = await started(settings)
    await send(sent.slice(300, 600))
    await eventually(async () => (await decisionsOf(settings)).size >= 300)
    await first.end('SIGKILL')
    // The tables overtake: what was not decided is decided all the same, by what was known before it.
    await send(sent.slice(600))
    await runAssay(['run', '--once'], settings)
    const second = await started(settings)
    await eventually(async () => (await decisionsOf(settings)).size >= 600)
    const url = urlOf(second)
    const answers = [...(await request(url, topic)), ...(await guideExamples(url))]
    await expectMetrics(second, answers.length)
    const keyed = await requestUnderKey(url, topic)
    answers.push(...keyed)
    await second.end('SIGKILL')
    const third = await started(settings)
    expect(await requestUnderKey(urlOf(third), topic)).toEqual(keyed)
    expect((await third.end('SIGTERM')).code).toBe(0)
    // What was asked again was not written again.
    expect(await consumer.read(topic)).toHaveLength(900 + answers.length)
    await runAssay(['run', '--once'], settings)
    const decided = await decisionsOf(settings)
    // 600 that came after the first run, and those of the requests.
    expect([...decided.keys()].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 600 + answers.length }, (_, index) => 300 + index),
    )
    for (const answer of answers) expect(decided.get(Number(answer.offset))).toEqual(answer)
    await expectAsTables(settings.DELTA_BASE_PATH!, decided)
    await expectVerified(settings, decided)
  })
})

function records(topic: string, count: number) {
  const startMs = Date.parse('2026-10-31T12:00:00Z')
  const generator = createGenerator({
    ...{ seed, users: 60, fraudShare: 0.1, startMs, duplicateShare: 0.05, malformedShare: 0.1 },
  })
  return Array.from({ length: count }, (_, index) => {
    const timestampMs = startMs + index * 2_000
    const { key, value } = generator.next(timestampMs)
    return {
      ...{ topic, partition: 0, timestampMs, headers: [] },
      key: Buffer.from(key),
      value: Buffer.from(value),
    }
  })
}

async function send(all: ReturnType<typeof records>): Promise<void> {
  for (const record of all) producer.send(record)
  await producer.command('flush')
}

async function started(settings: Settings): Promise<Assay> {
  const assay = startAssay(['run', 'decisions'], settings)
  await eventually(async () => {
    if (assay.hasEnded()) throw new Error(`it ended:\n${assay.log()}`)
    return assay.log().includes('decides: ')
  })
  return assay
}

function urlOf(assay: Assay): string {
  return /(http:\/\/localhost:\d+)\/v1\/decisions/.exec(assay.log())![1]!
}

/** By offset; a record that was decided twice has one decision, since both are the same. */
async function decisionsOf(settings: Settings): Promise<Map<number, Decision>> {
  const decided = new Map<number, Decision>()
  for (const { value } of await consumer.read(settings.DECISIONS_TOPIC!)) {
    const decision = JSON.parse(Buffer.from(value!).toString()) as Decision
    const before = decided.get(Number(decision.offset))
    if (before !== undefined) expect(decision).toEqual(before)
    decided.set(Number(decision.offset), decision)
  }
  return decided
}

async function request(url: string, topic: string): Promise<Decision[]> {
  const post = (body: string, query = '', headers: Readonly<Record<string, string>> = {}) =>
    fetch(`${url}/v1/decisions${query}`, {
      ...{ method: 'POST', body },
      headers: { 'content-type': 'application/json', ...headers },
    })
  const transaction = (id: string, amount: number): string =>
    `{"transaction_id":"${id}","user_id":7,"amount":${amount}.0,"timestamp":"2026-10-31T13:00:00Z","payment_method":"crypto"}`
  const before = (await consumer.read(topic)).length
  const dry = (await (await post(transaction('r-1', 9000), '?dry_run=true')).json()) as Decision
  expect(dry).toMatchObject({ decision: 'scored', id: 'r-1' })
  expect(await consumer.read(topic)).toHaveLength(before)
  const one = (await (await post(transaction('r-1', 9000))).json()) as Decision
  expect(one).toEqual({ ...dry, topic, partition: 0, offset: String(before) })
  const many = await post(`[${transaction('r-2', 1)}, ${transaction('r-1', 9000)}, {"amount": 1}]`)
  const { decisions } = (await many.json()) as { decisions: Decision[] }
  expect(decisions.map(({ decision }) => decision)).toEqual(['scored', 'refused', 'refused'])
  const written: RawRecord[] = (await consumer.read(topic)).slice(before)
  // The bytes are those of the request.
  expect(written.map(({ value }) => Buffer.from(value!).toString())).toEqual([
    ...[transaction('r-1', 9000), transaction('r-2', 1), transaction('r-1', 9000), '{"amount": 1}'],
  ])
  expect(Buffer.from(written[0]!.key!).toString()).toBe('7')
  return [one, ...decisions]
}

/** The examples of the guide are of now: what is earlier is late. */
const atStart = new Date().toISOString()

/** Twice at once, and once more: all have one answer. */
async function requestUnderKey(url: string, topic: string): Promise<Decision[]> {
  const post = async (body: string) => {
    const answer = await fetch(`${url}/v1/decisions`, {
      ...{ method: 'POST', body },
      headers: { 'content-type': 'application/json', 'idempotency-key': 'key-of-two' },
    })
    return { status: answer.status, body: (await answer.json()) as { readonly decisions: Decision[] } }
  }
  const body =
    `[{"transaction_id":"i-1","user_id":8,"amount":1.0,"timestamp":"${atStart}","payment_method":"crypto"},` +
    '{"amount":2}]'
  const [one, two] = await Promise.all([post(body), post(body)])
  expect([one.status, two.status]).toEqual([200, 200])
  expect(two).toEqual(one)
  expect(await post(body)).toEqual(one)
  expect((await post('{"amount":3}')).status).toBe(422)
  expect(one.body.decisions.map(({ topic: of, decision }) => [of, decision])).toEqual([
    [topic, 'scored'],
    [topic, 'refused'],
  ])
  return one.body.decisions
}

const guide = join(import.meta.dirname, '../../../docs/guide/decisions.md')
const programs = { sh: 'bash', ts: process.execPath, python: 'python3' } as const

/** What the guide shows, as it stands there but for the port. */
async function guideExamples(url: string): Promise<Decision[]> {
  const directory = await temporaryDirectory()
  const blocks = [...(await readFile(guide, 'utf8')).matchAll(/^```(sh|ts|python)\n(.*?)^```$/gms)]
  expect(blocks.map(([, language]) => language)).toEqual(Object.keys(programs))
  const answers: Decision[] = []
  for (const [, language, code] of blocks) {
    const file = join(directory, `example.${language}`)
    await writeFile(file, code!.replaceAll('http://localhost:8081', url))
    const program = programs[language as keyof typeof programs]
    const { stdout } = await promisify(execFile)(program, [file])
    answers.push(JSON.parse(stdout) as Decision)
  }
  expect(answers.map((answer) => answer.decision === 'scored' && answer.id)).toEqual(['x-1', 'x-2', 'x-3'])
  return answers
}

/** What Prometheus would see of the second process. */
async function expectMetrics(assay: Assay, requested: number): Promise<void> {
  const at = /(http:\/\/localhost:\d+)\/metrics/.exec(assay.log())![1]!
  expect((await fetch(`${at}/readyz`)).status).toBe(200)
  const text = await (await fetch(`${at}/metrics`)).text()
  const sum = (name: string): number =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    )
  // Of the records that waited for it, and of those that were asked for.
  expect(sum('assay_decisions_total')).toBeGreaterThanOrEqual(300 + requested)
  expect(sum('assay_decision_latency_seconds_count')).toBe(sum('assay_decisions_total'))
  expect(text).toContain('assay_decision_requests_total{status="200"} 6')
}

async function expectAsTables(base: string, decided: ReadonlyMap<number, Decision>): Promise<void> {
  const tables = await readTables(base)
  const at = (rows: readonly Row[]) => new Map(rows.map((row) => [Number(row.offset), row]))
  const [scored, refused] = [at(tables.fraud_detection), at(tables['silver/quarantine'])]
  for (const [offset, decision] of decided) {
    if (decision.decision === 'refused') {
      expect(decision.reasons.map(({ name }) => name)).toEqual(refused.get(offset)?.reasons)
      continue
    }
    const row = scored.get(offset)
    expect(decision).toMatchObject({
      ...{ id: row?.transaction_id, fraud_score: Number(row?.fraud_score), risk_level: row?.risk_level },
      features: { tx_count_30min: Number(row?.tx_count_30min) },
    })
    expect(decision.rules.map(({ name }) => name)).toEqual(row?.reasons)
  }
}

/** One partition in order: there is nothing that may differ, but what is written here. */
async function expectVerified(settings: Settings, decided: ReadonlyMap<number, Decision>): Promise<void> {
  type Verified = { readonly decisions: { readonly compared: number; readonly differing: object } }
  const verified = await runAssay(['verify', '--decisions', '--json'], settings)
  expect(JSON.parse(verified.stdout) as Verified).toMatchObject({
    ...{ ok: true, decisions: { compared: decided.size, differing: {} } },
  })
  const scored = [...decided.values()].find(({ decision }) => decision === 'scored')!
  producer.send({
    ...{ topic: settings.DECISIONS_TOPIC!, partition: 0, timestampMs: Date.now(), key: null, headers: [] },
    value: Buffer.from(JSON.stringify({ ...scored, fraud_score: 99 })),
  })
  await producer.command('flush')
  const refuted = await startAssay(['verify', '--decisions'], settings).ended
  expect(refuted.code).toBe(1)
  expect(refuted.stdout).toMatch(/offset \d+: decided otherwise: fraud_score: found 99/)
}

async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  await expect.poll(isSo, { timeout: 60_000, interval: 100 }).toBe(true)
}
