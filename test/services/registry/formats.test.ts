// Values that confluent-kafka's serializers wrote, by two real registries, on both engines: silver is that of
// the same transactions in JSON, also when it is made again and the registries are gone.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openKafkaProducer } from '../../../src/kafka/producer.ts'
import { isItsTurn } from '../../turns.ts'
import { restoreTable, rowsOfTable } from '../../unit/engine/written-tables.ts'
import { type Broker, startBroker } from '../broker.ts'
import { runAssay, type Settings, temporaryDirectory } from '../pipeline/assay.ts'
import { settingsFor } from '../pipeline/lakehouse.ts'
import { PythonProcess } from '../python.ts'
import { sparkAbsent, startTestSpark, type TestSpark } from '../spark/harness.ts'
import { javaAvailable, pythonAvailable, pythonEnvironment } from '../tools.ts'
import { goAbsent, type Registry, startApicurio, startSrfake } from './registries.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const count = Number(process.env.RECORDS ?? 240)
const requirements = ['confluent-kafka[avro,json,protobuf,schemaregistry]==2.16.1']
const absent = javaAvailable ?? pythonAvailable ?? sparkAbsent
let broker: Broker
let spark: TestSpark
let python: PythonProcess

type Written = { readonly value: string; readonly json: string }

/** The serializers' records, and the same as JSON, in two topics. */
async function write(topic: string, { url }: Registry): Promise<void> {
  const code = await readFile(join(import.meta.dirname, 'serialized_records.py'), 'utf8')
  const start_micros = Date.UTC(2026, 8, 1) * 1000
  const records: Written[] = await python.run(code, { url, seed, topic, count, start_micros })
  const values = [
    [topic, records.map(({ value }) => Buffer.from(value, 'base64'))],
    [`${topic}-json`, records.map(({ json }) => Buffer.from(json))],
  ] as const
  for (const [name, list] of values) {
    await broker.createTopic(name, 1)
    const { bootstrapServers } = broker
    const producer = await openKafkaProducer({ bootstrapServers, topic: name, compression: 'lz4' })
    await producer.send(
      list.map((value, index) => ({ key: Buffer.from('k'), value, timestampMs: Date.now() + index })),
    )
    await producer.close()
  }
}

const silverOf = ({ DELTA_BASE_PATH: base }: Settings) =>
  rowsOfTable(join(base!, 'silver/transactions'), '* EXCLUDE (topic, processing_time, processing_date)')

describe.skipIf(absent !== null)(`values by the schemas of a registry (repeat with SEED=${seed})`, () => {
  beforeAll(async () => {
    ;[broker, spark] = await Promise.all([startBroker(), startTestSpark()])
    python = new PythonProcess(await pythonEnvironment('confluent', requirements))
  })
  afterAll(async () => {
    await python?.close()
    await spark?.close()
    await broker?.stop()
  })

  const registries = [
    { name: 'apicurio', start: startApicurio, missing: null },
    { name: 'srfake', start: startSrfake, missing: goAbsent },
  ]
  for (const { name, start, missing } of registries.filter((_, index) => isItsTurn(seed, index, 2))) {
    test.skipIf(missing !== null)(`every format, its versions mixed, by ${name}`, async () => {
      const registry = await start()
      const settings = async (topic: string, more: Settings = {}) =>
        settingsFor(broker.bootstrapServers, topic, await temporaryDirectory(), more)
      const asked = { SCHEMA_REGISTRY_URL: registry.url }
      const onSpark = await settings(name, { ...asked, ENGINE: 'spark', SPARK_MASTER: spark.address })
      const [plain, embedded] = [await settings(`${name}-json`), await settings(name, asked)]
      try {
        await write(name, registry)
        for (const each of [plain, embedded, onSpark]) await runAssay(['run', '--once'], each)
        const { stdout } = await runAssay(['check'], embedded)
        expect(stdout).toMatch(/ok +registry +http:/)
        expect(stdout).toMatch(/all would be (taken|refused: duplicate)|would be taken/)
      } finally {
        await registry.stop()
      }
      const expected = await silverOf(plain)
      expect(expected).toHaveLength(count)
      expect(await silverOf(embedded)).toEqual(expected)
      expect(await silverOf(onSpark)).toEqual(expected)
      for (const each of [embedded, onSpark]) {
        await restoreTable(each.DELTA_BASE_PATH!, 'silver/transactions', 0n)
        const { SCHEMA_REGISTRY_URL: _, ...without } = each
        await runAssay(['run', '--once'], without)
        expect(await silverOf(each)).toEqual(expected)
        await runAssay(['verify'], without)
      }
    })
  }

  test('what produce registers and sends is taken, and check tells of it', async () => {
    const registry = await startApicurio()
    try {
      for (const format of ['avro', 'protobuf', 'json-schema']) {
        const more = { SCHEMA_REGISTRY_URL: registry.url }
        const settings = settingsFor(
          broker.bootstrapServers,
          `produced-${format}`,
          await temporaryDirectory(),
          more,
        )
        const shares = [
          '--malformed',
          '0',
          '--duplicates',
          '0',
          '--late',
          '0',
          '--rate',
          'max',
          '--seed',
          '5',
        ]
        await runAssay(['produce', '--format', format, '--count', '300', ...shares], settings)
        const { stdout } = await runAssay(['check'], settings)
        expect(stdout).toContain(`produced-${format}-value is`)
        expect(stdout).toContain('of the newest 300 records all would be taken')
        await runAssay(['run', '--once'], settings)
        expect(await silverOf(settings)).toHaveLength(300)
      }
    } finally {
      await registry.stop()
    }
  })
})
