// The report of an experiment over tables, against sums that an oracle makes anew for each day, one customer
// after another.
import { hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { type DayLook, experimentFigure, type FigureName } from '../../../src/experiments/figures.ts'
import { type ExperimentReport, reportExperiment } from '../../../src/experiments/report.ts'
import { experimentHtml } from '../../../src/experiments/report-html.ts'
import { experimentSections } from '../../../src/experiments/report-text.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { labelsDefinition, labelsPath } from '../../../src/ops/labels.ts'
import { deltaDefinition, openOpsTable, tableDirectory } from '../../../src/ops/tables.ts'
import type { Lakehouse } from '../../../src/plan/index.ts'
import { Random } from '../../../src/produce/random.ts'
import { duckdb, literalSql } from '../../../src/sql/index.ts'
import { turnSeed } from '../../turns.ts'

const dayMs = 86_400_000
const [beginMs, asOfMs] = [Date.parse('2026-08-01T00:00:00Z'), Date.parse('2026-10-01T15:00:00Z')]
const maturityDays = 20
const [name, share] = ['spring', 0.3]

type Made = {
  readonly id: string
  readonly user: number
  readonly arm: 'control' | 'candidate' | null
  readonly cents: number
  readonly isReviewed: boolean
  readonly isFraud: boolean
  readonly atMs: number
  readonly scoredMs: number
  /** What became known of it later, in days. */
  readonly label: { readonly isFraud: boolean; readonly days: number } | null
}

let base: string
let made: readonly Made[]
let report: ExperimentReport

/** Its table of scores says in which arm a transaction is, whatever else it has. */
const lakehouse: Lakehouse = {
  ...standardLakehouse,
  scored: {
    ...standardLakehouse.scored!,
    rows: {
      ...standardLakehouse.scored!.rows,
      schema: { ...standardLakehouse.scored!.rows.schema, variant: 'string', rules_version: 'int' },
    },
  },
}

const armOfUser = (user: number): 'control' | 'candidate' => {
  const digits = hash('sha256', `${name}|${user}`, 'hex').slice(0, 13)
  return Number.parseInt(digits, 16) / 16 ** 13 < share ? 'candidate' : 'control'
}

beforeAll(async () => {
  console.log(`seed ${turnSeed}`)
  const random = new Random(turnSeed, 'experiment')
  base = mkdtempSync(join(tmpdir(), 'experiment-'))
  made = Array.from({ length: 3_000 }, (_, index): Made => {
    const user = Math.floor(random.float() ** 2 * 300)
    const atMs = beginMs + Math.floor(random.float() * 65 * dayMs)
    const arm = armOfUser(user)
    return {
      ...{ id: `t-${index}`, user, atMs, cents: random.whole(100, 90_000) },
      // Before the experiment, and a few that somebody wrote by hand.
      arm: atMs < beginMs + 3 * dayMs ? null : random.chance(0.01) ? 'candidate' : arm,
      isReviewed: random.chance(arm === 'control' ? 0.3 : 0.1),
      isFraud: random.chance(0.1),
      scoredMs: atMs + random.whole(0, 60_000),
      label: random.chance(0.2) ? { isFraud: random.chance(0.6), days: random.whole(0, 30) } : null,
    }
  })
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const { scored } = lakehouse
  const definition = deltaDefinition(scored!, {})
  const table = await DeltaTable.createOrEvolve(tableDirectory(base, scored!), definition)
  const cells = made.map((one, index) => {
    const values = [
      ...[`'${one.id}'`, one.user, one.cents / 100, one.isReviewed, one.isFraud],
      ...[timestamp(one.atMs), timestamp(one.scoredMs), `'t'`, 0, index],
      ...[one.arm === null ? 'NULL' : `'${one.arm}'`, one.arm === 'candidate' ? 2 : 1],
    ]
    return `(${values.join(', ')})`
  })
  const given =
    'transaction_id, user_id, amount, requires_review, is_fraud, event_time, processing_time, topic, partition, "offset", variant, rules_version'
  const others = Object.entries(scored!.rows.schema).map(([column, type]) => {
    if (given.split(/, /).some((one) => one.replaceAll('"', '') === column)) return `"${column}"`
    if (column === 'transaction_date') return 'CAST(event_time AS DATE) AS transaction_date'
    return `${literalSql(duckdb, type, null)} AS "${column}"`
  })
  const rows = `SELECT ${others.join(', ')} FROM (VALUES ${cells.join(', ')}) AS rows(${given})`
  await table.commit(await table.stage(connection, rows), {})
  const labels = await openOpsTable(base, labelsPath, { ...labelsDefinition, properties: {} })
  const known = made.flatMap(({ id, label, atMs }) =>
    label === null
      ? []
      : [`('${id}', ${label.isFraud}, ${timestamp(atMs + label.days * dayMs)}, 'chargeback')`],
  )
  const labelRows = `SELECT *, NULL::TIMESTAMP AS imported_at, NULL::VARCHAR AS imported_by
    FROM (VALUES ${known.join(', ')}) AS rows(transaction_id, is_fraud, known_at, source)`
  await labels.commit(await labels.stage(connection, labelRows), {})
  connection.closeSync()
  instance.closeSync()
  report = await reported()
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

const timestamp = (ms: number): string => `make_timestamp(${ms * 1000})`

async function reported(asOf = asOfMs): Promise<ExperimentReport> {
  return await reportExperiment({
    ...{ lakehouse, deltaBasePath: base, duckdb: {} },
    experiment: {
      ...{ name, share, by: 'user_id', candidateVersion: 2, scoredBeforeMicros: null },
      startedAtMicros: BigInt(beginMs) * 1000n,
      endedAtMicros: null,
    },
    asOfMicros: BigInt(asOf) * 1000n,
    maturityMicros: BigInt(maturityDays * dayMs) * 1000n,
  })
}

const counted = (): readonly Made[] =>
  made.filter(({ arm, user, atMs }) => arm === armOfUser(user) && atMs <= asOfMs)

function labelOf({ isFraud, label, atMs }: Made): 'fraud' | 'good' | 'pending' {
  if (atMs + maturityDays * dayMs > asOfMs) return 'pending'
  return (label !== null && label.days <= maturityDays ? label.isFraud : isFraud) ? 'fraud' : 'good'
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
const maturesOn = ({ atMs }: Made): string => dayOf(atMs + maturityDays * dayMs)

/** What each customer brought up to that day, added up by arm from the begin. */
function oracleLook(figure: FigureName, day: string, all: readonly Made[]): DayLook {
  const matured = new Set(all.filter((one) => labelOf(one) !== 'pending' && maturesOn(one) <= day))
  const sums = { control: { sum: 0, squares: 0 }, candidate: { sum: 0, squares: 0 } }
  for (const [user, ofUser] of Map.groupBy(all, (one) => one.user)) {
    const its = ofUser.filter((one) => matured.has(one))
    const letThrough = its.filter((one) => labelOf(one) === 'fraud' && !one.isReviewed)
    const goodReviewed = its.filter((one) => labelOf(one) === 'good' && one.isReviewed)
    const reviews = ofUser.filter((one) => one.isReviewed && dayOf(one.atMs) <= day)
    const brought = {
      fraudMoneyLetThrough: letThrough.reduce((sum, { cents }) => sum + cents / 100, 0),
      goodCustomersReviewed: goodReviewed.length > 0 ? 1 : 0,
      reviews: reviews.length,
    }[figure]
    sums[armOfUser(user)].sum += brought
    sums[armOfUser(user)].squares += brought ** 2
  }
  const days = {
    fraudMoneyLetThrough: new Set([...matured].map(maturesOn)).size,
    goodCustomersReviewed: 1,
    reviews: new Set(all.map(({ atMs }) => dayOf(atMs)).filter((one) => one <= day)).size,
  }[figure]
  return { ...sums, day, days: Math.max(days, 1) }
}

test('every figure of every day is what an oracle adds up from the begin', () => {
  const all = counted()
  for (const figure of report.figures) {
    expect(figure.days.length, figure.name).toBeGreaterThan(30)
    const looks = figure.days.map(({ day }) => oracleLook(figure.name, day, all))
    const expected = experimentFigure(figure.name, looks, share)
    for (const [index, day] of figure.days.entries()) {
      const oracle = expected.days[index]!
      expect(day.control).toBeCloseTo(oracle.control, 6)
      expect(day.candidate).toBeCloseTo(oracle.candidate, 6)
      expect(day.interval === null).toBe(oracle.interval === null)
      expect(day.interval?.low ?? 0).toBeCloseTo(oracle.interval?.low ?? 0, 6)
      expect(day.interval?.high ?? 0).toBeCloseTo(oracle.interval?.high ?? 0, 6)
    }
    expect(figure.outcome).toBe(expected.outcome)
    expect(figure.seenOn).toBe(expected.seenOn)
  }
  expect(report.figures.find(({ name }) => name === 'reviews')!.outcome).toBe('less')
})

test('pending transactions are never good, and count for reviews alone', () => {
  const all = counted()
  const pending = all.filter((one) => labelOf(one) === 'pending')
  expect(report.transactions.pending).toBe(
    made.filter((one) => one.arm !== null && one.atMs <= asOfMs && labelOf(one) === 'pending').length,
  )
  expect(pending.length).toBeGreaterThan(100)
  const lastMatured = [...all.filter((one) => labelOf(one) !== 'pending').map(maturesOn)].sort().at(-1)!
  for (const figure of ['fraudMoneyLetThrough', 'goodCustomersReviewed'])
    expect(report.figures.find((one) => one.name === figure)!.days.at(-1)!.day <= lastMatured).toBe(true)
})

test('what one saw on a day is what the same day of a later report says', async () => {
  const before = await reported(asOfMs - 10 * dayMs)
  for (const [index, { days }] of before.figures.entries()) {
    // The last day was not over.
    const later = report.figures[index]!.days
    for (const [at, day] of days.slice(0, -1).entries()) expect(later[at]!.day).toBe(day.day)
    for (const [at, { difference }] of days.slice(0, -1).entries())
      expect(later[at]!.difference).toBeCloseTo(difference, 6)
  }
})

test('customers are counted by arm; a transaction in the wrong arm is told and counts for nothing', () => {
  const users = (arm: string) =>
    new Set(
      counted()
        .filter((one) => one.arm === arm)
        .map(({ user }) => user),
    ).size
  expect([report.shares.control, report.shares.candidate]).toEqual([users('control'), users('candidate')])
  const misplaced = made.filter(
    ({ arm, user, atMs }) => atMs <= asOfMs && arm !== null && arm !== armOfUser(user),
  )
  expect(misplaced.length).toBeGreaterThan(0)
  expect(report.transactions.misplaced).toBe(misplaced.length)
  const lines = experimentSections(report).flatMap((section) => section.lines)
  expect(lines.join('\n')).toContain(`${misplaced.length} transactions in another arm`)
})

test('the HTML has no text of the data as markup, and asks nothing of a network', () => {
  const html = experimentHtml({ ...report, by: '<img src=x onerror=alert(1)>' })
  expect(html).not.toContain('<img')
  expect(html).not.toMatch(/<(?:script|link|iframe|object)|url\(|@import/)
  expect(html.match(/<polygon/g)).toHaveLength(3)
})
