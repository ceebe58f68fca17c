// quality/metrics by its meaning: the metrics of each closed window's rows, one column after another, and what
// was usual by the rows before, which are looked through anew for every row.
import { doubleOf } from '../../src/verify/money.ts'
import type { Row } from './rows.ts'
import type { SilverTransaction } from './silver.ts'

/** A value as it is told apart; null is null. */
type Value = bigint | string | number | boolean | null

export type MeasuredColumn<T = SilverTransaction> = {
  readonly name: string
  readonly value: (of: T) => Value
  /** `cents` and `whole` are exact numbers, `double` is one; others have no spread. */
  readonly kind: 'cents' | 'whole' | 'double' | 'text' | 'boolean'
}

export const measuredColumns: readonly MeasuredColumn[] = [
  { name: 'user_id', value: (of) => of.userId, kind: 'text' },
  { name: 'amount', value: (of) => of.cents, kind: 'cents' },
  { name: 'merchant', value: (of) => of.merchant, kind: 'text' },
  { name: 'payment_method', value: (of) => of.paymentMethod, kind: 'text' },
  { name: 'country', value: (of) => of.country, kind: 'text' },
  { name: 'city', value: (of) => of.city, kind: 'text' },
  { name: 'device_id', value: (of) => of.deviceId, kind: 'text' },
  { name: 'is_fraud', value: (of) => of.isFraud, kind: 'boolean' },
]

type Measured = { readonly column: string | null; readonly metric: string; readonly value: number }

/** The metrics of the rows of a window, which are one at least. */
export function metricsOf<T>(columns: readonly MeasuredColumn<T>[], rows: readonly T[]): readonly Measured[] {
  const all: Measured[] = [{ column: null, metric: 'row_count', value: rows.length }]
  for (const { name: column, value, kind } of columns) {
    const there = rows.map(value).filter((one) => one !== null)
    all.push({ column, metric: 'null_count', value: rows.length - there.length })
    if (kind !== 'boolean') all.push({ column, metric: 'distinct_count', value: new Set(there).size })
    if (kind === 'text' || kind === 'boolean' || there.length === 0) continue
    const doubles = there.map((one) => (kind === 'cents' ? doubleOf(one as bigint) : Number(one)))
    doubles.sort((a, b) => a - b)
    const sum = kind === 'double' ? null : (there as bigint[]).reduce((total, one) => total + one, 0n)
    const total =
      sum === null ? doubles.reduce((a, b) => a + b, 0) : kind === 'cents' ? doubleOf(sum) : Number(sum)
    all.push({ column, metric: 'min', value: doubles[0]! })
    all.push({ column, metric: 'max', value: doubles[doubles.length - 1]! })
    all.push({ column, metric: 'mean', value: total / there.length })
    all.push({ column, metric: 'p50', value: quantile(doubles, 0.5) })
    all.push({ column, metric: 'p95', value: quantile(doubles, 0.95) })
  }
  return all
}

export type MeasuredWindow<T = SilverTransaction> = {
  readonly start: bigint
  readonly end: bigint
  readonly rows: readonly T[]
  readonly aggregationTime: bigint
  /** As the table was defined when it was closed. */
  readonly columns: readonly MeasuredColumn<T>[]
}

export function qualityRows<T>(windows: readonly MeasuredWindow<T>[]): Row[] {
  const made: Row[] = []
  const inOrder = windows.toSorted((a, b) => (a.start < b.start ? -1 : 1))
  for (const { start, end, rows, aggregationTime, columns } of inOrder) {
    for (const { column, metric, value } of metricsOf(columns, rows)) {
      const before = made.filter((row) => {
        return row.column_name === column && row.metric === metric && (row.window_start as bigint) < start
      })
      made.push({
        window_start: start,
        window_end: end,
        table_name: 'silver/transactions',
        column_name: column,
        metric,
        value,
        ...judged(
          value,
          metric,
          before.slice(-144).map((row) => row.value as number),
        ),
        aggregation_time: aggregationTime,
      })
    }
  }
  return made
}

/** The rows of the table, each judged by those that it has of earlier windows, whatever made their values. */
export function judgedAmong(rows: readonly Row[]): Row[] {
  const inOrder = rows.toSorted((a, b) => ((a.window_start as bigint) < (b.window_start as bigint) ? -1 : 1))
  return inOrder.map((row) => {
    const before = inOrder.filter(
      ({ column_name, metric, window_start }) =>
        column_name === row.column_name &&
        metric === row.metric &&
        (window_start as bigint) < (row.window_start as bigint),
    )
    const values = before.slice(-144).map(({ value }) => value as number)
    return { ...row, ...judged(row.value as number, row.metric as string, values) }
  })
}

function judged(value: number, metric: string, before: readonly number[]) {
  if (before.length < 12) return { expected: null, spread: null, score: null, is_anomaly: false }
  const expected = median(before)
  const spread = 1.4826 * median(before.map((one) => Math.abs(one - expected)))
  const isCount = metric.endsWith('_count')
  const distance = Math.abs(value - expected)
  return {
    expected,
    spread,
    score: spread === 0 ? null : (value - expected) / spread,
    is_anomaly: distance > 5 * spread && distance > 0.2 * Math.abs(expected) && (!isCount || distance > 3),
  }
}

const median = (values: readonly number[]): number =>
  quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  )

function quantile(sorted: readonly number[], q: number): number {
  const position = q * (sorted.length - 1)
  const [lo, hi] = [sorted[Math.floor(position)]!, sorted[Math.ceil(position)]!]
  return lo + (hi - lo) * (position - Math.floor(position))
}
