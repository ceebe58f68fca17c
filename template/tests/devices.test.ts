// A test of your own: records in, rows out, with a clock that only the test moves.
import assert from 'node:assert/strict'
import test from 'node:test'
import { testLakehouse } from 'assay-lakehouse/testing'
import config from '../assay.config.ts'

const payment = (id: string, customer: string, ts: string, more: object = {}): object => ({
  id,
  customer: { id: customer },
  amt: { minor: 1250, currency: 'EUR' },
  ts: Date.parse(ts),
  device: 'd1',
  channel: 'app',
  ...more,
})

test('a device that four customers share is told', async () => {
  await using lake = await testLakehouse(config)
  const customers = ['anna', 'ben', 'cleo', 'dan']
  await lake
    .at('2026-10-01T10:05:00Z')
    .send(customers.map((name, index) => payment(`p${index}`, name, `2026-10-01T10:0${index}:00Z`)))
  const rows = await lake.rows('fraud_detection')
  const told = rows.map(({ user_id, device_users_24h, reasons }) => [user_id, device_users_24h, reasons])
  assert.deepEqual(told.sort(), [
    ['anna', 1, []],
    ['ben', 2, []],
    ['cleo', 3, []],
    ['dan', 4, ['shared_device']],
  ])
})

test('a window of a device closes', async () => {
  await using lake = await testLakehouse(config)
  const both = [payment('a', 'anna', '2026-10-01T10:00:00Z'), payment('b', 'ben', '2026-10-01T10:09:00Z')]
  await lake.at('2026-10-01T10:10:00Z').send(both)
  await lake.at('2026-10-01T11:00:00Z').send([payment('c', 'anna', '2026-10-01T11:00:00Z')])
  assert.deepEqual(await lake.rows('aggregations/device'), [
    {
      window_start: '2026-10-01T10:00:00.000Z',
      window_end: '2026-10-01T10:10:00.000Z',
      device_id: 'd1',
      channel: 'app',
      payments: 2,
      users: 2,
      total: '25.00',
      aggregation_time: '2026-10-01T11:00:00.000Z',
    },
  ])
})
