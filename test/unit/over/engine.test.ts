// A table of several `over` in a lakehouse of its own, on the embedded engine: batches, starts between them, and
// silver's rows against the meaning.
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeltaTable, scanSql } from '../../../src/delta/index.ts'
import { Database } from '../../../src/engines/database.ts'
import { definitionsOfRun } from '../../../src/engines/definition-changes.ts'
import { eachRow } from '../../../src/engines/embedded/selected-rows.ts'
import { keptRows } from '../../../src/engines/kept-rows.ts'
import { startChanges } from '../../../src/engines/start-changes.ts'
import { silverBatch } from '../../../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { defineLakehouse, defineTable, input, over, project } from '../../../src/plan/index.ts'
import { type OracleOver, type OracleRow, overByMeaning } from '../../oracle/over.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, writeInput } from '../engine/pipeline.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const minute = 60_000_000n
const arrival = ['processing_time', 'topic', 'partition', 'offset'] as const
const { schema } = silverBatch
const before = (name: string) => input(name, schema, { of: 'history', table: 'silver/transactions' })
const looking = { eventTime: 'event_time', arrival } as const

const byDevice = {
  device_rows: { function: 'count' },
  device_amount: { function: 'sum', of: 'amount' },
  device_most: { function: 'max', of: 'amount' },
  device_users: { function: 'distinct', of: 'user_id' },
  device_country: { function: 'previous', of: 'country' },
  device_since: { function: 'sincePrevious' },
} as const
const byCountry = {
  country_mean: { function: 'mean', of: 'amount' },
  country_devices: { function: 'distinct', of: 'device_id' },
} as const
const byFlag = { flag_rows: { function: 'count' } } as const
const alone = { device_rows_10min: { function: 'count' } } as const

const ofDevice = over(silverBatch, {
  ...looking,
  history: before('silver_devices'),
  key: 'device_id',
  rangeMicros: 30n * minute,
  aggregates: byDevice,
})
const ofCountry = over(ofDevice, {
  ...looking,
  history: before('silver_countries'),
  key: 'country',
  rangeMicros: 5n * minute,
  aggregates: byCountry,
})
const ofFlag = over(ofCountry, {
  ...looking,
  history: before('silver_flags'),
  key: 'is_fraud',
  rangeMicros: minute,
  aggregates: byFlag,
})

const features = over(ofFlag, {
  ...looking,
  history: before('silver_rows'),
  key: 'device_id',
  rangeMicros: 10n * minute,
  aggregates: alone,
})

const lakehouseOfFeatures = defineLakehouse({
  ...standardLakehouse,
  tables: [
    defineTable({
      path: 'features',
      meaning: 'What was before each transaction.',
      stream: 'fraud-detection',
      partitionBy: 'transaction_date',
      watermark: null,
      rows: project(features, (row) => row),
    }),
  ],
})

let lakehouse: Lakehouse
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

async function rowsOfTable(path: string): Promise<Record<string, unknown>[]> {
  const table = await DeltaTable.open(join(lakehouse.base, path))
  const scan = scanSql(await table.snapshot(), table.directory, { naiveTimestamps: true })
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const rows: Record<string, unknown>[] = []
  const order = arrival.map((name) => `"${name}"`).join(', ')
  await eachRow(connection, `SELECT * FROM (${scan}) ORDER BY ${order}`, (row) => rows.push({ ...row }))
  connection.closeSync()
  instance.closeSync()
  return rows
}

function oracleOf(key: string, range: bigint, aggregates: OracleOver['aggregates']): OracleOver {
  return { key, eventTime: 'event_time', range, aggregates }
}

async function expectFeatures(): Promise<number> {
  const rows = await rowsOfTable('features')
  const oracleRows = rows.map((row): OracleRow => {
    const cells = Object.entries(row).map(([name, value]) => {
      return [
        name,
        typeof value === 'number' && schema[name as 'amount'] !== undefined ? BigInt(value) : value,
      ]
    })
    return Object.fromEntries(cells)
  })
  const expected = [
    oracleOf('device_id', 30n * minute, byDevice),
    oracleOf('country', 5n * minute, {
      ...byCountry,
      country_mean: { function: 'mean', of: 'amount', places: 2 },
    }),
    oracleOf('is_fraud', minute, byFlag),
    oracleOf('device_id', 10n * minute, alone),
  ].map((one) => overByMeaning(one, [], oracleRows))
  const shown = (value: unknown): string => String(value)
  for (const [index, row] of rows.entries()) {
    for (const added of expected) {
      for (const [name, value] of Object.entries(added[index]!)) {
        expect(`${name} of row ${index}: ${shown(row[name])}`).toBe(
          `${name} of row ${index}: ${shown(value)}`,
        )
      }
    }
  }
  expect(rows).toHaveLength((await rowsOfTable('silver/transactions')).length)
  return rows.length
}

