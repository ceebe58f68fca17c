// What versions said that ran as shadows, beside what was decided on the same transactions: by the rows that
// were written, so that it holds when a text is gone or does not compile any more. The figures are those of a
// back-test.
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { streamOf } from '../engines/database.ts'
import { LakehouseError } from '../errors/errors.ts'
import { levelLowest } from '../fraud/score.ts'
import { tableDirectory } from '../ops/tables.ts'
import { placeColumns } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import type { BacktestReport } from './backtest.ts'
import { backtestFigures } from './figures.ts'
import type { ReportSection } from './report-section.ts'
import { decisionSections } from './report-text.ts'
import type { RuleSide } from './rule-side.ts'
import { type HistoryOptions, labelName, openHistory } from './scored-history.ts'
import { type Amounts, type Combination, type LabelName, noAmounts, sumOf, type Tally } from './tally.ts'

export type ShadowReportOptions = Omit<HistoryOptions, 'columns' | 'scored'> & {
  readonly capacityPerDay: number | null
  /** Only this version; null: all that ever ran as shadows. */
  readonly version: number | null
}

/** A back-test by what was written: it has no figures of single rules. */
export type ShadowComparison = { readonly version: number; readonly report: BacktestReport }

export function shadowSections(reports: readonly ShadowComparison[]): readonly ReportSection[] {
  return reports.flatMap(({ version, report }) =>
    decisionSections(report, true).map((one) => ({ ...one, title: `${one.title}, version ${version}` })),
  )
}

