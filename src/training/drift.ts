// Drift: how far the features and the score of each day are from those that a model learned from.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type HistoryOptions, openHistory } from '../backtest/scored-history.ts'
import { rowsOf } from '../engines/database.ts'
import { columnNames, type Expr, literal } from '../expr/index.ts'
import { modelScoreColumn, type ScoringModel } from '../rules/index.ts'
import { boundDuckdb, duckdb, expressionSql, type ParameterValues } from '../sql/index.ts'
import type { ModelCard } from './card.ts'
import { type Distance, type Distribution, distanceOf, limitsOf, type ValueCounts } from './distribution.ts'

export type DriftedDay = {
  readonly day: string
  readonly transactions: number
  /** The newest version of the rules that scored one of them; null where they are scored anew. */
  readonly rulesVersion: number | null
  readonly score: Distance
  /** In the order of the card, the most important first; without those that follow from the day alone. */
  readonly features: readonly ({ readonly name: string; readonly kind: 'number' | 'category' } & Distance)[]
}

export type DriftOptions = Omit<HistoryOptions, 'columns'> & {
  readonly model: ScoringModel
  readonly card: ModelCard
  readonly parameters: ParameterValues
  /** Rows that these versions of the rules scored, by their own scores; null: all rows, scored anew. */
  readonly versions: readonly number[] | null
}

type Measured = { readonly value: Expr<'double'> | null; readonly distribution: Distribution }

const versionColumn = 'rules_version'

/** Each day of event time, in UTC, that has a row. */
export async function driftByDay(options: DriftOptions): Promise<readonly DriftedDay[]> {
  const { model, card, parameters, versions } = options
  const features = card.features.flatMap(({ name, kind, isOfDay, distribution }) => {
    const value = model.features.find((feature) => feature.name === name)?.value
    const isMeasured = value !== undefined && !isOfDay && isBounded(distribution)
    return isMeasured ? [{ name, kind, value, distribution }] : []
  })
  const score = versions === null ? model.score : null
  const asked = [...features.map(({ value }) => value), ...(score === null ? [] : [score])]
  const ofRows = versions === null ? [] : [modelScoreColumn, versionColumn]
  const columns = [...new Set([...asked.flatMap(columnNames), ...ofRows])]
  const history = await openHistory({ ...options, columns })
  try {
    const measured: readonly Measured[] = [{ value: score, distribution: card.score }, ...features]
    const where =
      versions === null
        ? ''
        : `WHERE ${modelScoreColumn} IS NOT NULL AND ${versionColumn} IN (${versions.join(', ')})`
    const version = versions === null ? 'NULL::INTEGER' : versionColumn
    const rows = `SELECT *, ${version} AS version FROM (${history.rows}) ${where}`
    const days = await talliesByDay(history.connection, rows, measured, parameters)
    return days.map(({ day, rulesVersion, tallies: [ofScore, ...others] }) => ({
      day,
      rulesVersion,
      transactions: ofScore!.rows,
      score: distanceOf(card.score, ofScore!),
      features: features.map(({ name, kind, distribution }, index) => {
        return { name, kind, ...distanceOf(distribution, others[index]!) }
      }),
    }))
  } finally {
    history.close()
  }
}

/** Infinite values were learned from: JSON has no number for their limits. */
function isBounded(distribution: Distribution): boolean {
  return limitsOf(distribution).every((limit) => Number.isFinite(limit))
}

type TalliedDay = Pick<DriftedDay, 'day' | 'rulesVersion'> & { readonly tallies: readonly ValueCounts[] }

async function talliesByDay(
  connection: DuckDBConnection,
  rows: string,
  measured: readonly Measured[],
  parameters: ParameterValues,
): Promise<readonly TalliedDay[]> {
  const dialect = boundDuckdb(parameters)
  const values = measured.map(({ value }, index) => {
    return `${value === null ? duckdb.name(modelScoreColumn) : expressionSql(dialect, value)} AS v${index}`
  })
  const tallies = measured.map(({ distribution }, index) => tallySql(distribution, `v${index}`))
  const found = await rowsOf(
    connection,
    `SELECT strftime(event_time, '%Y-%m-%d') AS day, max(version) AS version, count(*) AS "rows", ${tallies.join(',\n')}
      FROM (SELECT event_time, version, ${values.join(', ')} FROM (${rows})) GROUP BY 1 ORDER BY 1`,
  )
  return found.map((row) => ({
    day: String(row.day),
    rulesVersion: row.version as number | null, // As selected.
    tallies: measured.map(({ distribution }, index) => tallyOf(row, distribution, index)),
  }))
}

/** `present<n>` and `counts<n>`: values that are not greater than a limit and greater than the one before. */
function tallySql(distribution: Distribution, name: string): string {
  const limits = limitsOf(distribution).map((limit) => expressionSql(duckdb, literal('double', limit)))
  const value =
    distribution.kind === 'number'
      ? `CASE WHEN NOT isnan(${name}) THEN ${name} END`
      : `CASE WHEN ${name} >= 0 AND ${name} < ${limits.length} THEN trunc(${name}) END`
  const counts = limits.length === 0 ? 'NULL' : `map_values(histogram(${value}, [${limits.join(', ')}]))`
  return `count(${value}) AS present_${name}, to_json(${counts}) AS counts_${name}`
}

/** What is beyond the last limit is counted behind the others; without a value nothing is. */
function tallyOf(
  row: Readonly<Record<string, unknown>>,
  distribution: Distribution,
  index: number,
): ValueCounts {
  const limits = limitsOf(distribution)
  const text = row[`counts_v${index}`]
  // As DuckDB counts.
  const counts = text === null ? limits.map(() => 0) : (JSON.parse(String(text)) as number[])
  return {
    rows: Number(row.rows),
    present: Number(row[`present_v${index}`]),
    counts: counts.slice(0, limits.length),
  }
}
