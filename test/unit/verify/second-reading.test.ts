// Records of batches that went by another mapping than today's are read a second time by theirs.
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Lakehouse as LakehouseValue } from '../../../src/plan/index.ts'
import { text, transactions } from '../../../src/project/index.ts'
import { lakehouseFrom } from '../../../src/project/project.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, writeInput } from '../engine/pipeline.ts'

let lakehouse: Lakehouse
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

const records = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) =>
    Buffer.from(
      JSON.stringify({
        ...{ transaction_id: `t${index}`, user_id: 1, amount: 5, timestamp: '2026-10-01T10:00:00Z' },
        ...{ old: `old ${index}`, channel: { name: `new ${index}` } },
      }),
    ),
  )
const ofPath = (path: string): LakehouseValue =>
  lakehouseFrom(transactions({ topic: 't', extra: { channel: text(path) } }), '.')

test('after the place of a column has changed, all records are read by the mapping of their batch', async () => {
  const [was, is] = [ofPath('old'), ofPath('channel.name')]
  await writeInput(lakehouse, records(4))
  await runOnce(lakehouse, { recordsPerBatchMax: 10, lakehouse: was })
  await writeInput(lakehouse, records(9))
  await runOnce(lakehouse, { recordsPerBatchMax: 10, lakehouse: is })
  const { delays, parameters, duckdb } = testOptions
  const options = { lakehouse: is, deltaBasePath: lakehouse.base, delays, parameters, duckdb }
  const { checks } = await verifyLakehouse(options, null)
  expect(checks.filter(({ ok }) => !ok)).toEqual([])
  const reading = checks.find(({ message }) => message.includes('second parser'))
  expect(reading?.message).toContain('9 records, read by a second parser: the same cells and reasons')
  expect(reading?.notes).toEqual([])
})
