// Aggregates over the rows of one group. Sums of money are decimal(28,2): a sum that overflowed its type
// would stop the same batch again at every restart.
import { addWhole, type Whole } from '../../columns/whole.ts'
import type { Aggregate, Expr } from '../expression.ts'
import { type Accumulator, defineAggregate } from '../function.ts'
import type { Value } from '../values.ts'

type Folded = Whole | null

const sum = (a: Folded, b: Folded): Folded => (a === null ? b : b === null ? a : addWhole(a, b))

/** Of whole numbers; nulls are left out. */
function foldOf(combine: (a: Folded, b: Folded) => Folded): Accumulator {
  // The arguments of these aggregates are whole numbers.
  const add = (folded: Folded, value: Value): Folded => combine(folded, value as Folded)
  return { kind: 'fold', empty: null, add, combine }
}

function countOf(counts: (value: Value) => boolean): Accumulator {
  const add = (count: Folded, value: Value): Folded => (counts(value) ? addWhole(count ?? 0, 1) : count)
  return { kind: 'fold', empty: 0, add, combine: sum }
}

export const countRows = defineAggregate<() => Aggregate<'long'>>({
  name: 'countRows',
  args: [],
  returns: 'long',
  nulls: 'never null',
  meaning: 'The number of rows.',
  duckdb: () => 'count(*)',
  spark: () => 'count(*)',
  javascript: countOf(() => true),
  panes: {
    duckdb: { partial: () => 'count(*)', combine: (pane) => `CAST(sum(${pane}) AS BIGINT)` },
    spark: { partial: () => 'count(*)', combine: (pane) => `sum(${pane})` },
  },
  examples: [],
})

export const countWhere = defineAggregate<(condition: Expr<'boolean'>) => Aggregate<'long'>>({
  name: 'countWhere',
  args: ['boolean'],
  returns: 'long',
  nulls: 'a null condition does not count',
  meaning: 'The number of rows for which the condition is true.',
  duckdb: (condition) => `count(*) FILTER (WHERE ${condition})`,
  spark: (condition) => `count_if(${condition})`,
  javascript: countOf((condition) => condition === true),
  panes: {
    duckdb: {
      partial: (condition) => `count(*) FILTER (WHERE ${condition})`,
      combine: (pane) => `CAST(sum(${pane}) AS BIGINT)`,
    },
    spark: { partial: (condition) => `count_if(${condition})`, combine: (pane) => `sum(${pane})` },
  },
  examples: [],
})

export const countDistinct = defineAggregate<(value: Expr) => Aggregate<'long'>>({
  name: 'countDistinct',
  args: ['T'],
  returns: 'long',
  nulls: 'left out',
  meaning: 'The exact number of different values.',
  duckdb: (value) => `count(DISTINCT ${value})`,
  spark: (value) => `count(DISTINCT ${value})`,
  javascript: { kind: 'distinct' },
  panes: {
    duckdb: {
      partial: (value) => `list(${value}) FILTER (WHERE ${value} IS NOT NULL)`,
      combine: (pane) => `CAST(coalesce(list_unique(flatten(list(${pane}))), 0) AS BIGINT)`,
    },
    spark: {
      partial: (value) => `collect_set(${value})`,
      combine: (pane) => `CAST(size(array_distinct(flatten(collect_list(${pane})))) AS BIGINT)`,
    },
  },
  examples: [],
})

export const sumMoney = defineAggregate<(value: Expr<'decimal(18,2)'>) => Aggregate<'decimal(28,2)'>>({
  name: 'sumMoney',
  args: ['decimal(18,2)'],
  returns: 'decimal(28,2)',
  nulls: 'left out; null where all are null',
  meaning: 'The exact sum.',
  duckdb: (value) => `CAST(sum(${value}) AS DECIMAL(28,2))`,
  spark: (value) => `CAST(sum(${value}) AS DECIMAL(28,2))`,
  javascript: foldOf(sum),
  panes: {
    duckdb: { partial: (value) => `sum(${value})`, combine: (pane) => `CAST(sum(${pane}) AS DECIMAL(28,2))` },
    spark: { partial: (value) => `sum(${value})`, combine: (pane) => `CAST(sum(${pane}) AS DECIMAL(28,2))` },
  },
  examples: [],
})

export const maxMoney = defineAggregate<(value: Expr<'decimal(18,2)'>) => Aggregate<'decimal(18,2)'>>({
  name: 'maxMoney',
  args: ['decimal(18,2)'],
  returns: 'decimal(18,2)',
  nulls: 'left out',
  meaning: 'The greatest amount.',
  duckdb: (value) => `max(${value})`,
  spark: (value) => `max(${value})`,
  javascript: foldOf((a, b) => (a === null ? b : b === null || a >= b ? a : b)),
  panes: {
    duckdb: { partial: (value) => `max(${value})`, combine: (pane) => `max(${pane})` },
    spark: { partial: (value) => `max(${value})`, combine: (pane) => `max(${pane})` },
  },
  examples: [],
})

export const minMoney = defineAggregate<(value: Expr<'decimal(18,2)'>) => Aggregate<'decimal(18,2)'>>({
  name: 'minMoney',
  args: ['decimal(18,2)'],
  returns: 'decimal(18,2)',
  nulls: 'left out',
  meaning: 'The smallest amount.',
  duckdb: (value) => `min(${value})`,
  spark: (value) => `min(${value})`,
  javascript: foldOf((a, b) => (a === null ? b : b === null || a <= b ? a : b)),
  panes: {
    duckdb: { partial: (value) => `min(${value})`, combine: (pane) => `min(${pane})` },
    spark: { partial: (value) => `min(${value})`, combine: (pane) => `min(${pane})` },
  },
  examples: [],
})
