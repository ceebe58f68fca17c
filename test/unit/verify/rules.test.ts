// Settings, lists and definitions that change between two runs: each row is judged by what was in force in
// its batch, and a row that was altered is found all the same.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { type Verification, verifyLakehouse } from '../../../src/verify/verify.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { takingTurns, turnSeed } from '../../turns.ts'
import { memorySource } from '../engine/memory-source.ts'
import { newLakehouse, runOnce } from '../engine/pipeline.ts'
import {
  compact,
  failedChecks,
  findingsOf,
  replaceByCommit,
  runPipeline,
  sampleLines,
  temporaryDirectory,
  verifyDamaged,
  verifyOptions,
  writeLines,
} from './damaged-lakehouse.ts'

const { tables } = standardLakehouse

const minute = 60_000_000n
const firstMs = 1_790_000_000_000

beforeEach(takingTurns(turnSeed, 3, 1))

let work: string
let base: string

/** Two rows of one id, five minutes apart: a repeat or not, as DEDUP_WINDOW says. */
function twins(id: string, second: number): string[] {
  const [first] = sampleLines(1)
  return [second, second + 300].map((at) => {
    const timestamp = new Date(firstMs + at * 1000).toISOString()
    return JSON.stringify({ ...JSON.parse(first!), transaction_id: id, timestamp, location: 'Nice, France' })
  })
}

beforeAll(async () => {
  work = await temporaryDirectory()
  base = join(work, 'lake')
  const input = join(work, 'input')
  const lines = sampleLines(420)
  await writeLines(input, 'a.ndjson', [...lines.slice(0, 150), ...twins('first', 6_000)])
  await runPipeline(base, input)
  const { delays } = verifyOptions(base)
  await writeLines(input, 'b.ndjson', [...lines.slice(150, 300), ...twins('second', 12_000)])
  await runPipeline(base, input, {
    recordsPerBatchMax: 25,
    settings: {
      parameters: { dedup_micros: minute, high_risk_countries: ['France'] },
      delays: { ...delays, silver: 4n * minute, gold: 20n * minute, merchant: 5n * minute },
    },
  })
  await writeLines(input, 'c.ndjson', lines.slice(300))
  await runWithOtherRules(input)
}, 120_000)

afterAll(() => rm(work, { recursive: true, force: true }))

/** A run of a version in which each rule has a point more. */
async function runWithOtherRules(input: string): Promise<void> {
  vi.resetModules()
  vi.doMock('../../../src/lakehouse/rules.ts', async (original) => {
    const found = await original<typeof import('../../../src/lakehouse/rules.ts')>()
    const rules = found.shopRules.rules.map((rule) => ({ ...rule, points: rule.points + 1 }))
    return { ...found, shopRules: { ...found.shopRules, rules } }
  })
  try {
    const other = await import('./damaged-lakehouse.ts')
    await other.runPipeline(base, input, { finalize: true })
  } finally {
    vi.doUnmock('../../../src/lakehouse/rules.ts')
    vi.resetModules()
  }
}

const notesOf = ({ checks }: Verification): string[] => checks.flatMap(({ notes }) => notes)

