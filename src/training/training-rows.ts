// The matured transactions of a time as a model sees them: features as they were then, and what became known.
import { type HistoryOptions, labelName, openHistory } from '../backtest/scored-history.ts'
import { streamOf } from '../engines/database.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { columnNames } from '../expr/index.ts'
import { fraudScore } from '../fraud/score.ts'
import type { Rule } from '../rules/index.ts'
import { boundDuckdb, duckdb, expressionSql, type ParameterValues } from '../sql/index.ts'
import { refuseFeature, type TrainingFeature } from './training-features.ts'

export type TrainingRows = {
  readonly features: readonly (Omit<TrainingFeature, 'value' | 'isNamed'> & {
    /** The texts of a category by their numbers; null of a number. */
    readonly categories: readonly string[] | null
  })[]
  /** By feature: of a category its number; what is missing is NaN. */
  readonly columns: readonly Float64Array[]
  /** 1 is fraud. */
  readonly labels: Uint8Array
  /** In ascending order; of one time by topic, partition and offset. */
  readonly timesMs: Float64Array
  /** What the rules alone give; those that ask a model or the label are left out. */
  readonly ruleScores: Float64Array
  readonly countries: readonly (string | null)[]
  readonly rulesLeftOut: readonly string[]
  readonly pending: number
}

export type TrainingOptions = Omit<HistoryOptions, 'columns'> & {
  readonly features: readonly TrainingFeature[]
  readonly rules: readonly Rule[]
  readonly parameters: ParameterValues
}

/** A column with more texts than this is no category. */
const categoriesMax = 60
/** Each takes some hundred bytes. */
const rowsMax = 5_000_000
const country = 'country'

export async function trainingRows(options: TrainingOptions): Promise<TrainingRows> {
  const left = ['is_fraud', 'model_score']
  const ruled = options.rules.filter((rule) => !columnNames(rule.value).some((name) => left.includes(name)))
  const { scored, events } = options.lakehouse
  const hasCountry = [scored, events].some((table) => table !== null && country in table.rows.schema)
  const asked = [
    ...options.features.flatMap(({ value }) => columnNames(value)),
    ...ruled.flatMap((rule) => columnNames(rule.fires)),
    ...(hasCountry ? [country] : []),
  ]
  const history = await openHistory({ ...options, columns: [...new Set(asked)] })
  try {
    const dialect = boundDuckdb(options.parameters)
    const values = options.features.map(({ value }, index) => `${expressionSql(dialect, value)} AS f${index}`)
    await history.connection.run(`CREATE TEMP TABLE learned AS
      SELECT epoch_us(event_time) / 1000 AS time_ms, topic, "partition", "offset", ${labelName} = 'fraud' AS fraud,
        CAST(${ruled.length === 0 ? '0' : expressionSql(dialect, fraudScore(ruled))} AS DOUBLE) AS rules,
        ${hasCountry ? duckdb.name(country) : 'NULL::VARCHAR'} AS country, ${values.join(', ')}
      FROM (${history.rows}) WHERE ${labelName} <> 'pending'`)
    const known = `SELECT count(*) FROM (${history.rows}) WHERE ${labelName} = 'pending'`
    const pending = Number((await history.connection.runAndReadAll(known)).getRows()[0]![0])
    const count = Number(
      (await history.connection.runAndReadAll('SELECT count(*) FROM learned')).getRows()[0]![0],
    )
    if (count > rowsMax) {
      const message = `${counted(count, 'transaction')} are more than the ${rowsMax} that a model is made of: give --from.`
      throw new LakehouseError('CONFIG_INVALID', message)
    }
    const categories = new Map<number, readonly string[]>()
    for (const [index, feature] of options.features.entries()) {
      if (feature.kind === 'number') continue
      const texts = await textsOf(history.connection, index)
      if (texts.length <= categoriesMax) categories.set(index, texts)
      else if (feature.isNamed) refuseFeature(feature, `it has more than ${categoriesMax} texts`)
    }
    const kept = [...options.features.entries()].filter(([index, { kind }]) => {
      return kind === 'number' || categories.has(index)
    })
    if (kept.length === 0) {
      const message = `no column is a number, a truth value or a text of at most ${categoriesMax} values: give --feature.`
      throw new LakehouseError('CONFIG_INVALID', message)
    }
    const columns = kept.map(() => new Float64Array(count))
    const codes = kept.map(([index]) => {
      const texts = categories.get(index)
      return texts === undefined ? null : new Map(texts.map((text, code) => [text, code]))
    })
    const labels = new Uint8Array(count)
    const [timesMs, ruleScores] = [new Float64Array(count), new Float64Array(count)]
    const countries: (string | null)[] = []
    const names = kept.map(([index]) => `f${index}`)
    const result = await streamOf(
      history.connection,
      `SELECT time_ms, fraud, rules, country, ${names.join(', ')} FROM learned
        ORDER BY time_ms, topic, "partition", "offset"`,
    )
    let row = 0
    for (;;) {
      const chunk = await result.fetchChunk()
      if (chunk === null || chunk.rowCount === 0) break
      for (const [at, fraud, rules, place, ...given] of chunk.getRows()) {
        timesMs[row] = Number(at)
        labels[row] = fraud === true ? 1 : 0
        ruleScores[row] = Number(rules)
        countries.push(place === null ? null : String(place))
        for (const [index, value] of given.entries()) {
          const code = codes[index]
          const number = code === null || code === undefined ? value : code.get(String(value))
          columns[index]![row] = value === null || number === undefined ? Number.NaN : Number(number)
        }
        row++
      }
    }
    const features = kept.map(([index, { value: _, isNamed: __, ...feature }]) => {
      return { ...feature, categories: categories.get(index) ?? null }
    })
    const rulesLeftOut = options.rules.filter((rule) => !ruled.includes(rule)).map(({ name }) => name)
    return { features, columns, labels, timesMs, ruleScores, countries, rulesLeftOut, pending }
  } finally {
    history.close()
  }
}

async function textsOf(
  connection: Awaited<ReturnType<typeof openHistory>>['connection'],
  index: number,
): Promise<readonly string[]> {
  const sql = `SELECT DISTINCT f${index} AS one FROM learned WHERE f${index} IS NOT NULL ORDER BY one LIMIT ${categoriesMax + 1}`
  return (await connection.runAndReadAll(sql)).getRows().map(([one]) => String(one))
}
