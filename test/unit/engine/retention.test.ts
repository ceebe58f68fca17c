// Old days leave the tables: what is left is what a lakehouse without retention has of the same batches, it
// is proved, and nothing goes that somebody still needs.

import { execFile } from 'node:child_process'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { endsOf } from '../../../src/batches/streamed.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import { findErasable } from '../../../src/engines/erase.ts'
import { rebuildTable } from '../../../src/engines/rebuild.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { retainedOf } from '../../../src/ops/retained.ts'
import { batchTimeColumn } from '../../../src/plan/batch-time.ts'
import { takingTurns, turnSeed } from '../../turns.ts'
import { day, noonOf, recordsOfDays, retention, runDay, valuesOf, verifiedChecks } from './kept-days.ts'
import { memorySource } from './memory-source.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, writeInput } from './pipeline.ts'
import { rowsOfTable } from './written-tables.ts'

const last = 3

const made: Lakehouse[] = []
const another = async (): Promise<Lakehouse> => {
  const lakehouse = await newLakehouse()
  made.push(lakehouse)
  return lakehouse
}
beforeEach(takingTurns(turnSeed, 3, 1))

/** The same days without retention. */
let oracle: Lakehouse
beforeAll(async () => {
  oracle = await another()
  for (let index = 0; index <= last; index++) await runDay(oracle, index)
})
afterAll(async () => {
  for (const one of made.splice(0)) await one.remove()
})

async function copyOfOracle(): Promise<Lakehouse> {
  const copy = await another()
  await cp(oracle.base, copy.base, { recursive: true })
  await cp(oracle.input, copy.input)
  return copy
}

/** The first instant that the table is to have on a day. */
const keptFrom = (path: string, index = last): bigint => {
  const kept = (retention as Readonly<Record<string, bigint>>)[path]
  return kept === undefined ? 0n : ((noonOf(index) - kept) / day) * day
}

/** Of the batches from an instant on. */
async function rowsFrom(base: string, path: string, fromMicros: bigint) {
  const definition = standardLakehouse.tables.find((table) => table.path === path)!
  const column = batchTimeColumn(standardLakehouse, definition)!
  const rows = await rowsOfTable(join(base, path))
  return rows.filter((row) => BigInt((row[column] as Date).getTime()) * 1000n >= fromMicros)
}

/** Every table has what the oracle has of the batches that it keeps, and nothing else. */
async function expectKept({ base }: Lakehouse): Promise<void> {
  for (const { path } of standardLakehouse.tables) {
    const expected = await rowsFrom(oracle.base, path, keptFrom(path))
    expect(expected.length, path).toBeGreaterThan(0)
    expect(await rowsFrom(base, path, 0n), path).toEqual(expected)
  }
}

async function expectProved({ base }: Lakehouse): Promise<void> {
  const checks = await verifiedChecks(base)
  expect(checks.filter(({ ok }) => !ok)).toEqual([])
}

test('days that are over leave their tables, wherever the work is killed; what is left is proved and computed again', async () => {
  const lakehouse = await copyOfOracle()
  const program = join(import.meta.dirname, 'killed-retention.ts')
  for (const at of [3, 5]) {
    const child = promisify(execFile)(process.execPath, [
      program,
      lakehouse.base,
      lakehouse.input,
      String(at),
    ])
    await expect(child, `killed at step ${at}`).rejects.toMatchObject({ signal: 'SIGKILL' })
  }
  await runDay(lakehouse, last, { retention })
  await expectKept(lakehouse)
  const checks = await verifiedChecks(lakehouse.base)
  expect(checks.filter(({ ok }) => !ok)).toEqual([])
  const judged = checks.find(({ table, check }) => table === 'gold/transactions' && check === 'windows')
  expect(judged?.message).toContain('46 groups of 46 closed windows')
  const gold = await DeltaTable.open(join(lakehouse.base, 'gold/transactions'))
  const { txns } = await gold.snapshot()
  expect(retainedOf(txns)?.keptFromMicros).toBe(keptFrom('gold/transactions'))

  // What silver no longer has is kept by a rebuild, and not made up by a table that begins anew.
  const options = { ...testOptions, deltaBasePath: lakehouse.base, recordsPerBatchMax: 12, pauseMaxMs: 1_000 }
  await rebuildTable(options, 'aggregations/merchant')
  await expectKept(lakehouse)
  const path = 'aggregations/country'
  await rm(join(lakehouse.base, path), { recursive: true })
  const codes: string[] = []
  await runDay(lakehouse, last, { retention, onNotice: ({ code }) => void codes.push(code) })
  expect(codes).toContain('BATCHES_PASSED_OVER')
  await expectProved(lakehouse)
  const anew = await rowsFrom(lakehouse.base, path, 0n)
  const expected = await rowsFrom(oracle.base, path, 0n)
  expect(anew.length).toBeLessThan(expected.length)
  expect(anew).toEqual(expected.slice(-anew.length))
})