describe('rules that change between runs', () => {
  test('what was in force in a batch decides, whatever is configured now', async () => {
    const now = { ...verifyOptions(base), parameters: { dedup_micros: 1n, high_risk_countries: [] } }
    for (const options of [verifyOptions(base), now, { ...now, rowsAtOnce: 60 }]) {
      const verification = await verifyLakehouse(options, null)
      expect(failedChecks(verification)).toEqual([])
      expect(notesOf(verification)).toEqual([])
    }
  })

  const pick = (order: string, where: string) =>
    `(SELECT * FROM rows WHERE ${where} ORDER BY processing_time ${order}, "offset" LIMIT 1)`
  const altered = (row: string, column: string, value: string) =>
    `SELECT * REPLACE (${value} AS ${column}) FROM ${row} UNION ALL FROM rows ANTI JOIN ${row} USING (topic, partition, "offset")`
  test.each([
    [
      'fraud_detection',
      'a score of the first run',
      altered(pick('ASC', 'true'), 'fraud_score', 'fraud_score + 1'),
    ],
    [
      'fraud_detection',
      'a score of the last run',
      altered(pick('DESC', 'true'), 'fraud_score', 'fraud_score - 1'),
    ],
    [
      'fraud_detection',
      'a reason that only the second run gives',
      altered(
        pick('ASC', `country = 'France' AND list_contains(reasons, 'high_risk_country')`),
        'reasons',
        `list_filter(reasons, lambda one: one <> 'high_risk_country')`,
      ),
    ],
    [
      'silver/quarantine',
      'a repeat that is told to be late',
      altered(pick('ASC', `reasons = ['duplicate']`), 'reasons', `['late']`),
    ],
  ])('%s: %s that was altered is found', async (path, _, select) => {
    const verification = await verifyDamaged(
      base,
      async (copy) => {
        await compact(copy, path)
        await replaceByCommit(copy, path, select)
      },
      path,
    )
    expect(failedChecks(verification)).toEqual([`${path}, rows`])
    expect(findingsOf(verification, path, 'rows')).toHaveLength(1)
  })

  test('the twins of the first run are one row, those of the second two', async () => {
    const verification = await verifyDamaged(
      base,
      async (copy) => {
        await compact(copy, 'silver/transactions')
        await replaceByCommit(
          copy,
          'silver/transactions',
          `SELECT * FROM rows WHERE transaction_id <> 'second'`,
        )
      },
      'silver/transactions',
    )
    expect(findingsOf(verification, 'silver/transactions', 'split').map(({ problem }) => problem)).toEqual([
      'is in neither; by its bytes it belongs to silver/transactions',
      'is in neither; by its bytes it belongs to silver/transactions',
      'the batch counted others',
    ])
  })

  test('a batch that ops/batches lost, or tells otherwise than the logs', async () => {
    const lost = await verifyDamaged(base, async (copy) => {
      await compact(copy, 'ops/batches')
      await replaceByCommit(copy, 'ops/batches', 'SELECT * FROM rows WHERE batch <> 2')
    })
    expect(failedChecks(lost)).toEqual(['ops/batches, agreement'])
    expect(findingsOf(lost, 'ops/batches', 'agreement')[0]?.at).toEqual({ batch: '2' })
    const other = await verifyDamaged(base, async (copy) => {
      const outcome = `replace(outcome, '"records":', '"records":1')`
      await replaceByCommit(copy, 'ops/batches', `SELECT * REPLACE (${outcome} AS outcome) FROM rows`)
    })
    expect(failedChecks(other)).toEqual(['ops/batches, agreement'])
  })

  test('logs that were cleaned up: ops/batches has what is needed', async () => {
    const verification = await verifyDamaged(base, async (copy) => {
      for (const { path } of tables) await forgetCommits(join(copy, path))
    })
    expect(failedChecks(verification)).toEqual([])
    expect(notesOf(verification)).toEqual([])
  })
})

/** Leaves of a log nothing but a checkpoint of the newest version. */
async function forgetCommits(directory: string): Promise<void> {
  await (await DeltaTable.open(directory)).checkpoint()
  const log = join(directory, '_delta_log')
  const names = (await readdir(log)).filter((name) => /^\d{20}\.json$/.test(name))
  for (const name of names) await rm(join(log, name))
}

describe('a lakehouse of a version that recorded no plans', () => {
  const older = async (copy: string): Promise<void> => {
    for (const { path } of tables) await takePlansAway(join(copy, path))
    await rm(join(copy, 'ops'), { recursive: true })
  }

  test('is judged by the settings of today, and that is told', async () => {
    const input = join(work, 'older-input')
    const lake = join(work, 'older')
    await writeLines(input, 'a.ndjson', sampleLines(150))
    await runPipeline(lake, input)
    const same = await verifyDamaged(lake, older)
    expect(failedChecks(same)).toEqual([])
    expect(notesOf(same).join()).toContain('of an older version recorded no settings')
    const other = await verifyDamaged(lake, older, 'fraud_detection', {
      parameters: { ...verifyOptions(lake).parameters, high_risk_countries: ['France'] },
    })
    expect(failedChecks(other)).toEqual(['fraud_detection, rows'])
    expect(other.checks.find(({ check }) => check === 'rows')?.hint).toContain('HIGH_RISK_COUNTRIES')
    const delays = { ...verifyOptions(lake).delays, silver: minute }
    const delayed = await verifyDamaged(lake, older, 'silver/transactions', { delays })
    expect(notesOf(delayed).join()).toContain('WATERMARK_SILVER')
  })
})

