// An experiment on Spark and on the embedded engine: each customer is scored by the version of the arm, and both
// engines write the same rows.
import { hash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import type { Row } from '../../oracle/rows.ts'
import { type JavaProducer, openJavaProducer, type SentRecord } from '../kafka/java-producer.ts'
import { runAssay, type Settings, temporaryDirectory } from '../pipeline/assay.ts'
import { sampleOf, settingsFor } from '../pipeline/lakehouse.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'
import { tablesOf } from './lakehouse.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const partitionCount = 2
const armOf = (user: unknown): string =>
  Number.parseInt(hash('sha256', `less-friction|${user}`, 'hex').slice(0, 13), 16) / 16 ** 13 < 0.4
    ? 'candidate'
    : 'control'

let broker: SharedBroker
let producer: JavaProducer
let server: TestSpark

describe.skipIf(sparkAbsent !== null)(`an experiment on both engines (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    ;[broker, server] = await Promise.all([sharedBroker(), startTestSpark()])
    producer = await openJavaProducer(broker.bootstrapServers)
  })
  afterAll(async () => {
    await producer?.close()
    await server?.close()
    await broker?.leave()
  })

  test('arms, versions and scores are the same, before it, in it and behind it', async () => {
    const topic = 'experiment'
    await broker.createTopic(topic, partitionCount)
    const parts = thirds(sampleOf(topic, 90, partitionCount, seed))
    const candidate = join(await temporaryDirectory(), 'candidate.yaml')
    const shipped = await readFile(rulesFile, 'utf8')
    const added = '  - { name: any_amount, when: amount > 0, points: 1, says: an amount }\n'
    await writeFile(candidate, shipped.replace('rules:\n', `rules:\n${added}`))
    const both = [await settings(topic, 'spark'), await settings(topic, 'embedded')]
    const changes = [
      [
        ['rules', 'propose', candidate],
        ['experiment', 'start', 'less-friction', '--candidate', '2', '--share', '40%'],
      ],
      [['experiment', 'promote', 'less-friction']],
    ]
    for (const [index, part] of parts.entries()) {
      for (const record of part) producer.send(record)
      await producer.command('flush')
      for (const each of both) await runAssay(['run', '--once'], each)
      for (const args of changes[index] ?? []) for (const each of both) await runAssay(args, each)
    }
    const [onSpark, embedded] = await Promise.all(both.map(scored))
    expect(onSpark).toEqual(embedded)
    const versions = onSpark!.map(({ variant, rules_version: version }) => `${variant} ${version}`)
    expect(new Set(versions)).toEqual(new Set(['null 1', 'control 1', 'candidate 2', 'null 2']))
    for (const { variant, user_id: user } of onSpark!) if (variant !== null) expect(variant).toBe(armOf(user))
    for (const each of both) {
      await runAssay(['verify'], each)
      const report = await runAssay(['experiment', 'report', 'less-friction', '--json'], each)
      const counted = onSpark!.filter(({ variant }) => variant !== null)
      const { transactions } = JSON.parse(report.stdout)
      expect(transactions.control + transactions.candidate).toBe(counted.length)
      expect([transactions.misplaced, transactions.withoutKey]).toEqual([0, 0])
    }
  })

  async function settings(topic: string, engine: 'spark' | 'embedded'): Promise<Settings> {
    const base = await temporaryDirectory()
    return settingsFor(broker.bootstrapServers, topic, base, {
      ...{ ENGINE: engine, SPARK_MASTER: server.address, SPARK_SHUFFLE_PARTITIONS: '2' },
    })
  }
})

function thirds(records: readonly SentRecord[]): SentRecord[][] {
  const size = Math.ceil(records.length / 3)
  return [0, 1, 2].map((part) => records.slice(part * size, (part + 1) * size))
}

/** Without times, which each run gives. */
async function scored(of: Settings): Promise<Row[]> {
  const { fraud_detection: rows } = await tablesOf(of)
  const key = ({ partition, offset }: Row): string => `${partition} ${String(offset).padStart(9)}`
  return rows
    .map(({ processing_time: _, ...row }) => row)
    .sort((a, b) => (key(a as Row) < key(b as Row) ? -1 : 1)) as Row[]
}