test('days that a table alone has dropped do not come back with a rebuild', async () => {
  const lakehouse = await copyOfOracle()
  const path = 'gold/transactions'
  await runDay(lakehouse, last, { retention: { [path]: 2n * day } })
  const expected = await rowsFrom(oracle.base, path, keptFrom(path))
  expect(await rowsFrom(lakehouse.base, path, 0n)).toEqual(expected)
  const options = { ...testOptions, deltaBasePath: lakehouse.base, recordsPerBatchMax: 12, pauseMaxMs: 1_000 }
  expect((await rebuildTable(options, path)).rows).toBe(BigInt(expected.length))
  expect(await rowsFrom(lakehouse.base, path, 0n)).toEqual(expected)
})

test('what lags behind silver holds its days; a row that is missing of those that are kept is found', async () => {
  const lakehouse = await copyOfOracle()
  const notices: string[] = []
  const onNotice = ({ code, message }: { code: string; message: string }): void =>
    void notices.push(`${code} ${message}`)
  const streams = ['kafka-to-delta', 'fraud-detection']
  await runDay(lakehouse, last + 2, { streams, retention, onNotice })
  expect(notices.find((text) => text.startsWith('DAYS_HELD'))).toContain('is at batch')
  const kept = (await rowsFrom(lakehouse.base, 'bronze/transactions', 0n))[0]!
  expect(BigInt((kept.processing_time as Date).getTime()) * 1000n).toBe(noonOf(last))
  await runDay(lakehouse, last + 2, { retention })
  const [first] = await rowsFrom(lakehouse.base, 'bronze/transactions', 0n)
  expect(BigInt((first!.processing_time as Date).getTime()) * 1000n).toBe(noonOf(last + 2))
  const instance = await DuckDBInstance.create(':memory:')
  try {
    const gold = await DeltaTable.open(join(lakehouse.base, 'gold/transactions'))
    const newest = `window_start = (TIMESTAMPTZ '${new Date(Number(noonOf(last + 2)) / 1000 - 3_600_000).toISOString()}')`
    const result = await gold.deleteRows(await instance.connect(), newest)
    expect(result.kind).toBe('deleted')
  } finally {
    instance.closeSync()
  }
  const failed = (await verifiedChecks(lakehouse.base)).filter(({ ok }) => !ok)
  expect(failed.map(({ table, check }) => `${table} ${check}`)).toEqual(['gold/transactions windows'])
})

test('of rows that a streaming query brought, those go whose batches are of days that are over', async () => {
  const lakehouse = await another()
  const days = async (count: number, more = {}): Promise<void> => {
    const options = { recordsPerBatchMax: 12, clock: () => noonOf(count - 1), ...more }
    await runOnce(lakehouse, options, memorySource(recordsOfDays(count)))
  }
  for (let count = 1; count <= last; count++) await days(count)
  const bronze = await DeltaTable.open(join(lakehouse.base, 'bronze/transactions'))
  await bronze.commit(null, { txns: endsOf(['00000000-0000-4000-8000-000000000000']) })
  await days(last + 1, { retention: { 'bronze/transactions': day } })
  const [first] = await rowsFrom(lakehouse.base, 'bronze/transactions', 0n)
  expect(BigInt((first!.processing_time as Date).getTime()) * 1000n).toBe(noonOf(last - 1))
  await expectProved(lakehouse)
})

test('a person is found in the days of bronze that silver and quarantine have dropped', async () => {
  const lakehouse = await copyOfOracle()
  await runDay(lakehouse, last, {
    retention: { 'silver/transactions': 2n * day, 'silver/quarantine': day },
  })
  const options = { ...testOptions, deltaBasePath: lakehouse.base, pauseMaxMs: 1_000 }
  const { records, rows } = await findErasable(options, [1n])
  const ofPerson = valuesOf(last + 1).filter((value) => value.includes('"user_id":1,'))
  expect(records).toBe(BigInt(ofPerson.length))
  expect(rows['bronze/transactions']).toBe(records)
  expect(rows['silver/transactions']).toBeLessThan(records)
})

/** Of a user, minutes after six o'clock of the first day. */
function transactionAt(minute: number): Buffer {
  const timestamp = new Date(Number(noonOf(0) / 1000n) + (minute - 6 * 60) * 60_000).toISOString()
  const facts = { transaction_id: `t-${minute}`, user_id: 1, amount: 5, timestamp }
  return Buffer.from(JSON.stringify({ ...facts, merchant: 'm', location: 'Oslo, Norway' }))
}