const transaction = fc.record({
  user_id: fc.integer({ min: 1, max: 4 }),
  amount: fc.constantFrom(1, 2.5, 10.01, 999_999.99),
  device_id: fc.constantFrom('a', 'b', 'ü', null),
  location: fc.constantFrom('Paris, France', 'Lyon, France', 'Rome, Italy', null),
  is_fraud: fc.boolean(),
  back: fc.constantFrom(0, 0, 0, 1000, 60_000, 300_000),
})

/** 4 seconds apart, some of them minutes early. */
function records(count: number): Buffer[] {
  const drawn = fc.sample(transaction, { seed, numRuns: count })
  return drawn.map(({ back, ...one }, index) => {
    const timestamp = new Date(Date.UTC(2026, 9, 1) + index * 4000 - back).toISOString()
    return Buffer.from(JSON.stringify({ transaction_id: `t${index}`, ...one, timestamp }))
  })
}

test(`features of several keys, with a start between batches and in streams of their own (SEED=${seed})`, async () => {
  const all = records(900)
  const options = { lakehouse: lakehouseOfFeatures, recordsPerBatchMax: 90 }
  await writeInput(lakehouse, all.slice(0, 300))
  await runOnce(lakehouse, options)
  await writeInput(lakehouse, all.slice(0, 600))
  await runOnce(lakehouse, { ...options, streams: ['kafka-to-delta'] })
  await runOnce(lakehouse, { ...options, streams: ['fraud-detection'] })
  await writeInput(lakehouse, all)
  await runOnce(lakehouse, options)
  expect(await expectFeatures()).toBeGreaterThan(800)
}, 120_000)

test(`rows that are more than memory is given for are looked up, and all is the same (SEED=${seed})`, async () => {
  const all = records(600)
  const options = { lakehouse: lakehouseOfFeatures, recordsPerBatchMax: 60 }
  await writeInput(lakehouse, all.slice(0, 200))
  await runOnce(lakehouse, { ...options, stateRowsMax: 0 })
  await writeInput(lakehouse, all.slice(0, 400))
  // Some of the operators come to keep more than this on the way.
  await runOnce(lakehouse, { ...options, stateRowsMax: 100 })
  await writeInput(lakehouse, all.slice(0, 500))
  await runOnce(lakehouse, { ...options, streams: ['kafka-to-delta'], stateRowsMax: 0 })
  await runOnce(lakehouse, { ...options, streams: ['fraud-detection'], stateRowsMax: 0 })
  await writeInput(lakehouse, all)
  await runOnce(lakehouse, options)
  expect(await expectFeatures()).toBeGreaterThan(500)
}, 120_000)

test('what a start would keep is told, and what it would look up', async () => {
  await writeInput(lakehouse, records(300))
  await runOnce(lakehouse, { lakehouse: lakehouseOfFeatures, recordsPerBatchMax: 100 })
  const options = {
    ...testOptions,
    lakehouse: lakehouseOfFeatures,
    deltaBasePath: lakehouse.base,
    source: null,
  }
  const database = await Database.open({ spillDirectory: `${lakehouse.base}-spill`, ...options.duckdb })
  const changes = await startChanges(options, definitionsOfRun(options, database.load), database.load)
  database.close()
  const columns = Object.keys({ ...byDevice }).join(', ')
  const kept = (await keptRows(options, changes)).find(({ column }) => column === columns)!
  expect(kept).toMatchObject({ table: 'features', isLookedUp: false })
  expect(kept.rows).toBeGreaterThan(100)
  expect(kept.bytes).toBeGreaterThan(kept.rows * 60)
  const all = await keptRows({ ...options, stateRowsMax: 100 }, changes)
  expect(all.find(({ column }) => column === columns)).toEqual({ ...kept, bytes: 0, isLookedUp: true })
  expect(all.find(({ kind }) => kind === 'deduplicate')).toMatchObject({ isLookedUp: false })
}, 60_000)
