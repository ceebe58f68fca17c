import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DeltaField, DeltaTable, type DeltaTableDefinition } from '../../../src/delta/index.ts'
import { column, Workshop } from './workshop.ts'

const definition: DeltaTableDefinition = {
  fields: [column('id', 'long', false), column('name', 'string'), column('day', 'date')],
  partitionColumns: ['day'],
}
const oneRow = "SELECT 1 AS id, 'a' AS name, DATE '2024-01-01' AS day"

let workshop: Workshop
beforeEach(async () => {
  workshop = await Workshop.open()
})
afterEach(() => workshop.close())

function withField(field: DeltaField): DeltaTableDefinition {
  return { ...definition, fields: [...definition.fields, field] }
}

describe('making a table', () => {
  test('a directory without a log is no table', async () => {
    expect(await DeltaTable.exists(workshop.path('none'))).toBe(false)
    await expect(DeltaTable.open(workshop.path('none'))).rejects.toMatchObject({
      code: 'DELTA_TABLE_NOT_FOUND',
    })
  })

  test('the first version has the protocol that every reader knows, and the schema', async () => {
    const table = await DeltaTable.createOrEvolve(workshop.path('t'), { ...definition, description: 'words' })
    const { version, protocol, metadata, numRecords } = await table.snapshot()
    expect([version, numRecords]).toEqual([0n, 0n])
    expect(protocol).toMatchObject({ minReaderVersion: 1, minWriterVersion: 2 })
    expect(metadata).toMatchObject({ ...definition, description: 'words' })
  })

  test('makers at the same time make one table', async () => {
    const tables = await Promise.all(
      Array.from({ length: 5 }, () => DeltaTable.createOrEvolve(workshop.path('t'), definition)),
    )
    const ids = await Promise.all(tables.map(async (table) => (await table.snapshot()).metadata.id))
    expect(new Set(ids).size).toBe(1)
    expect((await tables[0]!.snapshot()).version).toBe(0n)
  })

  test('a definition with new nullable columns adds them; older rows have null there', async () => {
    const older = await DeltaTable.createOrEvolve(workshop.path('t'), definition)
    await older.append(workshop.connection, oneRow, { appId: 'a', version: 1n })
    const table = await DeltaTable.createOrEvolve(workshop.path('t'), withField(column('added', 'double')))
    await table.append(workshop.connection, oneRow, { appId: 'a', version: 2n })
    await older.append(workshop.connection, `${oneRow}, 1.5 AS added`, { appId: 'a', version: 3n })
    const rows = await workshop.rows(table, ['id', 'added'])
    // All three have one id, so they are in any order.
    expect(rows.map((row) => row.added).sort()).toEqual([1.5, null, null])
  })

  test('makers who add different columns at the same time get both', async () => {
    await DeltaTable.createOrEvolve(workshop.path('t'), definition)
    const names = ['x', 'y', 'z']
    await Promise.all(
      names.map((name) => DeltaTable.createOrEvolve(workshop.path('t'), withField(column(name, 'long')))),
    )
    const { metadata } = await (await DeltaTable.open(workshop.path('t'))).snapshot()
    expect(new Set(metadata.fields.map((field) => field.name))).toEqual(
      new Set(['id', 'name', 'day', ...names]),
    )
  })

  test.each<[string, DeltaTableDefinition, RegExp]>([
    [
      'another type',
      { ...definition, fields: [column('id', 'string', false)] },
      /column id is long in the table, string/,
    ],
    [
      'other nullability',
      { ...definition, fields: [column('id', 'long')] },
      /column id \(long\) is not nullable in the table/,
    ],
    ['other case', { ...definition, fields: [column('ID', 'long', false)] }, /case differs/],
    [
      'other partitions',
      { ...definition, partitionColumns: [] },
      /partitioned by day, the definition by nothing/,
    ],
    [
      'a new column without null',
      withField(column('n', 'integer', false)),
      /new column n \(integer\) must be nullable/,
    ],
  ])('a definition with %s is refused', async (_what, wanted, message) => {
    await DeltaTable.createOrEvolve(workshop.path('t'), definition)
    const fields = [
      ...wanted.fields,
      ...definition.fields.filter((f) => !wanted.fields.some((w) => same(w, f))),
    ]
    await expect(DeltaTable.createOrEvolve(workshop.path('t'), { ...wanted, fields })).rejects.toMatchObject({
      code: 'DELTA_SCHEMA_MISMATCH',
      message: expect.stringMatching(message),
    })
  })

  const same = (a: DeltaField, b: DeltaField) => a.name.toLowerCase() === b.name.toLowerCase()
})

