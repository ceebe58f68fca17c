// Lakehouses that Spark takes over from somebody else: from a version of before, from an erasure, from
// another program that put a table back to older rows.
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { exitCodes } from '../../../src/cli/failure.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import { batchesOfLog } from '../../compare/batches-of-log.ts'
import { judgeStreamedLakehouse } from '../../compare/judge-lakehouse.ts'
import { defaultConfig } from '../../oracle/oracle.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { takingTurns, turnSeed } from '../../turns.ts'
import {
  isOfPerson,
  person,
  personRecords,
  positionsOf,
  positionText,
  tracesOf,
} from '../../unit/engine/erased-person.ts'
import { recordsOfFiles, unpackOldLakehouse, withRulesVersion } from '../../unit/engine/old-lakehouse.ts'
import { type JavaProducer, openJavaProducer, type SentRecord } from '../kafka/java-producer.ts'
import { runAssay, type Settings, temporaryDirectory } from '../pipeline/assay.ts'
import { settingsFor } from '../pipeline/lakehouse.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'
import { expectFewRight, runFew, silverHas, startFew, tablesOf } from './lakehouse.ts'

let broker: SharedBroker
let producer: JavaProducer
let server: TestSpark

describe.skipIf(sparkAbsent !== null)('on Spark', () => {
  beforeAll(async () => {
    ;[broker, server] = await Promise.all([sharedBroker(), startTestSpark()])
    producer = await openJavaProducer(broker.bootstrapServers)
  })
  afterAll(async () => {
    await producer?.close()
    await server?.close()
    await broker?.leave()
  })
  beforeEach(takingTurns(turnSeed, 3))

  test('a lakehouse of version 0.1.0, and one of files, goes on with a topic without a gap or a repeat', async () => {
    const { base, input } = await unpackOldLakehouse(await temporaryDirectory())
    // Its batches did not record what they were decided by.
    const mine = settings('upgrade', base, { DEDUP_WINDOW: '1 hour' })
    const [first, second, third] = [payments(0, 60), payments(60, 80), payments(80, 150)]
    const sent = await send('upgrade', first!)
    const before = await tablesOf(mine)
    await runAssay(['run', '--once'], mine)
    const after = await tablesOf(mine)
    const kept = after['bronze/transactions'].filter(({ topic }) => topic !== 'upgrade')
    expect(kept).toEqual(before['bronze/transactions'])
    expect(after['bronze/transactions']).toHaveLength(kept.length + first!.length)
    // Files that this version reads are noted elsewhere than in the commits.
    await appendFile(join(input, 'c.ndjson'), second!.map((value) => `${value}\n`).join(''))
    await runAssay(['run', '--once', '--from', input], { ...mine, ENGINE: 'embedded' })
    sent.push(...(await send('upgrade', third!, sent.length)))
    await runAssay(['run', '--once', '--finalize'], mine)
    const records = [...(await recordsOfFiles(input)), ...sent]
    const [tables, batches] = [await tablesOf(mine), await batchesOfLog(mine.DELTA_BASE_PATH!)]
    const config = { ...defaultConfig, dedupWindow: 3_600_000_000n }
    // Old batches have no watermark of sessions: the first one of today closes what they could have.
    const { 'aggregations/sessions': _, ...watermarks } = config.watermarks
    const last = before['silver/transactions'].map((row) => row.processing_time as bigint)
    const lastTime = last.reduce((a, b) => (a > b ? a : b))
    const judged = batches.map((batch) =>
      batch.timeMicros <= lastTime ? { ...batch, config: { ...config, watermarks } } : batch,
    )
    expect(judgeStreamedLakehouse(records, withRulesVersion(tables, before), judged, config)).toEqual([])
    await runAssay(['verify'], mine)
    // Nothing of the files waits in bronze, so a person can be erased.
    await runAssay(['erase', '--user-id', '9222'], mine)
    await runAssay(['verify'], mine)
  })

  test('a lakehouse goes on after an erasure, also with new records of the person', async () => {
    const mine = settings('erasure', await temporaryDirectory())
    const records = personRecords()
    const [half, later] = [records.slice(0, 120), records.slice(120)]
    await broker.createTopic('erasure', 2)
    await sendRecords('erasure', half)
    await runAssay(['run', '--once'], mine)
    await runAssay(['erase', '--user-id', String(person)], mine)
    expect(await tracesOf(mine.DELTA_BASE_PATH!)).toEqual([])
    await runAssay(['verify'], mine)
    await sendRecords('erasure', later)
    await runAssay(['run', '--once', '--finalize'], mine)
    await runAssay(['verify'], mine)
    const left = [...half.filter((record) => !isOfPerson(record)), ...later]
    const positions = left.map((record) => positionText({ ...record, topic: 'erasure' })).sort()
    const inTable = (path: string) => positionsOf(mine.DELTA_BASE_PATH!, path)
    expect(await inTable('bronze/transactions')).toEqual(positions)
    const judged = [await inTable('silver/transactions'), await inTable('silver/quarantine')]
    expect(judged.flat().sort()).toEqual(positions)
    expect(await inTable('fraud_detection')).toEqual(judged[0])
    await runAssay(['erase', '--user-id', String(person)], mine)
    expect(await tracesOf(mine.DELTA_BASE_PATH!)).toEqual([])
    await runAssay(['verify'], mine)
  })

  test('tables that were restored, by the run that stops there and while nobody runs, are as they were', async () => {
    const mine = settings('restore', await temporaryDirectory(), { MAX_RECORDS_PER_BATCH: '40' })
    const records = personRecords(120)
    const [most, rest] = [records.slice(0, 120), records.slice(120)]
    await broker.createTopic('restore', 2)
    await sendRecords('restore', most)
    const run = startFew(['run'], mine)
    await silverHas(mine, most.length, run)
    const before = await tablesOf(mine)
    await restore(mine, 'silver/transactions')
    await sendRecords('restore', rest)
    const { code, log } = await run.ended
    expect(code).toBe(exitCodes.failed)
    expect(log).toContain('TABLE_RESTORED')
    for (const path of ['silver/quarantine', 'gold/transactions']) await restore(mine, path)
    const after = await tablesOf(mine)
    const paths = ['silver/transactions', 'silver/quarantine', 'gold/transactions'] as const
    for (const path of paths) expect(after[path].length, path).toBeLessThan(before[path].length)
    // Nothing else has the records of bronze.
    await restore(mine, 'bronze/transactions', '0')
    const refused = await startFew(['run', '--once'], mine).ended
    expect(refused.code).toBe(exitCodes.failed)
    const [, way] =
      /Restore it to version (\d+), then start again\. \[TABLE_RESTORED\]/.exec(refused.log) ?? []
    expect(way, refused.log).toBeDefined()
    await restore(mine, 'bronze/transactions', way)
    // What is carried again is decided by the settings of then.
    await runFew(['run', '--once'], { ...mine, DEDUP_WINDOW: '1 hour', MAX_RECORDS_PER_BATCH: '100' })
    await runFew(['verify'], mine)
    const sent = records.map((record) => ({ ...record, topic: 'restore' }))
    await expectFewRight(mine, sent)
  })
})

