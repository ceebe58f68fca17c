// Versions of the rules that run beside the one that decides: what they say is what an oracle says that was
// written apart, nothing that decides is another for them, and the proof tells each row that is not theirs.
import { readFileSync } from 'node:fs'
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SourceNotice } from '../../../src/batches/notice.ts'
import type { BatchReport } from '../../../src/engines/batch-report.ts'
import type { OnEvent } from '../../../src/engines/events.ts'
import { rebuildTable } from '../../../src/engines/rebuild.ts'
import { RunWatch } from '../../../src/engines/run-watch.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { rulesFile } from '../../../src/lakehouse/rules.ts'
import type { Lakehouse as LakehouseValue } from '../../../src/plan/index.ts'
import { hours, over, transactions } from '../../../src/project/index.ts'
import { lakehouseFrom } from '../../../src/project/project.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import {
  activateVersion,
  proposeVersion,
  shadowVersion,
  unshadowVersion,
} from '../../../src/versions/change-versions.ts'
import type { ApprovalPolicy, Versions } from '../../../src/versions/rule-version.ts'
import { decidingRules, RulesInForce, type RulesOfLakehouse } from '../../../src/versions/rules-in-force.ts'
import { withVersionLog } from '../../../src/versions/version-log.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { lines } from '../../generate/lines.ts'
import type { Row } from '../../oracle/rows.ts'
import { type StatedVersion, shadowRow, statedRules, versionText } from '../../oracle/shadows.ts'
import { turnSeed } from '../../turns.ts'
import {
  type Lakehouse,
  newLakehouse,
  runOnce,
  testOptions,
  testParameters,
  writeInput,
} from '../engine/pipeline.ts'
import { findingsOf, replaceByCommit, verifyDamaged } from '../verify/damaged-lakehouse.ts'

const policy: ApprovalPolicy = { kind: 'none' }
const by = { user: 'ann', role: null, origin: 'command line' } as const
const shipped = readFileSync(rulesFile, 'utf8')
const seed = turnSeed
const what = `repeat with SEED=${seed}`

const version: fc.Arbitrary<StatedVersion> = fc.record({
  points: fc
    .subarray(
      statedRules.map(({ name }) => name),
      { minLength: 1 },
    )
    .chain((names) =>
      fc.record(Object.fromEntries(names.map((name) => [name, fc.integer({ min: -20, max: 60 })]))),
    ),
  highFrom: fc.integer({ min: 1, max: 60 }),
  reviewFrom: fc.integer({ min: -5, max: 60 }),
})

let lakehouse: Lakehouse
let values: readonly Buffer[]
/** Versions 2, 3 and so on. */
let stated: readonly StatedVersion[]
beforeEach(async () => {
  lakehouse = await newLakehouse()
  ;[values] = fc.sample(lines(60, 60), { seed, numRuns: 1 }) as [Buffer[]]
  stated = fc.sample(version, { seed, numRuns: 3 })
})
afterEach(() => lakehouse.remove())

function rulesOfTest(): RulesOfLakehouse {
  const { base: deltaBasePath } = lakehouse
  return {
    ...{ lakehouse: standardLakehouse, parameters: testParameters, deltaBasePath, policy },
    clock: () => BigInt(Date.now()) * 1000n,
  }
}

type Change = (versions: Versions) => ReturnType<typeof shadowVersion>
const change = (...decide: readonly Change[]) =>
  withVersionLog(rulesOfTest(), async (log) => {
    for (const one of decide) await log.change(one)
  })
const propose =
  (text: string): Change =>
  (now) =>
    proposeVersion(now, { text, hash: text, reason: null }, by)
const shadow =
  (number: number): Change =>
  (now) =>
    shadowVersion(now, number, null, by)
const unshadow =
  (number: number): Change =>
  (now) =>
    unshadowVersion(now, number, null, by)

/** The records up to a number of them. */
async function carry(
  count: number,
  more: Partial<Parameters<typeof runOnce>[1]> = {},
): Promise<{ readonly reports: readonly BatchReport[]; readonly notices: readonly SourceNotice[] }> {
  const notices: SourceNotice[] = []
  await writeInput(lakehouse, values.slice(0, count))
  const inForce = new RulesInForce({
    ...{ ...rulesOfTest(), by },
    tell: (event) => void (event.kind === 'notice' && notices.push(event)),
  })
  const reports = await runOnce(lakehouse, { recordsPerBatchMax: 30, inForce, ...more })
  return { reports, notices }
}

