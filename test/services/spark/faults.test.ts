// What happens to Kafka, to the session and to the tables while Spark carries a lakehouse: nothing is lost,
// nothing comes twice, and where it cannot go on it says why.

import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { kafkaConnectionOf } from '../../../src/cli/kafka-connection.ts'
import { pipelineOptions } from '../../../src/cli/pipeline-options.ts'
import { sparkOptions } from '../../../src/cli/spark-options.ts'
import { loadConfig } from '../../../src/config/config.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import type { PipelineOptions } from '../../../src/engines/engine.ts'
import { listener, tellNobody } from '../../../src/engines/events.ts'
import { sessionIdOf } from '../../../src/engines/spark/cluster.ts'
import { sqlRelation } from '../../../src/engines/spark/connect/relations.ts'
import { SparkSession } from '../../../src/engines/spark/connect/session.ts'
import { activeStreams } from '../../../src/engines/spark/connect/streaming.ts'
import { ownerOf, sparkEngine } from '../../../src/engines/spark/run.ts'
import type { LakehouseError } from '../../../src/errors/errors.ts'
import { openKafkaSource } from '../../../src/kafka/source.ts'
import { differences } from '../../compare/differences.ts'
import { punctualTopicLines } from '../../generate/lines.ts'
import { takingTurns } from '../../turns.ts'
import { SASL_USER } from '../broker.ts'
import { type JavaConsumer, openJavaConsumer } from '../kafka/java-consumer.ts'
import { type JavaProducer, openJavaProducer, type SentRecord } from '../kafka/java-producer.ts'
import { type Assay, type Settings, temporaryDirectory } from '../pipeline/assay.ts'
import { recordsOfLines, sampleOf, settingsFor, times } from '../pipeline/lakehouse.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { fewTables } from './few-tables/assay.config.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'
import { expectFewRight, runFew, silverHas, startFew, tablesOf } from './lakehouse.ts'
import { untilWriting } from './server-kill.ts'

/** What others append to gold. */
const theirMerchant = 'of another writer'
const waitMax = { timeout: 240_000, interval: 100 }
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
let broker: SharedBroker
let producer: JavaProducer
let consumer: JavaConsumer
let server: TestSpark

