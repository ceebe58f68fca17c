// What is refused, and why.
import assert from 'node:assert/strict'
import test from 'node:test'
import { testLakehouse } from 'assay-lakehouse/testing'
import config from '../assay.config.ts'

test('a currency that is not settled is refused, and so is a payment without a customer', async () => {
  await using lake = await testLakehouse(config)
  const ts = Date.parse('2026-10-01T10:00:00Z')
  await lake.at('2026-10-01T10:00:00Z').send([
    { id: 'a', customer: { id: 'anna' }, amt: { minor: 100, currency: 'XXX' }, ts },
    { id: 'b', amt: { minor: 100, currency: 'EUR' }, ts },
    { id: 'c', customer: { id: 'anna' }, amt: { minor: 100, currency: 'EUR' }, ts },
  ])
  const refused = await lake.rows('silver/quarantine')
  assert.deepEqual(
    refused.map(({ reasons }) => reasons),
    [['currency_unknown'], ['user_id_invalid']],
  )
  const [row] = await lake.rows('silver/transactions')
  assert.equal(row?.amount, '1.00')
})
