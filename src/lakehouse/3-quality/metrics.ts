// How silver's columns look in ten minutes: how many rows, nulls and different values, how numbers are spread,
// and whether that is far from what was usual before.
import {
  type Aggregate,
  and,
  asDouble,
  type ColumnType,
  countDistinct,
  countNulls,
  countRows,
  type Expr,
  greaterThan,
  greatestDouble,
  isOneOf,
  isTrue,
  leastDouble,
  lessThan,
  literal,
  meanDouble,
  median,
  multiplyDoubles,
  not,
  or,
  percentile95,
  ratio,
  subtractDoubles,
  subtractLongs,
  sumMoney,
  sumWhole,
  text,
  when,
} from '../../expr/index.ts'
import {
  baseline,
  defineTable,
  extend,
  type LabelledFigure,
  project,
  type Relation,
  unpivot,
  window,
} from '../../plan/index.ts'
import { ownSchema } from '../../transactions/mapping.ts'
import { type Silver, seedSilver } from '../2-silver/transactions.ts'
import { minutes, processingTime } from '../batch.ts'

/** Of a normal distribution that is its standard deviation. */
const spreadOfDeviation = 1.4826
const spreadsMax = 5
const partMax = 0.2
const countMax = 3

const measured = [
  'user_id',
  'amount',
  'merchant',
  'payment_method',
  'country',
  'city',
  'device_id',
  'is_fraud',
] as const

const counts = ['row_count', 'null_count', 'distinct_count']

export const qualityMetrics = metricsOf(seedSilver)

/** The table over the silver of a project, its own columns included. */
export function metricsOf({ mapping, recent, transactions }: Silver) {
  const types: Readonly<Record<string, ColumnType>> = recent.schema
  const own = Object.keys(ownSchema(mapping))
  const columns = [...measured, ...own].map((name) => figuresOf(name, types[name]!, name !== 'user_id'))
  const all: Figures = {
    aggregates: Object.assign({ row_count: countRows() }, ...columns.map(({ aggregates }) => aggregates)),
    figures: [rowCountFigure(), ...columns.flatMap(({ figures }) => figures)],
  }
  const windows = window(recent, {
    eventTime: 'event_time',
    sizeMicros: minutes(10),
    keys: [],
    aggregates: () => all.aggregates,
  })
  // Which figures there are is the project's affair: types here do not know them.
  const wide: Relation<{ window_start: 'timestamp'; window_end: 'timestamp' }> = project(windows, (row) => ({
    window_start: row.window_start,
    window_end: row.window_end,
    ...Object.fromEntries(all.figures.map(({ name, value }) => [name, value])),
  }))
  const figures = unpivot(wide, {
    keep: ['window_start', 'window_end'],
    labels: ['column_name', 'metric'],
    value: 'value',
    figures: all.figures.map(({ name, column, metric }) => {
      return { labels: { column_name: column, metric }, of: name } as LabelledFigure as never
    }),
  })
  const compared = baseline(figures, {
    keys: ['column_name', 'metric'],
    order: 'window_start',
    value: 'value',
    rowsMin: 12,
    rowsMax: 144,
    expected: 'expected',
    deviation: 'deviation',
  })
  const distant = extend(compared, (row) => ({
    spread: multiplyDoubles(number(spreadOfDeviation), row.deviation),
    distance: subtractDoubles(row.value, row.expected),
  }))
  const judged = extend(distant, (row) => ({ away: absolute(row.distance) }))
  return defineTable({
    path: 'quality/metrics',
    meaning: 'How silver looks every ten minutes, column by column, and what is far from usual.',
    stream: 'aggregations',
    partitionBy: null,
    watermark: 'gold',
    rows: project(judged, (row) => ({
      window_start: row.window_start,
      window_end: row.window_end,
      table_name: text(transactions.path),
      column_name: row.column_name,
      metric: row.metric,
      value: row.value,
      expected: row.expected,
      spread: row.spread,
      score: ratio(row.distance, row.spread),
      is_anomaly: isTrue(
        and(
          greaterThan(row.away, multiplyDoubles(number(spreadsMax), row.spread)),
          greaterThan(row.away, multiplyDoubles(number(partMax), absolute(row.expected))),
          or(
            not(isOneOf(row.metric, literal('array<string>', counts))),
            greaterThan(row.away, number(countMax)),
          ),
        ),
      ),
      aggregation_time: processingTime,
    })),
  })
}