describe.skipIf(sparkAbsent !== null)(`faults around Spark (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    ;[broker, server] = await Promise.all([sharedBroker(), startTestSpark()])
    consumer = await openJavaConsumer(broker.bootstrapServers)
    // Not idempotent: it would not know a topic again that was created anew.
    producer = await openJavaProducer(broker.bootstrapServers, { 'enable.idempotence': 'false' })
  })
  afterAll(async () => {
    await producer?.close()
    await consumer?.close()
    await server?.close()
    await broker?.leave()
  })
  beforeEach(takingTurns(seed, 3))

  test('retention deletes offsets that were not read: the run stops with the numbers, or counts them and goes on', async () => {
    const topic = 'retention'
    await broker.createTopic(topic, 2)
    const records = sampleOf(topic, 160, 2, seed)
    await produce(records.slice(0, 60))
    const settings = await lakehouseOf(topic, { MAX_RECORDS_PER_BATCH: '50' })
    await runFew(['run', '--once'], settings)
    const before = await consumer.read(topic)
    const taken = before.filter(({ partition }) => partition === 1).length
    await produce(records.slice(60))
    const first = BigInt(taken + 10)
    await broker.deleteRecordsBefore(topic, 1, first)
    for (const args of [['run', '--once'], ['run']]) {
      const { code, log } = await startFew(args, settings).ended
      expect(code, log).toBe(1)
      expect(log).toContain(`${topic}, partition 1: Kafka deleted 10 offsets from ${taken} on`)
      expect(log).toContain(`ON_DATA_LOSS=continue to go on from offset ${first}`)
      expect(log).toContain('[KAFKA_OFFSETS_LOST]')
    }
    const lossy = { ...settings, ON_DATA_LOSS: 'continue' }
    const { log } = await runFew(['run', '--once', '--finalize'], lossy)
    expect(log).toMatch(/"code":"KAFKA_OFFSETS_LOST".*"lost":10\b/)
    expect(log).toMatch(/lost before they were read +10\n/)
    await runFew(['verify'], lossy)
    const after = await consumer.read(topic)
    const kept = before.filter(({ partition, offset }) => partition === 1 && offset < first)
    await expectFewRight(settings, [...kept, ...after])
  })

  test('retention deletes all that was not read: the tables go on behind the hole, and the loss is counted once', async () => {
    const topic = 'expiring'
    await broker.createTopic(topic, 1)
    const records = sampleOf(topic, 90, 1, seed)
    await produce(records.slice(0, 30))
    const settings = await lakehouseOf(topic, { ON_DATA_LOSS: 'continue' })
    await runFew(['run', '--once'], settings)
    const before = await consumer.read(topic)
    await produce(records.slice(30, 60))
    await broker.deleteRecordsBefore(topic, 0, 60n)
    const { log } = await runFew(['run', '--once'], settings)
    expect(log.match(/KAFKA_OFFSETS_LOST/g)).toHaveLength(1)
    await produce(records.slice(60))
    await runFew(['run', '--once', '--finalize'], { ...settings, ON_DATA_LOSS: 'fail' })
    await expectFewRight(settings, [...before, ...(await consumer.read(topic))])
  })

  test('what the query loses while nobody looks at it is counted all the same', async () => {
    const topic = 'unseen'
    await broker.createTopic(topic, 1)
    const records = sampleOf(topic, 60, 1, seed)
    await produce(records.slice(0, 20))
    const settings = await lakehouseOf(topic, { ON_DATA_LOSS: 'continue' })
    await runFew(['run', '--once'], settings)
    await produce(records.slice(20, 30))
    const before = await consumer.read(topic)
    const running = startFew(['run'], settings)
    await silverHas(settings, 30, running)
    // What was read is no loss.
    await broker.deleteRecordsBefore(topic, 0, 25n)
    // Of an open transaction nothing can be read, but it can be deleted.
    const committing = await openJavaProducer(broker.bootstrapServers, { 'transactional.id': topic })
    await committing.command('begin')
    for (const record of records.slice(30)) committing.send(record)
    await committing.command('flush')
    process.kill(running.pid, 'SIGSTOP')
    await broker.deleteRecordsBefore(topic, 0, 40n)
    await committing.command('commit')
    await committing.close()
    const session = await sessionOf(settings, 0)
    await expect.poll(() => activeStreams(session, call), waitMax).toEqual([])
    session.close()
    process.kill(running.pid, 'SIGCONT')
    // Kafka's end lies behind the mark that ends the transaction, an offset without a record.
    await silverHas(settings, 60, running)
    const { code, log } = await running.end('SIGTERM')
    expect(code, log).toBe(0)
    expect(log.match(/"code":"KAFKA_OFFSETS_LOST"/g), log).toHaveLength(1)
    expect(log).toMatch(/"code":"KAFKA_OFFSETS_LOST".*"lost":10\b/)
    await runFew(['run', '--once', '--finalize'], settings)
    await expectFewRight(settings, [...before, ...(await consumer.read(topic))])
  })

  test('the topic is deleted and created anew, with fewer records or with more: neither is taken for the old one', async () => {
    const topic = 'anew'
    await broker.createTopic(topic, 1)
    const records = sampleOf(topic, 100, 1, seed)
    await produce(records.slice(0, 40))
    const settings = await lakehouseOf(topic, { ON_DATA_LOSS: 'continue' })
    const running = startFew(['run'], settings)
    await silverHas(settings, 40, running)
    const old = await consumer.read(topic)
    await broker.deleteTopic(topic)
    await broker.createTopic(topic, 1)
    await produce(records.slice(0, 10))
    const { code, log } = await running.ended
    expect(code, log).toBe(1)
    expect(log).toContain('[KAFKA_TOPIC_CHANGED]')
    expect(log).toContain('give the topic another name, or set DELTA_BASE_PATH to a new directory')
    // A new process has only the tables to know it by; by now the topic has more offsets than the old one
    // had.
    await produce(records.slice(10))
    for (const onDataLoss of ['fail', 'continue']) {
      const again = await startFew(['run', '--once'], { ...settings, ON_DATA_LOSS: onDataLoss }).ended
      expect(again.code, again.log).toBe(1)
      expect(again.log).toMatch(
        /anew was deleted and created anew since it was read to offset 40.*\[KAFKA_TOPIC_CHANGED\]/,
      )
    }
    await runFew(['verify'], settings)
    await expectFewRight(settings, old)
  })

  test('a session that the server ends, between two batches and in the middle of one, is followed by another', async () => {
    const topic = 'sessions'
    await broker.createTopic(topic, 2)
    const records = sampleOf(topic, 120, 2, seed)
    const settings = await lakehouseOf(topic)
    await produce(records.slice(0, 40))
    const running = startFew(['run'], settings)
    await untilTold(running, 40)
    await releaseSession(settings, 0)
    await produce(records.slice(40, 80))
    await untilTold(running, 80)
    await produce(records.slice(80))
    await untilWriting(running, join(settings.DELTA_BASE_PATH!, 'silver/transactions'))
    await releaseSession(settings, 1)
    await silverHas(settings, 120, running)
    const { code, log } = await running.end('SIGTERM')
    expect(code, log).toBe(0)
    expect(log).toContain('SPARK_SESSION_LOST')
    expect(log.split('goes on from the tables').length, log).toBeGreaterThan(2)
    await runFew(['run', '--once', '--finalize'], settings)
    await expectFewRight(settings, await consumer.read(topic))
  })

  test('a chosen session that has ended cannot be followed by another: the run says so', async () => {
    await broker.createTopic('chosen', 1)
    const sessionId = randomUUID()
    const address = `${server.address};session_id=${sessionId}`
    const session = newSession(sessionId)
    await session.version(call)
    await session.release(call)
    const settings = await lakehouseOf('chosen', { SPARK_MASTER: address })
    const refused = await startFew(['run', '--once'], settings).ended
    expect(refused).toMatchObject({ code: 1, log: expect.stringContaining('[SPARK_SESSION_LOST]') })
  })

  test('small files are put together while batches go on and others compact and append: no row of either is lost', async () => {
    const topic = 'upkeep'
    await broker.createTopic(topic, 1)
    await produce(sampleOf(topic, 100, 1, seed))
    const settings = await lakehouseOf(topic, {
      MAX_RECORDS_PER_BATCH: '20',
      SPARK_MAX_OFFSETS_PER_TRIGGER: '40',
    })
    const at = (path: string) => join(settings.DELTA_BASE_PATH!, path)
    const theirs: Promise<LakehouseError | null>[] = []
    const notices: string[] = []
    const disturb = async () => {
      const merchant = sqlRelation(`SELECT '${theirMerchant}' AS merchant`)
      const gold = at('gold/transactions')
      await server.session.writeDelta(merchant, { path: `file:${gold}`, mode: 'append' }, call)
      for (const path of [at('silver/transactions'), gold])
        await server.session.run(`OPTIMIZE delta.\`${path}\``, call)
    }
    const between = async (batch: number) => {
      // The first compaction of ours begins after the second batch.
      const count = () => compactionsOf(at('bronze/transactions'))
      if (batch === 3) await expect.poll(count, waitMax).toBeGreaterThan(0)
      if (batch === 4 || batch === 5)
        theirs.push(
          disturb().then(
            () => null,
            (error) => error,
          ),
        )
    }
    const hear = ({ message }: { readonly message: string }) => void notices.push(message)
    const tell = listener({ notice: hear, fault: hear })
    await runHere(settings, { finalize: true, filesBeforeCompaction: 2, tell }, between)
    expect(theirs.length).toBe(2)
    // Against ours theirs may stand back, and repeat it; ours never does.
    for (const failure of await Promise.all(theirs))
      expect([null, 'DELTA_COMMIT_CONFLICT']).toContain(failure?.code ?? null)
    expect(notices.filter((message) => !message.startsWith('compaction of'))).toEqual([])
    const tables = await tablesOf(settings)
    const ours = tables['gold/transactions'].filter(({ merchant }) => merchant !== theirMerchant)
    expect(tables['gold/transactions'].length - ours.length).toBe(theirs.length)
    await expectFewRight(settings, await consumer.read(topic), { ...tables, 'gold/transactions': ours })
  })

  test('a batch of almost only repeats is the same on both engines', async () => {
    const topic = 'repeats'
    await broker.createTopic(topic, 2)
    const [lines] = fc.sample(punctualTopicLines(100, 8), { seed, numRuns: 1 })
    const repeats = Array.from({ length: 4_900 }, (_, index) => lines![(index * 7) % lines!.length]!)
    const lastMs = lines!.at(-1)!.nowMs
    const all = [...lines!, ...repeats.map((line) => ({ ...line, nowMs: lastMs }))]
    await produce(recordsOfLines(topic, all, ({ user }) => user % 2))
    const [onSpark, embedded] = [await lakehouseOf(topic), await lakehouseOf(topic, { ENGINE: 'embedded' })]
    for (const each of [onSpark, embedded]) await runFew(['run', '--once', '--finalize'], each)
    const tables = await tablesOf(onSpark)
    const duplicates = tables['silver/quarantine'].filter(({ reasons }) => String(reasons) === 'duplicate')
    expect(duplicates.length).toBeGreaterThanOrEqual(4_900)
    expect(differences(tables, await tablesOf(embedded), times)).toEqual([])
  })

  test('a broker with passwords: the query logs in, and the password is in no table, checkpoint or log', async () => {
    const topic = 'passwords'
    await broker.createTopic(topic, 2)
    await produce(sampleOf(topic, 40, 2, seed))
    const settings = await lakehouseOf(topic, {
      KAFKA_BOOTSTRAP_SERVERS: broker.saslBootstrapServers.join(','),
      KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT',
      KAFKA_SASL_MECHANISM: 'PLAIN',
      KAFKA_SASL_USERNAME: SASL_USER.username,
      KAFKA_SASL_PASSWORD: SASL_USER.password,
    })
    const { log } = await runFew(['run', '--once', '--finalize'], settings)
    await expectFewRight(settings, await consumer.read(topic))
    expect(log).not.toContain(SASL_USER.password)
    for (const file of await filesOf(settings.DELTA_BASE_PATH!))
      expect((await readFile(file)).includes(SASL_USER.password), file).toBe(false)
    const refused = await startFew(['run', '--once'], { ...settings, KAFKA_SASL_PASSWORD: 'wrong' }).ended
    expect(refused).toMatchObject({ code: 1, log: expect.stringContaining('[KAFKA_AUTHENTICATION_FAILED]') })
  })
})