describe('appending', () => {
  let table: DeltaTable
  beforeEach(async () => {
    table = await DeltaTable.createOrEvolve(workshop.path('t'), definition)
  })

  test('a version of an application that is in the table is skipped uncomputed', async () => {
    expect(await table.append(workshop.connection, oneRow, { appId: 'a', version: 5n })).toMatchObject({
      kind: 'committed',
    })
    for (const version of [5n, 4n]) {
      const outcome = await table.append(workshop.connection, 'SELECT error()', { appId: 'a', version })
      expect(outcome).toEqual({ kind: 'skipped', version: 1n, recorded: 5n })
    }
    expect(await table.append(workshop.connection, oneRow, { appId: 'b', version: 5n })).toMatchObject({
      kind: 'committed',
    })
    expect((await table.snapshot()).numRecords).toBe(2n)
  })

  test('further txns and metadata are in the same commit; 64-bit versions keep every digit', async () => {
    const great = 9_223_372_036_854_775_807n
    await table.commit(null, { appId: 'a', version: great, txns: { b: great - 1n }, userMetadata: '{"x":1}' })
    const reopened = await (await DeltaTable.open(table.directory)).snapshot()
    expect([reopened.txns.get('a')?.version, reopened.txns.get('b')?.version]).toEqual([great, great - 1n])
    expect(reopened.lastCommitInfo).toMatchObject({ userMetadata: '{"x":1}', operation: 'WRITE' })
  })

  test('a commit whose predecessor the log has lost is refused', async () => {
    await table.commit(null, { appId: 'a', version: 1n, after: 0n })
    await table.commit(null, { appId: 'a', version: 2n, after: 1n })
    const lost = table.commit(null, { appId: 'a', version: 4n, after: 3n })
    await expect(lost).rejects.toMatchObject({
      code: 'DELTA_COMMIT_CONFLICT',
      message: expect.stringContaining('lost version 3 of a'),
    })
    expect((await table.snapshot()).txns.get('a')?.version).toBe(2n)
  })

  test('no rows make no file, but the commit and its txn', async () => {
    const staged = await table.stage(workshop.connection, `${oneRow} WHERE false`)
    expect([staged.adds, staged.rowCount]).toEqual([[], 0n])
    await table.commit(staged, { appId: 'a', version: 1n })
    expect((await table.snapshot()).txns.get('a')?.version).toBe(1n)
    expect(await readdir(table.directory)).toEqual(['_delta_log'])
  })

  test("staging happens in the caller's transaction and leaves it open", async () => {
    await workshop.connection.run('BEGIN')
    await workshop.connection.run(`CREATE TEMP TABLE uncommitted AS ${oneRow}`)
    const staged = await table.stage(workshop.connection, 'SELECT * FROM uncommitted WHERE id >= $least', {
      least: 1,
    })
    await workshop.connection.run('ROLLBACK')
    await table.commit(staged, {})
    expect((await table.snapshot()).numRecords).toBe(1n)
  })

  test.each([
    [
      'a column that the table lacks',
      `${oneRow}, 1 AS other`,
      'DELTA_SCHEMA_MISMATCH',
      /column other \(INTEGER\)/,
    ],
    ['no column that may not be null', "SELECT 'a' AS name", 'DELTA_SCHEMA_MISMATCH', /lack the column id/],
    ['a null that may not be', 'SELECT NULL AS id', 'DELTA_VALUE_REFUSED', /column id may not be null/],
  ])('rows with %s are refused', async (_what, query, code, message) => {
    const refused = expect(table.stage(workshop.connection, query)).rejects
    await refused.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  test('values are cast to the types of the table, and a nullable column may be absent', async () => {
    await table.append(workshop.connection, "SELECT '7' AS id, 8 AS name", { appId: 'a', version: 1n })
    expect(await workshop.rows(table, ['id', 'name', 'day'])).toEqual([{ id: '7', name: '8', day: null }])
  })

  test('rows can be JavaScript objects', async () => {
    const types = await DeltaTable.createOrEvolve(workshop.path('objects'), {
      fields: [
        column('id', 'long'),
        column('amount', 'decimal(18,2)'),
        column('at', 'timestamp'),
        column('raw', 'binary'),
        column('list', { type: 'array', elementType: 'timestamp', containsNull: true }),
        column('map', { type: 'map', keyType: 'string', valueType: 'integer', valueContainsNull: true }),
        column('struct', { type: 'struct', fields: [column('x', 'double')] }),
      ],
      partitionColumns: [],
    })
    const at = new Date('2024-01-01T00:00:00.123Z')
    await types.appendRows(
      [
        {
          id: 1n,
          amount: '0.10',
          at,
          raw: new Uint8Array([0, 255]),
          list: [at, null],
          map: new Map([['k', 1]]),
          struct: { x: 0.1 },
        },
        { id: 2 },
      ],
      { appId: 'a', version: 1n },
    )
    const time = '2024-01-01 00:00:00.123'
    expect(await workshop.rows(types, ['id', 'amount', 'at', 'raw', 'list', 'map', 'struct'])).toEqual([
      {
        id: '1',
        amount: '0.10',
        at: time,
        raw: '\\x00\\xFF',
        list: [time, null],
        map: [{ key: 'k', value: 1 }],
        struct: { x: 0.1 },
      },
      { id: '2', amount: null, at: null, raw: null, list: null, map: null, struct: null },
    ])
  })

  test('a time without a zone is UTC, also nested, whatever the session says', async () => {
    const nested = await DeltaTable.createOrEvolve(workshop.path('nested'), {
      fields: [
        column('t', 'timestamp'),
        column('l', {
          type: 'array',
          elementType: { type: 'array', elementType: 'timestamp', containsNull: true },
          containsNull: true,
        }),
        column('m', { type: 'map', keyType: 'timestamp', valueType: 'timestamp', valueContainsNull: true }),
        column('s', {
          type: 'struct',
          fields: [column('t', 'timestamp'), column('d', 'timestamp'), column('absent', 'timestamp')],
        }),
      ],
      partitionColumns: [],
    })
    const time = "TIMESTAMP '2024-06-01 12:00:00'"
    const query = `SELECT ${time} AS t, [[${time}], NULL] AS l,
      map {${time}: TIMESTAMPTZ '2024-06-01 12:00:00+00'} AS m,
      {'t': ${time}, 'd': DATE '2024-06-01'} AS s UNION ALL SELECT NULL, NULL, NULL, NULL`
    await nested.append(workshop.connection, query, { appId: 'a', version: 1n })
    const text = '2024-06-01 12:00:00'
    expect((await workshop.rows(nested, ['t', 'l', 'm', 's']))[0]).toEqual({
      t: text,
      l: [[text], null],
      m: [{ key: text, value: text }],
      s: { t: text, d: '2024-06-01 00:00:00', absent: null },
    })
  })

  test('the log is put in place whole: no other file is left beside it', async () => {
    await table.append(workshop.connection, oneRow, { appId: 'a', version: 1n })
    const log = join(table.directory, '_delta_log')
    expect(await readdir(log)).toEqual(['00000000000000000000.json', '00000000000000000001.json'])
    const lines = (await readFile(join(log, '00000000000000000001.json'), 'utf8')).trimEnd().split('\n')
    expect(lines.map((line) => Object.keys(JSON.parse(line)))).toEqual([['commitInfo'], ['txn'], ['add']])
  })

  test('a table that was deleted and made again is not continued with the old state', async () => {
    await table.append(workshop.connection, oneRow, { appId: 'a', version: 1n })
    const { rm } = await import('node:fs/promises')
    await rm(table.directory, { recursive: true })
    await expect(table.snapshot()).rejects.toMatchObject({ code: 'DELTA_TABLE_NOT_FOUND' })
    await DeltaTable.createOrEvolve(table.directory, definition)
    expect(await table.append(workshop.connection, oneRow, { appId: 'a', version: 1n })).toEqual({
      kind: 'committed',
      version: 1n,
    })
  })
})
