// The test kit as a project uses it, under vitest here and under node:test in a process of its own.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { testLakehouse } from '../../../src/testing/index.ts'

const transaction = (id: string, timestamp: string, more: object = {}) => ({
  ...{ transaction_id: id, user_id: 1, amount: 10.5, timestamp, merchant: 'm', location: 'Oslo, Norway' },
  ...more,
})

test('what is sent is in the tables, and a window closes when the clock of the events says so', async () => {
  await using lake = await testLakehouse(standardLakehouse)
  await lake
    .at('2026-10-01T10:00:00Z')
    .send([transaction('a', '2026-10-01T10:00:00Z'), transaction('a', '2026-10-01T10:00:30Z'), '{'])
  expect(await lake.rows('silver/transactions')).toEqual([
    expect.objectContaining({
      ...{ transaction_id: 'a', user_id: 1, amount: '10.50', country: 'Norway', offset: 0 },
      ...{ event_time: '2026-10-01T10:00:00.000Z', processing_time: '2026-10-01T10:00:00.000Z' },
      transaction_date: '2026-10-01',
    }),
  ])
  const refused = await lake.rows('silver.quarantine')
  expect(refused.map(({ reasons }) => reasons)).toEqual([['duplicate'], ['malformed']])
  expect(await lake.rows('aggregations/merchant')).toEqual([])
  await lake.at('2026-10-01T11:30:00Z').send([transaction('b', '2026-10-01T11:30:00Z')])
  const windows = await lake.rows('aggregations/merchant')
  expect(
    windows.map(({ window_start, merchant, aggregation_time }) => [window_start, merchant, aggregation_time]),
  ).toEqual(
    ['2026-10-01T09:50:00.000Z', '2026-10-01T09:55:00.000Z', '2026-10-01T10:00:00.000Z'].map((start) => {
      return [start, 'm', '2026-10-01T11:30:00.000Z']
    }),
  )
})

test('settings are those of the test alone, and the clock goes forward only', async () => {
  await using lake = await testLakehouse(standardLakehouse, { settings: { DEDUP_WINDOW: '10 seconds' } })
  const both = [transaction('a', '2026-10-01T10:00:00Z'), transaction('a', '2026-10-01T10:00:30Z')]
  await lake.at('2026-10-01T10:01:00Z').send(both)
  expect(await lake.rows('silver/transactions')).toHaveLength(2)
  await expect(lake.at('2026-10-01T10:00:59Z').send(both)).rejects.toThrow('is not before 2026-10-01T10:01')
  await expect(lake.rows('silver/transaction')).rejects.toThrow('there is no table silver/transaction')
})

test('nothing of it stays', async () => {
  const [directory, before] = [mkdtempSync(join(tmpdir(), 'assay-kit-')), process.env.TMPDIR]
  process.env.TMPDIR = directory
  try {
    const lake = await testLakehouse(standardLakehouse)
    expect(await readdir(directory)).toHaveLength(1)
    await lake.close()
    expect(await readdir(directory)).toEqual([])
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
    rmSync(directory, { recursive: true, force: true })
  }
})

test('it works under node:test', async () => {
  const root = join(import.meta.dirname, '../../..')
  const directory = mkdtempSync(join(tmpdir(), 'assay-node-test-'))
  mkdirSync(join(directory, 'node_modules'))
  symlinkSync(root, join(directory, 'node_modules/assay-lakehouse')) // As npm installs a folder.
  const file = join(directory, 'kit.test.mjs')
  writeFileSync(
    file,
    `import assert from 'node:assert/strict'
import test from 'node:test'
import { standardLakehouse } from 'assay-lakehouse'
import { testLakehouse } from 'assay-lakehouse/testing'
for (const name of ['first', 'second', 'third']) test(name, async () => {
  const lake = await testLakehouse(standardLakehouse)
  await lake.at('2026-10-01T10:00:00Z').send([${JSON.stringify(transaction('a', '2026-10-01T10:00:00Z'))}])
  assert.equal((await lake.rows('fraud_detection')).length, 1)
  await lake.close()
})
`,
  )
  try {
    const child = spawn(process.execPath, ['--test', '--test-reporter=tap', file], { cwd: directory })
    const said = await text(child.stdout)
    expect(said).toContain('# pass 3')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
