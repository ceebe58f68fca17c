// Features look back over earlier batches, and rules ask them.
import assert from 'node:assert/strict'
import { testLakehouse } from 'assay-lakehouse/testing'
import config from '../assay.config.ts'
import { directory, payment } from './payment.ts'
import { test } from './runner.ts'

test('two countries within two hours are told, by the payment before in event time', async () => {
  await using lake = await testLakehouse(config, { directory })
  await lake
    .at('2026-10-01T10:00:00Z')
    .send([
      payment({ id: 'a', customer: 'anna', at: '2026-10-01T10:00:00Z', country: 'France' }),
      payment({ id: 'b', customer: 'anna', at: '2026-10-01T09:55:00Z', country: 'Norway' }),
    ])
  await lake
    .at('2026-10-01T10:10:00Z')
    .send([payment({ id: 'c', customer: 'anna', at: '2026-10-01T10:09:00Z', country: 'Norway' })])
  const rows = await lake.rows('fraud_detection')
  const told = rows.map((row) => [
    row.transaction_id,
    row.country_before,
    row.micros_since_before,
    row.reasons,
  ])
  assert.deepEqual(told.sort(), [
    ['a', null, null, []],
    ['b', null, null, []],
    ['c', 'France', 540_000_000, ['two_countries']],
  ])
})

test('a device of four customers and a burst of one bank add up', async () => {
  await using lake = await testLakehouse(config, { directory })
  const customers = ['anna', 'ben', 'cleo', 'dan']
  await lake
    .at('2026-10-01T10:05:00Z')
    .send(
      customers.map((customer, index) =>
        payment({ id: `p${index}`, customer, at: `2026-10-01T10:0${index}:00Z` }),
      ),
    )
  const last = (await lake.rows('fraud_detection')).find(({ transaction_id }) => transaction_id === 'p3')
  assert.deepEqual(
    [last?.device_users_24h, last?.card_payments_10m, last?.reasons, last?.fraud_score, last?.risk_level],
    [4, 4, ['shared_device', 'burst_of_card'], 65, 'HIGH'],
  )
})
