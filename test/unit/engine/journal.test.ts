// What the lakehouse keeps of its batches beside the commits: plans, outcomes, definitions, and how far files
// were read.

import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { SourceNotice } from '../../../src/batches/notice.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import { LakehouseError } from '../../../src/errors/errors.ts'
import { openFileSource } from '../../../src/files/source.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { differences } from '../../compare/differences.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { type Lakehouse, newLakehouse, runOnce, testParameters, writeInput } from './pipeline.ts'
import { cleanLog, rowsOfTable } from './written-tables.ts'

let lakehouse: Lakehouse

beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(async () => {
  setStepHook(null)
  await lakehouse.remove()
})

const minute = 60_000_000n

function transaction(index: number, more: object = {}): Buffer {
  const timestamp = new Date(Date.UTC(2026, 9, 1, 10) + index * 60_000).toISOString()
  const facts = { transaction_id: `t${index}`, user_id: index % 3, amount: index + 1, timestamp }
  return Buffer.from(JSON.stringify({ ...facts, merchant: 'm', location: 'Lagos, Nigeria', ...more }))
}

const transactions = (count: number, more: object = {}): Buffer[] =>
  Array.from({ length: count }, (_, index) => transaction(index, more))

const rowsOf = (path: string, columns: string) => rowsOfTable(join(lakehouse.base, path), columns)

/** The versions of all tables. */
async function versions(): Promise<Record<string, bigint>> {
  const found: Record<string, bigint> = {}
  for (const path of ['bronze/transactions', 'silver/transactions', 'silver/quarantine', 'fraud_detection']) {
    found[path] = (await (await DeltaTable.open(join(lakehouse.base, path))).snapshot()).version
  }
  return found
}

const cleaned = async (path: string): Promise<void> =>
  cleanLog(await DeltaTable.open(join(lakehouse.base, path)))

test('a run that waits for more notes its last batch while it waits', async () => {
  await writeInput(lakehouse, transactions(5))
  const stop = new AbortController()
  const running = runOnce(lakehouse, { recordsPerBatchMax: 10, once: false, signal: stop.signal })
  running.catch(() => undefined)
  try {
    const noted = () => rowsOf('ops/batches', 'batch').catch(() => [])
    await expect.poll(noted, { timeout: 20_000 }).toEqual([{ batch: 1n }])
  } finally {
    stop.abort()
    await running
  }
})

test('every batch has a row with its plan, its outcome and what became of its records', async () => {
  await writeInput(lakehouse, [...transactions(25), Buffer.from('{')])
  const reports = await runOnce(lakehouse, { recordsPerBatchMax: 10, finalize: true })
  const rows = await rowsOf(
    'ops/batches',
    `batch, records, silver_rows, quarantined_rows, plan::JSON->>'$.settings.parameters.dedup_micros' AS dedup,
    reasons['malformed'] AS malformed, rows_by_table['fraud_detection'] AS scored, len(streams) AS streams`,
  )
  expect(rows.map(({ batch, records, silver_rows }) => [batch, records, silver_rows])).toEqual([
    [1n, 10n, 10n],
    [2n, 10n, 10n],
    [3n, 6n, 5n],
    [4n, 0n, 0n],
  ])
  expect(reports.length).toBe(4)
  expect(rows[2]).toMatchObject({
    quarantined_rows: 1n,
    malformed: 1n,
    scored: 5n,
    dedup: '600000000',
    streams: 3n,
  })
})

test('a failure behind a batch takes nothing from what is told of those before it', async () => {
  await writeInput(lakehouse, transactions(60))
  let ends = 0
  setStepHook((name) => {
    if (name === 'all tables committed' && ++ends === 3)
      throw new LakehouseError('STORAGE_FAILED', 'A full disk.')
  })
  await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  const rows = await rowsOf('ops/batches', `batch, rows_by_table['fraud_detection'] AS scored`)
  expect(rows.slice(0, 2)).toEqual([
    { batch: 1n, scored: 10n },
    { batch: 2n, scored: 10n },
  ])
  expect(rows.map(({ batch }) => batch)).toEqual([1n, 2n, 3n, 4n, 5n, 6n])
})