/** Puts a table back to a version, or to its first one with rows, as another program does it. */
async function restore({ DELTA_BASE_PATH: base }: Settings, path: string, version?: string): Promise<void> {
  const directory = join(base!, path)
  const table = await DeltaTable.open(directory)
  let to = version
  for await (const commit of table.commits(-1n)) {
    if (commit.adds.length > 0) to ??= String(commit.version)
  }
  await server.session.run(`RESTORE TABLE delta.\`${directory}\` TO VERSION AS OF ${to}`, call)
}

function settings(topic: string, base: string, more: Settings = {}): Settings {
  return settingsFor(broker.bootstrapServers, topic, base, {
    ENGINE: 'spark',
    SPARK_MASTER: server.address,
    SPARK_SHUFFLE_PARTITIONS: '2',
    MAX_RECORDS_PER_BATCH: '100',
    ...more,
  })
}

/** A transaction in each of these minutes behind those of version 0.1.0, some of them repeats. */
function payments(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => {
    const minute = from + index
    const timestamp = new Date(Date.UTC(2026, 9, 2) + minute * 60_000).toISOString()
    const transaction_id = `n${minute % 7 === 6 ? minute - 20 : minute}`
    return JSON.stringify({ transaction_id, user_id: 7, amount: 5, merchant: 'm', timestamp })
  })
}

/** Sends the values to a topic with one partition; returns the records as they are there. */
async function send(topic: string, values: readonly string[], from = 0): Promise<RawRecord[]> {
  if (from === 0) await broker.createTopic(topic, 1)
  const timestampMs = Date.UTC(2026, 9, 2, 12)
  const records = values.map((value, index) => {
    const offset = BigInt(from + index)
    return { topic, partition: 0, offset, key: null, value: Buffer.from(value), headers: null, timestampMs }
  })
  await sendRecords(topic, records)
  return records
}

async function sendRecords(topic: string, records: readonly RawRecord[]): Promise<void> {
  for (const { partition, key, value, timestampMs } of records) {
    const time = timestampMs === null ? {} : { timestampMs }
    producer.send({ topic, partition, key, value, ...time } satisfies SentRecord)
  }
  await producer.command('flush')
}
