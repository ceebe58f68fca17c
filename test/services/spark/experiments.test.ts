// An experiment and shadows on Spark and on the embedded engine: each customer is scored by the version of
// the arm, every transaction by each shadow, and both engines write the same rows.
import { hash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import { readTables } from '../../compare/read-in-process.ts'
import type { Row } from '../../oracle/rows.ts'
import { type JavaProducer, openJavaProducer, type SentRecord } from '../kafka/java-producer.ts'
import { runAssay, type Settings, temporaryDirectory } from '../pipeline/assay.ts'
import { sampleOf, settingsFor } from '../pipeline/lakehouse.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

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

  test('arms, versions, scores and shadows are the same, before it and in it', async () => {
    const topic = 'experiment'
    await broker.createTopic(topic, partitionCount)
    const [first, second] = halves(sampleOf(topic, 80, partitionCount, seed))
    const candidate = join(await temporaryDirectory(), 'candidate.yaml')
    const shipped = await readFile(rulesFile, 'utf8')
    const added = '  - { name: any_amount, when: amount > 0, points: 1, says: an amount }\n'
    await writeFile(candidate, shipped.replace('rules:\n', `rules:\n${added}`))
    // The hour of a few is the one that it divides by.
    const divides = '  - { name: divides, when: amount / (transaction_hour - 9) > 1, points: 7, says: x }\n'
    const shadow = join(await temporaryDirectory(), 'shadow.yaml')
    const lists = shipped.replace('[Nigeria, Russia, China]', '[France]')
    await writeFile(shadow, lists.replace('rules:\n', `rules:\n${divides}`))
    const [onSpark, embedded] = [await settings(topic, 'spark'), await settings(topic, 'embedded')]
    const runBoth = (...args: string[]) =>
      Promise.all([onSpark, embedded].map((each) => runAssay(args, each)))
    await send(first!)
    await runBoth('run', '--once')
    await runBoth('rules', 'propose', candidate)
    await runBoth('rules', 'propose', shadow)
    await runBoth('rules', 'shadow', '3')
    await runBoth('rules', 'shadow', '2')
    await runBoth('experiment', 'start', 'less-friction', '--candidate', '2', '--share', '40%')
    await send(second!)
    await runBoth('run', '--once')
    const rows = await scored(onSpark)
    expect(rows).toEqual(await scored(embedded))
    const versions = rows.map(({ variant, rules_version: version }) => `${variant} ${version}`)
    expect(new Set(versions)).toEqual(new Set(['null 1', 'control 1', 'candidate 2']))
    const armed = rows.filter(({ variant }) => variant !== null)
    for (const { variant, user_id: user } of armed) expect(variant).toBe(armOf(user))
    const shadows = await rowsOf(onSpark, 'rules/shadow')
    expect(shadows).toEqual(await rowsOf(embedded, 'rules/shadow'))
    expect(shadows.length).toBe(2 * armed.length)
    for (const version of [2n, 3n])
      expect(shadows.filter((row) => row.rules_version === version).length).toBe(armed.length)
    const { stdout: told } = await runAssay(['verify'], onSpark)
    expect(told).toContain(`rules.shadow, rows: ${shadows.length} rows`)
    const report = await runAssay(['experiment', 'report', 'less-friction', '--json'], onSpark)
    const { control, candidate: ofCandidate, misplaced } = JSON.parse(report.stdout).transactions
    expect([control + ofCandidate, misplaced]).toEqual([armed.length, 0])
  })

  async function settings(topic: string, engine: 'spark' | 'embedded'): Promise<Settings> {
    const base = await temporaryDirectory()
    return settingsFor(broker.bootstrapServers, topic, base, {
      ...{ ENGINE: engine, SPARK_MASTER: server.address, SPARK_SHUFFLE_PARTITIONS: '2' },
    })
  }
})

async function send(records: readonly SentRecord[]): Promise<void> {
  for (const record of records) producer.send(record)
  await producer.command('flush')
}

function halves(records: readonly SentRecord[]): SentRecord[][] {
  const size = Math.ceil(records.length / 2)
  return [records.slice(0, size), records.slice(size)]
}

function scored(of: Settings): Promise<Row[]> {
  return rowsOf(of, 'fraud_detection')
}

/** Without times, which each run gives. */
async function rowsOf(of: Settings, path: string): Promise<Row[]> {
  const read = (await readTables(of.DELTA_BASE_PATH!, [path])) as unknown as Record<string, Row[]>
  const key = ({ partition, offset, rules_version: version }: Row): string =>
    `${partition} ${String(offset).padStart(9)} ${version}`
  return read[path]!.map(({ processing_time: _, ...row }) => row).sort((a, b) =>
    key(a as Row) < key(b as Row) ? -1 : 1,
  ) as Row[]
}
