// Windows with more rows than fit at once, as statements that need little memory each. DuckDB can spill
// groups, but not their sets of distinct values. So each count of distinct values is a statement of its
// own, over rows that a DISTINCT (a group, too) has made few; and it is split by a hash of group and
// value. A value of a group is in one part only, so the counts of the parts add up, whatever keys there
// are, if any.
import { type Aggregate, aggregateNamed } from '../expr/index.ts'
import type { WindowNode } from '../plan/index.ts'
import type { Dialect } from './dialect.ts'
import { combineSql, expressionSql } from './expression.ts'
import { bucketSql, closesSql, compileTable, indentSql, mayCloseSql, plusMicrosSql } from './relation.ts'

export type WindowParts = {
  /** SELECTs of rows of one shape: each has figures of its groups, null where another has them. */
  readonly partial: readonly string[]
  /** A SELECT of the windows, from a relation with the rows of all of them. */
  readonly combined: (partials: string) => string
}

/** The windows of DuckDB's `dialect`, each count of distinct values in so many parts. */
export function windowParts(dialect: Dialect, node: WindowNode, partsPerCount: number): WindowParts {
  const all = Object.entries(node.aggregates)
  const distinct = all.filter(([, aggregate]) => isDistinct(aggregate))
  const parts = Array.from({ length: partsPerCount }, (_, part) => part)
  return {
    partial: [
      plainSql(dialect, node),
      ...distinct.flatMap(([name]) =>
        parts.map((part) => countSql(dialect, node, name, part, partsPerCount)),
      ),
    ],
    combined: (partials) => {
      const keys = ['window_start', 'window_end', ...node.keys].map(dialect.name)
      const figures = all.map(([name, aggregate]) => {
        const column = dialect.name(name)
        // A group without a value has no row in any part.
        const sum = `CAST(coalesce(sum(${column}), 0) AS BIGINT)`
        return `${isDistinct(aggregate) ? sum : combinedSql(dialect, aggregate, column)} AS ${column}`
      })
      return `SELECT ${[...keys, ...figures].join(',\n  ')}\nFROM ${partials}\nGROUP BY ${keys.join(', ')}`
    },
  }
}

/** What needs all values of a group was computed in one part, of all of them. */
function combinedSql(dialect: Dialect, aggregate: Aggregate, column: string): string {
  const isOfValues = aggregateNamed(aggregate.function).javascript.kind === 'values'
  return isOfValues ? `any_value(${column})` : combineSql(dialect, aggregate, column)
}

function isDistinct({ function: name }: Aggregate): boolean {
  return name === 'countDistinct'
}

/** Everything but the counts of distinct values: one row for each group. */
function plainSql(dialect: Dialect, node: WindowNode): string {
  const all = Object.entries(node.aggregates)
  const plain = Object.fromEntries(all.filter(([, aggregate]) => !isDistinct(aggregate)))
  const { sql } = compileTable(dialect, { ...node, aggregates: plain })
  return partialRows(dialect, node, sql, (name) => name in plain)
}

/** The count of one column: one row for each group that has a value in this part. */
function countSql(dialect: Dialect, node: WindowNode, name: string, part: number, partCount: number): string {
  const keys = node.keys.map(dialect.name)
  const value = expressionSql(dialect, node.aggregates[name]!.args[0]!)
  const hash = `hash(${[...keys, value].join(', ')})`
  const inPart = partCount === 1 ? '' : `\n  AND ${hash} % ${partCount} = ${part}`
  const isTumbling = node.slideMicros === node.sizeMicros
  const start = isTumbling ? 'window_start' : 'pane_start'
  const rows =
    `SELECT DISTINCT ${[
      `${bucketSql(dialect, node.eventTime, node.slideMicros)} AS ${start}`,
      ...keys,
      `${value} AS counted_value`,
    ].join(', ')}\n` +
    `FROM (\n${indentSql(compileTable(dialect, node.input).sql)}\n)\n` +
    `WHERE ${mayCloseSql(dialect, node)}\n  AND ${value} IS NOT NULL${inPart}`
  const values = isTumbling ? rows : slidingSql(dialect, node, rows)
  const counts =
    `SELECT window_start, ${plusMicrosSql(dialect, 'window_start', node.sizeMicros)} AS window_end,\n  ` +
    `${[...keys, `count(*) AS ${dialect.name(name)}`].join(', ')}\n` +
    `FROM (\n${indentSql(values)}\n)\nWHERE ${closesSql(dialect, node)}\n` +
    `GROUP BY ${['window_start', ...keys].join(', ')}`
  return partialRows(dialect, node, counts, (one) => one === name)
}

/** The values of panes as those of the windows that cover them. */
function slidingSql(dialect: Dialect, node: WindowNode, panes: string): string {
  const keys = node.keys.map(dialect.name)
  const count = Number(node.sizeMicros / node.slideMicros)
  const slides = Array.from({ length: count }, (_, index) => `(${BigInt(index) * node.slideMicros})`)
  const start = plusMicrosSql(dialect, 'pane_start', '-slide_micros')
  return (
    `SELECT DISTINCT ${[`${start} AS window_start`, ...keys, 'counted_value'].join(', ')}\n` +
    `FROM (\n${indentSql(panes)}\n), (VALUES ${slides.join(', ')}) AS slides(slide_micros)`
  )
}

/** The columns of all partial rows: null for the figures that `rows` lacks. */
function partialRows(
  dialect: Dialect,
  node: WindowNode,
  rows: string,
  has: (name: string) => boolean,
): string {
  const keys = ['window_start', 'window_end', ...node.keys].map(dialect.name)
  const figures = Object.entries(node.aggregates).map(([name, { type }]) => {
    const column = dialect.name(name)
    return has(name) ? column : `CAST(NULL AS ${dialect.type(type)}) AS ${column}`
  })
  return `SELECT ${[...keys, ...figures].join(', ')}\nFROM (\n${indentSql(rows)}\n)`
}
