// What a model learns from, out of tables of Delta: in an order that the rows alone decide, and every feature
// that was asked for or an error that names it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { deltaDefinition, tableDirectory } from '../../../src/ops/tables.ts'
import type { TableDefinition } from '../../../src/plan/index.ts'
import { duckdb, literalSql } from '../../../src/sql/index.ts'
import {
  featuresFrom,
  featuresOfColumns,
  type TrainingFeature,
} from '../../../src/training/training-features.ts'
import { trainingRows } from '../../../src/training/training-rows.ts'
import { testParameters } from '../engine/pipeline.ts'

const { scored, events } = standardLakehouse
const columns = { ...events.rows.schema, ...scored!.rows.schema }
const base = mkdtempSync(join(tmpdir(), 'assay-training-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))

const startMs = Date.UTC(2026, 0, 1)
/** The amount says which row it is: one after the other by time, topic, partition and offset. */
const rows = Array.from({ length: 120 }, (_, index) => ({
  amount: index + 1,
  atMs: startMs + Math.floor(index / 60) * 3_600_000,
  topic: index % 60 < 20 ? 'a' : 'b',
  partition: index % 20 < 10 ? 0 : 1,
  offset: Math.floor(index / 20) * 10 + (index % 10),
  merchant: `merchant ${index % 61}`,
  method: ['card', 'wallet'][index % 2]!,
}))

beforeAll(async () => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  for (const definition of [events, scored!]) {
    const table = await DeltaTable.createOrEvolve(
      tableDirectory(base, definition),
      deltaDefinition(definition, {}),
    )
    // As a start after a loss, or a compaction, may leave them: what came last lies first.
    for (const part of [rows.slice(70), rows.slice(0, 70)]) {
      await table.commit(await table.stage(connection, rowsSql(definition, part.toReversed())), {})
    }
  }
  connection.closeSync()
  instance.closeSync()
})

function rowsSql({ rows: { schema } }: TableDefinition, part: typeof rows): string {
  const given = ['topic', 'partition', 'offset', 'event_time', 'amount', 'merchant', 'payment_method']
  const cells = part.map(({ topic, partition, offset, atMs, amount, merchant, method }) => {
    return `('${topic}', ${partition}, ${offset}, make_timestamp(${atMs * 1_000}), ${amount}, '${merchant}', '${method}')`
  })
  const selected = Object.entries(schema).map(([name, type]) => {
    if (given.includes(name)) return `"${name}"`
    if (name === 'transaction_date') return 'CAST(event_time AS DATE) AS transaction_date'
    return `${literalSql(duckdb, type, null)} AS "${name}"`
  })
  const names = given.map((name) => `"${name}"`).join(', ')
  return `SELECT ${selected.join(', ')} FROM (VALUES ${cells.join(', ')}) AS rows(${names})`
}

const rowsOf = (features: readonly TrainingFeature[]) =>
  trainingRows({
    ...{ lakehouse: standardLakehouse, deltaBasePath: base, features, rules: [], parameters: testParameters },
    ...{ fromMicros: null, toMicros: null, duckdb: {} },
    asOfMicros: BigInt(startMs + 30 * 86_400_000) * 1_000n,
    maturityMicros: 1n,
  })

test('rows of one time are in the order of topic, partition and offset, however they lie in files', async () => {
  const { columns: values } = await rowsOf(featuresFrom([['amount', 'amount']], columns))
  const ordered = rows.toSorted(
    (a, b) =>
      a.atMs - b.atMs || a.topic.localeCompare(b.topic) || a.partition - b.partition || a.offset - b.offset,
  )
  expect([...values[0]!]).toEqual(ordered.map(({ amount }) => amount))
})

test('a text of too many values is refused by its name where it was asked for, and left out where it was not', async () => {
  const named = featuresFrom(
    [
      ['amount', 'amount'],
      ['m', 'merchant'],
    ],
    columns,
  )
  await expect(rowsOf(named)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/the feature m \(merchant\): it has more than 60 texts/),
  })
  const { features } = await rowsOf(featuresOfColumns(columns))
  const names = features.map(({ name }) => name)
  expect(names).not.toContain('merchant')
  expect(names).toEqual(expect.arrayContaining(['amount', 'payment_method']))
  expect(features.find(({ name }) => name === 'payment_method')!.categories).toEqual(['card', 'wallet'])
})

test('where every column is left out there is nothing to learn from', async () => {
  const none = { code: 'CONFIG_INVALID', message: expect.stringMatching(/give --feature/) }
  await expect(rowsOf(featuresOfColumns({ merchant: 'string' }))).rejects.toMatchObject(none)
  await expect(rowsOf([])).rejects.toMatchObject(none)
})

test('two features of one name are refused', () => {
  const twice = [
    ['x', 'amount'],
    ['x', 'transaction_hour'],
  ] as const
  expect(() => featuresFrom(twice, columns)).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/the feature x \(transaction_hour\): another feature has this name/),
    }),
  )
})