/** Commits as they were written before batches had plans: with the offsets of all files. */
async function takePlansAway(directory: string): Promise<void> {
  const log = join(directory, '_delta_log')
  const offsets = new Map<string, readonly string[]>()
  for (const name of (await readdir(log)).filter((one) => /^\d{20}\.json$/.test(one)).sort()) {
    const lines = (await readFile(join(log, name), 'utf8')).trimEnd().split('\n')
    const older = lines.map((line) => {
      const action = JSON.parse(line)
      if (action.commitInfo === undefined) return line
      const { actionCount: ___, userMetadata, ...info } = action.commitInfo
      if (userMetadata === undefined) return JSON.stringify({ commitInfo: info })
      const { plan, counts: _, partitions: __, ...progress } = JSON.parse(userMetadata)
      for (const [topic, partition, , end] of plan?.ranges ?? []) offsets.set(topic, [topic, partition, end])
      const older = JSON.stringify({ ...progress, offsets: [...offsets.values()] })
      return JSON.stringify({ commitInfo: { ...info, userMetadata: older } })
    })
    const txns = [...offsets.values()].map(([topic, , end]) => {
      return JSON.stringify({ txn: { appId: `assay/offset/0/${topic}`, version: Number(end) } })
    })
    await writeFile(join(log, name), `${[...older, ...txns].join('\n')}\n`)
  }
}

/** Two partitions; the events of the first are an hour ahead, and it is read first. */
function twoPartitions(): RawRecord[] {
  const transaction = JSON.parse(sampleLines(1)[0]!)
  return [0, 1].flatMap((partition) =>
    Array.from({ length: 60 }, (_, index): RawRecord => {
      const at = firstMs + index * 30_000 + (partition === 0 ? 3_600_000 : 0)
      const facts = { transaction_id: `${partition}-${index}`, timestamp: new Date(at).toISOString() }
      const value = Buffer.from(JSON.stringify({ ...transaction, ...facts }))
      const place = { topic: 'orders', partition, offset: BigInt(index) }
      return { ...place, key: null, value, headers: null, timestampMs: at }
    }),
  )
}

test('watermarks that partitions held back follow from what these had shown', async () => {
  const lakehouse = await newLakehouse()
  try {
    await runOnce(lakehouse, { recordsPerBatchMax: 25 }, memorySource(twoPartitions()))
    const { base: held } = lakehouse
    const verification = await verifyLakehouse(verifyOptions(held), null)
    expect(failedChecks(verification)).toEqual([])
    expect(verification.checks.find(({ check }) => check === 'offsets')?.message).toContain('120 records')
    const moved = await verifyDamaged(held, (copy) => moveWatermark(join(copy, 'silver/transactions')))
    expect(findingsOf(moved, 'silver/transactions', 'watermarks').map(({ column }) => column)).toContain(
      'watermark silver',
    )
    expect(findingsOf(moved, 'ops/batches', 'agreement').map(({ column }) => column)).toContain('watermarks')
    // A record that bronze lost leaves no more than a hole in Kafka's offsets: the batch knows how many it
    // read.
    const lost = await verifyDamaged(
      held,
      (copy) => replaceByCommit(copy, 'bronze/transactions', 'SELECT * FROM rows ORDER BY "offset" OFFSET 1'),
      'bronze/transactions',
    )
    expect(findingsOf(lost, 'bronze/transactions', 'offsets').map(({ column }) => column)).toEqual([
      'records',
    ])
  } finally {
    await lakehouse.remove()
  }
})

/** Silver's first watermark, a minute later than it was. */
async function moveWatermark(directory: string): Promise<void> {
  const log = join(directory, '_delta_log')
  for (const name of (await readdir(log)).filter((one) => /^\d{20}\.json$/.test(one)).sort()) {
    const path = join(log, name)
    const text = await readFile(path, 'utf8')
    const commitInfo = text.split('\n').find((line) => line.includes('"commitInfo"'))
    const metadata = JSON.parse(commitInfo ?? '{}').commitInfo?.userMetadata
    const batch = metadata === undefined ? null : JSON.parse(metadata)
    if (batch === null || batch.watermarks.silver === undefined) continue
    batch.watermarks.silver = String(BigInt(batch.watermarks.silver) + minute)
    await writeFile(path, text.replace(JSON.stringify(metadata), JSON.stringify(JSON.stringify(batch))))
    return
  }
}

test('records of Kafka without a timestamp, a key and headers are no lines of a file', async () => {
  const lakehouse = await newLakehouse()
  try {
    const records = twoPartitions().map((record) => ({ ...record, timestampMs: null }))
    await runOnce(lakehouse, { recordsPerBatchMax: 25 }, memorySource(records))
    expect(failedChecks(await verifyLakehouse(verifyOptions(lakehouse.base), null))).toEqual([])
  } finally {
    await lakehouse.remove()
  }
})

