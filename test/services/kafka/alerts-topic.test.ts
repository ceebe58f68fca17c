// Notifications as records of a topic, behind a password.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kafkaSink } from '../../../src/alerts/kafka-topic.ts'
import type { AlertNotification } from '../../../src/alerts/notification.ts'
import { SASL_USER } from '../broker.ts'
import { type SharedBroker, sharedBroker } from '../shared.ts'
import { javaAvailable } from '../tools.ts'
import { NO_SIGNAL, openSource, readAll } from './records.ts'

let broker: SharedBroker

describe.skipIf(javaAvailable !== null)('alerts in a topic', () => {
  beforeAll(async () => {
    broker = await sharedBroker()
  })
  afterAll(() => broker?.leave())

  const topic = 'ecommerce.fraud-alerts'
  const of = (id: string): AlertNotification => ({
    ...{ id, kind: 'test', route: 'r', severity: 'info', raisedMs: 0, count: 1 },
    ...{ transactions: [], levels: [], rules: [], eventTimes: null, health: null },
  })

  test('the topic is made, and has each notification under its id', async () => {
    const sasl = { mechanism: 'PLAIN', ...SASL_USER } as const
    const sink = kafkaSink('topic', topic, { bootstrapServers: broker.saslBootstrapServers, sasl })
    const outcomes = [await sink.send(of('a'), NO_SIGNAL), await sink.send(of('b'), NO_SIGNAL)]
    await sink.close()
    expect(outcomes).toEqual([{ kind: 'sent' }, { kind: 'sent' }])
    const { source } = await openSource({ bootstrapServers: broker.bootstrapServers, topic })
    const records = await readAll(source)
    await source.close()
    expect(records.map(({ key, value }) => [key, JSON.parse(value!).id])).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ])
  })

  test('a wrong password is not tried again by itself, and is not told', async () => {
    const sasl = { mechanism: 'PLAIN', username: SASL_USER.username, password: 'wrong-one' } as const
    const sink = kafkaSink('topic', topic, { bootstrapServers: broker.saslBootstrapServers, sasl })
    const outcome = await sink.send(of('c'), NO_SIGNAL)
    await sink.close()
    expect(outcome).toMatchObject({ kind: 'refused' })
    expect(JSON.stringify(outcome)).not.toContain('wrong-one')
  })
})
