import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { tableFromIPC } from '@uwdata/flechette'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type QueryFormat, query, queryCommand } from '../../../src/cli/query.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { standardProject } from '../../../src/project/project.ts'
import { liveName, liveTables } from '../../../src/query/open-windows.ts'
import { type SmallLakehouse, smallLakehouse } from './small-lakehouse.ts'

let lakehouse: SmallLakehouse
beforeAll(async () => {
  lakehouse = await smallLakehouse()
})
afterAll(() => lakehouse.remove())

async function output(sql: string, format: QueryFormat, columns?: number): Promise<string> {
  return (await outputBytes(sql, format, columns)).toString()
}

async function outputBytes(sql: string, format: QueryFormat, columns?: number): Promise<Buffer> {
  const stream = Object.assign(new PassThrough(), columns === undefined ? {} : { columns })
  const written = buffer(stream)
  try {
    await query(lakehouse.config, sql, format, stream)
  } finally {
    stream.end()
  }
  return written
}

test('a table is aligned, numbers to the right, and tells how many rows it has', async () => {
  expect(await output('select transaction_id, amount from silver.transactions order by 1', 'table')).toBe(
    [
      'transaction_id   amount',
      '──────────────  ───────',
      't-1             6000.00',
      't-2               12.50',
      '(2 rows)',
      '',
    ].join('\n'),
  )
})

test('control sequences in the data do not reach the terminal', async () => {
  const sql = "select merchant from silver.transactions where transaction_id = 't-2'"
  for (const format of ['table', 'json'] as const) expect(await output(sql, format)).not.toContain('\x1b')
})

test('a table is not wider than the terminal, and says what of it was cut', async () => {
  const sql = "select repeat('数', 200) a, repeat('b', 200) b, 1 c"
  const lines = (await output(sql, 'table', 60)).trimEnd().split('\n')
  expect(Math.max(...lines.slice(0, -1).map((line) => [...line].length))).toBeLessThanOrEqual(60)
  expect(lines[2]).toContain('…')
  expect(lines.at(-1)).toBe('(1 row; cut to the terminal: a, b; --format vertical shows all of them)')
})

describe('a row that is too wide for the terminal', () => {
  const columns = Array.from({ length: 9 }, (_, index) => `repeat('v', 30) AS column_${index}`)
  const sql = `select ${columns.join(', ')}`

  test('is a block with a line for each column, whole', async () => {
    const lines = (await output(sql, 'table', 80)).split('\n')
    expect(lines[0]).toMatch(/^── row 1 ─+$/)
    expect(lines.slice(1, 10)).toEqual(columns.map((_, index) => `column_${index}  ${'v'.repeat(30)}`))
    expect(lines[10]).toBe('(1 row)')
  })

  test('is a line where the output is no terminal', async () => {
    expect(await output(sql, 'table')).toMatch(/^column_0 .* column_8\n/)
  })
})

test('blocks can be asked for', async () => {
  const text = await output('select 1 a, null b union all select 22, 3 order by 1', 'vertical')
  expect(text).toBe('── row 1 \na  1\nb\n── row 2 \na  22\nb  3\n(2 rows)\n')
})

test('JSON keeps every digit: integers as numbers, decimals and instants as strings', async () => {
  const sql = `select 9007199254740993 i, 12345678901234567890.12::decimal(28,2) d, event_time t, null n,
    [1.50::decimal(4,2)] l, 'x'::blob b, {'k': true} s, 'nan'::double f
    from silver.transactions where amount > 100`
  expect(await output(sql, 'json')).toBe(
    '{"i":9007199254740993,"d":"12345678901234567890.12","t":"2024-03-10T10:00:00.000001Z","n":null,' +
      '"l":["1.50"],"b":"eA==","s":{"k":true},"f":"NaN"}\n',
  )
})

/** A column of each type, with a null in the second row. */
const everyType = Object.entries({
  b: 'true',
  i1: '(-128)::tinyint',
  i2: '(-32768)::smallint',
  i4: '(-2147483648)::int',
  i8: '(-9223372036854775808)::bigint',
  u1: '255::utinyint',
  u2: '65535::usmallint',
  u4: '4294967295::uinteger',
  u8: '18446744073709551615::ubigint',
  huge: '99999999999999999999999999999999999999::hugeint',
  f: '1.5::float',
  d: '0.1::double',
  money: '(-12345678901234567890123456.78)::decimal(28,2)',
  small: '(-1.5)::decimal(4,1)',
  text: `'=1+1, "a"' || chr(10) || 'ü😀'`,
  bytes: `'\\x00\\xFF'::blob`,
  day: `date '1969-12-31'`,
  at: `timestamptz '1969-12-31 23:59:59.999999+00'`,
  far: `timestamp '2262-04-11 23:47:16.854775'`,
  ns: `timestamp_ns '2024-01-01 00:00:00.123456789'`,
  ms: `timestamp_ms '2024-01-01 00:00:00.123'`,
  clock: `time '23:59:59.999999'`,
  id: `uuid '00000000-0000-0000-0000-000000000001'`,
  span: `interval 1 month`,
  days: `[date '2024-01-01', null]`,
  times: `[timestamptz '2024-03-10 10:00:00.000001+00']`,
  pair: `{a: 1.50::decimal(4,2), b: [{c: 'x'}]}`,
  counts: `map {'k': 1, 'l': null}`,
  choice: `'x'::enum('x', 'y')`,
})
const everyTypeSql = `select ${everyType.map(([name, value]) => `case when i = 0 then ${value} end as ${name}`).join(', ')}
  from range(2) t(i) order by i -- all
;`