test('a table that came later than a batch is judged as it is defined today', async () => {
  const input = join(work, 'later-input')
  const lake = join(work, 'later')
  await writeLines(input, 'a.ndjson', sampleLines(100))
  vi.resetModules()
  vi.doMock('../../../src/lakehouse/index.ts', async (original) => {
    const found = await original<typeof import('../../../src/lakehouse/index.ts')>()
    const earlier = found.standardLakehouse.tables.filter(({ path }) => path !== 'aggregations/user')
    return { ...found, standardLakehouse: { ...found.standardLakehouse, tables: earlier } }
  })
  try {
    await (await import('./damaged-lakehouse.ts')).runPipeline(lake, input)
  } finally {
    vi.doUnmock('../../../src/lakehouse/index.ts')
    vi.resetModules()
  }
  expect(await DeltaTable.exists(join(lake, 'aggregations/user'))).toBe(false)
  await writeLines(input, 'b.ndjson', sampleLines(200).slice(100))
  await runPipeline(lake, input)
  expect(failedChecks(await verifyLakehouse(verifyOptions(lake), null))).toEqual([])
})

test('a bronze that a streaming query wrote: silver says which batch took its rows', async () => {
  const lakehouse = await newLakehouse()
  try {
    const { base: lake } = lakehouse
    let micros = 1_800_000_000_000_000n
    const clock = (): bigint => (micros += 1_000_000n)
    await runOnce(lakehouse, { recordsPerBatchMax: 25, clock }, memorySource(twoPartitions()))
    await asStreamed(lake)
    for (const rowsAtOnce of [1_000_000, 30]) {
      const verification = await verifyLakehouse({ ...verifyOptions(lake), rowsAtOnce }, null)
      expect(failedChecks(verification)).toEqual([])
      const offsets = verification.checks.find(({ check }) => check === 'offsets')
      expect(offsets?.message).toBe('120 records of 2 partitions, each once; a streaming query wrote them')
    }
    const lost = await verifyDamaged(
      lake,
      (copy) => replaceByCommit(copy, 'silver/transactions', 'SELECT * FROM rows ORDER BY "offset" OFFSET 1'),
      'silver/transactions',
      { rowsAtOnce: 30 },
    )
    expect(failedChecks(lost)).toContain('silver/transactions, split')
  } finally {
    await lakehouse.remove()
  }
})

/** Bronze as Spark writes it: with times of its own and a query's txn, and no batch in its commits. */
async function asStreamed(lake: string): Promise<void> {
  await rm(join(lake, 'ops/batches'), { recursive: true })
  await compact(lake, 'bronze/transactions')
  const earlier = `processing_time - INTERVAL 500 MILLISECONDS`
  await replaceByCommit(
    lake,
    'bronze/transactions',
    `SELECT * REPLACE (${earlier} AS processing_time) FROM rows`,
  )
  for (const { path } of tables) {
    const log = join(lake, path, '_delta_log')
    for (const name of (await readdir(log)).filter((one) => /^\d{20}\.json$/.test(one)).sort()) {
      const lines = (await readFile(join(log, name), 'utf8')).trimEnd().split('\n')
      const isBronze = path === 'bronze/transactions'
      const changed = lines.flatMap((line) => {
        const action = JSON.parse(line)
        if (isBronze && action.txn?.appId.startsWith('assay')) return []
        if (action.commitInfo === undefined) return [line]
        const { actionCount: _, userMetadata, ...info } = action.commitInfo
        if (userMetadata === undefined || isBronze) return [JSON.stringify({ commitInfo: info })]
        const { plan, ...progress } = JSON.parse(userMetadata)
        const fromBronze = { ...progress, from_bronze: true, plan: { ...plan, from_bronze: true } }
        return [JSON.stringify({ commitInfo: { ...info, userMetadata: JSON.stringify(fromBronze) } })]
      })
      const query = {
        txn: { appId: '5b0c1fd1-8dd5-4f3f-a8e5-0d8a9c1f2e3d', version: Number(name.slice(0, 20)) },
      }
      await writeFile(
        join(log, name),
        `${[...changed, ...(isBronze ? [JSON.stringify(query)] : [])].join('\n')}\n`,
      )
    }
  }
}
