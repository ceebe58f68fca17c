import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeltaTable, scanSql } from '../../../src/delta/index.ts'
import { column, Workshop } from './workshop.ts'

let workshop: Workshop
beforeEach(async () => {
  workshop = await Workshop.open()
})
afterEach(() => workshop.close())

const texts = Array.from({ length: 16 }, (_, index) => `text_${index}`)

test('memory does not grow with the number of partitions, and each file has the figures of its rows', async () => {
  const table = await DeltaTable.createOrEvolve(workshop.path('t'), {
    fields: [
      column('id', 'long', false),
      column('day', 'date'),
      ...texts.map((name) => column(name, 'string')),
    ],
    partitionColumns: ['day'],
  })
  await workshop.connection.run("SET memory_limit = '100MB'; SET threads = 2")
  const [rows, days] = [1_500, 500]
  // The last of the days is null.
  const query = `SELECT i AS id, CASE WHEN i % ${days} < ${days - 1} THEN
      DATE '1999-12-31' + (i % ${days})::INTEGER END AS day,
    ${texts.map((name) => `'${name} of ' || i AS ${name}`).join(', ')}
    FROM range($rows::BIGINT) t(i)`
  const staged = await table.stage(workshop.connection, query, { rows: BigInt(rows) })
  expect(staged.rowCount).toBe(BigInt(rows))
  expect(new Set(staged.adds.map(({ partitionValues }) => partitionValues.day)).size).toBe(days)
  await table.commit(staged, { appId: 'a', version: 1n })
  const { files } = await table.snapshot()
  for (const { partitionValues, stats } of files.values()) {
    const day = partitionValues.day ?? null
    const first = day === null ? days - 1 : (Date.parse(day) - Date.UTC(1999, 11, 31)) / 86_400_000
    expect(stats?.nullCount.id).toBe(0)
    expect(Number(stats?.minValues.id) % days).toBe(first)
    expect(Number(stats?.maxValues.id) % days).toBe(first)
  }
  const read = await workshop.rows(table, ['id', 'day', 'text_0'])
  expect(read.map((row) => row.day)).toEqual(
    read.map(({ id }) => {
      const day = Number(id) % days
      const date = new Date(Date.UTC(1999, 11, 31 + day))
      return day === days - 1 ? null : date.toISOString().slice(0, 10)
    }),
  )
  const scan = scanSql(await table.snapshot(), table.directory)
  const ofDay = await workshop.connection.runAndReadAll(
    `SELECT id FROM (${scan}) WHERE day = DATE '2000-01-31' ORDER BY id`,
  )
  expect(ofDay.getRows()).toEqual([[31n], [531n], [1031n]])
  expect(read.map((row) => row.text_0)).toEqual(read.map((row) => `text_0 of ${row.id}`))
  expect(read.map((row) => Number(row.id))).toEqual(Array.from({ length: rows }, (_, id) => id))
  const left = await workshop.connection.runAndReadAll('SELECT count(*) FROM duckdb_tables() WHERE temporary')
  expect(left.getRows()).toEqual([[0n]])
}, 60_000)
