// The whole pipeline on a real Spark and a real broker, run by the real command, against the oracle and
// against the embedded engine.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import { progressOf } from '../../../src/ops/tables.ts'
import { batchesOfLog } from '../../compare/batches-of-log.ts'
import { differences } from '../../compare/differences.ts'
import { judgePayments, paymentsDirectory, readPayments } from '../../compare/payments-project.ts'
import { badInput, topicLines } from '../../generate/lines.ts'
import { oddValue } from '../../generate/odd-values.ts'
import { payments, topicStartMs } from '../../generate/payments.ts'
import { takingTurns } from '../../turns.ts'
import { type JavaConsumer, openJavaConsumer } from '../kafka/java-consumer.ts'
import { type JavaProducer, openJavaProducer, type SentRecord } from '../kafka/java-producer.ts'
import { runAssay, type Settings, startAssay, temporaryDirectory } from '../pipeline/assay.ts'
import { killedAt } from '../pipeline/kill-at.ts'
import { recordsOfLines, sampleOf, settingsFor, times, unevenPartition } from '../pipeline/lakehouse.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { fewTables } from './few-tables/assay.config.ts'
import { sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'
import { expectFewRight, expectRight, queriesOf, runFew, silverHas, startFew, tablesOf } from './lakehouse.ts'
import { killWhileWriting, sparkSettings, untilWriting } from './server-kill.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const partitionCount = 3
/** Where the contract leaves everything open, the oracle gives up. */
const values = badInput.filter(({ name }) => name !== 'deep-nesting-20000').map(({ value }) => value)
let broker: SharedBroker
let consumer: JavaConsumer
let producer: JavaProducer
let server: TestSpark

describe.skipIf(sparkAbsent !== null)(`the pipeline on Spark (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    ;[broker, server] = await Promise.all([sharedBroker(), startTestSpark()])
    consumer = await openJavaConsumer(broker.bootstrapServers)
    producer = await openJavaProducer(broker.bootstrapServers, { 'linger.ms': '20' })
  })
  afterAll(async () => {
    await producer?.close()
    await consumer?.close()
    await server?.close()
    await broker?.leave()
  })
  beforeEach(takingTurns(seed, 2, 3))

  test('every table is what the oracle and the embedded engine make of the same batches', async () => {
    const topic = 'both-engines'
    const [first, second] = chunks(await records(topic, 200), 2) as [SentRecord[], SentRecord[]]
    const [onSpark, embedded] = [await settings(topic, 'spark'), await settings(topic, 'embedded')]
    await send(first)
    for (const each of [onSpark, embedded]) await runAssay(['run', '--once'], each)
    await send(second)
    // The three streams as processes of their own, one behind the other.
    for (const stream of ['kafka-to-delta', 'fraud-detection', 'aggregations']) {
      const ending = stream === 'kafka-to-delta' ? ['--finalize'] : []
      for (const each of [onSpark, embedded]) await runAssay(['run', stream, '--once', ...ending], each)
    }
    const raw = await consumer.read(topic)
    const tables = await expectRight(onSpark, raw)
    const reasons = new Set(tables['silver/quarantine'].map((row) => String(row.reasons)))
    expect([...reasons]).toEqual(expect.arrayContaining(['malformed', 'duplicate', 'late']))
    // A streaming query brings bronze its rows when it likes; their batches are the same.
    expect(await rangesOf(onSpark)).toEqual(await rangesOf(embedded))
    expect(differences(tables, await tablesOf(embedded), times)).toEqual([])
  })

  test('a lakehouse changes its engine at any batch, and loses its checkpoints, without a gap or a repeat', async () => {
    const topic = 'change'
    const parts = chunks(await records(topic, 160), 4)
    const base = await temporaryDirectory()
    const engines = ['embedded', 'spark', 'spark', 'embedded'] as const
    for (const [index, engine] of engines.entries()) {
      await send(parts[index]!)
      const ending = index === engines.length - 1 ? ['--finalize'] : []
      // A batch goes by the settings of its start, whoever carries it.
      const countries = { HIGH_RISK_COUNTRIES: index % 2 === 0 ? 'France,Italy' : 'Nigeria' }
      const mine = await settings(topic, engine, base)
      await runAssay(['run', '--once', ...ending], { ...mine, ...countries })
      await rm(join(base, '_checkpoints'), { recursive: true, force: true })
    }
    await expectRight(await settings(topic, 'spark', base), await consumer.read(topic))
  })

  test('a project of its own changes its engine, is killed at steps of a batch on Spark, and changes back', async () => {
    const topic = 'payments'
    const [lines] = fc.sample(payments(240, 20_000, topicStartMs), { seed, numRuns: 1 })
    await broker.createTopic(topic, partitionCount)
    const sent = recordsOfLines(topic, lines!, (_, index) => unevenPartition(index, partitionCount))
    const base = await temporaryDirectory()
    const [embedded, onSpark] = [
      await settings(topic, 'embedded', base),
      await settings(topic, 'spark', base),
    ]
    const ofProject = ['--project', paymentsDirectory]
    const [first, second, third] = chunks(sent, 3) as [SentRecord[], SentRecord[], SentRecord[]]
    await send(first)
    await runAssay(['run', '--once', ...ofProject], embedded)
    const scored = async () => (await readPayments(base)).fraud_detection!.length
    const before = await scored()
    await send(second)
    const kills = [killedAt('table committed'), killedAt('all tables committed')]
    for (const kill of kills) {
      const { code, log } = await startAssay(['run', '--once', ...ofProject], { ...onSpark, ...kill }).ended
      expect(code, log).toBe(null)
    }
    await runAssay(['run', '--once', ...ofProject], onSpark)
    expect(await scored(), 'Spark has scored payments').toBeGreaterThan(before)
    await send(third)
    await runAssay(['run', '--once', '--finalize', ...ofProject], embedded)
    const raw = await consumer.read(topic)
    expect((await readPayments(base))['bronze/transactions']).toHaveLength(raw.length)
    expect(await judgePayments(base, raw, true)).toEqual([])
    await runAssay(['verify', ...ofProject], embedded)
  })

  test('a client that was killed finds its query again, and no second one gets in beside it', async () => {
    const topic = 'clients'
    const parts = chunks(await plainRecords(topic, 90), 3)
    const mine = await settings(topic, 'spark')
    await send(parts[0]!)
    const killed = startFew(['run'], mine)
    await silverHas(mine, parts[0]!.length, killed)
    await killed.end('SIGKILL')
    await send(parts[1]!)
    const client = startFew(['run'], mine)
    await silverHas(mine, parts[0]!.length + parts[1]!.length, client)
    const second = await startFew(['run', '--once'], mine).ended
    expect(second.log).toContain('STREAM_LOCKED')
    expect((await client.end('SIGTERM')).code).toBe(0)
    expect(await queriesOf(mine)).toHaveLength(1)
    await send(parts[2]!)
    await runFew(['run', '--once', '--finalize'], mine)
    expect(await queriesOf(mine)).toHaveLength(2)
    await expectFewRight(mine, await consumer.read(topic))
  })

  test('a client that is killed in a write is followed by one with other settings: what was decided stays', async () => {
    const topic = 'settings'
    const tables = ['silver/transactions', 'silver/quarantine', 'gold/transactions']
    const parts = chunks(await plainRecords(topic, 150), tables.length)
    const mine = await settings(topic, 'spark')
    // Each of them decides some rows differently.
    const changes: Settings[] = [
      { DEDUP_WINDOW: '1 minute' },
      { WATERMARK_SILVER: '20 minutes', WATERMARK_GOLD: '20 minutes', MAX_RECORDS_PER_BATCH: '35' },
      { DEDUP_WINDOW: '30 minutes', WATERMARK_SILVER: '5 minutes' },
    ]
    for (const [index, table] of tables.entries()) {
      await send(parts[index]!)
      const run = startFew(['run', '--once', '--finalize'], { ...mine, ...changes[index] })
      await untilWriting(run, join(mine.DELTA_BASE_PATH!, table))
      await run.end('SIGKILL')
    }
    await runFew(['run', '--once', '--finalize'], mine)
    const found = await expectFewRight(mine, await consumer.read(topic))
    await runFew(['verify'], mine)
    // A clean stop leaves nothing that other settings could decide.
    await runFew(['run', '--once'], { ...mine, ...changes[0] })
    expect(await tablesOf(mine)).toEqual(found)
  })

  test('a person is erased while the query brings rows to bronze, and the run goes on', async () => {
    const topic = 'erased'
    const [first, second] = chunks(await plainRecords(topic, 240), 2) as [SentRecord[], SentRecord[]]
    const mine = await settings(topic, 'spark')
    await send(first)
    const run = startFew(['run'], mine)
    await silverHas(mine, first.length, run)
    const users = (await tablesOf(mine))['silver/transactions'].map(({ user_id }) => String(user_id))
    const [user] = users as [string]
    const others = second.filter(({ key, value }) => !`${key} ${value}`.includes(user))
    // More than one batch, so that some wait in bronze when the run pauses.
    const [{ stdout }] = await Promise.all([runFew(['erase', '--user-id', user], mine), send(others)])
    expect(stdout).toContain(`erasure 1, of user ${user}`)
    // All may be in silver before the run has seen that the erasure is over.
    while ((await offsetsIn(mine)) < first.length + others.length || !run.log().includes('ERASURE_OVER')) {
      expect(run.hasEnded(), run.log()).toBe(false)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    expect((await run.end('SIGTERM')).code).toBe(0)
    const left = (await tablesOf(mine))['silver/transactions'].map(({ user_id }) => String(user_id))
    expect(left).not.toContain(user)
    await runFew(['run', '--once', '--finalize'], mine)
    await runFew(['verify'], mine)
  })

  test('rules that become active while it runs decide from a batch on, and a rollback as well', async () => {
    const topic = 'versions'
    const parts = chunks(await plainRecords(topic, 90), 3)
    const mine = await settings(topic, 'spark')
    const file = join(await temporaryDirectory(), 'other.yaml')
    const more = 'rules:\n  - { name: any_amount, when: amount > 0, points: 1, says: an amount }\n'
    await writeFile(file, (await readFile(rulesFile, 'utf8')).replace('rules:\n', more))
    await send(parts[0]!)
    const run = startAssay(['run'], mine)
    await silverHas(mine, parts[0]!.length, run)
    await runAssay(['rules', 'propose', file], mine)
    const changes = [
      ['rules', 'activate', '2'],
      ['rules', 'rollback'],
    ]
    for (const [index, change] of changes.entries()) {
      await runAssay(change, mine)
      while (run.log().split('RULES_ACTIVE').length < index + 2) {
        expect(run.hasEnded(), run.log()).toBe(false)
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      await send(parts[index + 1]!)
      await silverHas(mine, parts.slice(0, index + 2).flat().length, run)
    }
    expect((await run.end('SIGTERM')).code).toBe(0)
    await runAssay(['verify'], mine)
    const { fraud_detection: rows } = await tablesOf(mine)
    const byVersion = Map.groupBy(rows, ({ rules_version: version }) => Number(version))
    expect([...byVersion.keys()].sort()).toEqual([1, 2])
    for (const [version, of] of byVersion)
      for (const { reasons } of of) expect((reasons as string[]).includes('any_amount')).toBe(version === 2)
    // Each partition has the three parts one behind the other: first and last are by the first version.
    for (const of of Map.groupBy(rows, ({ partition }) => partition).values()) {
      const inOrder = of.toSorted((a, b) => Number(a.offset) - Number(b.offset))
      const versions = inOrder.map(({ rules_version: version }) => String(version)).join('')
      expect(versions).toMatch(/^1*2*1*$/)
    }
  })

  test('a server that is killed in the bronze query and in the writes of a batch is started again', async () => {
    const topic = 'kills'
    const mine = { ...(await settings(topic, 'spark')), ...sparkSettings }
    const left = fewTables.tables.map(({ path }) => join(mine.DELTA_BASE_PATH!, path))
    const killed: string[] = []
    await send(await plainRecords(topic, 80))
    const run = startFew(['run', '--once', '--finalize'], mine)
    // A fifth failure of one batch would end the run.
    while (left.length > 0) {
      const table = await killWhileWriting(run, left)
      if (table === null) break
      killed.push(...left.splice(left.indexOf(table), 1))
    }
    const { code, log } = await run.ended
    expect(code, log).toBe(0)
    // The others are written at the same time: some may be committed before the server has died.
    expect(killed.slice(0, 2).map((table) => relative(mine.DELTA_BASE_PATH!, table))).toEqual([
      'bronze/transactions',
      'silver/transactions',
    ])
    expect(killed.length).toBeGreaterThan(2)
    await expectFewRight(mine, await consumer.read(topic))
  })
})

async function settings(topic: string, engine: 'spark' | 'embedded', base?: string): Promise<Settings> {
  return settingsFor(broker.bootstrapServers, topic, base ?? (await temporaryDirectory()), {
    ENGINE: engine,
    SPARK_MASTER: server.address,
    SPARK_SHUFFLE_PARTITIONS: '2',
    MAX_RECORDS_PER_BATCH: '90',
  })
}

/** Disorder, repeats, late rows and all the bad input there is. */
async function records(topic: string, count: number): Promise<SentRecord[]> {
  await broker.createTopic(topic, partitionCount)
  const [lines] = fc.sample(topicLines(count, 12), { seed, numRuns: 1 })
  const odd = fc.sample(oddValue({ oneLine: false }), { seed, numRuns: 40 })
  const sent = recordsOfLines(topic, lines!, (_, index) => unevenPartition(index, partitionCount))
  const bad = [...values, ...odd]
  // Spread among the others: a run that takes none of what it read ends with 1.
  const behind = (index: number) => Math.floor((index * bad.length) / sent.length)
  return sent.flatMap((record, index) => {
    const timestampMs = record.timestampMs ?? 0
    const refused = bad.slice(behind(index), behind(index + 1)).map((value, each) => {
      return { topic, partition: (index + each) % partitionCount, timestampMs, key: null, value }
    })
    return [record, ...refused]
  })
}

/** Disorder, repeats and late rows; in each part of them some that are refused. */
async function plainRecords(topic: string, count: number): Promise<SentRecord[]> {
  await broker.createTopic(topic, partitionCount)
  const refused = Buffer.from('no JSON')
  return sampleOf(topic, count, partitionCount, seed).map((record, index) =>
    index % 10 === 9 ? { ...record, value: refused } : record,
  )
}

/** Waits until the broker has them. */
async function send(sent: readonly SentRecord[]): Promise<void> {
  for (const record of sent) producer.send(record)
  await producer.command('flush')
}

function chunks(sent: readonly SentRecord[], count: number): SentRecord[][] {
  const size = Math.ceil(sent.length / count)
  return Array.from({ length: count }, (_, index) => sent.slice(index * size, (index + 1) * size))
}

/** How many offsets silver has taken over, as its newest commits and its checkpoint say. */
async function offsetsIn({ DELTA_BASE_PATH: base }: Settings): Promise<number> {
  const silver = await DeltaTable.open(join(base!, 'silver/transactions'))
  const progress = await progressOf(silver, await silver.snapshot())
  return [...(progress?.offsets.values() ?? [])].reduce((sum, { offset }) => sum + Number(offset), 0)
}

/** What each batch with records took. */
async function rangesOf({ DELTA_BASE_PATH: base }: Settings): Promise<string[]> {
  const batches = await batchesOfLog(base!)
  const withRecords = batches.filter(({ ranges }) => ranges.length > 0)
  return withRecords.map(({ ranges }) =>
    ranges
      .map(({ partition, start, end }) => `${partition}: ${start}-${end}`)
      .sort()
      .join(', '),
  )
}