async function tables(): Promise<{ readonly shadows: Row[]; readonly scored: Row[] }> {
  const names = ['rules/shadow', 'fraud_detection'] as never
  const read = (await readTables(lakehouse.base, names)) as unknown as Record<string, Row[]>
  return { shadows: read['rules/shadow']!, scored: read.fraud_detection! }
}

const append = (records: readonly Buffer[]) =>
  appendFile(lakehouse.input, Buffer.concat(records.flatMap((one) => [one, Buffer.from('\n')])))

const inOrder = (rows: readonly Row[]): string[] =>
  rows.map((row) => JSON.stringify(row, (_, cell) => (typeof cell === 'bigint' ? `${cell}n` : cell))).sort()

async function proof() {
  const { delays, duckdb } = testOptions
  const { lakehouse: now, parameters } = await decidingRules(rulesOfTest())
  return { lakehouse: now, deltaBasePath: lakehouse.base, parameters, delays, duckdb, sinceMicros: null }
}
/** Of all tables where none is named. */
const findings = async (path: string | null = 'rules/shadow') =>
  (await verifyLakehouse(await proof(), path)).checks.flatMap((check) => check.findings)

/** What the oracle says of the rows from one offset to before another, by versions. */
const said = (scored: readonly Row[], from: number, to: number, numbers: readonly number[]): Row[] =>
  scored
    .filter(({ offset }) => (offset as bigint) >= from && (offset as bigint) < to)
    .flatMap((row) => numbers.map((number) => shadowRow(number, stated[number - 2]!, row)))

/** The greatest offset of the rows, and one: files are read by bytes. */
const endOf = (scored: readonly Row[]): number =>
  scored.reduce((most, { offset }) => (Number(offset) >= most ? Number(offset) + 1 : most), 0)

/** Runs with versions 2 and 3 from the second part of the records on, with 3 and 4 from the third on. */
async function carryParts(more: Partial<Parameters<typeof runOnce>[1]> = {}): Promise<{
  readonly ends: readonly number[]
  readonly notices: readonly SourceNotice[]
  readonly reports: readonly BatchReport[]
}> {
  const parts = [await carry(20, more)]
  const ends = [endOf((await tables()).scored)]
  await change(...stated.map((one) => propose(versionText(one))), shadow(2), shadow(3))
  parts.push(await carry(40, more))
  ends.push(endOf((await tables()).scored))
  await change(unshadow(2), shadow(4))
  parts.push(await carry(60, more))
  ends.push(endOf((await tables()).scored))
  return {
    ends,
    notices: parts.flatMap(({ notices }) => notices),
    reports: parts.flatMap(({ reports }) => reports),
  }
}

test.each([25_000_000, 0])('shadows say what the oracle says, with %d rows kept', async (stateRowsMax) => {
  const { ends, notices, reports } = await carryParts({ stateRowsMax })
  const { shadows, scored } = await tables()
  const [first, second, third] = ends as [number, number, number]
  const expected = [...said(scored, first, second, [2, 3]), ...said(scored, second, third, [3, 4])]
  expect(expected.length).toBeGreaterThan(30)
  expect(inOrder(shadows), what).toEqual(inOrder(expected))
  expect(await findings(null), what).toEqual([])
  const told = notices.filter(({ code }) => code === 'RULES_SHADOWS').map(({ details }) => details.shadows)
  expect(told).toEqual([
    [2, 3],
    [3, 4],
  ])
  // The reports count what the rows say.
  const counted = reports.flatMap((report) => report.shadows)
  const sum = (of: 'rows' | 'reviewRows' | 'failedRows'): number =>
    counted.reduce((all, one) => all + one[of], 0)
  expect(sum('rows')).toBe(expected.length)
  expect(sum('reviewRows')).toBe(expected.filter((row) => row.requires_review === true).length)
  expect(sum('failedRows')).toBe(expected.filter((row) => (row.failed_rules as string[]).length > 0).length)
})

test('rows that decide, and all other tables, are the same with shadows and without', async () => {
  await carryParts()
  const withThem = await readTables(lakehouse.base)
  const withProof = (await tables()).shadows.length
  await rm(lakehouse.base, { recursive: true })
  for (const count of [20, 40, 60]) await carry(count)
  const without = await readTables(lakehouse.base)
  expect(withProof).toBeGreaterThan(0)
  const timeless = ({ processing_time: _, ...row }: Row): Row => row
  expect(inOrder(without.fraud_detection.map(timeless))).toEqual(
    inOrder(withThem.fraud_detection.map(timeless)),
  )
  await expect(tables()).resolves.toMatchObject({ shadows: [] })
})

