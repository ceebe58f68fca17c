// A rebuilt table has the rows that it had, or, where its definition has changed, those that a lakehouse of
// that definition would have had from the beginning. Runs go on with it, and it is proved.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { rebuildTable } from '../../../src/engines/rebuild.ts'
import { int } from '../../../src/expr/index.ts'
import { seedSilver } from '../../../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import {
  defineTable,
  input,
  isOfInput,
  type Lakehouse as LakehouseValue,
  project,
  type Relation,
} from '../../../src/plan/index.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { differences } from '../../compare/differences.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { takingTurns, turnSeed } from '../../turns.ts'
import { editColumns, editWindow, withMore, withTable } from './edited-lakehouse.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, testParameters, writeInput } from './pipeline.ts'
import { cleanLog, rowsOfTable } from './written-tables.ts'

beforeEach(takingTurns(turnSeed, 3, 1))

const made: Lakehouse[] = []
const another = async (): Promise<Lakehouse> => {
  const lakehouse = await newLakehouse()
  made.push(lakehouse)
  return lakehouse
}
let lakehouse: Lakehouse
beforeEach(async () => {
  lakehouse = await another()
})
afterEach(async () => {
  setStepHook(null)
  for (const one of made.splice(0)) await one.remove()
})

function transaction(index: number): Buffer {
  const timestamp = new Date(Date.UTC(2026, 9, 1, 10) + index * 150_000).toISOString()
  const facts = { transaction_id: `t${index}`, user_id: index % 3, amount: (index % 7) * 1000 + 1, timestamp }
  const location = index % 4 === 0 ? 'Lagos, Nigeria' : 'Oslo, Norway'
  return Buffer.from(JSON.stringify({ ...facts, merchant: `m${index % 2}`, location }))
}
const transactions = (count: number): Buffer[] => Array.from({ length: count }, (_, at) => transaction(at))

const recordsPerBatchMax = 6
const run = async (of: LakehouseValue, count: number, more = {}, where = lakehouse): Promise<void> => {
  await writeInput(where, transactions(count))
  await runOnce(where, { recordsPerBatchMax, lakehouse: of, ...more })
}
const rebuild = (of: LakehouseValue, path: string, more = {}) =>
  rebuildTable(
    {
      ...{ ...testOptions, lakehouse: of, deltaBasePath: lakehouse.base, recordsPerBatchMax },
      ...{ pauseMaxMs: 1_000, ...more },
    },
    path,
  )

async function failures(of: LakehouseValue): Promise<readonly unknown[]> {
  const { delays, parameters, duckdb } = testOptions
  const options = { lakehouse: of, deltaBasePath: lakehouse.base, delays, parameters, duckdb }
  const { checks } = await verifyLakehouse(options, null)
  return checks.filter(({ ok }) => !ok)
}

const rowsOf = (base: string, path: string, version?: bigint) =>
  rowsOfTable(join(base, path), '* EXCLUDE (aggregation_time)', version)

const versionOf = async (path: string): Promise<bigint> =>
  (await (await DeltaTable.open(join(lakehouse.base, path))).snapshot()).version

const derived = standardLakehouse.tables.filter(({ path }) => !isOfInput(standardLakehouse, path))

test('every derived table has its rows again, also where all logs were cleaned and rules changed', async () => {
  await run(standardLakehouse, 40)
  const others = { parameters: { ...testParameters, high_risk_countries: ['Norway'] } }
  await run(standardLakehouse, 120, others)
  for (const { path } of standardLakehouse.tables)
    await cleanLog(await DeltaTable.open(join(lakehouse.base, path)))
  const before = await readTables(lakehouse.base)
  for (const { path } of derived) {
    const { rows, rowsBefore } = await rebuild(standardLakehouse, path, others)
    expect(rows).toBe(rowsBefore)
    expect(rows).toBeGreaterThan(0n)
  }
  expect(differences(await readTables(lakehouse.base), before)).toEqual([])
  await run(standardLakehouse, 140, others)
  expect(await failures(standardLakehouse)).toEqual([])
})