function absolute(value: Expr<'double'>): Expr<'double'> {
  return when([[lessThan(value, number(0)), subtractDoubles(number(0), value)]], value)
}

type Figure = {
  /** The column that has it before it is a row of its own. */
  readonly name: string
  readonly column: string | null
  readonly metric: string
  readonly value: Expr<'double'>
}

type Figures = {
  readonly aggregates: Readonly<Record<string, Aggregate>>
  readonly figures: readonly Figure[]
}

/** No column of a project has a space in its name. */
function nameOf(metric: string, column: string): string {
  return `${metric} of ${column}`
}

function asColumn<T extends ColumnType>(name: string, type: T): Expr<T> {
  return { kind: 'column', name, type }
}

function number(value: number): Expr<'double'> {
  return literal('double', value)
}

function rowCountFigure(): Figure {
  const value = asDouble(asColumn('row_count', 'long'))
  return { name: 'row_count', column: null, metric: 'row_count', value }
}

/** What is measured of a column; `hasSpread` is false where its numbers are names. */
function figuresOf(column: string, type: ColumnType, hasSpread: boolean): Figures {
  const value = asColumn(column, type)
  const nulls = nameOf('null_count', column)
  const distinct = nameOf('distinct_count', column)
  const figure = (metric: string, of: Expr<'double'>): Figure => {
    return { name: nameOf(metric, column), column, metric, value: of }
  }
  const spread = hasSpread ? spreadOf(column, type) : null
  return {
    aggregates: {
      [nulls]: countNulls(value),
      ...(type === 'boolean' ? {} : { [distinct]: countDistinct(value) }),
      ...spread?.aggregates,
    },
    figures: [
      figure('null_count', asDouble(asColumn(nulls, 'long'))),
      ...(type === 'boolean' ? [] : [figure('distinct_count', asDouble(asColumn(distinct, 'long')))]),
      ...(spread?.figures ?? []),
    ],
  }
}

/** null where the values are no numbers. */
function spreadOf(column: string, type: ColumnType): Figures | null {
  if (type !== 'double' && type !== 'long' && type !== 'decimal(18,2)') return null
  const doubles = type === 'double' ? asColumn(column, type) : asDouble(asColumn(column, type))
  const ofDoubles = {
    min: leastDouble(doubles),
    max: greatestDouble(doubles),
    p50: median(doubles),
    p95: percentile95(doubles),
    ...(type === 'double' ? { mean: meanDouble(doubles) } : {}),
  }
  const sum = nameOf('sum', column)
  const exact: Readonly<Record<string, Aggregate>> =
    type === 'double'
      ? {}
      : { [sum]: type === 'long' ? sumWhole(asColumn(column, type)) : sumMoney(asColumn(column, type)) }
  const count = subtractLongs(asColumn('row_count', 'long'), asColumn(nameOf('null_count', column), 'long'))
  const summed = asColumn(sum, type === 'long' ? 'decimal(38,0)' : 'decimal(28,2)')
  const figures = ['min', 'max', 'mean', 'p50', 'p95'].map((metric): Figure => {
    const name = nameOf(metric, column)
    const value = metric === 'mean' && type !== 'double' ? ratio(summed, count) : asColumn(name, 'double')
    return { name, column, metric, value }
  })
  const named = Object.entries(ofDoubles).map(([metric, one]) => [nameOf(metric, column), one])
  return { aggregates: { ...Object.fromEntries(named), ...exact }, figures }
}
