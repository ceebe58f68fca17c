// The tables of windows, closed by their own watermarks.
import assert from 'node:assert/strict'
import { testLakehouse } from 'assay-lakehouse/testing'
import config from '../assay.config.ts'
import { directory, payment } from './payment.ts'
import { test } from './runner.ts'

test('ten minutes of a channel close ten minutes later, half an hour of a bank after twenty', async () => {
  await using lake = await testLakehouse(config, { directory })
  await lake
    .at('2026-10-01T10:10:00Z')
    .send([
      payment({ id: 'a', customer: 'anna', at: '2026-10-01T10:00:00Z', minor: 100_001 }),
      payment({ id: 'b', customer: 'ben', at: '2026-10-01T10:09:59Z', minor: 999, device: null }),
    ])
  await lake
    .at('2026-10-01T10:20:00Z')
    .send([payment({ id: 'c', customer: 'anna', at: '2026-10-01T10:20:00Z' })])
  assert.deepEqual(await lake.rows('aggregations/channel'), [
    {
      window_start: '2026-10-01T10:00:00.000Z',
      window_end: '2026-10-01T10:10:00.000Z',
      channel: 'app',
      payments: 2,
      customers: 2,
      total: '1010.00',
      largest: '1000.01',
      high_value_rate: 50,
      aggregation_time: '2026-10-01T10:20:00.000Z',
    },
  ])
  assert.deepEqual(await lake.rows('aggregations/card'), [])
  await lake
    .at('2026-10-01T10:40:00Z')
    .send([payment({ id: 'd', customer: 'anna', at: '2026-10-01T10:40:00Z' })])
  const windows = await lake.rows('aggregations/card')
  assert.deepEqual(
    windows.map(({ window_end, card_bin, payments, devices, mean }) => [
      window_end,
      card_bin,
      payments,
      devices,
      mean,
    ]),
    [
      ['2026-10-01T10:10:00.000Z', '520000', 2, 1, 505],
      ['2026-10-01T10:20:00.000Z', '520000', 2, 1, 505],
    ],
  )
})
