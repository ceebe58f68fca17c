// Each kind of change of a definition: what `assay plan` says of it, and what a start then does.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { definitionsOfRun } from '../../../src/engines/definition-changes.ts'
import {
  changesBetween,
  type StartChange,
  startChanges,
  stopsStart,
} from '../../../src/engines/start-changes.ts'
import { column, equals, greaterThan, int, money, text } from '../../../src/expr/index.ts'
import { seedSilver } from '../../../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { definitionsOf } from '../../../src/ops/definitions.ts'
import {
  defineTable,
  type Lakehouse as LakehouseValue,
  project,
  type TableDefinition,
} from '../../../src/plan/index.ts'
import { transactions as projectOf } from '../../../src/project/index.ts'
import { lakehouseFrom } from '../../../src/project/project.ts'
import {
  editColumns,
  editWindow,
  paymentMethods,
  withMore,
  withParts,
  withTable,
} from './edited-lakehouse.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, testParameters, writeInput } from './pipeline.ts'
import { rowsOfTable } from './written-tables.ts'

const minute = 60_000_000n
const transaction = (index: number): Buffer => {
  const timestamp = new Date(Date.UTC(2026, 9, 1, 10) + index * 600_000).toISOString()
  const facts = { transaction_id: `t${index}`, user_id: index % 3, amount: index + 1, timestamp }
  return Buffer.from(
    JSON.stringify({ ...facts, merchant: 'm', payment_method: 'card', location: 'Lagos, Nigeria' }),
  )
}
const transactions = (count: number): Buffer[] => Array.from({ length: count }, (_, at) => transaction(at))

let lakehouse: Lakehouse
const made: Lakehouse[] = []
beforeEach(async () => {
  lakehouse = await newLakehouse()
  made.push(lakehouse)
  await writeInput(lakehouse, transactions(20))
  await runOnce(lakehouse, { recordsPerBatchMax: 7 })
})
afterAll(async () => {
  for (const one of made) await one.remove()
})

const query = (path: string, columns = '*') => rowsOfTable(join(lakehouse.base, path), columns)

/** What a start would change. */
async function changesOf(of: LakehouseValue, more = {}): Promise<readonly StartChange[]> {
  const options = {
    ...testOptions,
    lakehouse: of,
    deltaBasePath: lakehouse.base,
    recordsPerBatchMax: 7,
    ...more,
  }
  const spill = await mkdtemp(join(tmpdir(), 'assay-changes-'))
  const instance = await DuckDBInstance.create(':memory:')
  try {
    const connection = await instance.connect()
    return (await startChanges(options, definitionsOfRun(options, connection), connection)).changes
  } finally {
    instance.closeSync()
    await rm(spill, { recursive: true, force: true })
  }
}

/** A start with ten more records. */
async function start(of: LakehouseValue, more = {}): Promise<void> {
  await writeInput(lakehouse, transactions(30))
  await runOnce(lakehouse, { recordsPerBatchMax: 7, lakehouse: of, streams: of.streams, ...more })
}

async function versions(): Promise<readonly bigint[]> {
  const found: bigint[] = []
  for (const { path } of standardLakehouse.tables) {
    found.push((await (await DeltaTable.open(join(lakehouse.base, path))).snapshot()).version)
  }
  return found
}

test('nothing that is the same is a change', async () => {
  expect(await changesOf(standardLakehouse)).toEqual([])
})

test('a new table is filled from history', async () => {
  const of = withMore(paymentMethods)
  expect(await changesOf(of)).toEqual([
    expect.objectContaining({ kind: 'new table', name: 'aggregations/payment_method' }),
  ])
  await start(of)
  const [{ first }] = (await query('aggregations/payment_method', 'min(window_start) AS first')) as [
    { first: Date },
  ]
  expect(first.toISOString()).toBe('2026-10-01T10:00:00.000Z')
})

test('a new table that is filled by a start without new records is no change to the next one', async () => {
  const of = withMore(paymentMethods)
  const startAgain = () => runOnce(lakehouse, { recordsPerBatchMax: 7, lakehouse: of })
  await startAgain()
  const filled = await query('aggregations/payment_method')
  expect(filled.length).toBeGreaterThan(0)
  expect((await changesOf(of)).filter(stopsStart)).toEqual([])
  await startAgain()
  expect(await query('aggregations/payment_method')).toEqual(filled)
})

