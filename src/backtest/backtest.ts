// A set of rules tried on the transactions that are there: what it would have decided, beside another set,
// and what has become known of these since.
import { LakehouseError } from '../errors/errors.ts'
import { firedRules, fraudScore } from '../fraud/score.ts'
import type { Lakehouse } from '../plan/index.ts'
import type { RuleSet } from '../rules/index.ts'
import { boundDuckdb, duckdb, expressionSql, type ParameterValues } from '../sql/index.ts'
import { type ChangedSample, changedSamples } from './changed-samples.ts'
import { backtestFigures, type Figures } from './figures.ts'
import { columnsAsked, type RuleSide, ruleSide, rulesWithModel } from './rule-side.ts'
import { type HistoryPeriod, openHistory, type ScoredHistory } from './scored-history.ts'
import { tallyOf } from './tally.ts'

export type NamedRules = {
  /** How the report calls it. */
  readonly name: string
  readonly rules: RuleSet
  /** The values of the lists that the environment may set, by their parameters. */
  readonly parameters: ParameterValues
}

export type BacktestOptions = HistoryPeriod & {
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
  readonly candidate: NamedRules
  readonly baseline: NamedRules
  /**
   * The baseline is what the lakehouse goes by today: the report compares what was written with what the
   * rules give, each row by its own version. The versions are those that were active, by their numbers.
   */
  readonly isBaselineActive: boolean
  readonly versions: ReadonlyMap<number, NamedRules>
  readonly asOfMicros: bigint
  readonly maturityMicros: bigint
  readonly capacityPerDay: number | null
  /** Rules count that ask the record's own label. */
  readonly countsRecordLabel: boolean
  readonly samplesMax: number
  /** Ends it, with what DuckDB says of that. */
  readonly signal?: AbortSignal
  readonly duckdb: Readonly<Record<string, string>>
}

export type BacktestReport = {
  /** In event time; null where the period had no bound. Instants of the kind 2026-10-01T00:00:00.000Z. */
  readonly from: string | null
  readonly to: string | null
  readonly asOf: string
  readonly labelMaturityDays: number
  readonly reviewCapacityPerDay: number | null
  readonly figures: Figures
  /** For how many the active rules give score and reasons as written; null for another baseline. */
  readonly written: { readonly transactions: number; readonly same: number } | null
  /** Of the largest amounts. */
  readonly samples: readonly ChangedSample[]
}

/** Fails with CONFIG_INVALID where there is nothing to count, or a rule asks a column that is nowhere. */
export async function backTest(options: BacktestOptions): Promise<BacktestReport> {
  const { lakehouse, candidate, baseline, countsRecordLabel } = options
  if (lakehouse.scored?.rows.schema.amount !== 'decimal(18,2)') {
    const message =
      'a back-test counts money: the table of scores needs a column amount of type decimal(18,2).'
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  const sideOf = ({ name, rules, parameters }: NamedRules): RuleSide =>
    ruleSide(name, rules, { dialect: boundDuckdb(parameters), countsRecordLabel })
  const ofBaseline = sideOf(baseline)
  const sides = { candidate: candidate === baseline ? ofBaseline : sideOf(candidate), baseline: ofBaseline }
  const asked = columnsAsked(sides.candidate)
  const whole = columnsAsked({ rules: rulesWithModel(baseline.rules) })
  const compared = options.isBaselineActive ? [...whole, ...columnsWritten(options.versions)] : []
  const columns = [
    ...new Set([...asked, ...columnsAsked(sides.baseline), ...compared, ...sampleColumns(lakehouse)]),
  ]
  const history = await openHistory({ ...options, columns })
  try {
    const tally = await tallyOf(history, sides.baseline, sides.candidate, asked)
    if (tally.days.length === 0) throw await nothingToCount(options)
    const figures = backtestFigures(tally, sides, options.capacityPerDay)
    return {
      from: instantText(options.fromMicros),
      to: instantText(options.toMicros),
      asOf: instantText(options.asOfMicros)!,
      labelMaturityDays: Number(options.maturityMicros) / 86_400_000_000,
      reviewCapacityPerDay: options.capacityPerDay,
      figures,
      written: options.isBaselineActive ? await comparedToWritten(history, baseline, options.versions) : null,
      samples: await changedSamples(history, sides, lakehouse.names.event.column, options.samplesMax),
    }
  } finally {
    history.close()
  }
}

/** Of what is there it says when it was, so that the next try finds it. */
async function nothingToCount(options: BacktestOptions): Promise<LakehouseError> {
  const always = { fromMicros: null, toMicros: null, columns: ['event_time'] }
  const history = await openHistory({ ...options, ...always })
  try {
    const sql = `SELECT epoch_us(min(event_time)), epoch_us(max(event_time)) FROM (${history.rows})`
    const [first, last] = (await history.connection.runAndReadAll(sql)).getRows()[0]! as (bigint | null)[]
    const message =
      first === null
        ? `no transaction of ${options.deltaBasePath} has been scored yet: run first, or set DELTA_BASE_PATH.`
        : `no transaction is of this period: those that are there are from ${instantText(first!)} to ${instantText(last!)}.`
    return new LakehouseError('CONFIG_INVALID', message)
  } finally {
    history.close()
  }
}

function sampleColumns({ names }: Lakehouse): string[] {
  return [names.event.column, 'amount']
}

function columnsWritten(versions: BacktestOptions['versions']): string[] {
  const asked = [...versions.values()].flatMap(({ rules }) => columnsAsked({ rules: rulesWithModel(rules) }))
  return ['fraud_score', 'reasons', ...(versions.size === 0 ? [] : ['rules_version', ...asked])]
}

/**
 * Whether the rules give what was written, score and reasons: those of a row's version, and the baseline where
 * it has none. All rules count.
 */
async function comparedToWritten(
  { connection, rows }: ScoredHistory,
  baseline: NamedRules,
  versions: BacktestOptions['versions'],
): Promise<{ transactions: number; same: number }> {
  const byVersion = [...versions].map(([version, rules]) => `WHEN ${version} THEN ${isAsWritten(rules)}`)
  const isSame =
    byVersion.length === 0
      ? isAsWritten(baseline)
      : `CASE ${duckdb.name('rules_version')} ${byVersion.join(' ')} ELSE ${isAsWritten(baseline)} END`
  const reader = await connection.runAndReadAll(`SELECT count(*), count(*) FILTER (${isSame}) FROM (${rows})`)
  const [transactions, same] = reader.getRows()[0]!.map(Number)
  return { transactions: transactions!, same: same! }
}

function isAsWritten({ rules, parameters }: NamedRules): string {
  const dialect = boundDuckdb(parameters)
  const all = rulesWithModel(rules)
  const score = `${duckdb.name('fraud_score')} = ${expressionSql(dialect, fraudScore(all))}`
  return `(${score} AND ${duckdb.name('reasons')} = ${expressionSql(dialect, firedRules(all))})`
}

function instantText(micros: bigint | null): string | null {
  return micros === null ? null : new Date(Number(micros / 1000n)).toISOString()
}