test('JSON and CSV are well-formed for every type', async () => {
  const [whole, empty] = (await output(everyTypeSql, 'json')).trimEnd().split('\n')
  const json = JSON.parse(whole!)
  expect(Object.keys(json)).toEqual(everyType.map(([name]) => name))
  expect(json).toMatchObject({
    ...{ money: '-12345678901234567890123456.78', text: '=1+1, "a"\nü😀', bytes: 'AP8=', day: '1969-12-31' },
    ...{ at: '1969-12-31T23:59:59.999999Z', pair: { a: '1.50', b: [{ c: 'x' }] } },
    ...{
      days: ['2024-01-01', null],
      counts: [
        ['k', 1],
        ['l', null],
      ],
    },
  })
  expect(whole).toContain('"i8":-9223372036854775808,')
  expect(new Set(Object.values(JSON.parse(empty!)))).toEqual(new Set([null]))
  const csv = await output(everyTypeSql, 'csv')
  expect(csv.split('\n')[0]).toBe(everyType.map(([name]) => name).join(','))
  // What looks like a formula stays what it is.
  expect(csv).toContain(',"=1+1, ""a""\nü😀",0x00ff,1969-12-31,')
  expect(csv.endsWith(`\n${','.repeat(everyType.length - 1)}\n`)).toBe(true)
})

test('Arrow has every value with all its bits, in batches of one stream', async () => {
  const { children, numRows } = tableFromIPC(await outputBytes(everyTypeSql, 'arrow'), {
    ...{ useBigInt: true, useDecimalInt: true, useMap: true },
  })
  const first: Record<string, unknown> = Object.fromEntries(
    everyType.map(([name], index) => [name, children[index]!.at(0)]),
  )
  expect([numRows, children.map((column) => column.at(1))]).toEqual([2, everyType.map(() => null)])
  expect(first).toMatchObject({
    ...{ b: true, i1: -128, i8: -9223372036854775808n, u8: 18446744073709551615n, f: 1.5, d: 0.1 },
    ...{ money: -1234567890123456789012345678n, small: -15n, text: '=1+1, "a"\nü😀' },
    ...{ clock: 86399999999n, span: '1 month', choice: 'x', id: '00000000-0000-0000-0000-000000000001' },
    ...{ huge: 10n ** 38n - 1n },
  })
  expect([...(first.bytes as Uint8Array)]).toEqual([0, 255])
  const types = children.map(({ type }) => type)
  expect(types[everyType.findIndex(([name]) => name === 'at')]).toMatchObject({ unit: 2, timezone: 'UTC' })
  const many = tableFromIPC(await outputBytes('select i, i from range(120_000) t(i)', 'arrow'), {
    useBigInt: true,
  })
  expect([many.numRows, many.children[0]!.data.length, many.names]).toEqual([120_000, 3, ['i', 'i_2']])
  expect(many.children[1]!.at(119_999)).toBe(119_999n)
  await expect(output('select 100000000000000000000000000000000000000::hugeint', 'arrow')).rejects.toThrow(
    'more than 38 digits',
  )
  expect(tableFromIPC(await outputBytes('select 1 one where false', 'arrow')).names).toEqual(['one'])
})

test('Parquet has the rows of the query', async () => {
  const path = join(lakehouse.config.deltaBasePath, 'silver', 'transactions', 'result.parquet')
  writeFileSync(path, await outputBytes(everyTypeSql, 'parquet'))
  try {
    const read = `from read_parquet('${path}')`
    expect(await output(`select huge ${read} where b`, 'csv')).toBe(`huge\n${10n ** 38n - 1n}\n`)
    const same = (sql: string) =>
      output(`select * exclude (huge, ns, ms, choice, span) from (${sql})`, 'json')
    expect(await same(read)).toBe(await same(everyTypeSql.slice(0, -1)))
  } finally {
    rmSync(path)
  }
  await expect(output('select 100000000000000000000000000000000000000::hugeint', 'parquet')).rejects.toThrow(
    'DECIMAL(38,0)',
  )
  await expect(output("copy (select 1) to 'x'", 'parquet')).rejects.toMatchObject({
    code: 'QUERY_NOT_READ_ONLY',
  })
})

