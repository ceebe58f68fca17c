// The report of shadows over tables, against figures that an oracle counts one transaction after another.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SideFigures } from '../../../src/backtest/figures.ts'
import { reportShadows, type ShadowComparison, shadowSections } from '../../../src/backtest/shadow-report.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { labelsDefinition, labelsPath } from '../../../src/ops/labels.ts'
import { deltaDefinition, openOpsTable, tableDirectory } from '../../../src/ops/tables.ts'
import type { TableDefinition } from '../../../src/plan/index.ts'
import { Random } from '../../../src/produce/random.ts'
import { duckdb, literalSql } from '../../../src/sql/index.ts'
import { turnSeed } from '../../turns.ts'

const dayMs = 86_400_000
const [beginMs, asOfMs] = [Date.parse('2026-08-01T00:00:00Z'), Date.parse('2026-09-10T15:00:00Z')]
const maturityDays = 20

type Said = { readonly score: number; readonly level: string; readonly isReviewed: boolean }
type Made = {
  readonly atMs: number
  readonly cents: number
  readonly decided: Said
  /** Of the versions that ran then. */
  readonly shadows: Readonly<Record<number, Said>>
  readonly isFraud: boolean
  readonly label: { readonly isFraud: boolean; readonly days: number } | null
}

let base: string
let made: readonly Made[]
let reports: readonly ShadowComparison[]

