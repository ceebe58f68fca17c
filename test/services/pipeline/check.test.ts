// `assay check` reads the newest records of a topic and says what a run would make of them; it leaves nothing
// behind.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type JavaProducer, openJavaProducer } from '../kafka/java-producer.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { runAssay, type Settings, temporaryDirectory } from './assay.ts'

let broker: SharedBroker
let producer: JavaProducer

describe.skipIf(javaAvailable !== null)('assay check on a topic', () => {
  beforeAll(async () => {
    broker = await sharedBroker()
    producer = await openJavaProducer(broker.bootstrapServers)
  })
  afterAll(async () => {
    await producer?.close()
    await broker?.leave()
  })

  async function checked(topic: string, valuesByPartition: readonly (readonly string[])[]) {
    await broker.createTopic(topic, valuesByPartition.length)
    for (const [partition, values] of valuesByPartition.entries()) {
      for (const value of values) producer.send({ topic, partition, key: null, value: Buffer.from(value) })
    }
    await producer.command('flush')
    const base = join(await temporaryDirectory(), 'tables')
    const settings: Settings = {
      KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers.join(','),
      KAFKA_TOPIC: topic,
      DELTA_BASE_PATH: base,
    }
    const { stdout } = await runAssay(['check'], settings)
    expect(existsSync(base)).toBe(false)
    return stdout
  }

  const good = (id: string): string =>
    `{"transaction_id":"${id}","user_id":1,"amount":5,"timestamp":"2024-03-10T10:00:00Z"}`
  const other = '{"id":1,"event":"page viewed"}'

  test('of another kind says that nearly every record would be refused, and why', async () => {
    const stdout = await checked('pages', [new Array<string>(1_500).fill(other), [other, good('t-1')]])
    expect(stdout).toMatch(/^warn +kafka +nearly every record would be refused: 501 of 502 records, 501 as /m)
    expect(stdout).toContain(`pages, partition 0, offset 1000: ${other}`)
  })

  test('of transactions says that they would be taken', async () => {
    const stdout = await checked('transactions', [[good('t-1'), good('t-2')], [good('t-3')]])
    expect(stdout).toMatch(/^ok +kafka +of the newest 3 records all would be taken$/m)
  })

  test('without records says that none was judged', async () => {
    expect(await checked('nothing', [[], []])).toMatch(/^ok +kafka +no record yet, so none was judged$/m)
  })
})
