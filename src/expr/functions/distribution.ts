// Aggregates that say how the values of a column are spread. Those of numbers take doubles: whoever asks for
// them of another type converts its values first.
import { addWhole, type Whole } from '../../columns/whole.ts'
import type { Aggregate, Expr } from '../expression.ts'
import { type AggregateRecord, defineAggregate } from '../function.ts'
import { quantileOf, quantileSql } from '../quantile.ts'

type OfDoubles = (value: Expr<'double'>) => Aggregate<'double'>

export const countNulls = defineAggregate<(value: Expr) => Aggregate<'long'>>({
  name: 'countNulls',
  args: ['T'],
  returns: 'long',
  nulls: 'counted',
  meaning: 'The number of rows whose value is null.',
  duckdb: (value) => `count(*) FILTER (WHERE ${value} IS NULL)`,
  spark: (value) => `count_if(${value} IS NULL)`,
  javascript: {
    kind: 'fold',
    empty: 0,
    add: (count, value) => (value === null ? addWhole(count ?? 0, 1) : count),
    combine: (a, b) => addWhole(a ?? 0, b ?? 0),
    isOfNulls: true,
  },
  panes: {
    duckdb: {
      partial: (value) => `count(*) FILTER (WHERE ${value} IS NULL)`,
      combine: (pane) => `CAST(sum(${pane}) AS BIGINT)`,
    },
    spark: { partial: (value) => `count_if(${value} IS NULL)`, combine: (pane) => `sum(${pane})` },
  },
  examples: [],
})

export const sumWhole = defineAggregate<(value: Expr<'long'>) => Aggregate<'decimal(38,0)'>>({
  name: 'sumWhole',
  args: ['long'],
  returns: 'decimal(38,0)',
  nulls: 'left out; null where all are null',
  meaning: 'The exact sum.',
  duckdb: (value) => `CAST(sum(${value}) AS DECIMAL(38,0))`,
  spark: (value) => `CAST(sum(CAST(${value} AS DECIMAL(19,0))) AS DECIMAL(38,0))`,
  javascript: {
    kind: 'fold',
    empty: null,
    add: (sum, value) => (value === null ? sum : addWhole(sum ?? 0, value as Whole)), // A long is one.
    combine: (a, b) => (a === null ? b : b === null ? a : addWhole(a, b)),
  },
  panes: {
    duckdb: { partial: (value) => `sum(${value})`, combine: (pane) => `CAST(sum(${pane}) AS DECIMAL(38,0))` },
    spark: {
      partial: (value) => `sum(CAST(${value} AS DECIMAL(19,0)))`,
      combine: (pane) => `CAST(sum(${pane}) AS DECIMAL(38,0))`,
    },
  },
  examples: [],
})

export const leastDouble = defineAggregate<OfDoubles>(
  ofDoubles('leastDouble', 'The least value.', (sorted) => sorted[0]!, {
    duckdb: (list) => `list_min(${list})`,
    spark: (list) => `array_min(${list})`,
  }),
)

export const greatestDouble = defineAggregate<OfDoubles>(
  ofDoubles('greatestDouble', 'The greatest value.', (sorted) => sorted.at(-1)!, {
    duckdb: (list) => `list_max(${list})`,
    spark: (list) => `array_max(${list})`,
  }),
)

/** A sum of doubles depends on its order: this one is the same whatever the order of the rows. */
export const meanDouble = defineAggregate<OfDoubles>(
  ofDoubles(
    'meanDouble',
    'The sum of the values, the least first, divided by their number.',
    (sorted) => sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    {
      duckdb: (list) =>
        `list_transform([list_sort(${list})], lambda s: CASE WHEN len(s) > 0 THEN list_reduce(s, lambda a, b: a + b, CAST(0 AS DOUBLE)) / len(s) END)[1]`,
      spark: (list) =>
        `transform(array(array_sort(${list})), s -> CASE WHEN size(s) > 0 THEN aggregate(s, CAST(0 AS DOUBLE), (a, b) -> a + b) / size(s) END)[0]`,
    },
  ),
)

export const median = defineAggregate<OfDoubles>(quantile('median', 0.5))
export const percentile95 = defineAggregate<OfDoubles>(quantile('percentile95', 0.95))

function quantile(name: string, q: number): AggregateRecord {
  return ofDoubles(
    name,
    `The quantile ${q}: between the two values at the position ${q} x (n - 1) of the order of all n, lo + (hi - lo) x fraction.`,
    (sorted) => quantileOf(sorted, q)!,
    { duckdb: (list) => quantileSql.duckdb(list, q), spark: (list) => quantileSql.spark(list, q) },
  )
}

type OfList = (list: string) => string

/** `sorted` has a value; `sql` is of a list, which is null or empty where there is none. */
function ofDoubles(
  name: string,
  meaning: string,
  of: (sorted: Float64Array) => number,
  sql: { readonly duckdb: OfList; readonly spark: OfList },
): AggregateRecord {
  const duckdbList = (value: string): string => `list(${value}) FILTER (WHERE ${value} IS NOT NULL)`
  return {
    name,
    args: ['double'],
    returns: 'double',
    nulls: 'left out; null where all are null',
    meaning,
    duckdb: (value) => sql.duckdb(duckdbList(value)),
    spark: (value) => sql.spark(`collect_list(${value})`), // It leaves nulls out.
    javascript: { kind: 'values', of: (sorted) => (sorted.length === 0 ? null : of(sorted)) },
    panes: {
      duckdb: { partial: duckdbList, combine: (pane) => sql.duckdb(`flatten(list(${pane}))`) },
      spark: {
        partial: (value) => `collect_list(${value})`,
        combine: (pane) => sql.spark(`flatten(collect_list(${pane}))`),
      },
    },
    examples: [],
  }
}