test('a clean stop leaves nothing to replay: the next start commits no batch', async () => {
  await writeInput(lakehouse, transactions(15))
  await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  const before = await versions()
  await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  const after = await versions()
  // Each start claims its tables, in one commit each.
  const grown = Object.entries(after).map(([path, version]) => version - before[path]!)
  expect(grown).toEqual([1n, 1n, 1n, 1n])
})

test('other settings after a clean stop change no row that is there, and are told', async () => {
  const repeated = [transaction(0), transaction(5, { transaction_id: 't0' })]
  await writeInput(lakehouse, repeated)
  await runOnce(lakehouse, {
    recordsPerBatchMax: 10,
    parameters: { ...testParameters, dedup_micros: minute },
  })
  const before = await readTables(lakehouse.base)
  const notices: SourceNotice[] = []
  const onNotice = (notice: SourceNotice) => void notices.push(notice)
  const others = { parameters: { dedup_micros: 10n * minute, high_risk_countries: ['France'] }, onNotice }
  await runOnce(lakehouse, { recordsPerBatchMax: 10, ...others })
  expect(await readTables(lakehouse.base)).toEqual(before)
  const [told] = notices.filter(({ code }) => code === 'DEFINITIONS_CHANGED')
  expect(told?.details.changes).toEqual([
    'setting DEDUP_WINDOW: next batch, 1 minute became 10 minutes',
    'setting HIGH_RISK_COUNTRIES: next batch, Nigeria,Russia,China became France',
  ])
  // Rows of the next batch are judged by the new ones: the repeat of a row that stands there.
  await writeInput(lakehouse, [...repeated, transaction(6, { transaction_id: 't0' })])
  await runOnce(lakehouse, { recordsPerBatchMax: 10, ...others })
  const after = await readTables(lakehouse.base)
  expect(after['silver/quarantine'].map(({ reasons }) => reasons)).toEqual([['duplicate']])
})

test('a changed rule is told, and counts from the next batch on', async () => {
  await writeInput(lakehouse, transactions(3))
  await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  const scores = async () =>
    (await readTables(lakehouse.base)).fraud_detection.map((row) => Number(row.fraud_score))
  expect(await scores()).toEqual([15, 15, 15])
  vi.resetModules()
  vi.doMock('../../../src/lakehouse/rules.ts', async (original) => {
    const found = await original<typeof import('../../../src/lakehouse/rules.ts')>()
    const rules = found.shopRules.rules.map((rule) => ({ ...rule, points: rule.points + 1 }))
    return { ...found, shopRules: { ...found.shopRules, rules } }
  })
  try {
    const changed = await import('./pipeline.ts')
    await writeInput(lakehouse, transactions(5))
    const notices: SourceNotice[] = []
    const onNotice = (notice: SourceNotice) => void notices.push(notice)
    await changed.runOnce(lakehouse, { recordsPerBatchMax: 10, onNotice })
    expect(notices.find(({ code }) => code === 'DEFINITIONS_CHANGED')?.details.changes).toContain(
      'rule high_risk_country: next batch, it was changed',
    )
  } finally {
    vi.doUnmock('../../../src/lakehouse/rules.ts')
    vi.resetModules()
  }
  expect(await scores()).toEqual([15, 15, 15, 16, 16])
  const [tables, sets] = await Promise.all([
    rowsOf('ops/definitions', `count(*) FILTER (WHERE name = 'fraud_detection') AS count`),
    rowsOf('ops/definitions', `count(*) FILTER (WHERE kind = 'set') AS count`),
  ])
  expect([tables[0]!.count, sets[0]!.count]).toEqual([2n, 2n])
})