test('a new table of rows, one for each of silver, is filled from history too', async () => {
  const of = withMore(
    defineTable({
      path: 'made/alarms',
      meaning: 'Every transaction once more.',
      stream: 'aggregations',
      partitionBy: null,
      watermark: null,
      rows: project(seedSilver.batch, (row) => ({
        transaction_id: row.transaction_id,
        event_time: row.event_time,
        processing_time: row.processing_time,
      })),
    }),
  )
  await start(of)
  expect(await query('made/alarms', 'transaction_id')).toEqual(await query(silverPath, 'transaction_id'))
})

test('a table that another stream is to write has to be rebuilt: its streams would not tell what it lacks', async () => {
  const of = withTable(merchantPath, (table) => ({ ...table, stream: 'fraud-detection' }))
  expect((await changesOf(of)).filter(stopsStart)).toEqual([
    expect.objectContaining({ kind: 'rebuild', name: merchantPath }),
  ])
  await expect(start(of)).rejects.toMatchObject({ code: 'DEFINITION_INCOMPATIBLE' })
})

const scoredPath = 'fraud_detection'
const merchantPath = 'aggregations/merchant'
const silverPath = 'silver/transactions'
const one = column('event_time', 'timestamp')

test('a new column is null in the rows that are there', async () => {
  const of = withTable(scoredPath, (table) => editColumns(table, (all) => ({ ...all, seven: int(7) })))
  expect(await changesOf(of)).toEqual([
    { kind: 'new column', name: scoredPath, text: 'seven (int); rows that are there have null' },
  ])
  await start(of)
  const counts = await query(scoredPath, 'count(seven)::INTEGER AS seven, count(*)::INTEGER AS rows')
  expect(counts).toEqual([{ seven: 10, rows: 30 }])
})

test('rules, lists, settings and columns of rows count from the next batch on', async () => {
  const [rule, ...others] = standardLakehouse.rules
  const of = withParts({ rules: [{ ...rule!, points: 99 }, ...others] })
  const more = {
    parameters: { ...testParameters, high_risk_countries: ['France'] },
    delays: { ...testOptions.delays, user: 61n * minute },
  }
  expect(await changesOf(of, more)).toEqual([
    { kind: 'next batch', name: `rule ${rule!.name}`, text: 'it was changed' },
    { kind: 'next batch', name: 'setting WATERMARK_USER', text: '1 hour became 1 hour 1 minute' },
    {
      kind: 'next batch',
      name: 'setting HIGH_RISK_COUNTRIES',
      text: 'Nigeria,Russia,China became France',
    },
  ])
  const before = await query(scoredPath)
  await start(of, more)
  const after = await query(scoredPath)
  expect([before.length, after.length]).toEqual([20, 30])
  expect(after).toEqual(expect.arrayContaining(before))
  const isRisky = (row: Record<string, unknown>): boolean => String(row.reasons).includes('high_risk_country')
  expect([before.filter(isRisky).length, after.filter(isRisky).length]).toEqual([20, 20])
})

test('a removed table stays, and is not written any more', async () => {
  const of = withTable('aggregations/country', null)
  expect(await changesOf(of)).toEqual([
    expect.objectContaining({ kind: 'removed table', name: 'aggregations/country' }),
  ])
  const before = await query('aggregations/country')
  await start(of)
  expect(await query('aggregations/country')).toEqual(before)
  // It lacks what came meanwhile, so it cannot simply go on.
  expect(await changesOf(standardLakehouse)).toEqual([
    expect.objectContaining({ kind: 'rebuild', name: 'aggregations/country' }),
  ])
})

const withoutSlide = (table: TableDefinition): TableDefinition =>
  editWindow(table, (node) => ({ ...node, slideMicros: node.sizeMicros }))

