// Files of labels: all of a file is imported, or nothing of it, and each mistake is told with its row.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { importLabels } from '../../../src/labels/import-labels.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { type SmallLakehouse, smallLakehouse } from '../cli/small-lakehouse.ts'

let lakehouse: SmallLakehouse
let directory: string
beforeAll(async () => {
  lakehouse = await smallLakehouse()
  directory = mkdtempSync(join(tmpdir(), 'assay-labels-'))
})
afterAll(async () => {
  await lakehouse.remove()
  rmSync(directory, { recursive: true, force: true })
})

const nowMs = Date.parse('2026-11-01T12:00:00Z')

async function imported(name: string, content: string | Buffer, source = 'chargeback') {
  const file = join(directory, name)
  writeFileSync(file, content)
  const { deltaBasePath } = lakehouse.config
  const options = { lakehouse: standardLakehouse, deltaBasePath, file, source, importedBy: "o'hara" }
  return await importLabels({ ...options, nowMicros: BigInt(nowMs) * 1000n, duckdb: {} })
}

async function labels() {
  const tables = await readTables(lakehouse.config.deltaBasePath, ['fraud_labels'])
  return (tables as unknown as Record<string, Record<string, unknown>[]>).fraud_labels!
}

const micros = (text: string): bigint => BigInt(Date.parse(text)) * 1000n

test('CSV: what a row leaves out has its default, ids are texts, and unknown transactions are told', async () => {
  const csv = [
    'known_at,transaction_id,note,is_fraud,source',
    '2026-10-01,t-1,"stolen, they say",,',
    '2026-10-02T08:30:00+02:00,0042,,FALSE,dispute',
    '2026-10-01,"x\'); DROP TABLE given; --",,true,',
  ].join('\n')
  expect(await imported('first.csv', csv)).toEqual({
    ...{ rows: 3, imported: 3, unknown: 2 },
    ignored: ['note'],
  })
  const rows = await labels()
  const importedAt = BigInt(nowMs) * 1000n
  const all = { imported_at: importedAt, imported_by: "o'hara" }
  expect(rows).toHaveLength(3)
  expect(rows).toContainEqual({
    ...{ transaction_id: 't-1', is_fraud: true, known_at: micros('2026-10-01'), source: 'chargeback' },
    ...all,
  })
  expect(rows).toContainEqual({
    ...{
      transaction_id: '0042',
      is_fraud: false,
      known_at: micros('2026-10-02T06:30:00Z'),
      source: 'dispute',
    },
    ...all,
  })
})

test('what is there already is left out, in the same file and in the next', async () => {
  const lines = [
    { transaction_id: 't-1', known_at: '2026-10-01' },
    { transaction_id: 't-1', known_at: '2026-10-01', is_fraud: true },
    { transaction_id: 't-2', known_at: '2026-10-05', is_fraud: false },
  ]
  const before = (await labels()).length
  const file = lines.map((line) => JSON.stringify(line)).join('\n\n')
  expect(await imported('again.ndjson', file)).toMatchObject({ rows: 3, imported: 1 })
  expect(await imported('again.ndjson', file)).toMatchObject({ rows: 3, imported: 0 })
  expect(await labels()).toHaveLength(before + 1)
})

test('it is the named file that is read, whatever its name and that of its folder', async () => {
  const folder = 'source=folder'
  mkdirSync(join(directory, folder))
  const row = (id: string) => `transaction_id,known_at\n${id},2026-10-02\n`
  writeFileSync(join(directory, folder, 'odd1.csv'), row('another-file'))
  await imported(join(folder, 'odd[1].csv'), row('named-file'))
  const odd = (await labels()).filter(({ transaction_id: id }) => /-file$/.test(String(id)))
  expect(odd.map((one) => [one.transaction_id, one.source])).toEqual([['named-file', 'chargeback']])
})

test('each mistake has its row, and with one of them nothing is imported', async () => {
  const before = (await labels()).length
  const csv = [
    'transaction_id,known_at,is_fraud,source',
    't-1,2026-10-07,true,good_one',
    ',2026-10-01,,',
    't-1,,,',
    't-1,yesterday,,',
    't-1,2026-02-30,,',
    't-1,2026-11-01T12:00:01Z,,',
    't-1,2026-10-01,maybe,',
    't-1,2026-10-01,,Bad Name',
    't-1,2026-10-01,,reviewer',
  ].join('\r\n')
  const failure = await imported('wrong.csv', csv).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'LABELS_INVALID' })
  const lines = String((failure as Error).message)
    .split('\n')
    .slice(1)
  expect(lines.map((line) => line.trim())).toEqual([
    'row 2: transaction_id is missing',
    'row 3: known_at is missing: the day on which the label became known',
    'row 4: known_at is a day or an instant, as in 2026-10-31 or 2026-10-31T08:00:00Z',
    'row 5: known_at is a day or an instant, as in 2026-10-31 or 2026-10-31T08:00:00Z',
    'row 6: known_at lies in the future',
    'row 7: is_fraud is true or false',
    'row 8: source is a name of small letters, digits and _, as in chargeback',
    'row 9: source is reviewer, which labels have from elsewhere',
  ])
  expect(await labels()).toHaveLength(before)
})

test.each([
  ['no header.csv', 't-1,2026-10-01\n', /its header has no transaction_id and no known_at/],
  ['latin.csv', Buffer.from('transaction_id,known_at\n\xe4,2026-10-01\n', 'latin1'), /cannot be read as CSV/],
  ['broken.ndjson', '{"transaction_id":"t-1",\n', /cannot be read as CSV/],
  ['empty.csv', '', /header/],
])('%s is refused with what is wrong', async (name, content, told) => {
  await expect(imported(name, content)).rejects.toThrow(told)
})

test('a file that is not there, and a lakehouse that is not there', async () => {
  const { deltaBasePath } = lakehouse.config
  const options = {
    lakehouse: standardLakehouse,
    source: 'chargeback',
    importedBy: 'x',
    nowMicros: 0n,
    duckdb: {},
  }
  const missing = { ...options, deltaBasePath, file: join(directory, 'none.csv') }
  await expect(importLabels(missing)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
  const file = join(directory, 'some.csv')
  writeFileSync(file, 'transaction_id,known_at\n')
  const elsewhere = { ...options, deltaBasePath: join(directory, 'nowhere'), file }
  await expect(importLabels(elsewhere)).rejects.toMatchObject({ code: 'DELTA_TABLE_NOT_FOUND' })
})
