import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RowsAnswer } from '../../../src/dashboard/api.ts'
import { csvOf } from '../../../src/dashboard/csv.ts'
import { QueryDesk } from '../../../src/dashboard/query-desk.ts'
import { createMask } from '../../../src/query/masking.ts'
import { type SmallLakehouse, smallLakehouse } from '../cli/small-lakehouse.ts'

let lakehouse: SmallLakehouse
let desk: QueryDesk
let file: string
beforeAll(async () => {
  lakehouse = await smallLakehouse()
  const { config } = lakehouse
  desk = new QueryDesk(config, createMask(config.lakehouse))
  const silver = join(config.deltaBasePath, 'silver', 'transactions')
  const names = await readdir(silver, { recursive: true })
  file = join(silver, names.find((name) => name.endsWith('.parquet'))!)
  await writeFile(join(config.deltaBasePath, 'secret.csv'), 'a\n1\n')
})
afterAll(() => lakehouse.remove())

/** For a machine that has other work. */
const patient = { timeMaxMs: 120_000, rowsMax: 1_000, bytesMax: 1e6 }

const rowsOf = (answer: RowsAnswer) => answer.rows

describe('a query of the SQL box', () => {
  test('gives the rows of the tables, exact to the last digit', async () => {
    const sql = 'select transaction_id, amount, 9007199254740993 as large from silver.transactions order by 1'
    const answer = await desk.rows('analyst', sql)
    expect(rowsOf(answer)).toEqual([
      ['t-1', '6000.00', '9007199254740993'],
      ['t-2', '12.50', '9007199254740993'],
    ])
  })

  test('may make rows, define names and describe tables', async () => {
    const sql = 'with numbers as (from range(3)) select count(*) from numbers, silver.transactions'
    expect(rowsOf(await desk.rows('viewer', sql))).toEqual([['6']])
    expect(rowsOf(await desk.rows('viewer', 'describe silver.transactions')).length).toBeGreaterThan(10)
  })

  const forbidden = (): readonly string[] => [
    `from '${file}'`,
    `from read_parquet('${file}')`,
    `summarize '${file}'`,
    `from '${lakehouse.config.deltaBasePath}/secret.csv'`,
    "from read_text('/etc/passwd')",
    "from glob('/*')",
    // A name that is defined in one place must not open a file in another.
    `select * from (with "${file}" as (select 1) select * from "${file}") a, "${file}" b`,
    'select * from (with duckdb_views as (select 1) select * from duckdb_views) a, duckdb_views b',
    'from duckdb_views()',
    'from information_schema.tables',
    'from pg_catalog.pg_views',
    "from query('select 1')",
    'from duckdb_settings()',
    "copy silver.transactions to '/tmp/assay-stolen.csv'",
    "attach '/tmp/assay-other.db'",
    'install httpfs',
    'load httpfs',
    "set memory_limit = '100GB'",
    'create table x as select 1',
    'drop view silver.transactions',
    'select 1; select 2',
    'pragma database_list',
    'call pragma_version()',
  ]

  test.each(['admin', 'viewer'] as const)(
    'reads tables alone and writes nothing, as %s too',
    async (role) => {
      const all = forbidden()
      for (const sql of role === 'admin' ? all : all.slice(0, 9)) {
        const outcome = await desk.rows(role, sql).then(
          () => `${sql} gave rows`,
          (error: { readonly code?: string }) => error.code,
        )
        expect(['QUERY_NOT_READ_ONLY', 'QUERY_FAILED']).toContain(outcome)
      }
    },
  )

  test('is ended when it takes too long', async () => {
    const sql = 'select count(*) from range(1000000000) a, range(1000000) b where hash(a.range + b.range) = 1'
    const limits = { timeMaxMs: 300, rowsMax: 10, bytesMax: 1_000 }
    await expect(desk.rows('admin', sql, {}, limits)).rejects.toMatchObject({
      code: 'QUERY_FAILED',
      message: expect.stringContaining('longer than 0.3 s'),
    })
  })

  test('is ended when it needs too much memory', async () => {
    const sql =
      "select max(len(l)) from (select list(a.range || repeat('x', 200)) as l from range(20000000) a)"
    await expect(desk.rows('admin', sql, {}, patient)).rejects.toMatchObject({
      code: 'QUERY_FAILED',
      message: expect.stringContaining('Out of Memory'),
    })
  })

  test('gives so many rows, and so many bytes, and says that there are more', async () => {
    const few = await desk.rows(
      'admin',
      'from range(100)',
      {},
      { timeMaxMs: 9_000, rowsMax: 10, bytesMax: 1e6 },
    )
    expect([few.rows.length, few.isCut]).toEqual([10, true])
    const wide = "select repeat('x', 1000) from range(100)"
    const small = await desk.rows('admin', wide, {}, { timeMaxMs: 9_000, rowsMax: 1_000, bytesMax: 5_000 })
    expect([small.rows.length, small.isCut]).toEqual([5, true])
    const all = await desk.rows(
      'admin',
      'from range(10)',
      {},
      { timeMaxMs: 9_000, rowsMax: 10, bytesMax: 1e6 },
    )
    expect([all.rows.length, all.isCut]).toEqual([10, false])
  })
})

describe('a viewer', () => {
  test('sees that two ids are the same, but not which', async () => {
    const answer = await desk.rows('viewer', 'select user_id from silver.transactions')
    const [[first], [second]] = answer.rows as [[string], [string]]
    expect(first).toMatch(/^id-[0-9a-f]{10}$/)
    expect(second).toBe(first)
    const found = await desk.rows(
      'viewer',
      `select count(*) from silver.transactions where user_id = '${first}'`,
    )
    expect(found.rows).toEqual([['2']])
  })

  test('sees the ids in no other way: open windows, bytes of records, aggregates', async () => {
    const queries = [
      'select min(user_id) from silver.transactions',
      'select any_value(user_id)::varchar from live."user"',
      'select list(user_id)::varchar from silver.transactions',
      "from (summarize silver.transactions) where column_name = 'user_id'",
    ]
    for (const sql of queries) {
      const { rows } = await desk.rows('viewer', sql, {}, patient)
      expect(rows.flat().filter((cell) => cell === '7' || cell === '[7, 7]')).toEqual([])
    }
    const bytes = await desk.rows('viewer', 'select value, kafka_key from bronze.transactions')
    expect(bytes.rows.flat().every((cell) => cell === null)).toBe(true)
  })
})

test('CSV is quoted, and no cell of it is taken for a formula', () => {
  const columns = ['name', 'value'].map((name) => ({ name, type: 'VARCHAR' }))
  const rows = [
    ['=cmd()|x', '-12.50'],
    ['a "b", c', null],
    ['', '@x'],
  ]
  const csv = csvOf({ columns, rows, isCut: false, asOfMs: 0, ms: 0 })
  expect(csv).toBe('name,value\r\n\'=cmd()|x,-12.50\r\n"a ""b"", c",\r\n"",\'@x\r\n')
})
