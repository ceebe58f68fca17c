// A back-test over tables that a run wrote, against figures that an oracle computes from the same records.
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BacktestReport } from '../../../src/backtest/backtest.ts'
import { averagePrecision, bootstrapped } from '../../../src/backtest/intervals.ts'
import { reportHtml } from '../../../src/backtest/report-html.ts'
import { sectionsOf } from '../../../src/backtest/report-text.ts'
import { runBacktest } from '../../../src/cli/backtest.ts'
import { type Config, loadConfig } from '../../../src/config/config.ts'
import { importLabels } from '../../../src/labels/import-labels.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { openOpsTable } from '../../../src/ops/tables.ts'
import { verdictsDefinition, verdictsPath } from '../../../src/ops/verdicts.ts'
import { Random } from '../../../src/produce/random.ts'
import { type OracleTransaction, oracleFigures } from '../../oracle/backtest.ts'
import { turnSeed } from '../../turns.ts'
import { newLakehouse, runOnce, writeInput } from '../engine/pipeline.ts'

const seed = turnSeed
const asOf = '2026-11-02'
const maturityDays = 20
const dayMs = 86_400_000

type Made = {
  readonly id: string
  readonly user: number
  readonly cents: number
  readonly method: string | null
  readonly country: string
  readonly atMs: number
  readonly isFraud: boolean
}

let directory: string
let config: Config
let made: readonly Made[]
/** By id: what became known, with the source. */
const labels: { id: string; isFraud: boolean; knownMs: number; source: string }[] = []