test('sessions that end by their length alone are proved although earlier ones were dropped', async () => {
  const path = 'aggregations/sessions'
  const lakehouse = await another()
  const values = Array.from({ length: 2.5 * 24 * 3 }, (_, index) => transactionAt(index * 20))
  for (const index of [0, 1, 2]) {
    await writeInput(lakehouse, values.slice(0, (index + 0.5) * 24 * 3))
    const settings = { recordsPerBatchMax: 30, clock: () => noonOf(index), retention: { [path]: day } }
    await runOnce(lakehouse, settings)
  }
  const table = await DeltaTable.open(join(lakehouse.base, path))
  expect(retainedOf((await table.snapshot()).txns)).not.toBeNull()
  expect((await verifiedChecks(lakehouse.base)).filter(({ ok }) => !ok)).toEqual([])
})

test('where silver has dropped days, and a table of sessions more of them, nothing that it kept is a finding', async () => {
  const path = 'aggregations/sessions'
  const lakehouse = await another()
  const perDay = 24 * 3
  const values = Array.from({ length: 3.5 * perDay }, (_, index) => transactionAt(index * 20))
  for (const index of [0, 1, 2, 3]) {
    await writeInput(lakehouse, values.slice(0, (index + 0.5) * perDay))
    const dropped = { 'silver/transactions': 2n * day, [path]: day }
    await runOnce(lakehouse, { recordsPerBatchMax: 40, clock: () => noonOf(index), retention: dropped })
  }
  for (const one of [path, 'silver/transactions']) {
    const table = await DeltaTable.open(join(lakehouse.base, one))
    expect(retainedOf((await table.snapshot()).txns), one).not.toBeNull()
  }
  expect((await rowsOfTable(join(lakehouse.base, path))).length).toBeGreaterThan(3)
  await expectProved(lakehouse)
})

test('a table of sessions that is new behind dropped days has none that earlier batches had closed', async () => {
  const path = 'aggregations/sessions'
  const lakehouse = await another()
  // Of each hour twenty minutes: a session an hour.
  const values = [...Array(48).keys()].flatMap((hour) =>
    [0, 10, 20].map((at) => transactionAt(hour * 60 + at)),
  )
  let seconds = 0n
  const run = (index: number) =>
    runOnce(lakehouse, {
      recordsPerBatchMax: 12,
      clock: () => noonOf(index) + seconds++ * 1_000_000n,
      retention: index === 2 ? { 'silver/transactions': day } : {},
    })
  for (const index of [0, 1]) {
    await writeInput(lakehouse, values.slice(0, (index + 1) * 24 * 3))
    await run(index)
  }
  values.push(transactionAt(48 * 60))
  await writeInput(lakehouse, values)
  await run(2)
  const before = await rowsOfTable(join(lakehouse.base, path))
  await rm(join(lakehouse.base, path), { recursive: true })
  await run(2)
  const after = await rowsOfTable(join(lakehouse.base, path))
  expect(after.length).toBeGreaterThan(3)
  expect(after.length).toBeLessThan(before.length)
  expect(before).toEqual(expect.arrayContaining(after))
  await expectProved(lakehouse)
})

test('a session that is written is not written again when its day is over and a later one is still open', async () => {
  const path = 'aggregations/sessions'
  const values = [0, 10, 20, 60, 80, 100, 120, 140].map(transactionAt)
  const lakehouse = await another()
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, { recordsPerBatchMax: 4, clock: () => noonOf(0) })
  const written = await rowsOfTable(join(lakehouse.base, path))
  expect(written).toHaveLength(1)
  const held: string[] = []
  const later = {
    ...{ recordsPerBatchMax: 4, clock: () => noonOf(2), retention: { [path]: day } },
    onNotice: ({ code, message }: { readonly code: string; readonly message: string }) => {
      if (code === 'DAYS_HELD') held.push(message)
    },
  }
  for (const minute of [141, 160, 180, 400, 401]) {
    values.push(transactionAt(minute))
    await writeInput(lakehouse, values)
    await runOnce(lakehouse, later)
  }
  expect(held).toContainEqual(expect.stringContaining('sessions that are open'))
  const rows = await rowsOfTable(join(lakehouse.base, path))
  const sixMs = Number(noonOf(0) / 1000n) - 6 * 3_600_000
  const starts = rows.map(({ session_start }) => ((session_start as Date).getTime() - sixMs) / 60_000)
  // What was written on the first day is held no longer when the second session is over.
  expect(starts.toSorted((a, b) => a - b)).toEqual([60])
  expect((await verifiedChecks(lakehouse.base)).filter(({ ok }) => !ok)).toEqual([])
})
