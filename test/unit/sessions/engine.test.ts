// The table of sessions against the oracle: on random journeys, in random batches, with restarts, in
// processes of its own, by other lengths, rebuilt, and proved by `assay verify`.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { rebuildTable } from '../../../src/engines/rebuild.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import type { Lakehouse as LakehouseValue } from '../../../src/plan/index.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { batchesOfLog } from '../../compare/batches-of-log.ts'
import { tableDifferences } from '../../compare/differences.ts'
import { expectedTables } from '../../compare/judge-lakehouse.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { journeys } from '../../generate/journeys.ts'
import { defaultConfig, type OracleConfig } from '../../oracle/oracle.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { takingTurns, turnSeed } from '../../turns.ts'
import { memorySource } from '../engine/memory-source.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions } from '../engine/pipeline.ts'
import { withSessionLengths } from './edited-sessions.ts'

const path = 'aggregations/sessions'
const minute = 60_000_000n
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

beforeEach(takingTurns(turnSeed, 3, 1))

let lakehouse: Lakehouse
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

const sample = (rowsMax: number, of = seed): RawRecord[] =>
  fc.sample(journeys(rowsMax), { seed: of, numRuns: 20 }).toSorted((a, b) => b.length - a.length)[0]!

/** What the table lacks, has too much or otherwise; and how many rows it has. */
async function judged(records: readonly RawRecord[], config: OracleConfig = defaultConfig) {
  const found = await readTables(lakehouse.base)
  const batches = await batchesOfLog(lakehouse.base)
  const expected = expectedTables(records, found, config, batches)
  return { differences: tableDifferences(path, found[path], expected[path]), rows: found[path] }
}

async function failures(of: LakehouseValue = standardLakehouse): Promise<readonly unknown[]> {
  const { delays, parameters, duckdb } = testOptions
  const options = { lakehouse: of, deltaBasePath: lakehouse.base, delays, parameters, duckdb }
  const { checks } = await verifyLakehouse(options, null)
  return checks.filter(({ ok }) => !ok)
}

async function run(records: readonly RawRecord[], recordsPerBatchMax: number, more = {}): Promise<void> {
  await runOnce(lakehouse, { recordsPerBatchMax, ...more }, memorySource(records))
}

test('random journeys, in any batches and with restarts, are what the oracle computes', async () => {
  const cases = fc.tuple(
    journeys(160),
    fc.integer({ min: 3, max: 50 }),
    fc.integer({ min: 1, max: 4 }),
    fc.constantFrom(10n, 30n),
  )
  let count = 0
  await fc.assert(
    fc.asyncProperty(cases, async ([records, size, restarts, delayMinutes]) => {
      await rm(lakehouse.base, { recursive: true, force: true })
      const delays = { ...testOptions.delays, silver: 10n * minute, sessions: delayMinutes * minute }
      for (let part = 1; part <= restarts; part++) {
        const some = records.slice(0, Math.ceil((records.length * part) / restarts))
        await run(some, size, { finalize: part === restarts, delays })
      }
      const { differences, rows } = await judged(records)
      expect(differences, `repeat with SEED=${seed}`).toEqual([])
      count += rows.length
    }),
    { numRuns: 10, endOnFailure: true, seed },
  )
  expect(count).toBeGreaterThan(10)
}, 120_000)

test('a session ends at its greatest length, and those of one key follow each other', async () => {
  const records = Array.from({ length: 70 }, (_, index): RawRecord => {
    const timestamp = new Date(Date.UTC(2026, 9, 30, 8) + index * 10 * 60_000).toISOString()
    const value = { transaction_id: `t${index}`, user_id: 5, amount: 20, timestamp, merchant: `m${index}` }
    const bytes = Buffer.from(JSON.stringify(value))
    return {
      topic: 't',
      partition: 0,
      offset: BigInt(index),
      key: null,
      value: bytes,
      headers: null,
      timestampMs: null,
    }
  })
  await run(records.slice(0, 33), 5)
  await run(records.slice(0, 55), 5)
  await run(records, 5, { finalize: true })
  const { differences, rows } = await judged(records)
  expect(differences).toEqual([])
  expect(rows.map((row) => row.transaction_count)).toEqual([24n, 24n, 22n])
  expect(await failures()).toEqual([])
}, 60_000)