test('a stream behind silver counts by the rules of each batch, also where the range of a count has changed', async () => {
  // One a minute: many within the half hour of the rule, and few within two minutes.
  const [values, apart] = [transactions(90, { user_id: 1 }), await newLakehouse()]
  const options = { recordsPerBatchMax: 15 }
  const carry = async (run: typeof runOnce, count: number) => {
    for (const target of [lakehouse, apart]) await writeInput(target, values.slice(0, count))
    await run(lakehouse, options)
    await run(apart, { ...options, streams: ['kafka-to-delta'] })
  }
  const scores = async ({ base }: Lakehouse) =>
    (await readTables(base)).fraud_detection.map((row) => `${row.transaction_id} ${row.fraud_score}`).sort()
  try {
    await carry(runOnce, 45)
    vi.resetModules()
    vi.doMock('../../../src/fraud/velocity.ts', async (original) => ({
      ...(await original<typeof import('../../../src/fraud/velocity.ts')>()),
      velocityRangeMinutes: 2,
    }))
    const changed = await import('./pipeline.ts')
    await carry(changed.runOnce, 90)
    await changed.runOnce(apart, { ...options, streams: ['fraud-detection'] })
    const together = await scores(lakehouse)
    expect(new Set(together.map((text) => text.split(' ')[1])).size).toBeGreaterThan(1)
    expect(await scores(apart)).toEqual(together)
  } finally {
    vi.doUnmock('../../../src/fraud/velocity.ts')
    vi.resetModules()
    await apart.remove()
  }
})

test('a derived table is made anew although no log goes back to the first batch', async () => {
  await writeInput(lakehouse, transactions(200))
  await runOnce(lakehouse, { recordsPerBatchMax: 20 })
  const before = await readTables(lakehouse.base)
  for (const path of ['bronze/transactions', 'silver/transactions', 'ops/batches']) await cleaned(path)
  await rm(join(lakehouse.base, 'fraud_detection'), { recursive: true })
  await rm(join(lakehouse.base, 'aggregations/merchant'), { recursive: true })
  await runOnce(lakehouse, { recordsPerBatchMax: 20 })
  expect(differences(await readTables(lakehouse.base), before)).toEqual([])
})

test('a commit does not grow with the files that were read before, and their progress is kept', async () => {
  const input = join(lakehouse.base, '..', 'files')
  await mkdir(input)
  const write = (name: string, index: number) =>
    writeFile(join(input, name), `${transaction(index).toString()}\n`, { flag: 'a' })
  for (let index = 0; index < 300; index++) await write(`f${String(index).padStart(3, '0')}.ndjson`, index)
  const run = async () => {
    const source = await openFileSource(input, { takeUnterminatedTail: false })
    try {
      return await runOnce(lakehouse, { recordsPerBatchMax: 1_000 }, source)
    } finally {
      await source.close()
    }
  }
  await run()
  // One that grows, and one whose name stands before those that were read.
  await write('f007.ndjson', 301)
  await write('a.ndjson', 302)
  const [report] = await run()
  expect(report?.records).toBe(2)
  const log = join(lakehouse.base, 'silver/transactions/_delta_log')
  const newest = (await readdir(log))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .at(-1)!
  expect((await stat(join(log, newest))).size).toBeLessThan(8_000)
  expect(await readFile(join(log, newest), 'utf8')).not.toContain('f299')
  expect(await run()).toEqual([])
})

test('how far files were read is known from their rows, should the journal and the logs be gone', async () => {
  await writeInput(lakehouse, transactions(15))
  await runOnce(lakehouse, { recordsPerBatchMax: 10 })
  await cleaned('bronze/transactions')
  await rm(join(lakehouse.base, 'ops'), { recursive: true })
  await writeInput(lakehouse, transactions(18))
  // Those before it are of tables behind silver: nothing says any more that they had all.
  const report = (await runOnce(lakehouse, { recordsPerBatchMax: 10 })).at(-1)
  expect(report?.records).toBe(3)
})

test('a batch that all tables have, and was not noted before a crash, is noted by the next start', async () => {
  // Each batch has a row for every table of the stream: one is refused, and a window of gold closes.
  const values = Array.from({ length: 50 }, (_, index) =>
    index % 10 === 9 ? Buffer.from('{') : transaction(index),
  )
  const options = { recordsPerBatchMax: 10, streams: ['kafka-to-delta'] as const }
  await writeInput(lakehouse, values.slice(0, 40))
  await runOnce(lakehouse, options)
  // As a crash behind the last commit of the batch leaves it.
  await rm(join(lakehouse.base, 'ops/batches'), { recursive: true })
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, options)
  const rows = await rowsOf('ops/batches', 'batch')
  expect(rows.map(({ batch }) => batch)).toEqual([1n, 2n, 3n, 4n, 5n])
})
