// Figures as rows of their own, and what is usual for them, as SQL; their meaning stands in plan/figures.ts.
import { quantileSql } from '../expr/index.ts'
import { type BaselineNode, earlierRows, type UnpivotNode } from '../plan/index.ts'
import { type Dialect, literalSql } from './dialect.ts'

/** No column of anybody's has such a name. */
const place = 'place of the figure'
const isNew = 'is of the input'
const values = 'values before it'

export function unpivotSql(dialect: Dialect, node: UnpivotNode, input: string): string {
  const [as, at] = [dialect.name(node.value), dialect.name(place)]
  const labels = node.labels.map(dialect.name)
  const tuples = node.figures.map(({ labels: of }, index) => {
    return `(${[index, ...node.labels.map((name) => literalSql(dialect, 'string', of[name] ?? null))].join(', ')})`
  })
  const cells = node.figures.map(({ of }, index) => `WHEN ${index} THEN ${dialect.name(of)}`)
  const columns = [...node.keep.map(dialect.name), ...labels]
  return (
    `SELECT ${[...columns, as].join(', ')}\nFROM (\n` +
    `  SELECT ${columns.join(', ')},\n    CASE ${at}\n      ${cells.join('\n      ')}\n    END AS ${as}\n` +
    `  FROM ${input.replaceAll('\n', '\n  ')},\n` +
    `    (VALUES ${tuples.join(', ')}) AS figures(${[at, ...labels].join(', ')})\n` +
    `)\nWHERE ${as} IS NOT NULL`
  )
}

export function baselineSql(dialect: Dialect, node: BaselineNode, input: string): string {
  const { rowsMin, rowsMax } = node
  const [order, value] = [dialect.name(node.order), dialect.name(node.value)]
  const [before, fresh] = [dialect.name(values), dialect.name(isNew)]
  const [expected, deviation] = [dialect.name(node.expected), dialect.name(node.deviation)]
  const keys = node.keys.map(dialect.name).join(', ')
  const columns = node.columns.map(dialect.name).join(', ')
  const read = new Set([...node.keys, node.order, node.value])
  const own = node.columns.map((name) => (read.has(name) ? dialect.name(name) : 'NULL'))
  const isDuckdb = dialect.engine === 'duckdb'
  const list = `${isDuckdb ? 'list' : 'collect_list'}(${value})`
  const size = `${isDuckdb ? 'len' : 'size'}(${before})`
  const distances = isDuckdb
    ? `list_transform(${before}, lambda v: abs(v - ${expected}))`
    : `transform(${before}, v -> abs(v - ${expected}))`
  const quantile = quantileSql[dialect.engine]
  return `SELECT ${columns}, ${expected},
  CASE WHEN ${expected} IS NOT NULL THEN ${quantile(distances, 0.5)} END AS ${deviation}
FROM (
  SELECT *, CASE WHEN ${size} >= ${rowsMin} THEN ${quantile(before, 0.5)} END AS ${expected}
  FROM (
    SELECT *, ${list} OVER (
      PARTITION BY ${keys} ORDER BY ${order} ROWS BETWEEN ${rowsMax} PRECEDING AND 1 PRECEDING
    ) AS ${before}
    FROM (
      SELECT ${columns}, true AS ${fresh}
      FROM ${input.replaceAll('\n', '\n      ')}
      UNION ALL
      SELECT ${own.join(', ')}, false
      FROM (
        ${latestSql(dialect, node, dialect.name(earlierRows)).replaceAll('\n', '\n        ')}
      )
    )
  )
  WHERE ${fresh}
)`
}

/** The last rows of each key, as far back as a row behind them asks for them. */
export function latestSql(dialect: Dialect, node: BaselineNode, rows: string): string {
  const columns = [...node.keys, node.order, node.value].map(dialect.name).join(', ')
  const keys = node.keys.map(dialect.name).join(', ')
  const [order, at] = [dialect.name(node.order), dialect.name(place)]
  return `SELECT ${columns}
FROM (
  SELECT ${columns}, row_number() OVER (PARTITION BY ${keys} ORDER BY ${order} DESC) AS ${at}
  FROM ${rows}
)
WHERE ${at} <= ${node.rowsMax}`
}