const stopping: Readonly<Record<string, readonly [LakehouseValue, StartChange['kind'], string, string]>> = {
  'the size of windows': [
    withTable(merchantPath, (table) =>
      editWindow(table, (node) => ({ ...node, sizeMicros: node.sizeMicros * 2n })),
    ),
    'rebuild',
    merchantPath,
    'the size of its windows was 15 minutes and is 30 minutes: run "assay rebuild aggregations/merchant"',
  ],
  'windows that slide no more': [
    withTable(merchantPath, withoutSlide),
    'rebuild',
    merchantPath,
    'the slide of its windows was ',
  ],
  'the keys of windows': [
    withTable(merchantPath, (table) =>
      editWindow(table, (node) => ({ ...node, keys: ['merchant', 'city'] })),
    ),
    'rebuild',
    merchantPath,
    'and is merchant, city',
  ],
  'an aggregate': [
    withTable(merchantPath, (table) =>
      editWindow(table, (node) => {
        const [[name, first], [, second]] = Object.entries(node.aggregates) as [
          [string, typeof node.aggregates.x],
          [string, typeof node.aggregates.x],
        ]
        return { ...node, aggregates: { ...node.aggregates, [name]: { ...second!, type: first!.type } } }
      }),
    ),
    'rebuild',
    merchantPath,
    'is computed in another way',
  ],
  'a column that a derived table has no more': [
    withTable(scoredPath, (table) => editColumns(table, ({ merchant: _, ...others }) => others)),
    'rebuild',
    scoredPath,
    'its column merchant is gone',
  ],
  'the type of a column of a derived table': [
    withTable(scoredPath, (table) => editColumns(table, (all) => ({ ...all, merchant: int(1) }))),
    'rebuild',
    scoredPath,
    'its column merchant was string and is int',
  ],
  'the type of a column of silver': [
    withTable(silverPath, (table) => editColumns(table, (all) => ({ ...all, device_id: int(1) }))),
    'refused',
    silverPath,
    'its column device_id was string and is int',
  ],
  'a renamed field of silver': [
    withTable(silverPath, (table) =>
      editColumns(table, ({ device_id, ...others }) => ({ ...others, device: device_id! })),
    ),
    'refused',
    silverPath,
    'its column device_id is gone: its rows are the records themselves, which nothing can compute anew: keep device_id, which is null from then on',
  ],
  'a renamed table of a role': [
    withTable('silver/quarantine', (table) => ({ ...table, path: 'silver/refused' })),
    'refused',
    'silver/refused',
    'keeps its name',
  ],
}

test.each(Object.entries(stopping))('%s stops the start, and nothing is written', async (_, expected) => {
  const [of, kind, name, said] = expected
  const changes = (await changesOf(of)).filter(stopsStart)
  expect(changes).toEqual([{ kind, name, text: expect.stringContaining(said) }])
  const before = await versions()
  await expect(start(of)).rejects.toMatchObject({
    code: 'DEFINITION_INCOMPATIBLE',
    message: expect.stringContaining(`${name}: ${changes[0]!.text}`),
  })
  expect(await versions()).toEqual(before)
})

test('a filter and a column of rows that is computed in another way go on', async () => {
  const of = withTable(scoredPath, (table) =>
    editColumns(table, (all) => ({ ...all, requires_review: equals(text('a'), text('a')), event_time: one })),
  )
  expect(await changesOf(of)).toEqual([
    {
      kind: 'next batch',
      name: scoredPath,
      text: 'requires_review is computed in another way; rows that are there stay as they are',
    },
  ])
  await start(of)
  expect(await query(scoredPath, 'count(*) FILTER (WHERE requires_review)::INTEGER AS rows')).toEqual([
    { rows: 10 },
  ])
})

test('a check that is new, another or gone is told by its name', async () => {
  const ofChecks = (...checks: readonly [reason: string, amount: string][]): LakehouseValue =>
    lakehouseFrom(
      projectOf({
        topic: 't',
        checks: checks.map(([reason, amount]) => ({
          reason,
          when: (row) => greaterThan(row.amount, money(amount)),
        })),
      }),
      '.',
    )
  const textsOf = (was: LakehouseValue, is: LakehouseValue): (readonly string[])[] =>
    changesBetween(is, definitionsOf(was, testOptions), definitionsOf(is, testOptions), new Map()).map(
      ({ kind, name, text }) => [kind, name, text],
    )
  const stay = 'rows that are there stay as they are'
  const told = (text: string) => [
    ['next batch', silverPath, `${text}; ${stay}`],
    ['next batch', 'silver/quarantine', `${text}; ${stay}`],
  ]
  const one = ofChecks(['odd', '5'])
  expect(textsOf(ofChecks(), one)).toEqual(told('it has the new reason odd'))
  expect(textsOf(one, ofChecks())).toEqual(told('the reason odd is gone'))
  expect(textsOf(one, ofChecks(['odd', '6']))).toEqual(told('the reason odd goes by another condition'))
})
