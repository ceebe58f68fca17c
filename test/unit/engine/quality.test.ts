// The table quality/metrics against its oracle, over windows enough for what is usual to be known: some have
// no row, columns are null throughout, rows come late, runs start anew, and columns are added.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { rebuildTable } from '../../../src/engines/rebuild.ts'
import type { Lakehouse as LakehouseValue } from '../../../src/plan/index.ts'
import { transactions } from '../../../src/project/index.ts'
import {
  boolField,
  type ExtraFields,
  numberField,
  textField,
  timeField,
  wholeField,
} from '../../../src/transactions/fields.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { tableDifferences } from '../../compare/differences.ts'
import { judgeLakehouse } from '../../compare/judge-lakehouse.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { type MeasuredColumn, qualityRows } from '../../oracle/quality.ts'
import type { Row } from '../../oracle/rows.ts'
import { floorTo, minute } from '../../oracle/time.ts'
import { takingTurns, turnSeed } from '../../turns.ts'
import { type Lakehouse, newLakehouse, recordsOf, runOnce, testOptions, writeInput } from './pipeline.ts'

const table = 'quality/metrics'
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const random = mulberry(seed)

beforeEach(takingTurns(turnSeed, 3, 1))

let lakehouse: Lakehouse
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

/** Windows of ten minutes, a tenth of them empty; in some a column is null throughout, in some all is odd. */
function values(windowCount: number): Buffer[] {
  const made: Buffer[] = []
  for (let window = 0; window < windowCount; window++) {
    if (random() < 0.1) continue
    const isOdd = window === windowCount - 20 || random() < 0.02
    const hasDevices = random() < 0.9
    const count = (isOdd ? 12 : 2) + Math.floor(random() * 3)
    for (let index = 0; index < count; index++) {
      // Some are late, and some of those too late.
      const behind = random() < 0.1 ? random() * 300 : random()
      const atMs = Date.UTC(2026, 9, 20) + (window * 10 + (index / count) * 9 - behind) * 60_000
      made.push(Buffer.from(JSON.stringify({ ...recordAt(atMs, made.length, isOdd, hasDevices) })))
    }
  }
  return made
}

function recordAt(atMs: number, index: number, isOdd: boolean, hasDevices: boolean) {
  const one = <T>(...of: T[]): T => of[Math.floor(random() * of.length)]!
  return {
    transaction_id: `t${index}`,
    user_id: Math.floor(random() * 5),
    amount: isOdd ? 90_000.07 : Math.round(random() * 10_000 + 1) / 100,
    merchant: one('a', 'b', null),
    payment_method: one('card', 'crypto'),
    location: one('Paris, France', 'Oslo', null),
    device_id: hasDevices ? one('d1', 'd2', 'd3', null) : null,
    timestamp: new Date(atMs).toISOString(),
    is_fraud: random() < 0.1,
    channel: one('app', 'web', null),
    risk: one(random(), -random() * 1e-9, null),
    fee: one(0.1, 0.25, 1.005, null),
    items: one(1, 2, 9_007_199_254_740_991, null),
    is_gift: one(true, false, null),
    paid_at: one(new Date(atMs).toISOString(), null),
  }
}

test(`every cell is what the oracle computes, over restarts at any place (seed ${seed})`, async () => {
  const all = values(190)
  for (const part of [0.2, 0.55, 0.8, 1]) {
    await writeInput(lakehouse, all.slice(0, Math.ceil(all.length * part)))
    await runOnce(lakehouse, { recordsPerBatchMax: 37, finalize: part === 1 })
  }
  const tables = await readTables(lakehouse.base)
  expect(judgeLakehouse(recordsOf(all), tables)).toEqual([])
  const rows = tables[table]
  expect(rows.filter((row) => row.is_anomaly === true).length).toBeGreaterThan(3)
  expect(rows.filter((row) => row.score === null && row.expected !== null).length).toBeGreaterThan(10)
  expect(tables['silver/quarantine'].length).toBeGreaterThan(3)
  expect(await failures()).toEqual([])
})

const extraBefore = { channel: textField('channel'), risk: numberField('risk') }
const extraLater = {
  fee: numberField('fee', { scale: 2 }),
  items: wholeField('items'),
  is_gift: boolField('is_gift'),
  paid_at: timeField('paid_at'),
}

const projectOf = (extra: ExtraFields): LakehouseValue =>
  transactions({ topic: 'payments', extra }).in(lakehouse.base)