beforeAll(async () => {
  console.log(`seed ${turnSeed}`)
  const random = new Random(turnSeed, 'shadows')
  base = mkdtempSync(join(tmpdir(), 'shadow-report-'))
  const said = (reviewFrom: number): Said => {
    const score = 10 * random.whole(0, 9)
    return { score, level: score >= 50 ? 'HIGH' : 'MINIMAL', isReviewed: score >= reviewFrom }
  }
  made = Array.from({ length: 1_500 }, (): Made => {
    const atMs = beginMs + Math.floor(random.float() * 40 * dayMs)
    const [second, third] = [said(60), said(40)]
    return {
      ...{ atMs, cents: random.whole(100, 90_000), decided: said(50), isFraud: random.chance(0.1) },
      // The third starts ten days later.
      shadows: atMs < beginMs + 10 * dayMs ? { 2: second } : { 2: second, 3: third },
      label: random.chance(0.2) ? { isFraud: random.chance(0.6), days: random.whole(0, 30) } : null,
    }
  })
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const place = (index: number) => `'t-${index}', 't', 0, ${index}`
  const saidCells = ({ score, level, isReviewed }: Said) => `${score}, '${level}', ${isReviewed}`
  const placed = 'transaction_id, topic, partition, "offset", fraud_score, risk_level, requires_review'
  await write(
    connection,
    standardLakehouse.scored!,
    `${placed}, amount, is_fraud, event_time`,
    made.map((one, index) => {
      const own = `${one.cents / 100}, ${one.isFraud}, ${timestamp(one.atMs)}`
      return `${place(index)}, ${saidCells(one.decided)}, ${own}`
    }),
  )
  await write(
    connection,
    standardLakehouse.shadow!.table,
    `${placed}, rules_version, event_time`,
    made.flatMap((one, index) =>
      Object.entries(one.shadows).map(([version, shadow]) => {
        return `${place(index)}, ${saidCells(shadow)}, ${version}, ${timestamp(one.atMs)}`
      }),
    ),
  )
  const labels = await openOpsTable(base, labelsPath, { ...labelsDefinition, properties: {} })
  const known = made.flatMap(({ label, atMs }, index) =>
    label === null
      ? []
      : [`('t-${index}', ${label.isFraud}, ${timestamp(atMs + label.days * dayMs)}, 'chargeback')`],
  )
  const labelRows = `SELECT *, NULL::TIMESTAMP AS imported_at, NULL::VARCHAR AS imported_by
    FROM (VALUES ${known.join(', ')}) AS rows(transaction_id, is_fraud, known_at, source)`
  await labels.commit(await labels.stage(connection, labelRows), {})
  connection.closeSync()
  instance.closeSync()
  reports = await reported(null)
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

const timestamp = (ms: number): string => `make_timestamp(${ms * 1000})`

/** Columns that are not given are null. */
async function write(
  connection: DuckDBConnection,
  definition: TableDefinition,
  given: string,
  cells: readonly string[],
): Promise<void> {
  const table = await DeltaTable.createOrEvolve(
    tableDirectory(base, definition),
    deltaDefinition(definition, {}),
  )
  const names = given.split(/, /).map((name) => name.replaceAll('"', ''))
  const columns = Object.entries(definition.rows.schema).map(([name, type]) => {
    if (names.includes(name)) return `"${name}"`
    if (name === 'transaction_date') return 'CAST(event_time AS DATE) AS transaction_date'
    return `${literalSql(duckdb, type, null)} AS "${name}"`
  })
  const values = cells.map((one) => `(${one})`).join(', ')
  const rows = `SELECT ${columns.join(', ')} FROM (VALUES ${values}) AS rows(${given})`
  await table.commit(await table.stage(connection, rows), {})
}

function reported(version: number | null, more: { readonly toMicros?: bigint } = {}) {
  return reportShadows({
    ...{ lakehouse: standardLakehouse, deltaBasePath: base, duckdb: {}, capacityPerDay: 5, version },
    ...{ fromMicros: null, toMicros: null, ...more },
    asOfMicros: BigInt(asOfMs) * 1000n,
    maturityMicros: BigInt(maturityDays * dayMs) * 1000n,
  })
}

function labelOf({ isFraud, label, atMs }: Made): 'fraud' | 'good' | 'pending' {
  if (atMs + maturityDays * dayMs > asOfMs) return 'pending'
  return (label !== null && label.days <= maturityDays ? label.isFraud : isFraud) ? 'fraud' : 'good'
}

/** One transaction after the other. */
function expectSide(side: SideFigures, rows: readonly Made[], saidOf: (one: Made) => Said): void {
  let [reviewed, caught, missed, goodReviewed] = [0, 0, 0, 0]
  const perDay = new Map<number, number>()
  for (const one of rows) {
    const { isReviewed } = saidOf(one)
    const day = Math.floor(one.atMs / dayMs)
    perDay.set(day, (perDay.get(day) ?? 0) + (isReviewed ? 1 : 0))
    if (isReviewed) reviewed++
    if (labelOf(one) === 'fraud' && isReviewed) caught++
    if (labelOf(one) === 'fraud' && !isReviewed) missed++
    if (labelOf(one) === 'good' && isReviewed) goodReviewed++
  }
  expect(side.reviewed.transactions).toBe(reviewed)
  expect(side.precision.value).toBeCloseTo(caught / (caught + goodReviewed), 12)
  expect(side.recall.value).toBeCloseTo(caught / (caught + missed), 12)
  expect(side.reviewsPerDay.mean).toBeCloseTo(reviewed / perDay.size, 9)
  expect(side.reviewsPerDay.most).toBe(Math.max(...perDay.values()))
  expect(side.reviewsPerDay.daysOverCapacity).toBe([...perDay.values()].filter((count) => count > 5).length)
}

test('the figures of both sides are counted over the transactions of which the shadow said something', () => {
  expect(reports.map(({ version }) => version)).toEqual([2, 3])
  for (const { version, report } of reports) {
    const rows = made.filter(({ shadows }) => version in shadows)
    const { figures } = report
    expect(figures.all.transactions).toBe(rows.length)
    expect(figures.byLabel.pending.transactions).toBe(rows.filter((one) => labelOf(one) === 'pending').length)
    expectSide(figures.baseline, rows, ({ decided }) => decided)
    expectSide(figures.candidate, rows, ({ shadows }) => shadows[version]!)
    const isChanged = (one: Made, from: boolean): boolean =>
      one.decided.isReviewed === from && one.shadows[version]!.isReviewed !== from
    expect(figures.changed.newlyReviewed.transactions).toBe(
      rows.filter((one) => isChanged(one, false)).length,
    )
    expect(figures.changed.noLongerReviewed.fraud.transactions).toBe(
      rows.filter((one) => isChanged(one, true) && labelOf(one) === 'fraud').length,
    )
    expect(figures.candidate.levels.map(({ level }) => level)).toEqual(['HIGH', 'MINIMAL'])
  }
})

test('one version, and a period, can be asked for; of what nobody said anything it is told', async () => {
  const toMicros = BigInt(beginMs + 5 * dayMs) * 1000n
  const [only, ...others] = await reported(null, { toMicros })
  expect([only!.version, others]).toEqual([2, []])
  expect(only!.report.figures.all.transactions).toBe(
    made.filter(({ atMs }) => atMs < beginMs + 5 * dayMs).length,
  )
  expect((await reported(3)).map(({ version }) => version)).toEqual([3])
  await expect(reported(9)).rejects.toThrow('version 9 of the rules said nothing')
})

test('people read which version it is, and no score that nobody knows', () => {
  const sections = shadowSections(reports)
  expect(sections.map(({ title }) => title)).toEqual(
    [2, 3].flatMap((version) =>
      ['Transactions', 'Decisions', 'Changed decisions'].map((title) => `${title}, version ${version}`),
    ),
  )
  expect(JSON.stringify(sections)).not.toContain('from score 0')
})