test('a stream of its own has the shadows of the batches of silver, however late it starts', async () => {
  const ofSilver = { streams: ['kafka-to-delta'] }
  await carry(20, ofSilver)
  await change(...stated.map((one) => propose(versionText(one))), shadow(2))
  await carry(40, ofSilver)
  await change(shadow(3), unshadow(2))
  await carry(60, ofSilver)
  await carry(60, { streams: ['fraud-detection'] })
  const { shadows, scored } = await tables()
  const counts = Map.groupBy(shadows, (row) => String(row.rules_version))
  expect([...counts.keys()].sort()).toEqual(['2', '3'])
  const times = Map.groupBy(shadows, (row) => String(row.processing_time))
  const expected = scored.flatMap((row) =>
    [...new Set(times.get(String(row.processing_time))?.map((one) => Number(one.rules_version)))].map(
      (number) => shadowRow(number, stated[number - 2]!, row),
    ),
  )
  expect(inOrder(shadows), what).toEqual(inOrder(expected))
  expect(await findings(), what).toEqual([])
})

test('in a run that goes on a shadow starts and ends with a batch', async () => {
  const stop = new AbortController()
  const told: bigint[] = []
  const changes = [() => change(propose(versionText(stated[0]!)), shadow(2)), () => change(unshadow(2))]
  let index = 0
  await writeInput(lakehouse, values.slice(0, 20))
  await runOnce(lakehouse, {
    ...{ recordsPerBatchMax: 100, once: false, signal: stop.signal },
    inForce: new RulesInForce({ ...rulesOfTest(), by, tell: () => undefined }),
    onBatch: ({ batch }) => void told.push(batch),
    // Each opening after the first has other shadows: it gets records, and then the next change.
    onEvent: async ({ kind }) => {
      if (kind === 'opened' && index > 0) await append(values.slice(20 * index, 20 + 20 * index))
    },
    onWait: async () => {
      if (told.length <= index) return
      index = told.length
      const next = changes.shift()
      if (next === undefined) return stop.abort()
      await next()
    },
  })
  expect(told).toEqual([1n, 2n, 3n])
  const { shadows, scored } = await tables()
  const ofShadow = new Set(shadows.map((row) => String(row.processing_time)))
  const ofAll = [...new Set(scored.map((row) => row.processing_time as bigint))].sort()
  expect([...ofShadow], what).toEqual([String(ofAll[1])])
  expect(await findings(), what).toEqual([])
})

test('a shadow that cannot run is told, by its version and why, and the others go on', async () => {
  await carry(20)
  const gone = [
    versionText(stated[0]!),
    shipped.replace('amount > 5000', 'removed_feature > 5000'),
    shipped.replace('lists.high_risk_countries', 'lists.gone'),
    `${shipped}\nmodel: { file: model-0123456789abcdef01234567.txt }\n`,
    'no rules at all',
  ]
  await change(...gone.map(propose), ...gone.map((_, index) => shadow(index + 2)))
  const watch = new RunWatch()
  const { notices, reports } = await carry(60, { onEvent: watch.onEvent })
  for (const notice of notices) watch.onEvent({ kind: 'notice', ...notice })
  const faults = notices.filter(({ code }) => code === 'RULES_SHADOW_FAILED')
  expect(faults.map(({ details }) => details.version)).toEqual([3, 4, 5, 6])
  const causes = faults.map(({ details }) => String(details.cause))
  for (const [index, cause] of [
    'removed_feature',
    'no list gone',
    'model-0123456789abcdef01234567',
    'map',
  ].entries())
    expect(causes[index]).toContain(cause)
  expect(new Set(reports.flatMap(({ shadows }) => shadows.map((one) => one.version)))).toEqual(new Set([2]))
  const { shadows, scored } = await tables()
  expect(new Set(shadows.map((row) => row.rules_version))).toEqual(new Set([2n]))
  expect(scored.length).toBeGreaterThan(20)
  expect(await findings(), what).toEqual([])
})