/** In the order of the versions. Fails with CONFIG_INVALID where there is nothing to count. */
export async function reportShadows(options: ShadowReportOptions): Promise<readonly ShadowComparison[]> {
  const { lakehouse, deltaBasePath, capacityPerDay } = options
  if (lakehouse.scored?.rows.schema.amount !== 'decimal(18,2)') {
    const message =
      'the report counts money: the table of scores needs a column amount of type decimal(18,2).'
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  const directory = lakehouse.shadow && tableDirectory(deltaBasePath, lakehouse.shadow.table)
  if (directory === undefined || !(await DeltaTable.exists(directory))) throw nothingSaid(options)
  const said = ['rules_version', 'fraud_score', 'risk_level', 'requires_review']
  const columns = [...place, ...said]
  const snapshot = await (await DeltaTable.open(directory)).snapshot()
  const shadows = await fetchedScanSql(snapshot, directory, { columns, naiveTimestamps: true })
  const live = ['fraud_score', 'risk_level', 'requires_review']
  const history = await openHistory({ ...options, columns: ['amount', ...live] })
  try {
    const wanted = options.version === null ? '' : `WHERE rules_version = ${options.version}`
    const rows = `SELECT h.*, s.rules_version AS ${ofShadow('version')},
        ${live.map((name) => `s.${name} AS ${ofShadow(name)}`).join(', ')}
      FROM (${history.rows}) AS h JOIN (SELECT * FROM (${shadows}) ${wanted}) AS s USING (${places})`
    const tallies = await talliesOf(await streamOf(history.connection, selectOf(rows)))
    if (tallies.size === 0) throw nothingSaid(options)
    return [...tallies].map(([version, { tally, levels }]) => {
      const sides = { baseline: sideOf('decided', levels), candidate: sideOf(`version ${version}`, levels) }
      const figures = backtestFigures(tally, sides, capacityPerDay)
      return { version, report: { ...periodOf(options), figures, written: null, samples: [] } }
    })
  } finally {
    history.close()
  }
}

const place = Object.keys(placeColumns)
const places = place.map(duckdb.name).join(', ')
const ofShadow = (name: string): string => duckdb.name(`${name} of the shadow`)

function nothingSaid({ deltaBasePath, version }: ShadowReportOptions): LakehouseError {
  const who =
    version === null
      ? 'no version of the rules said anything'
      : `version ${version} of the rules said nothing`
  const message = `${who} of these transactions in ${deltaBasePath} as a shadow: "assay rules shadow" lets one.`
  return new LakehouseError('CONFIG_INVALID', message)
}

function selectOf(rows: string): string {
  const keys = [
    ofShadow('version'),
    'CAST(event_time AS DATE)',
    labelName,
    ...['fraud_score', 'risk_level', 'requires_review'].flatMap((name) => [name, ofShadow(name)]),
  ]
  return `SELECT ${keys[0]}, ${keys[1]}::VARCHAR, ${keys.slice(2).join(', ')}, count(*)::BIGINT,
      CAST(sum(amount) * 100 AS HUGEINT), sum(CAST(amount AS DOUBLE) ** 2)
    FROM (${rows}) GROUP BY ${keys.join(', ')} ORDER BY ${keys.join(', ')}`
}

type Counted = { readonly tally: Tally; readonly levels: readonly string[] }

async function talliesOf(
  result: Awaited<ReturnType<typeof streamOf>>,
): Promise<ReadonlyMap<number, Counted>> {
  const builders = new Map<number, WrittenTally>()
  for await (const rows of result.yieldRows()) {
    for (const [
      version,
      day,
      label,
      score,
      own,
      level,
      ownLevel,
      review,
      ownReview,
      count,
      cents,
      squares,
    ] of rows) {
      const builder = builders.get(Number(version)) ?? new WrittenTally()
      builders.set(Number(version), builder)
      builder.add({
        ...{ day: String(day), label: label as LabelName },
        baseline: judgement(score, level, review),
        candidate: judgement(own, ownLevel, ownReview),
        amounts: { count: Number(count), cents: cents as bigint, squares: squares as number },
      })
    }
  }
  return new Map([...builders].map(([version, builder]) => [version, builder.finish()]))
}

type Judged = Combination['baseline']

/** Which rules fired is not asked. */
function judgement(score: unknown, level: unknown, isReviewed: unknown): Judged {
  return { fired: [], score: Number(score), level: String(level), isReviewed: isReviewed === true }
}

type Group = {
  readonly day: string
  readonly label: LabelName
  readonly amounts: Amounts
  readonly baseline: Judged
  readonly candidate: Judged
}

class WrittenTally {
  readonly #combinations = new Map<string, Combination & { byLabel: Record<LabelName, Amounts> }>()
  readonly #days = new Map<string, { transactions: number; baseline: number; candidate: number }>()

  add({ day, label, amounts, baseline, candidate }: Group): void {
    const key = JSON.stringify([baseline, candidate])
    const none = { fraud: noAmounts, good: noAmounts, pending: noAmounts }
    const found = this.#combinations.get(key) ?? { baseline, candidate, byLabel: none }
    this.#combinations.set(key, found)
    found.byLabel[label] = sumOf([found.byLabel[label], amounts])
    const ofDay = this.#days.get(day) ?? { transactions: 0, baseline: 0, candidate: 0 }
    this.#days.set(day, ofDay)
    ofDay.transactions += amounts.count
    if (baseline.isReviewed) ofDay.baseline += amounts.count
    if (candidate.isReviewed) ofDay.candidate += amounts.count
  }

  finish(): Counted {
    const days = [...this.#days].map(([day, { transactions, ...reviewed }]) => ({
      day,
      transactions,
      reviewed,
    }))
    const combinations = [...this.#combinations.values()]
    const scores = combinations.flatMap(({ baseline, candidate }) => [baseline, candidate])
    const byScore = scores.toSorted((a, b) => b.score - a.score).map(({ level }) => level)
    const levels = [...new Set(byScore)].filter((level) => level !== levelLowest)
    return { tally: { combinations, days, unknown: {} }, levels }
  }
}

/** A side of which nothing is computed: its levels have names alone. */
function sideOf(name: string, levels: readonly string[]): RuleSide {
  return {
    ...{ name, rules: [], leftOut: [], reviewFrom: 0, dialect: duckdb },
    levels: levels.map((level) => ({ name: level, scoreMin: 0 })),
  }
}

function periodOf(options: ShadowReportOptions) {
  const { fromMicros, toMicros, asOfMicros, maturityMicros, capacityPerDay } = options
  const text = (micros: bigint | null): string | null =>
    micros === null ? null : new Date(Number(micros / 1000n)).toISOString()
  return {
    ...{ from: text(fromMicros), to: text(toMicros), asOf: text(asOfMicros)! },
    labelMaturityDays: Number(maturityMicros) / 86_400_000_000,
    reviewCapacityPerDay: capacityPerDay,
  }
}
