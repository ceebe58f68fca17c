// What is in order is proved, whoever put it there: no damage, no finding.
import { appendFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseProgress } from '../../../src/batches/progress.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import { commitPath } from '../../../src/delta/log-files.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { type Verification, verifyLakehouse } from '../../../src/verify/verify.ts'
import { takingTurns, turnSeed } from '../../turns.ts'
import {
  badInputLines,
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

beforeEach(takingTurns(turnSeed, 3, 1))

let work: string
let base: string
let whole: Verification

beforeAll(async () => {
  work = await temporaryDirectory()
  base = join(work, 'lake')
  const input = join(work, 'input')
  await writeLines(input, 'a.ndjson', sampleLines(420))
  await runPipeline(base, input)
  await runPipeline(base, input, { finalize: true })
  whole = await verifyLakehouse(verifyOptions(base), null)
})

afterAll(() => rm(work, { recursive: true, force: true }))

/** The first number in what a check says: of its rows, records or groups. */
function countOf({ checks }: Verification, path: string): number {
  const check = { 'bronze/transactions': 'offsets', 'gold/transactions': 'windows' }[path] ?? 'rows'
  const found = checks.find((one) => one.table === path && one.check === check)
  return Number(/\d+/.exec(found?.message ?? '')?.[0])
}

describe('an undamaged lakehouse passes', () => {
  test('every table is proved, each by its own checks', async () => {
    expect(failedChecks(whole)).toEqual([])
    expect(whole.ok).toBe(true)
    expect(new Set(whole.checks.map(({ table }) => table))).toEqual(
      new Set([...tables.map(({ path }) => path), 'ops/batches']),
    )
    const notes = whole.checks.flatMap((check) => check.notes)
    expect(notes).toEqual([])
  })

  test('one table alone is proved by its own checks only', async () => {
    const { ok, checks } = await verifyLakehouse(verifyOptions(base), 'gold/transactions')
    expect(ok).toBe(true)
    expect(checks.map(({ check }) => check)).toEqual(['files', 'commits', 'agreement', 'windows'])
  })

  test('only batches since an instant: what lies before them is not looked at', async () => {
    const bronze = await DeltaTable.open(join(base, 'bronze/transactions'))
    const times = await Array.fromAsync(bronze.commits(-1n), ({ commitInfo }) => {
      return parseProgress(commitInfo?.userMetadata)?.timeMicros
    })
    const sinceMicros = times.filter((time) => time !== undefined)[4]!
    for (const rowsAtOnce of [60, 1_000_000]) {
      const part = await verifyLakehouse({ ...verifyOptions(base), sinceMicros, rowsAtOnce }, null)
      expect(failedChecks(part)).toEqual([])
      for (const path of [
        'bronze/transactions',
        'silver/quarantine',
        'fraud_detection',
        'gold/transactions',
      ]) {
        expect(countOf(part, path)).toBeLessThan(countOf(whole, path))
        expect(countOf(part, path)).toBeGreaterThan(0)
      }
    }
    // Batches come with 60 records each: the first row is of the first batch, the last of one that is judged.
    const rowsOf = (
      order: string,
    ) => `SELECT * EXCLUDE (number) REPLACE (if(number = 1, amount + 1, amount) AS amount)
      FROM (SELECT *, row_number() OVER (ORDER BY processing_time ${order}, "offset") AS number FROM rows)`
    const verifySince = (order: string) =>
      verifyDamaged(
        base,
        async (copy) => {
          await compact(copy, 'silver/transactions')
          await replaceByCommit(copy, 'silver/transactions', rowsOf(order))
        },
        'silver/transactions',
        { sinceMicros },
      )
    expect(failedChecks(await verifySince('ASC'))).toEqual([])
    expect(failedChecks(await verifySince('DESC'))).toContain('silver/transactions, rows')
  })

  test('slice by slice the same is proved as of all at once', async () => {
    const inSlices = await verifyLakehouse({ ...verifyOptions(base), rowsAtOnce: 60 }, null)
    expect(inSlices).toEqual(whole)
  })

  test('bad input of every kind: refused records with their bytes and reasons', async () => {
    const at = join(work, 'bad')
    await writeLines(join(at, 'input'), 'bad.ndjson', badInputLines())
    await runPipeline(join(at, 'lake'), join(at, 'input'), { recordsPerBatchMax: 17 })
    const verification = await verifyLakehouse(verifyOptions(join(at, 'lake')), null)
    expect(failedChecks(verification)).toEqual([])
  })

  test('a record that nests deeper than any engine must take may be refused, another may not', async () => {
    const at = join(work, 'deep')
    const plain = JSON.stringify({ ...JSON.parse(sampleLines(1)[0]!), x: '[]}"' })
    const nested = (levels: number) =>
      `{"transaction_id":"t-${levels}","y":${'['.repeat(levels)}${']'.repeat(levels)},${plain.slice(plain.indexOf('"user_id"'))}`
    const lines = [99, 100].flatMap((levels) => [nested(levels), nested(levels)])
    await writeLines(join(at, 'input'), 'deep.ndjson', lines)
    await runPipeline(join(at, 'lake'), join(at, 'input'))
    const refused = `SELECT * REPLACE (['malformed'] AS reasons) FROM rows`
    const path = 'silver/quarantine'
    const verification = await verifyDamaged(
      join(at, 'lake'),
      (copy) => replaceByCommit(copy, path, refused),
      path,
    )
    expect(failedChecks(verification)).toEqual([`${path}, rows`])
    expect(findingsOf(verification, path, 'rows').map(({ expected }) => expected)).toEqual(['[duplicate]'])
    expect(verification.checks.find(({ check }) => check === 'rows')?.failures).toBe(1n)
  })

  test('several files, a tail without LF that got it later, and one that went on', async () => {
    const at = join(work, 'tails')
    const [input, lake] = [join(at, 'input'), join(at, 'lake')]
    const lines = sampleLines(60)
    await writeLines(input, 'a.ndjson', lines.slice(0, 20))
    await writeLines(input, 'b.ndjson', lines.slice(20, 30))
    await appendFile(join(input, 'a.ndjson'), lines[30]!)
    await appendFile(join(input, 'b.ndjson'), '{"transaction_id": "cut')
    await runPipeline(lake, input, { finalize: true })
    await appendFile(join(input, 'a.ndjson'), `\n${lines[31]}\n`)
    await appendFile(join(input, 'b.ndjson'), ` off"}\n${lines[32]}\n`)
    await runPipeline(lake, input)
    expect(failedChecks(await verifyLakehouse(verifyOptions(lake), null))).toEqual([])
  })

  test('streams that lag behind silver are told, and are no failure', async () => {
    const at = join(work, 'lagging')
    const [input, lake] = [join(at, 'input'), join(at, 'lake')]
    const lines = sampleLines(300)
    await writeLines(input, 'a.ndjson', lines.slice(0, 150))
    await runPipeline(lake, input, { streams: ['kafka-to-delta'] })
    const before = await verifyLakehouse(verifyOptions(lake), null)
    expect(failedChecks(before)).toEqual([])
    await runPipeline(lake, input, { streams: ['fraud-detection'] })
    await runPipeline(lake, input, { streams: ['aggregations'] })
    await writeLines(input, 'b.ndjson', lines.slice(150))
    await runPipeline(lake, input, { streams: ['kafka-to-delta'] })
    const behind = await verifyLakehouse(verifyOptions(lake), null)
    expect(failedChecks(behind)).toEqual([])
    expect(behind.checks.flatMap(({ notes }) => notes).join('\n')).toContain(
      'run "assay run fraud-detection"',
    )
    await runPipeline(lake, input, { streams: ['fraud-detection'] })
    await runPipeline(lake, input, { streams: ['aggregations'] })
    const after = await verifyLakehouse(verifyOptions(lake), null)
    expect(failedChecks(after)).toEqual([])
    expect(
      after.checks.find((one) => one.table === 'fraud_detection' && one.check === 'rows')?.notes,
    ).toEqual([])
  })
})

describe('what other hands do rightly is no damage', () => {
  test('compacted tables', async () => {
    const verification = await verifyDamaged(base, async (copy) => {
      for (const { path } of tables) await compact(copy, path)
    })
    expect(failedChecks(verification)).toEqual([])
    expect(verification.checks[0]?.message).toMatch(/^1 /)
  })

  test('logs whose old commits were cleaned up, and no ops/batches: watermarks come from the rows', async () => {
    const verification = await verifyDamaged(base, async (copy) => {
      for (const path of ['bronze/transactions', 'silver/transactions']) {
        const table = await DeltaTable.open(join(copy, path))
        await table.checkpoint()
        for (const version of [0n, 1n, 2n, 3n]) await rm(commitPath(table.directory, version))
      }
      await rm(join(copy, 'ops/batches'), { recursive: true })
    })
    expect(failedChecks(verification)).toEqual([])
    expect(verification.checks.flatMap(({ notes }) => notes).join()).toContain('nobody has recorded')
  })

  test('a crash between two commits: the records of the newest batch are told as waiting', async () => {
    const at = join(work, 'crash')
    await writeLines(join(at, 'input'), 'a.ndjson', sampleLines(100))
    await runPipeline(join(at, 'lake'), join(at, 'input'))
    for (const { path } of tables.slice(1)) {
      const table = await DeltaTable.open(join(at, 'lake', path))
      const { version, lastCommitInfo } = await table.snapshot()
      const last = parseProgress(lastCommitInfo?.userMetadata)
      if (last?.batch === 2n) await rm(commitPath(table.directory, version))
    }
    // The batch is noted last of all.
    await rm(join(at, 'lake', 'ops/batches'), { recursive: true })
    const crashed = await verifyLakehouse(verifyOptions(join(at, 'lake')), null)
    expect(failedChecks(crashed)).toEqual([])
    expect(crashed.checks.flatMap(({ notes }) => notes).join()).toContain('in bronze alone: ')
    await runPipeline(join(at, 'lake'), join(at, 'input'))
    const resumed = await verifyLakehouse(verifyOptions(join(at, 'lake')), null)
    expect(failedChecks(resumed)).toEqual([])
    // The files of the commits that are gone are left.
    const notes = resumed.checks.flatMap((check) => check.notes)
    expect(notes.filter((note) => !note.startsWith('no log names'))).toEqual([])
  })
})