async function lakehouseOf(topic: string, more: Settings = {}): Promise<Settings> {
  return settingsFor(broker.bootstrapServers, topic, await temporaryDirectory(), {
    ENGINE: 'spark',
    SPARK_MASTER: server.address,
    SPARK_SHUFFLE_PARTITIONS: '2',
    ...more,
  })
}

/** The engine in this process: `between` is called, and waited for, when a batch is in all tables. */
async function runHere(
  of: Settings,
  more: Partial<PipelineOptions>,
  between: (batch: number) => Promise<void>,
): Promise<void> {
  const config = loadConfig(fewTables, of, join(of.DELTA_BASE_PATH!, 'absent'))
  const source = await openKafkaSource({ ...kafkaConnectionOf(config.kafka), ...config.kafka })
  let batches = 0
  Object.assign(source, { reportProgress: () => between(++batches) })
  try {
    await sparkEngine(sparkOptions(config, source)).run({
      ...pipelineOptions(config),
      streams: fewTables.streams,
      source,
      once: true,
      finalize: false,
      signal: call.signal,
      tell: tellNobody,
      ...more,
    })
  } finally {
    await source.close()
  }
}

/** As the server does with a session that it has not heard of for too long. */
async function releaseSession(of: Settings, epoch: number): Promise<void> {
  await (await sessionOf(of, epoch)).release(call)
}