/** Cells of silver as they are read: decimals are text. */
const cell = (name: string, kind: MeasuredColumn['kind']): MeasuredColumn<Row> => ({
  name,
  kind,
  value: (row) => {
    const found = row[name]
    return kind === 'cents' && typeof found === 'string' ? BigInt(found.replace('.', '')) : (found as null)
  },
})
const ofSeed = [
  cell('user_id', 'text'),
  cell('amount', 'cents'),
  ...['merchant', 'payment_method', 'country', 'city', 'device_id'].map((name) => cell(name, 'text')),
  cell('is_fraud', 'boolean'),
]
const ofProject = [...ofSeed, cell('channel', 'text'), cell('risk', 'double')]
const ofAll = [
  ...ofProject,
  cell('fee', 'cents'),
  cell('items', 'whole'),
  cell('is_gift', 'boolean'),
  cell('paid_at', 'text'),
]

test(`a project's columns are measured, those that come later from then on, and all after a rebuild (seed ${seed})`, async () => {
  const all = values(60)
  const [before, later] = [projectOf(extraBefore), projectOf({ ...extraBefore, ...extraLater })]
  const half = all.slice(0, all.length / 2)
  await writeInput(lakehouse, half)
  await runOnce(lakehouse, { lakehouse: before, recordsPerBatchMax: 25 })
  const first = await readTables(lakehouse.base)
  expect(
    tableDifferences(
      table,
      first[table],
      expectedRows(first, () => ofProject),
    ),
  ).toEqual([])

  await runOnce(lakehouse, { lakehouse: later, recordsPerBatchMax: 25 })
  expect((await readTables(lakehouse.base))[table].length).toBe(first[table].length)
  await writeInput(lakehouse, all)
  await runOnce(lakehouse, { lakehouse: later, recordsPerBatchMax: 25, finalize: true })
  const closedBefore = new Set(first[table].map((row) => row.window_start))
  const second = await readTables(lakehouse.base)
  const columnsAt = (start: bigint) => (closedBefore.has(start) ? ofProject : ofAll)
  expect(tableDifferences(table, second[table], expectedRows(second, columnsAt))).toEqual([])
  expect(await failures(later)).toEqual([])

  await rebuildTable(
    { ...testOptions, ...{ lakehouse: later, deltaBasePath: lakehouse.base, pauseMaxMs: 1_000 } },
    table,
  )
  const third = await readTables(lakehouse.base)
  expect(third[table].length).toBeGreaterThan(second[table].length)
  expect(
    tableDifferences(
      table,
      third[table],
      expectedRows(third, () => ofAll),
    ),
  ).toEqual([])
  expect(await failures(later)).toEqual([])
})

test('a table that was removed is filled again from silver', async () => {
  const all = values(60)
  await writeInput(lakehouse, all.slice(0, 100))
  await runOnce(lakehouse, { recordsPerBatchMax: 30 })
  await rm(join(lakehouse.base, table), { recursive: true })
  await writeInput(lakehouse, all)
  await runOnce(lakehouse, { recordsPerBatchMax: 30, finalize: true })
  expect(judgeLakehouse(recordsOf(all), await readTables(lakehouse.base))).toEqual([])
})

/** By silver's rows, and by when gold's windows were closed. */
function expectedRows(
  tables: Awaited<ReturnType<typeof readTables>>,
  columnsAt: (start: bigint) => readonly MeasuredColumn<Row>[],
): Row[] {
  const closedAt = new Map(
    tables['gold/transactions'].map((row) => [row.window_start as bigint, row.aggregation_time as bigint]),
  )
  const windows = Map.groupBy(tables['silver/transactions'], (row) =>
    floorTo(row.event_time as bigint, 10n * minute),
  )
  return qualityRows(
    [...windows].flatMap(([start, rows]) => {
      const aggregationTime = closedAt.get(start)
      if (aggregationTime === undefined) return []
      return [{ start, end: start + 10n * minute, rows, aggregationTime, columns: columnsAt(start) }]
    }),
  )
}

async function failures(of: LakehouseValue = testOptions.lakehouse): Promise<readonly unknown[]> {
  const { delays, parameters, duckdb } = testOptions
  const options = { lakehouse: of, deltaBasePath: lakehouse.base, delays, parameters, duckdb }
  const { checks } = await verifyLakehouse(options, null)
  return checks.filter(({ ok }) => !ok)
}

function mulberry(from: number): () => number {
  let state = from
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