test('a process of its own writes what one with all streams does, and its own is proved', async () => {
  const records = sample(140)
  await run(records.slice(0, 60), 9, { streams: ['kafka-to-delta'] })
  await runOnce(lakehouse, { recordsPerBatchMax: 9, streams: ['aggregations'] })
  await run(records, 9, { streams: ['kafka-to-delta'], finalize: true })
  await runOnce(lakehouse, { recordsPerBatchMax: 9, streams: ['fraud-detection'] })
  await runOnce(lakehouse, { recordsPerBatchMax: 9, streams: ['aggregations'] })
  expect((await judged(records)).differences, `repeat with SEED=${seed}`).toEqual([])
  expect(await failures()).toEqual([])
}, 60_000)

test('other lengths are another definition: they are refused until the table is rebuilt', async () => {
  const records = sample(140)
  const other = withSessionLengths(10n * minute, 60n * minute)
  await run(records.slice(0, 80), 9)
  await expect(run(records, 9, { lakehouse: other })).rejects.toMatchObject({
    code: 'DEFINITION_INCOMPATIBLE',
    message: expect.stringMatching(/the gap of its sessions was 30 minutes and is 10 minutes/),
  })
  const options = { ...testOptions, lakehouse: other, deltaBasePath: lakehouse.base, pauseMaxMs: 1_000 }
  await rebuildTable(options, path)
  await run(records, 9, { lakehouse: other, finalize: true })
  const config = { ...defaultConfig, sessionLengths: { gap: 10n * minute, max: 60n * minute } }
  expect((await judged(records, config)).differences, `repeat with SEED=${seed}`).toEqual([])
  expect(await failures(other)).toEqual([])
  await rebuildTable(options, path)
  expect((await judged(records, config)).differences, `repeat with SEED=${seed}`).toEqual([])
}, 60_000)

test('a table that came later is filled from history, and its watermark begins with the next batch', async () => {
  const records = sample(140)
  const { sessions: _, ...before } = testOptions.delays
  const earlier: LakehouseValue = {
    ...standardLakehouse,
    tables: standardLakehouse.tables.filter((table) => table.path !== path),
    watermarks: standardLakehouse.watermarks.filter(({ name }) => name !== 'sessions'),
    definitionSettings: [],
  }
  await run(records.slice(0, 70), 9, { lakehouse: earlier, delays: before, finalize: true })
  await run(records.slice(0, 71), 9)
  await run(records, 9, { finalize: true })
  const { differences, rows } = await judged(records)
  expect(differences, `repeat with SEED=${seed}`).toEqual([])
  expect(rows.length).toBeGreaterThan(0)
  expect(await failures()).toEqual([])
}, 60_000)

test('what a watermark had not begun for is closed by --finalize alone', async () => {
  const records = sample(60)
  const earlier: LakehouseValue = {
    ...standardLakehouse,
    tables: standardLakehouse.tables.filter((table) => table.path !== path),
    watermarks: standardLakehouse.watermarks.filter(({ name }) => name !== 'sessions'),
    definitionSettings: [],
  }
  const { sessions: _, ...before } = testOptions.delays
  await run(records, 9, { lakehouse: earlier, delays: before, finalize: true })
  await run(records, 9, { finalize: true })
  const { rows } = await judged(records)
  const count = rows.reduce((sum, row) => sum + Number(row.transaction_count), 0)
  const silver = (await readTables(lakehouse.base))['silver/transactions'].length
  expect(count).toBe(silver)
  expect(await failures()).toEqual([])
}, 60_000)

test('a table that was removed is made again', async () => {
  const records = sample(120)
  await run(records, 9, { finalize: true })
  const before = (await judged(records)).rows
  await rm(join(lakehouse.base, path), { recursive: true })
  await run(records, 9, { finalize: true })
  expect(tableDifferences(path, (await judged(records)).rows, before)).toEqual([])
}, 60_000)