test('JSON keeps both of two columns with one name', async () => {
  expect(await output('select 1 a, 2 a', 'json')).toBe('{"a":1,"a_2":2}\n')
})

test('CSV quotes what RFC 4180 wants quoted and tells null from the empty text', async () => {
  const sql = `select merchant, country, '' as empty from silver.transactions where amount > 100`
  expect(await output(sql, 'csv')).toBe('merchant,country,empty\n"Shop, ""A""",,""\n')
})

test('an instant is the same whatever the zone of the machine', async () => {
  const before = process.env.TZ
  process.env.TZ = 'America/New_York'
  try {
    expect(await output("select timestamptz '2024-03-10 00:00:00+00' t", 'csv')).toBe(
      't\n2024-03-10T00:00:00.000000Z\n',
    )
  } finally {
    if (before === undefined) delete process.env.TZ
    else process.env.TZ = before
  }
})

test('every table of the lakehouse that exists has a view, and the catalogue lists it', async () => {
  const listed = await output('select schema, name from (show all tables) order by all', 'csv')
  expect(listed).toBe(
    [
      'schema,name',
      'bronze,transactions',
      'live,country',
      'live,gold',
      'live,hourly_summary',
      'live,merchant',
      'live,metrics',
      'live,user',
      'main,fraud_detection',
      'silver,quarantine',
      'silver,transactions',
      '',
    ].join('\n'),
  )
})

test('show tables lists the tables of all schemas, as a query names them', async () => {
  const names = (await output('SHOW tables;', 'csv')).trimEnd().split('\n').slice(1)
  expect(names).toEqual([
    'bronze.transactions',
    'fraud_detection',
    ...['country', 'gold', 'hourly_summary', 'merchant', 'metrics', 'user'].map((name) => `live.${name}`),
    'silver.quarantine',
    'silver.transactions',
  ])
  for (const name of names) expect(await output(`select count(*) from ${name}`, 'csv')).toMatch(/^count/)
})

test('every table with open windows has a name of its own, also two of one watermark', () => {
  const names = liveTables(standardLakehouse).map(liveName)
  expect(new Set(names).size).toBe(names.length)
  expect(liveName({ path: 'aggregations/device' })).toBe('live.device')
  expect(liveName({ path: 'gold/transactions' })).toBe('live.gold')
})

describe('SQL may begin with a comment', () => {
  test.each([
    ['-- all\nshow tables', 'silver.transactions'],
    ['/* all\nof */ show tables; -- done', 'silver.transactions'],
    ['-- one\n/* two */ select 1 as one', 'one'],
  ])('%j', async (sql, found) => {
    expect(await output(sql, 'csv')).toContain(found)
  })
})

describe('the name of no table', () => {
  test.each([
    ['silver.transaction', /did you mean silver\.transactions\?/],
    ['merchant', /did you mean aggregations\.merchant or live\.merchant\?/],
    ['transactions', /did you mean bronze\.transactions or silver\.transactions or gold\.transactions\?/],
    ['gold', /did you mean gold\.transactions or live\.gold\?/],
    ['fraud', /there are bronze\.transactions, .*fraud_detection/],
    ['fraud_detections', /did you mean fraud_detection\?/],
    ['zzz.zzz', /there are bronze\.transactions/],
  ])('%s is answered by the nearest, or by all', async (name, answer) => {
    await expect(output(`select * from ${name}`, 'table')).rejects.toThrow(answer)
  })

  test('a name that the query itself defines is none of them', async () => {
    expect(await output('with gold as (select 1 as one) select * from gold', 'csv')).toBe('one\n1\n')
    const failing = 'with gold as (select 1 as one) select two from gold'
    await expect(output(failing, 'csv')).rejects.toThrow(/two/)
  })
})

describe('a limit', () => {
  const endless = 'select count(*) from range(1000000000000) a'

  test('of time ends the query, and says so', async () => {
    const late = query(lakehouse.config, endless, 'csv', new PassThrough(), 50)
    await expect(late).rejects.toMatchObject({
      code: 'QUERY_FAILED',
      message: /longer than 50 ms.*--timeout/,
    })
  })

  test('of memory fails with what to do', async () => {
    const config = { ...lakehouse.config, duckdb: { memoryLimitBytes: 16 * 2 ** 20, threads: 1 } }
    const sql = 'select list(i) from range(100000000) t(i)'
    const failing = query(config, sql, 'csv', new PassThrough())
    await expect(failing).rejects.toMatchObject({ code: 'QUERY_FAILED', message: /--memory/ })
  })
})