const changed: Readonly<Record<string, readonly [path: string, of: LakehouseValue]>> = {
  'other windows': [
    'aggregations/merchant',
    withTable('aggregations/merchant', (table) =>
      editWindow(table, (node) => ({
        ...node,
        sizeMicros: node.sizeMicros * 2n,
        slideMicros: node.sizeMicros,
      })),
    ),
  ],
  'other columns': [
    'aggregations/country',
    withTable('aggregations/country', (table) =>
      editColumns(table, ({ city: _, ...others }) => ({ ...others, active_users: int(1), more: int(2) })),
    ),
  ],
}

test.each(Object.entries(changed))('a table of %s is as if it had always been so', async (_, [path, of]) => {
  await run(standardLakehouse, 60)
  const old = await rowsOf(lakehouse.base, path)
  const version = await versionOf(path)
  await expect(run(of, 60)).rejects.toMatchObject({ code: 'DEFINITION_INCOMPATIBLE' })
  await rebuild(of, path)
  const oracle = await another()
  await run(of, 60, {}, oracle)
  expect(await rowsOf(lakehouse.base, path)).toEqual(await rowsOf(oracle.base, path))
  expect(old.length).toBeGreaterThan(0)
  expect(await rowsOf(lakehouse.base, path, version)).toEqual(old)
  await run(of, 90)
  await run(of, 90, {}, oracle)
  expect(await rowsOf(lakehouse.base, path)).toEqual(await rowsOf(oracle.base, path))
  if (path === 'aggregations/merchant') expect(await failures(of)).toEqual([])
  // Back to what it was is a change again.
  await expect(run(standardLakehouse, 90)).rejects.toMatchObject({ code: 'DEFINITION_INCOMPATIBLE' })
})

test('a table that was left out for some batches has them again', async () => {
  await run(standardLakehouse, 40)
  await run(withTable('aggregations/country', null), 70)
  await rebuild(standardLakehouse, 'aggregations/country')
  await run(standardLakehouse, 90)
  const oracle = await another()
  for (const count of [40, 70, 90]) await run(standardLakehouse, count, {}, oracle)
  const path = 'aggregations/country'
  expect(await rowsOf(lakehouse.base, path)).toEqual(await rowsOf(oracle.base, path))
  expect(await failures(standardLakehouse)).toEqual([])
})

test('a rebuild that ends half-way changes nothing, and what it wrote does not count', async () => {
  await run(standardLakehouse, 60)
  const path = 'aggregations/merchant'
  const before = await rowsOf(lakehouse.base, path)
  const stop = new AbortController()
  const half = rebuild(standardLakehouse, path, {
    signal: stop.signal,
    onProgress: (batch: bigint) => batch === 7n && stop.abort(),
  })
  await expect(half).rejects.toMatchObject({ name: 'AbortError' })
  expect(await rowsOf(lakehouse.base, path)).toEqual(before)
  await run(standardLakehouse, 70)
  expect(await failures(standardLakehouse)).toEqual([])
})

test('tables that have the records themselves are refused, and one whose directory was removed is made again', async () => {
  await run(standardLakehouse, 10)
  await expect(rebuild(standardLakehouse, 'silver/transactions')).rejects.toThrow(
    'nothing can compute it anew',
  )
  const path = 'aggregations/merchant'
  await rm(join(lakehouse.base, path), { recursive: true })
  await rebuild(standardLakehouse, path)
  await run(standardLakehouse, 10)
})

test('of several rebuilds between two batches the last one says by what the rows go', async () => {
  const path = 'aggregations/merchant'
  const other = withTable(path, (table) =>
    editWindow(table, (node) => ({ ...node, sizeMicros: node.sizeMicros * 2n })),
  )
  await run(standardLakehouse, 20)
  for (const of of [standardLakehouse, other, standardLakehouse]) await rebuild(of, path)
  await expect(run(other, 20)).rejects.toMatchObject({ code: 'DEFINITION_INCOMPATIBLE' })
  await run(standardLakehouse, 20)
  await rebuild(other, path)
  await run(other, 20)
  await expect(run(standardLakehouse, 20)).rejects.toMatchObject({ code: 'DEFINITION_INCOMPATIBLE' })
})