beforeAll(async () => {
  console.log(`seed ${seed}`)
  const random = new Random(seed, 'back-test')
  const lakehouse = await newLakehouse()
  directory = join(lakehouse.base, '..')
  config = loadConfig(standardLakehouse, { DELTA_BASE_PATH: lakehouse.base }, join(directory, '.env'))
  made = Array.from({ length: 1_500 }, (_, index) => madeTransaction(random, index))
  await writeInput(
    lakehouse,
    made.map((one) => Buffer.from(recordOf(one))),
  )
  await runOnce(lakehouse, { recordsPerBatchMax: 400, once: true })
  for (const { id, atMs } of made.filter((_, index) => index % 7 === 0)) {
    for (const source of ['chargeback', 'dispute'].slice(0, random.whole(1, 2))) {
      const knownMs = Math.min(atMs + random.whole(0, 40) * dayMs, Date.parse('2026-11-10'))
      labels.push({ id, isFraud: random.chance(0.7), knownMs, source })
    }
  }
  const file = join(directory, 'labels.ndjson')
  writeFileSync(
    file,
    labels
      .map(({ id, isFraud, knownMs, source }) =>
        JSON.stringify({
          transaction_id: id,
          is_fraud: isFraud,
          known_at: new Date(knownMs).toISOString(),
          source,
        }),
      )
      .join('\n'),
  )
  const options = { lakehouse: standardLakehouse, deltaBasePath: lakehouse.base, file, source: 'chargeback' }
  const nowMicros = BigInt(Date.parse('2026-12-01')) * 1000n
  await importLabels({ ...options, importedBy: 'test', nowMicros, duckdb: {} })
  await review(random, lakehouse.base)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** One transaction in eleven; what was decided first is taken back of some. */
async function review(random: Random, base: string): Promise<void> {
  const table = await openOpsTable(base, verdictsPath, { ...verdictsDefinition, properties: {} })
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const rows: string[] = []
  const add = (verdict: string | null, undoes: number | null, { id, atMs }: Made, days: number): number => {
    const decided = `make_timestamp(${(atMs + days * dayMs) * 1000})`
    const text = verdict === null ? 'NULL::VARCHAR' : `'${verdict}'`
    return rows.push(
      `(${rows.length + 1}::BIGINT, ${text}, ${undoes ?? 'NULL'}::BIGINT, '${id}', ${decided})`,
    )
  }
  for (const one of made.filter((_, index) => index % 11 === 0)) {
    if (random.chance(0.3)) add(null, add('fraud', null, one, 1), one, 2)
    if (random.chance(0.3)) {
      // Taken back too late to count: the label stays what it was.
      add(null, add('fraud', null, one, 4), one, maturityDays + 1)
      labels.push({ id: one.id, isFraud: true, knownMs: one.atMs + 4 * dayMs, source: 'reviewer' })
    }
    if (random.chance(0.2)) add('unsure', null, one, 2)
    const [isFraud, days] = [random.chance(0.5), random.whole(5, 30)]
    add(isFraud ? 'fraud' : 'legitimate', null, one, days)
    labels.push({ id: one.id, isFraud, knownMs: one.atMs + days * dayMs, source: 'reviewer' })
  }
  const columns = 'sequence, verdict, undoes, event, decided_at'
  const select = `SELECT ${columns} FROM (VALUES ${rows.join(', ')}) AS rows(${columns})`
  const others = verdictsDefinition.fields.filter(({ name }) => !columns.split(', ').includes(name))
  const nulls = others.map(({ name }) => `NULL AS "${name}"`)
  await table.commit(await table.stage(connection, `SELECT *, ${nulls.join(', ')} FROM (${select})`), {})
  connection.closeSync()
  instance.closeSync()
}

function madeTransaction(random: Random, index: number): Made {
  return {
    id: `t-${index}`,
    user: random.whole(1, 60),
    cents: random.chance(0.2) ? random.whole(400_000, 900_000) : random.whole(100, 60_000),
    method: random.pick(['crypto', 'credit_card', 'debit_card', null]),
    country: random.pick(['Nigeria', 'Norway', 'Peru']),
    // In order, so that nothing is late.
    atMs: Date.parse('2026-09-25T00:00:00Z') + index * 30 * 60_000 + random.whole(0, 60) * 1000,
    isFraud: random.chance(0.1),
  }
}

function recordOf({ id, user, cents, method, country, atMs, isFraud }: Made): string {
  return JSON.stringify({
    ...{ transaction_id: id, user_id: user, amount: cents / 100, merchant: 'Shop', payment_method: method },
    ...{ location: `City, ${country}`, timestamp: new Date(atMs).toISOString(), is_fraud: isFraud },
  })
}

/** The rules of `rulesText`, written once more. */
const oracleRules = [
  { name: 'large', points: 40, fires: ({ cents }: Made) => cents > 500_000 },
  { name: 'coin', points: 25, fires: ({ method }: Made) => method === 'crypto' },
  { name: 'far', points: 15, fires: ({ country }: Made) => country === 'Nigeria' || country === 'Peru' },
  { name: 'trusted', points: -20, fires: ({ user }: Made) => user <= 10 },
]

const rulesText = `
levels: { HIGH: 60, MEDIUM: 30 }
review_from: 40
lists: { far_away: [Nigeria, Peru] }
rules:
  - { name: large, when: amount > 5000, points: 40, says: "{amount}" }
  - { name: coin, when: 'payment_method == "crypto"', points: 25, says: coins }
  - { name: far, when: country in lists.far_away, points: 15, says: far }
  - { name: trusted, when: user_id <= 10, points: -20, says: known }
  - { name: told, when: is_fraud, points: 100, says: the record says so }
`

function labelOf({ id, atMs, isFraud }: Made): 'fraud' | 'good' | 'pending' {
  const [asOfMs, maturesMs] = [Date.parse(asOf) + dayMs, atMs + maturityDays * dayMs]
  if (maturesMs > asOfMs) return 'pending'
  const known = labels.filter((one) => one.id === id && one.knownMs <= maturesMs && one.knownMs <= asOfMs)
  const reviewed = known.filter(({ source }) => source === 'reviewer')
  const asked = reviewed.length > 0 ? reviewed : known
  const last = asked.toSorted((a, b) => b.knownMs - a.knownMs || Number(b.isFraud) - Number(a.isFraud))[0]
  return (last?.isFraud ?? isFraud) ? 'fraud' : 'good'
}

function oracleTransactions(): OracleTransaction[] {
  return made.map((one) => {
    const fired = oracleRules.filter(({ fires }) => fires(one))
    return {
      ...{
        id: one.id,
        day: new Date(one.atMs).toISOString().slice(0, 10),
        cents: one.cents,
        label: labelOf(one),
      },
      fired: fired.map(({ name }) => name),
      score: fired.reduce((sum, { points }) => sum + points, 0),
    }
  })
}

async function backtested(flags: Partial<Parameters<typeof runBacktest>[2]> = {}): Promise<BacktestReport> {
  const file = join(directory, 'candidate.yaml')
  writeFileSync(file, rulesText)
  const labelMaturity = maturityDays * dayMs
  return await runBacktest(config, file, {
    ...{ against: 'active', asOf, labelMaturity, samples: 1_000 },
    ...flags,
  })
}

test('all figures are what an oracle counts one transaction after another', async () => {
  const { figures } = await backtested({ capacity: 5 })
  const oracle = oracleTransactions()
  const expected = oracleFigures(oracle, oracleRules, 40)
  const { candidate } = figures
  for (const label of ['fraud', 'good', 'pending'] as const) {
    const its = oracle.filter((one) => one.label === label)
    expect(figures.byLabel[label].transactions).toBe(its.length)
    expect(its.length).toBeGreaterThan(0)
  }
  expect(candidate.reviewed.transactions).toBe(expected.reviewed)
  expect(candidate.caught.transactions).toBe(expected.caught)
  expect(candidate.caught.money).toBe(expected.caughtCents / 100)
  expect(candidate.goodReviewed.transactions).toBe(expected.goodReviewed)
  expect(candidate.precision.value).toBeCloseTo(expected.precision!, 12)
  expect(candidate.recall.value).toBeCloseTo(expected.recall!, 12)
  expect(candidate.averagePrecision.value).toBeCloseTo(expected.averagePrecision!, 12)
  expect(candidate.rankArea.value).toBeCloseTo(expected.rankArea!, 12)
  expect(candidate.reviewsPerDay.most).toBe(expected.mostReviewsOfDay)
  for (const [index, rule] of candidate.rules.entries()) {
    const its = expected.rules[rule.name]!
    expect(rule.fired.transactions).toBe(its.fired)
    expect([rule.fraud.transactions, rule.good.transactions]).toEqual([its.fraud, its.good])
    expect([rule.adds.reviews.transactions, rule.adds.fraud.transactions]).toEqual([
      its.addsReviews,
      its.addsFraud,
    ])
    expect(candidate.overlap[index]).toEqual(oracleRules.map(({ name }) => its.together[name]))
  }
  expect(candidate.rulesLeftOut).toEqual(['told'])
  const fits = candidate.curve.filter(({ reviewsPerDay }) => reviewsPerDay <= 5)
  expect(candidate.atCapacity).toEqual(fits.at(-1) ?? null)
})

test('levels and the changed decisions are told for both, with every changed transaction among the samples', async () => {
  const { figures, samples } = await backtested()
  const levelOf = (score: number) => (score >= 60 ? 'HIGH' : score >= 30 ? 'MEDIUM' : 'MINIMAL')
  const oracle = oracleTransactions()
  for (const { level, transactions } of figures.candidate.levels)
    expect(transactions, level).toBe(oracle.filter(({ score }) => levelOf(score) === level).length)
  const { newlyReviewed, noLongerReviewed } = figures.changed
  const changedReviews = samples.filter(
    ({ baseline, candidate }) => baseline.isReviewed !== candidate.isReviewed,
  )
  expect(changedReviews.length).toBe(newlyReviewed.transactions + noLongerReviewed.transactions)
  const byId = new Map(oracle.map((one) => [one.id, one]))
  for (const { id, candidate, label } of samples) {
    expect(candidate.score).toBe(byId.get(id)!.score)
    expect(candidate.rules).toEqual(byId.get(id)!.fired)
    expect(label).toBe(byId.get(id)!.label)
  }
})

test('the rules of today give to the cell what the run wrote', async () => {
  const { written } = await backtested()
  expect(written).toEqual({ transactions: made.length, same: made.length })
})

test('a period has its first day and its last, and nothing else', async () => {
  const { figures } = await backtested({ from: '2026-10-01', to: '2026-10-03' })
  expect(figures.days.map(({ day }) => day)).toEqual(['2026-10-01', '2026-10-02', '2026-10-03'])
  const within = oracleTransactions().filter(({ day }) => day >= '2026-10-01' && day <= '2026-10-03')
  expect(figures.all.transactions).toBe(within.length)
})

test('a period without transactions is refused, with the time of those that are there', async () => {
  const times = made.map(({ atMs }) => atMs)
  const [first, last] = [Math.min(...times), Math.max(...times)].map((ms) => new Date(ms).toISOString())
  await expect(backtested({ from: '2025-01-01', to: '2025-01-31' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: `no transaction is of this period: those that are there are from ${first} to ${last}.`,
  })
})

describe('the rule that asks the record itself', () => {
  test('counts where that is asked for', async () => {
    const { figures } = await backtested({ withRecordLabel: true })
    expect(figures.candidate.rules.map(({ name }) => name)).toContain('told')
    expect(figures.candidate.reviewed.transactions).toBeGreaterThan(
      made.filter(({ isFraud }) => isFraud).length,
    )
  })
})

test('the HTML has no text of the data as markup, and asks nothing of a network', async () => {
  const report = await backtested()
  const sample = { ...report.samples[0]!, id: '<img src=x onerror=alert(1)>\u202e\u0007' }
  const html = reportHtml({ ...report, samples: [sample] })
  expect(html).not.toContain('<img')
  expect(html).not.toContain('\u202e')
  expect(html).not.toContain('\u0007')
  expect(html).not.toMatch(/<(?:script|link|iframe|object)|url\(|@import/)
})

test('an interval is the same in whatever order the scores come', () => {
  const counts = [80, 50, 20, 0].map((score, index) => ({ score, fraud: 9 - index, good: 20 + 90 * index }))
  expect(bootstrapped(counts.toReversed(), averagePrecision)).toEqual(bootstrapped(counts, averagePrecision))
})

test('rules that are compared with themselves stand once in the report', async () => {
  const report = await runBacktest(config, undefined, { against: 'active', samples: 10 })
  const titles = sectionsOf(report).map(({ title }) => title)
  expect(titles.filter((title) => title === 'Rules of active')).toHaveLength(1)
  expect(report.figures.candidate).toEqual(report.figures.baseline)
  expect(report.samples).toEqual([])
})

test('two files of one name are told apart by their paths', async () => {
  const shipped = join(import.meta.dirname, '../../../src/lakehouse/rules.yaml')
  const copied = join(config.deltaBasePath, 'rules.yaml')
  copyFileSync(shipped, copied)
  const report = await runBacktest(config, copied, { against: shipped, samples: 0 })
  const titles = sectionsOf(report).map(({ title }) => title)
  expect(titles).toEqual(expect.arrayContaining([`Rules of ${copied}`, `Rules of ${shipped}`]))
})