test('a mistake in the SQL is told in the words of DuckDB, with the position', async () => {
  await expect(output('select amont from silver.transactions', 'table')).rejects.toThrow(
    /amont[\s\S]*LINE 1[\s\S]*\^/,
  )
})

test('a failure while rows are read is a failed query too', async () => {
  const failing = output(
    "select (case when transaction_id = 't-2' then 'x' else '1' end)::int from silver.transactions",
    'json',
  )
  await expect(failing).rejects.toMatchObject({ code: 'QUERY_FAILED' })
})

test('so is one behind many rows, and the end of its time there', async () => {
  const failing = "select case when i = 900000 then error('too far') else i end from range(1000000) t(i)"
  await expect(output(failing, 'csv')).rejects.toMatchObject({ code: 'QUERY_FAILED', message: /too far/ })
  const endless = query(
    lakehouse.config,
    'select * from range(1000000000)',
    'csv',
    new PassThrough().resume(),
    300,
  )
  await expect(endless).rejects.toMatchObject({ code: 'QUERY_FAILED', message: /longer than 300 ms/ })
})

test('a table that nobody has written is named, with the directory', async () => {
  await expect(output('select * from aggregations.merchant', 'table')).rejects.toThrow(
    /aggregations\.merchant.*DELTA_BASE_PATH/,
  )
})

test('a file has all of it or stays what it was; a link stays a link, and a pipe takes what comes', async () => {
  vi.stubEnv('DELTA_BASE_PATH', lakehouse.config.deltaBasePath)
  const directory = mkdtempSync(join(tmpdir(), 'assay-output-'))
  const at = (name: string) => join(directory, name)
  const into = (name: string, sql: string) =>
    queryCommand(standardProject).parseAsync(['--csv', '--output', at(name), sql], { from: 'user' })
  try {
    symlinkSync('file', at('link'))
    await expect(into('link', 'select 1 a')).rejects.toThrow('is a link to a file that is not there')
    writeFileSync(at('file'), 'before')
    await expect(into('link', 'select a')).rejects.toMatchObject({ code: 'QUERY_FAILED' })
    expect(readFileSync(at('file'), 'utf8')).toBe('before')
    await into('link', 'select 1 a')
    expect([lstatSync(at('link')).isSymbolicLink(), readFileSync(at('file'), 'utf8')]).toEqual([
      true,
      'a\n1\n',
    ])
    execFileSync('mkfifo', [at('pipe')])
    const [read] = await Promise.all([readFile(at('pipe'), 'utf8'), into('pipe', 'select 2 a')])
    expect([read, lstatSync(at('pipe')).isFIFO()]).toEqual(['a\n2\n', true])
    expect(readdirSync(directory).sort()).toEqual(['file', 'link', 'pipe'])
  } finally {
    vi.unstubAllEnvs()
    rmSync(directory, { recursive: true })
  }
})

describe('a query cannot write, and cannot read anything but the tables', () => {
  const base = () => lakehouse.config.deltaBasePath
  const attempts: Readonly<Record<string, () => string>> = {
    'COPY into the directory of a table': () =>
      `copy (select 1) to '${base()}/silver/transactions/x.parquet'`,
    'COPY over a table name': () => `copy (select 1) to '${base()}/x.parquet'`,
    ATTACH: () => `attach '${base()}/silver/transactions/x.db'`,
    EXPORT: () => `export database '${base()}/silver/transactions/x'`,
    'EXPLAIN ANALYZE of a COPY': () =>
      `explain analyze copy (select 1) to '${base()}/silver/transactions/x.parquet'`,
    'a second statement': () => `select 1; copy (select 1) to '${base()}/silver/transactions/x.parquet'`,
    'a SELECT in a function': () =>
      `select * from query('copy (select 1) to ''${base()}/silver/transactions/x.parquet''')`,
    'a file elsewhere': () => `select * from read_text('/etc/hostname')`,
    'a file elsewhere through ..': () =>
      `select * from read_text('${base()}/silver/transactions/../../../../etc/hostname')`,
    'a listing of files': () => `select * from glob('/*')`,
    'a setting': () => `set enable_external_access = true`,
    INSTALL: () => 'install httpfs',
    CREATE: () => 'create table t as select 1',
    'persistent secrets': () => `create persistent secret s (type s3, key_id 'a', secret 'b')`,
    PREPARE: () => `prepare x as select 1`,
    PRAGMA: () => `pragma enable_profiling`,
    'no statement': () => ' -- nothing',
  }
  test.each(Object.keys(attempts))('%s', async (name) => {
    await expect(output(attempts[name]!(), 'table')).rejects.toMatchObject({
      code: expect.stringMatching(/^QUERY_/),
    })
    for (const left of ['x.parquet', 'x.db', 'x']) {
      expect(existsSync(join(base(), left))).toBe(false)
      expect(existsSync(join(base(), 'silver', 'transactions', left))).toBe(false)
    }
  })
})