test('a project of its own has shadows over its features, and goes on when a shadow asks one that is gone', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'assay-shadows-'))
  const rules = (when: string): string =>
    `levels: { HIGH: 50 }\nreview_from: 50\nrules:\n  - { name: of_it, when: "${when}", points: 60, says: x }\n`
  await writeFile(join(directory, 'rules.yaml'), rules('amount > 100'))
  const project = (features: Parameters<typeof transactions>[0]['features']) =>
    lakehouseFrom(transactions({ topic: 't', rules: 'rules.yaml', ...(features && { features }) }), directory)
  const withFeature = project((rows) => ({
    city_users: over(rows, { key: 'city', range: hours(1), distinct: 'user_id' }),
  }))
  const run = async (count: number, of: LakehouseValue) => {
    const notices: SourceNotice[] = []
    await writeInput(lakehouse, values.slice(0, count))
    const tell: OnEvent = (event) => void (event.kind === 'notice' && notices.push(event))
    const inForce = new RulesInForce({ ...rulesOfTest(), lakehouse: of, by, tell })
    await runOnce(lakehouse, { recordsPerBatchMax: 30, inForce })
    return notices.filter(({ code }) => code === 'RULES_SHADOW_FAILED').map(({ details }) => details.version)
  }
  expect(await run(20, withFeature)).toEqual([])
  await change(propose(rules('city_users >= 2')), propose(rules('amount > 5')), shadow(2), shadow(3))
  expect(await run(40, withFeature)).toEqual([])
  const { lakehouse: now } = await decidingRules({ ...rulesOfTest(), lakehouse: withFeature })
  const { delays, parameters, duckdb } = testOptions
  const of = { lakehouse: now, deltaBasePath: lakehouse.base, parameters, delays, duckdb, sinceMicros: null }
  expect((await verifyLakehouse(of, null)).checks.flatMap((check) => check.findings)).toEqual([])
  const { shadows, scored } = await tables()
  for (const row of shadows) {
    const its = scored.find(({ offset }) => offset === row.offset)!
    const fires = row.rules_version === 2n ? (its.city_users as bigint) >= 2n : Number(its.amount) > 5
    expect(row.reasons, what).toEqual(fires && its.city_users !== undefined ? ['of_it'] : [])
  }
  expect(new Set(shadows.map((row) => row.reasons!.toString()))).toEqual(new Set(['of_it', '']))
  const gone = project(undefined)
  const { lakehouse: next } = await decidingRules({ ...rulesOfTest(), lakehouse: gone })
  const rebuilt = { ...testOptions, lakehouse: next, deltaBasePath: lakehouse.base, recordsPerBatchMax: 30 }
  await rebuildTable({ ...rebuilt, pauseMaxMs: 1_000 }, 'fraud_detection')
  expect(await run(60, gone)).toEqual([2])
  const after = await tables()
  expect(after.scored.length).toBeGreaterThan(scored.length)
  const added = after.shadows.filter((row) => !shadows.some((one) => one.offset === row.offset))
  expect(new Set(added.map((row) => row.rules_version)), what).toEqual(new Set([3n]))
  await rm(directory, { recursive: true })
})

test('what was said stays when a version becomes active, and a rebuild and a lost table give it again', async () => {
  await carryParts()
  await change((now) => activateVersion(now, 3, null, by, policy))
  await carry(60)
  const { shadows } = await tables()
  expect(new Set(shadows.map((row) => row.rules_version))).toEqual(new Set([2n, 3n, 4n]))
  const { lakehouse: now, parameters } = await decidingRules(rulesOfTest())
  const options = { ...testOptions, lakehouse: now, parameters, deltaBasePath: lakehouse.base }
  await rebuildTable({ ...options, recordsPerBatchMax: 30, pauseMaxMs: 1_000 }, 'rules/shadow')
  expect(inOrder((await tables()).shadows), what).toEqual(inOrder(shadows))
  expect(await findings(), what).toEqual([])
  await rm(join(lakehouse.base, 'rules/shadow'), { recursive: true })
  await carry(60)
  expect(inOrder((await tables()).shadows), what).toEqual(inOrder(shadows))
  expect(await findings(), what).toEqual([])
})

test('the proof finds a row that is missing, there twice, another, or of no version that ran', async () => {
  await carryParts()
  const { lakehouse: now, parameters, delays } = await proof()
  const path = 'rules/shadow'
  const problems = async (select: string) => {
    const damage = (copy: string) => replaceByCommit(copy, path, select)
    const damaged = await verifyDamaged(lakehouse.base, damage, path, { lakehouse: now, parameters, delays })
    return findingsOf(damaged, path, 'rows').map((one) => one.problem)
  }
  expect(await problems('SELECT * FROM rows OFFSET 1')).toEqual(['missing'])
  expect(await problems('FROM rows UNION ALL (FROM rows LIMIT 1)')).toEqual(['is there more than once'])
  const another = 'if(row_number() OVER () = 1, fraud_score + 1, fraud_score)'
  expect(await problems(`SELECT * REPLACE (${another} AS fraud_score) FROM rows`)).toEqual(['differs'])
  const ofAnother = 'if(row_number() OVER () = 1, 9, rules_version)::INTEGER'
  const found = await problems(`SELECT * REPLACE (${ofAnother} AS rules_version) FROM rows`)
  expect(found.sort()).toEqual(['is not in silver', 'missing'])
})
