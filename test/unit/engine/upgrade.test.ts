// A lakehouse that version 0.1.0 wrote (no plans in its commits, no ops tables, the progress of files in
// every commit) goes on without a gap.
import { execFileSync } from 'node:child_process'
import { appendFile, cp, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openFileSource } from '../../../src/files/source.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { judgeLakehouse } from '../../compare/judge-lakehouse.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { defaultConfig } from '../../oracle/oracle.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { runOnce, testOptions } from './pipeline.ts'

const hour = 3_600_000_000n
const fixture = join(import.meta.dirname, '../../data/lakehouse-0.1.0')
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-upgrade-'))
  execFileSync('tar', ['xzf', join(fixture, 'lake.tar.gz'), '-C', directory])
  await cp(join(fixture, 'input'), join(directory, 'input'), { recursive: true })
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const base = (): string => join(directory, 'lake')

async function carryOn(): Promise<number> {
  const source = await openFileSource(join(directory, 'input'), { takeUnterminatedTail: false })
  try {
    const lakehouse = { base: base(), input: '', remove: async () => undefined }
    const reports = await runOnce(lakehouse, { recordsPerBatchMax: 40, dedupMicros: hour }, source)
    return reports.reduce((sum, { records }) => sum + records, 0)
  } finally {
    await source.close()
  }
}

async function recordsOfInput(): Promise<RawRecord[]> {
  const records: RawRecord[] = []
  for (const topic of (await readdir(join(directory, 'input'))).sort()) {
    const bytes = await readFile(join(directory, 'input', topic))
    let start = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      const value = bytes.subarray(start, end)
      const facts = { key: null, headers: null, timestampMs: null, partition: 0 }
      records.push({ topic, offset: BigInt(start), value, ...facts })
      start = end + 1
    }
  }
  return records
}

/** An hour of transactions behind those that are there. */
const more = Array.from({ length: 90 }, (_, index) => {
  const timestamp = new Date(Date.UTC(2026, 9, 2) + index * 60_000).toISOString()
  return `${JSON.stringify({ transaction_id: `n${index}`, user_id: 7, amount: 5, merchant: 'm', timestamp })}\n`
})

test('rows that are there stay, files go on where they were, and all is what the oracle says', async () => {
  const before = await readTables(base())
  expect(await carryOn()).toBe(0)
  expect(await readTables(base())).toEqual(before)
  await appendFile(join(directory, 'input', 'b.ndjson'), more.slice(0, 50).join(''))
  await appendFile(join(directory, 'input', 'c.ndjson'), more.slice(50).join(''))
  expect(await carryOn()).toBe(90)
  const tables = await readTables(base())
  const config = { ...defaultConfig, dedupWindow: hour }
  expect(judgeLakehouse(await recordsOfInput(), tables, config)).toEqual([])
  const verification = await verifyLakehouse(
    {
      ...testOptions,
      deltaBasePath: base(),
      dedupMicros: hour,
      duckdb: { memoryLimitBytes: null, threads: 1 },
    },
    null,
  )
  expect(verification.checks.filter(({ ok }) => !ok)).toEqual([])
})

test('commits carry the progress of files no more', async () => {
  await carryOn()
  await appendFile(join(directory, 'input', 'b.ndjson'), more.join(''))
  await carryOn()
  const log = join(base(), 'silver/transactions/_delta_log')
  const newest = (await readdir(log))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .at(-1)!
  expect(await readFile(join(log, newest), 'utf8')).not.toContain('a.ndjson')
  expect((await stat(join(base(), 'ops/files/_delta_log'))).isDirectory()).toBe(true)
})

test('a derived table is made anew from the batches that silver tells of', async () => {
  const before = await readTables(base())
  await rm(join(base(), 'aggregations/merchant'), { recursive: true })
  await carryOn()
  expect(await readTables(base())).toEqual(before)
})