test('a batch that stands still does not keep its table from being rebuilt', async () => {
  const path = 'aggregations/merchant'
  const other = withTable(path, (table) =>
    editWindow(table, (node) => ({ ...node, sizeMicros: node.sizeMicros * 2n })),
  )
  await run(standardLakehouse, 20)
  setStepHook((name) => {
    if (name === 'all tables committed') throw new Error('ended here')
  })
  await expect(run(standardLakehouse, 27)).rejects.toThrow('ended here')
  setStepHook(null)
  await rebuild(other, path)
  await run(other, 27)
  expect(await failures(other)).toEqual([])
})

/** Two tables of rows, of which the second reads the first: before and after both have got a column. */
function grownTables() {
  const common = { meaning: 'x', stream: 'aggregations', partitionBy: null, watermark: null } as const
  const of = (more: boolean) => {
    const rows: Relation = project(seedSilver.batch, (row) => {
      const columns = { transaction_id: row.transaction_id, processing_time: row.processing_time }
      return more ? { ...columns, seven: int(7) } : columns
    })
    const first = defineTable({ ...common, path: 'made/first', rows })
    const read = input('first_batch', first.rows.schema, { of: 'batch', table: 'made/first' })
    return {
      first,
      second: defineTable({ ...common, path: 'made/second', rows: project(read, (row) => row) }),
    }
  }
  const [was, is] = [of(false), of(true)]
  return {
    was: withMore(was.first, was.second),
    is: withMore(is.first, is.second),
    first: withMore(was.first),
  }
}

test('a table that reads another one that has grown is rebuilt by what both are now', async () => {
  const { was, is } = grownTables()
  await run(was, 20)
  await run(is, 27)
  await rebuild(is, 'made/second')
  const oracle = await another()
  await run(is, 27, {}, oracle)
  const columns = 'transaction_id, seven'
  const rows = (base: string) => rowsOfTable(join(base, 'made/second'), columns)
  expect(await rows(lakehouse.base)).toEqual(await rows(oracle.base))
  await run(is, 40)
  expect(await failures(is)).toEqual([])
})

test('a new table that reads another one that has grown is filled from history', async () => {
  const { first, is } = grownTables()
  await run(first, 20)
  await run(is, 27)
  expect(await rowsOfTable(join(lakehouse.base, 'made/second'), 'count(seven)::INTEGER AS sevens')).toEqual([
    { sevens: 27 },
  ])
  expect(await failures(is)).toEqual([])
})

test('windows that are longer since all were closed are closed by the next --finalize', async () => {
  const path = 'aggregations/merchant'
  const other = withTable(path, (table) =>
    editWindow(table, (node) => ({ ...node, sizeMicros: 86_400_000_000n, slideMicros: 86_400_000_000n })),
  )
  await run(standardLakehouse, 20, { finalize: true })
  await rebuild(other, path)
  expect(await rowsOf(lakehouse.base, path)).toEqual([])
  await run(other, 20, { finalize: true })
  const oracle = await another()
  await run(other, 20, { finalize: true }, oracle)
  expect(await rowsOf(lakehouse.base, path)).toEqual(await rowsOf(oracle.base, path))
  const batchOf = async () => {
    const silver = await DeltaTable.open(join(lakehouse.base, 'silver/transactions'))
    return (await silver.snapshot()).txns.get('assay/batch')?.version
  }
  const batch = await batchOf()
  await run(other, 20, { finalize: true })
  expect(await batchOf()).toBe(batch)
  expect(await failures(other)).toEqual([])
})

test('a batch that bronze alone has does not keep a table from being rebuilt', async () => {
  const path = 'aggregations/merchant'
  const other = withTable(path, (table) =>
    editWindow(table, (node) => ({ ...node, sizeMicros: node.sizeMicros * 2n })),
  )
  await run(standardLakehouse, 20)
  setStepHook((name) => {
    if (name === 'table committed') throw new Error('ended here')
  })
  await expect(run(standardLakehouse, 27)).rejects.toThrow('ended here')
  setStepHook(null)
  await expect(run(other, 27)).rejects.toMatchObject({ code: 'DEFINITION_INCOMPATIBLE' })
  await rebuild(other, path)
  await run(other, 40)
  const oracle = await another()
  await run(other, 20, {}, oracle)
  await run(other, 40, {}, oracle)
  expect(await rowsOf(lakehouse.base, path)).toEqual(await rowsOf(oracle.base, path))
  expect(await failures(other)).toEqual([])
})
