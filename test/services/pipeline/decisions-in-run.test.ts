// A run that decides too: one process writes the tables and the decisions, and both say the same.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import { createGenerator } from '../../../src/produce/generator.ts'
import { turnSeed as seed } from '../../turns.ts'
import { type JavaProducer, openJavaProducer } from '../kafka/java-producer.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { type Assay, runAssay, type Settings, startAssay, temporaryDirectory } from './assay.ts'
import { settingsFor } from './lakehouse.ts'

let broker: SharedBroker
let producer: JavaProducer
const topic = 'decided-in-run'

describe.skipIf(javaAvailable !== null)(`a run that decides (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    broker = await sharedBroker()
    producer = await openJavaProducer(broker.bootstrapServers, {})
  })
  afterAll(async () => {
    await producer?.close()
    await broker?.leave()
  })

  test('it decides what comes, answers requests, and ends with its decisions', async () => {
    await broker.createTopic(topic, 3)
    const settings: Settings = {
      ...settingsFor(broker.bootstrapServers, topic, await temporaryDirectory()),
      ...{ DECISIONS_IN_RUN: 'on', DECISIONS_TOPIC: `${topic}-decisions`, DECISIONS_PORT: '18181' },
      ...{ METRICS_PORT: '19664', LOG_FORMAT: 'json' },
    }
    const run = startAssay(['run'], settings)
    await eventually(run, () => run.log().includes('decides: '))
    await send(600)
    await eventually(run, async () => (await decidedOf(run)) >= 600)
    const url = /(http:\/\/localhost:\d+)\/v1\/decisions/.exec(run.log())![1]!
    const body = JSON.stringify({
      ...{ transaction_id: 'r-1', user_id: 7, amount: 9000, payment_method: 'crypto' },
      timestamp: new Date().toISOString(),
    })
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/v1/decisions`, { method: 'POST', body, headers })
    expect(await answer.json()).toMatchObject({ decision: 'scored', id: 'r-1' })
    await activateOther(settings)
    const decide = async (): Promise<unknown> => {
      const another = { method: 'POST', body: body.replace('r-1', 'r-2'), headers }
      const again = await fetch(`${url}/v1/decisions?dry_run=true`, another)
      return ((await again.json()) as { readonly fraud_score?: number }).fraud_score
    }
    // By the other version the amount alone is so much.
    await expect.poll(decide, { timeout: 30_000, interval: 200 }).toBeGreaterThanOrEqual(91)
    // Another process shares the topic with the run.
    const second = startAssay(['run', 'decisions'], { ...settings, DECISIONS_PORT: '0', METRICS_PORT: '0' })
    await eventually(second, () => second.log().includes('2 processes share the topic'))
    expect((await second.end('SIGTERM')).code).toBe(0)
    expect((await run.end('SIGTERM')).code).toBe(0)
    await runAssay(['run', '--once'], settings)
    const file = join(await temporaryDirectory(), 'decisions.prom')
    const options = ['--decisions', '--json', '--metrics', file]
    const { stdout } = await runAssay(['verify', ...options], settings)
    type Verified = { readonly decisions: { readonly compared: number; readonly withoutRow: number } }
    const { compared, withoutRow } = (JSON.parse(stdout) as Verified).decisions
    expect([compared, withoutRow]).toEqual([601, 0])
    const metrics = await readFile(file, 'utf8')
    expect(metrics).toMatch(/^assay_decisions_compared 601$/m)
    expect(metrics).toMatch(/^assay_decision_differences\{cause="unexplained"\} 0$/m)
  })

  test('where it cannot decide it ends, and says why', async () => {
    const token = join(await temporaryDirectory(), 'token')
    await writeFile(token, '')
    const settings: Settings = {
      ...settingsFor(broker.bootstrapServers, topic, await temporaryDirectory()),
      ...{ DECISIONS_TOPIC: `${topic}-decisions`, DECISIONS_PORT: '18191', DECISIONS_TOKEN_FILE: token },
      ...{ DECISIONS_GROUP_ID: 'decided-in-run-2', METRICS_PORT: '0', LOG_FORMAT: 'json' },
    }
    const run = await startAssay(['run', 'decisions', 'kafka-to-delta'], settings).ended
    expect([run.code, run.log]).toEqual([2, expect.stringContaining('DECISIONS_TOKEN_FILE')])
  })
})

/** Another version of the rules, while the run goes on. */
async function activateOther(settings: Settings): Promise<void> {
  const file = join(await temporaryDirectory(), 'rules.yaml')
  const text = await readFile(rulesFile, 'utf8')
  const changed = text.replace(/(?<=- name: high_amount[\s\S]*?points: )30/, '91')
  expect(changed).not.toBe(text)
  await writeFile(file, changed)
  await runAssay(['rules', 'propose', file, '--reason', 'a test'], settings)
  await runAssay(['rules', 'activate', '2', '--reason', 'a test'], settings)
}

async function send(count: number): Promise<void> {
  const startMs = Date.parse('2026-10-31T12:00:00Z')
  const generator = createGenerator({
    ...{ seed, users: 60, fraudShare: 0.1, startMs, duplicateShare: 0.05, malformedShare: 0.1 },
  })
  for (let index = 0; index < count; index++) {
    const timestampMs = startMs + index * 2_000
    const { key, value } = generator.next(timestampMs)
    const at = { topic, partition: index % 3, timestampMs, headers: [] }
    producer.send({ ...at, key: Buffer.from(key), value: Buffer.from(value) })
  }
  await producer.command('flush')
}

/** By the metrics of its decisions. */
async function decidedOf(run: Assay): Promise<number> {
  const url = /metrics of decisions at (http:\/\/localhost:\d+\/metrics)/.exec(run.log())
  if (url === null) return 0
  const text = await (await fetch(url[1]!)).text()
  const counts = [...text.matchAll(/^assay_decisions_total\{[^}]*\} (\d+)$/gm)]
  return counts.reduce((sum, [, count]) => sum + Number(count), 0)
}

async function eventually(run: Assay, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const check = async (): Promise<boolean> => {
    if (run.hasEnded()) throw new Error(`it ended:\n${run.log()}`)
    return await isSo()
  }
  await expect.poll(check, { timeout: 120_000, interval: 100 }).toBe(true)
}
