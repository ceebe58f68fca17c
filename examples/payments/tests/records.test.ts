// What a record becomes, and what is refused.
import assert from 'node:assert/strict'
import { testLakehouse } from 'assay-lakehouse/testing'
import config from '../assay.config.ts'
import { directory, payment } from './payment.ts'
import { test } from './runner.ts'

const at = '2026-10-01T10:00:00Z'

test('a payment has its columns, and its own behind them', async () => {
  await using lake = await testLakehouse(config, { directory })
  await lake
    .at(at)
    .send([payment({ id: 'a', customer: 'c-1', at: '2026-10-01T09:59:59.007Z', minor: 123456 })])
  const [row] = await lake.rows('silver/transactions')
  assert.deepEqual(
    [row?.user_id, row?.amount, row?.event_time, row?.location, row?.city, row?.country, row?.is_fraud],
    ['c-1', '1234.56', '2026-10-01T09:59:59.007Z', 'Lyon, France', 'Lyon', 'France', false],
  )
  assert.deepEqual([row?.channel, row?.card_bin, row?.merchant_risk], ['app', '520000', 0.1])
})

test('checks refuse behind what no payment may be', async () => {
  await using lake = await testLakehouse(config, { directory })
  await lake
    .at(at)
    .send([
      payment({ id: 'a', customer: 'anna', at, channel: 'phone' }),
      payment({ id: 'b', customer: ' ', at, channel: 'atm', minor: 200_001 }),
      payment({ id: 'c', customer: 'anna', at, channel: 'atm', minor: 200_000 }),
      `{"id": "d", "customer": {"id": "anna", "id": "ben"}, "amt": {"minor": 1}, "ts": ${Date.parse(at)}}`,
      payment({ id: 'c', customer: 'anna', at }),
    ])
  const refused = await lake.rows('silver/quarantine')
  assert.deepEqual(
    refused.map(({ reasons }) => reasons),
    [['channel_unknown'], ['user_id_invalid', 'atm_limit'], ['malformed'], ['duplicate']],
  )
  assert.equal((await lake.rows('silver/transactions')).length, 1)
})