/** The session of a run that nobody looks at, or that is to end. */
async function sessionOf({ DELTA_BASE_PATH: base }: Settings, epoch: number): Promise<SparkSession> {
  const owner = await ownerOf({
    lakehouse: fewTables,
    deltaBasePath: base!,
    streams: fewTables.streams,
    tableProperties: {},
  })
  return newSession(sessionIdOf(owner, epoch))
}

function newSession(sessionId: string): SparkSession {
  return new SparkSession({ ...server.session.channel.address, sessionId })
}

/** Waits until the run has told of batches with so many records, which are in all tables then. */
async function untilTold(by: Assay, records: number): Promise<void> {
  const told = () =>
    [...by.log().matchAll(/"records":(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
  await expect.poll(() => told() >= records || by.hasEnded(), waitMax).toBe(true)
  expect(by.hasEnded(), by.log()).toBe(false)
}

/** How many compactions the log of the table tells of. */
async function compactionsOf(directory: string): Promise<number> {
  const commits = await Array.fromAsync((await DeltaTable.open(directory)).commits(0n))
  return commits.filter(({ commitInfo }) => commitInfo?.operation === 'OPTIMIZE').length
}

async function produce(records: readonly SentRecord[]): Promise<void> {
  for (const record of records) producer.send(record)
  await producer.command('flush')
}

async function filesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
