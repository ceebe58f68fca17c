// A lakehouse that version 0.1.0 wrote (no plans in its commits, no ops tables, the progress of files in
// every commit) goes on without a gap.
import { appendFile, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openFileSource } from '../../../src/files/source.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { batchesOf, judgeLakehouse } from '../../compare/judge-lakehouse.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { defaultConfig } from '../../oracle/oracle.ts'
import type { Tables } from '../../oracle/rows.ts'
import { recordsOfFiles, unpackOldLakehouse, withRulesVersion } from './old-lakehouse.ts'
import { runOnce, testOptions, testParameters } from './pipeline.ts'

const hour = 3_600_000_000n
const later = 'quality/metrics'
let directory: string
let base: string
let input: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-upgrade-'))
  ;({ base, input } = await unpackOldLakehouse(directory))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

async function carryOn(): Promise<number> {
  const source = await openFileSource(input, { takeUnterminatedTail: false })
  try {
    const lakehouse = { base, input: '', remove: async () => undefined }
    const reports = await runOnce(
      lakehouse,
      { recordsPerBatchMax: 40, parameters: { ...testParameters, dedup_micros: hour } },
      source,
    )
    return reports.reduce((sum, { records }) => sum + records, 0)
  } finally {
    await source.close()
  }
}

/** Rows that are there have null in the columns that came later. */
function asOfToday(tables: Tables): Tables {
  const later = { rules_version: null, variant: null, model_score: null }
  const scored = tables.fraud_detection.map((row) => ({ ...row, ...later }))
  return { ...tables, fraud_detection: scored }
}

/** An hour of transactions behind those that are there. */
const more = Array.from({ length: 90 }, (_, index) => {
  const timestamp = new Date(Date.UTC(2026, 9, 2) + index * 60_000).toISOString()
  return `${JSON.stringify({ transaction_id: `n${index}`, user_id: 7, amount: 5, merchant: 'm', timestamp })}\n`
})

test('rows that are there stay, files go on where they were, and all is what the oracle says', async () => {
  const before = await readTables(base)
  await carryOn()
  const after = await readTables(base)
  // That version had no such table: it is filled from silver.
  expect(after).toEqual({ ...asOfToday(before), [later]: after[later] })
  expect(after[later].length).toBeGreaterThan(0)
  await appendFile(join(input, 'b.ndjson'), more.slice(0, 50).join(''))
  await appendFile(join(input, 'c.ndjson'), more.slice(50).join(''))
  expect(await carryOn()).toBe(90)
  const tables = await readTables(base)
  const config = { ...defaultConfig, dedupWindow: hour }
  // Its batches have no watermark of sessions: the first one of today closes all that they could have closed.
  const { 'aggregations/sessions': _, ...watermarks } = config.watermarks
  const lastTime = before['silver/transactions']
    .map((row) => row.processing_time as bigint)
    .reduce((a, b) => (a > b ? a : b))
  const batches = batchesOf(tables).map((batch) => {
    return batch.timeMicros <= lastTime ? { ...batch, config: { ...config, watermarks } } : batch
  })
  const judged = withRulesVersion(tables, before)
  expect(judgeLakehouse(await recordsOfFiles(input), judged, config, batches)).toEqual([])
  const verification = await verifyLakehouse(
    {
      ...testOptions,
      deltaBasePath: base,
      parameters: { ...testParameters, dedup_micros: hour },
      duckdb: { memoryLimitBytes: null, threads: 1 },
    },
    null,
  )
  expect(verification.checks.filter(({ ok }) => !ok)).toEqual([])
})

test('commits carry the progress of files no more', async () => {
  await carryOn()
  await appendFile(join(input, 'b.ndjson'), more.join(''))
  await carryOn()
  const log = join(base, 'silver/transactions/_delta_log')
  const newest = (await readdir(log))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .at(-1)!
  expect(await readFile(join(log, newest), 'utf8')).not.toContain('a.ndjson')
  expect((await stat(join(base, 'ops/files/_delta_log'))).isDirectory()).toBe(true)
})

test('a derived table is made anew from the batches that silver tells of', async () => {
  const before = await readTables(base)
  await rm(join(base, 'aggregations/merchant'), { recursive: true })
  await carryOn()
  const after = await readTables(base)
  expect(after).toEqual({ ...asOfToday(before), [later]: after[later] })
})
