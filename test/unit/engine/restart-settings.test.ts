// A start with other settings, or with less of the log than the last one had.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { silverTransactions } from '../../../src/lakehouse/2-silver/transactions.ts'
import { openTable } from '../../../src/ops/tables.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, writeInput } from './pipeline.ts'

const minuteMs = 60_000
let lakehouse: Lakehouse

beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

/** Every two minutes a transaction. */
function transactions(count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const timestamp = new Date(Date.UTC(2026, 9, 1) + index * 2 * minuteMs).toISOString()
    const facts = { transaction_id: `t${index}`, user_id: index % 3, amount: index + 1, timestamp }
    return Buffer.from(JSON.stringify({ ...facts, merchant: `m${index % 2}`, location: 'Lyon, France' }))
  })
}

test.each([
  ['shorter', 60n, 15n],
  ['longer', 15n, 60n],
])('a %s delay loses and doubles no window, in whichever processes the streams run', async (_, from, to) => {
  const values = transactions(150)
  const carry = async (target: Lakehouse, processes: (typeof testOptions.streams)[]) => {
    for (const [minutes, count] of [
      [from, 100],
      [to, 150],
    ] as const) {
      await writeInput(target, values.slice(0, count))
      const delays = { ...testOptions.delays, merchant: minutes * 60_000_000n }
      for (const streams of processes) await runOnce(target, { recordsPerBatchMax: 5, delays, streams })
    }
    return readTables(target.base)
  }
  const apart = await newLakehouse()
  try {
    const together = await carry(lakehouse, [testOptions.streams])
    const separate = await carry(apart, [['kafka-to-delta'], ['aggregations'], ['fraud-detection']])
    const windows = (tables: typeof together) =>
      tables['aggregations/merchant']!.map((row) => `${row.window_start} ${row.merchant}`).sort()
    expect(new Set(windows(separate)).size).toBe(windows(separate).length)
    expect(windows(separate)).toEqual(windows(together))
  } finally {
    await apart.remove()
  }
})

test('a lakehouse whose log was cleaned while nothing came still starts, and goes on', async () => {
  const values = transactions(60)
  await writeInput(lakehouse, values.slice(0, 40))
  await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  // A start after which nothing is left to do, then starts without data.
  for (let start = 0; start < 3; start++) await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  for (const path of ['bronze/transactions', 'silver/transactions', 'silver/quarantine', 'fraud_detection']) {
    const table = await DeltaTable.open(join(lakehouse.base, path))
    await table.checkpoint()
    const { version } = await table.snapshot()
    const log = join(table.directory, '_delta_log')
    for (const name of await readdir(log)) {
      if (/^\d{20}\.json$/.test(name) && BigInt(name.slice(0, 20)) <= version) await rm(join(log, name))
    }
  }
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  const tables = await readTables(lakehouse.base)
  expect(tables['silver/transactions']!.length + tables['silver/quarantine']!.length).toBe(60)
  expect(tables.fraud_detection!.length).toBe(tables['silver/transactions']!.length)
})

test('a table with rows of which nobody knows the batch is not begun anew', async () => {
  await writeInput(lakehouse, transactions(10))
  // As a tool that copies rows and leaves out txn actions would leave it.
  const copy = await openTable(lakehouse.base, silverTransactions)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const { fields } = (await copy.snapshot()).metadata
  await copy.append(connection, `SELECT ${fields.map(({ name }) => `NULL AS "${name}"`).join(', ')}`, {
    appId: 'copy',
    version: 1n,
  })
  connection.closeSync()
  instance.closeSync()
  const commit = (version: number) =>
    join(copy.directory, '_delta_log', `${String(version).padStart(20, '0')}.json`)
  const texts = await Promise.all([0, 1].map((version) => readFile(commit(version), 'utf8')))
  const actions = texts.join('').split('\n')
  // Two versions as one, by a tool that says nothing of itself.
  await writeFile(commit(0), actions.filter((line) => !line.includes('"commitInfo"')).join('\n'))
  await rm(commit(1))
  await expect(runOnce(lakehouse, { recordsPerBatchMax: 10 })).rejects.toMatchObject({
    code: 'PROGRESS_UNKNOWN',
  })
})
