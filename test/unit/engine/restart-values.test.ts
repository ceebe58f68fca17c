// What a start and a stream behind silver read back of the tables is what was written, to the last byte.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readTables } from '../../compare/read-in-process.ts'
import type { Tables } from '../../oracle/rows.ts'
import { memorySource } from './memory-source.ts'
import { type Lakehouse, newLakehouse, recordsOf, runOnce } from './pipeline.ts'

const options = { recordsPerBatchMax: 100 }
let lakehouse: Lakehouse
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

const mark = '\ufeff'
/** Texts that begin with a byte-order mark, which DuckDB's driver drops, and others that are odd. */
const ids = [
  `${mark}a`,
  'a',
  `${mark}${mark}`,
  mark,
  `b${mark}`,
  '\u0000c',
  `${mark}longer than twelve bytes`,
  '😀',
  // A start reads texts of ASCII of up to 48 characters in parts of 12, and others as they are.
  ...[11, 12, 13, 24, 35, 36, 37, 47, 48, 49, 60].map((length) => 'abcdefghijklm'.repeat(5).slice(0, length)),
  `${'x'.repeat(12)}é`,
  'é'.repeat(24),
  `${'\u0000'.repeat(13)}`,
]

function record(id: string, timestamp: string): Uint8Array {
  const places = {
    merchant: `${mark}m`,
    payment_method: `${mark}cash`,
    location: `${mark}Paris, ${mark}France`,
  }
  const value = { transaction_id: id, user_id: -1, amount: 12.5, device_id: mark, ...places, timestamp }
  return Buffer.from(JSON.stringify(value))
}

/** Each as a record of its own, with headers whose keys are such texts. */
function source(values: readonly Uint8Array[]) {
  return memorySource(
    recordsOf(values).map((one, index) => ({
      ...one,
      offset: BigInt(index),
      headers: [{ key: `${mark}key`, value: Buffer.from([index]) }],
    })),
  )
}

const idsOf = (tables: Tables, name: 'silver/transactions' | 'fraud_detection') =>
  tables[name].map((row) => row.transaction_id).sort()

test('an id is the same after a restart, and so repeats what it was', async () => {
  const first = ids.map((id) => record(id, '2024-03-10T10:00:00Z'))
  await runOnce(lakehouse, options, source(first))
  await runOnce(lakehouse, options, source([...first, ...first]))
  const tables = await readTables(lakehouse.base)
  expect(idsOf(tables, 'silver/transactions')).toEqual(ids.toSorted())
  expect(tables['silver/quarantine'].map((row) => row.reasons)).toEqual(ids.map(() => ['duplicate']))
})

test('a stream behind silver has the texts of silver', async () => {
  const values = ids.map((id) => record(id, '2024-03-10T10:00:00Z'))
  const apart = await newLakehouse()
  try {
    await runOnce(lakehouse, options, source(values))
    await runOnce(apart, { ...options, streams: ['kafka-to-delta'] }, source(values))
    await runOnce(apart, { ...options, streams: ['fraud-detection'] })
    const together = await readTables(lakehouse.base)
    expect(idsOf(together, 'fraud_detection')).toEqual(ids.toSorted())
    const scores = (tables: Tables) => tables.fraud_detection.map(({ processing_time: _, ...row }) => row)
    expect(scores(await readTables(apart.base))).toEqual(scores(together))
  } finally {
    await apart.remove()
  }
})
