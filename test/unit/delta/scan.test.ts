import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeltaTable, prunedFiles, scanSql } from '../../../src/delta/index.ts'
import { decodePath, encodePath, spelledPath } from '../../../src/delta/paths.ts'
import { column, Workshop } from './workshop.ts'

const odd = [
  '../../x',
  'a=b',
  'a/b',
  "it's",
  '"',
  '%',
  '%2F',
  '100%',
  ' ',
  '\0nul',
  'é😀',
  '*?[x]',
  '__HIVE_DEFAULT_PARTITION__',
  '.',
  '..',
  '\n',
  'a'.repeat(80),
]

let workshop: Workshop
beforeEach(async () => {
  workshop = await Workshop.open()
})
afterEach(() => workshop.close())

const literal = (text: string) => `'${text.replaceAll("'", "''").replaceAll('\0', "' || chr(0) || '")}'`

test('any text can be a partition value, and none leaves the directory', async () => {
  const table = await DeltaTable.createOrEvolve(workshop.path("odd [dir] 'é' *日本"), {
    fields: [column('id', 'long'), column('p', 'string')],
    partitionColumns: ['p'],
  })
  const values = odd.map((text, index) => `SELECT ${index} AS id, ${literal(text)} AS p`)
  const query = `${values.join(' UNION ALL ')} UNION ALL SELECT 98, '' UNION ALL SELECT 99, NULL`
  await table.append(workshop.connection, query, { appId: 'a', version: 1n })
  await table.checkpoint()
  const reopened = await DeltaTable.open(table.directory)
  const rows = await workshop.rows(reopened, ['id', 'p'])
  expect(rows.map((row) => row.p)).toEqual([...odd, null, null])
  const { readdir } = await import('node:fs/promises')
  expect(await readdir(workshop.directory)).toEqual(["odd [dir] 'é' *日本"])
  for (const text of odd) {
    const files = prunedFiles(await reopened.snapshot(), [{ column: 'p', min: text, max: text }])
    expect(files.map((file) => file.partitionValues.p)).toEqual([text])
  }
})

test('a partition value that no directory name can hold is refused with its column', async () => {
  const table = await DeltaTable.createOrEvolve(workshop.path('t'), {
    fields: [column('id', 'long'), column('p', 'string')],
    partitionColumns: ['p'],
  })
  await expect(table.stage(workshop.connection, "SELECT 1 AS id, repeat('ü', 100) AS p")).rejects.toThrow(
    /partition column p/,
  )
})

test('partition values of every type come back as they were', async () => {
  const types = ['integer', 'long', 'decimal(10,2)', 'boolean', 'date', 'timestamp', 'double'] as const
  const table = await DeltaTable.createOrEvolve(workshop.path('t'), {
    fields: [column('id', 'long'), ...types.map((type, index) => column(`p${index}`, type))],
    partitionColumns: types.map((_, index) => `p${index}`),
  })
  const query = `SELECT 1 AS id, -5 AS p0, 9223372036854775807 AS p1, 1.10 AS p2, false AS p3,
    DATE '2024-02-29' AS p4,
    TIMESTAMP '1969-12-31 23:59:59.999999' AS p5, 1e-7 AS p6
    UNION ALL SELECT 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL`
  await table.append(workshop.connection, query, { appId: 'a', version: 1n })
  const rows = await workshop.rows(table, ['id', ...types.map((_, index) => `p${index}`)])
  expect(Object.values(rows[0]!)).toEqual([
    '1',
    -5,
    '9223372036854775807',
    '1.10',
    false,
    '2024-02-29',
    '1969-12-31 23:59:59.999999',
    1e-7,
  ])
  expect(Object.values(rows[1]!)).toEqual(['2', null, null, null, null, null, null, null])
})

test('a table without files is empty and typed', async () => {
  const table = await DeltaTable.createOrEvolve(workshop.path('t'), {
    fields: [
      column('a', 'decimal(18,2)'),
      column('t', 'timestamp'),
      column('s', { type: 'struct', fields: [column('t', 'timestamp')] }),
    ],
    partitionColumns: [],
  })
  const snapshot = await table.snapshot()
  for (const [naiveTimestamps, instant] of [
    [false, 'TIMESTAMP WITH TIME ZONE'],
    [true, 'TIMESTAMP'],
  ] as const) {
    const reader = await workshop.connection.runAndReadAll(
      scanSql(snapshot, table.directory, { naiveTimestamps, fileNames: true }),
    )
    expect(reader.columnTypes().map(String)).toEqual([
      'DECIMAL(18,2)',
      instant,
      `STRUCT("t" ${instant})`,
      'VARCHAR',
    ])
    expect(reader.currentRowCount).toBe(0)
  }
})

test('only files that can hold a wanted row are read, and the names of the files can be had', async () => {
  const table = await DeltaTable.createOrEvolve(workshop.path('t'), {
    fields: [column('id', 'long'), column('day', 'date'), column('at', 'timestamp')],
    partitionColumns: ['day'],
  })
  const query = `SELECT i AS id, DATE '2024-01-01' + (i // 10)::INTEGER AS day,
    TIMESTAMP '2024-01-01' + to_hours(i) AS at FROM range(100) t(i)`
  await table.append(workshop.connection, query, { appId: 'a', version: 1n })
  const snapshot = await table.snapshot()
  const kept = (where: Parameters<typeof prunedFiles>[1]) => prunedFiles(snapshot, where).length
  expect(kept([])).toBe(10)
  expect(kept([{ column: 'day', min: '2024-01-03', max: '2024-01-04' }])).toBe(2)
  expect(kept([{ column: 'at', min: new Date('2024-01-01T15:00:00Z'), max: '2024-01-01 15:30:00' }])).toBe(1)
  const micros = (text: string) => BigInt(Date.parse(text)) * 1000n
  expect(kept([{ column: 'at', min: micros('2024-01-04T12:00:00Z') }])).toBe(2)
  expect(kept([{ column: 'at', min: micros('2024-01-05T03:00:00Z') + 999n }])).toBe(1)
  expect(
    kept([
      { column: 'id', min: 95n },
      { column: 'day', max: '2024-01-02' },
    ]),
  ).toBe(0)
  expect(kept([{ column: 'unknown', min: 1 }])).toBe(10)
  const rows = await workshop.rows(table, ['id'], { where: [{ column: 'id', min: 95 }], fileNames: true })
  expect(new Set(rows.map((row) => row.filename)).size).toBe(1)
})

test('any path survives being spelled in the log', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (path) => {
      fc.pre(path.isWellFormed() && !path.startsWith('file:'))
      expect(decodePath(encodePath(path))).toBe(path)
      expect(encodePath(path)).toMatch(/^[\x21-\x7e]*$/)
    }),
  )
  expect(decodePath('a%20b/100%')).toBe('a%20b/100%')
  // What another writer spelled in its own way is repeated: readers compare the texts.
  expect(spelledPath('part=é/a%20b+c')).toEqual({ path: 'part=é/a b+c', spelling: 'part=é/a%20b+c' })
  expect(spelledPath('part=%25C3/a')).toEqual({ path: 'part=%C3/a' })
  expect(decodePath('file:/data/a%20b.parquet')).toBe('/data/a b.parquet')
})
