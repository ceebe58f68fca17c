// Windows that were closed before records in them were erased: they hold more than silver's rows give, and
// nobody can say whether what is more is right. They are excused where it can be: as many rows more as were
// erased that may lie there, every aggregate on the side where more rows bring it, and what follows from the
// aggregates as they say.
import { quoteIdentifier } from '../delta/sql.ts'
import { assert } from '../errors/errors.ts'
import type { Aggregate } from '../expr/index.ts'
import type { TableDefinition, WindowNode } from '../plan/index.ts'
import { boundDuckdb, expressionSql } from '../sql/index.ts'
import { erasedInBatches, mayLieWithin, wasThereAt } from './erased.ts'
import type { WrittenLakehouse } from './lakehouse.ts'

type Windows = {
  readonly definition: TableDefinition
  readonly node: WindowNode
  /** The rows that were found: a relation. */
  readonly found: string
}

/**
 * Takes the groups out of `window_differences` that erased records may explain, given `expected_windows` and
 * `closing`; returns how many they are.
 */
export async function excuseErased(
  { erased, connection }: WrittenLakehouse,
  windows: Windows,
): Promise<bigint> {
  const count = rowCountOf(windows)
  if (erased.isNone || count === null) return 0n
  const keys = ['window_start', ...windows.node.keys].map(quoteIdentifier)
  await connection.run(`CREATE OR REPLACE TEMP TABLE excused AS ${excusedSql(windows, keys, count)}`)
  const isIt = keys.map((key) => `d.${key} IS NOT DISTINCT FROM x.${key}`).join(' AND ')
  await connection.run(
    `DELETE FROM window_differences AS d USING excused AS x WHERE d.problem <> 'is there more than once' AND ${isIt}`,
  )
  const reader = await connection.runAndReadAll('SELECT count(*) FROM excused')
  await connection.run('DROP TABLE excused')
  return reader.getRows()[0]?.[0] as bigint // A count.
}

/** The column that counts the rows of a group; null where there is none. */
function rowCountOf({ definition, node }: Windows): string | null {
  const counts = Object.entries(node.aggregates).filter(([, one]) => one.function === 'countRows')
  return counts.map(([name]) => name).find((name) => plainNames(definition).includes(name)) ?? null
}

/** The columns that are aggregates or keys as they are. */
function plainNames(definition: TableDefinition): string[] {
  return projected(definition).flatMap(([name, expr]) => {
    return expr.kind === 'column' && expr.name === name ? [name] : []
  })
}

function projected({ path, rows: { node } }: TableDefinition) {
  assert(node.kind === 'project', `${path} ends with its columns`)
  return Object.entries(node.columns)
}

function excusedSql(windows: Windows, keys: readonly string[], count: string): string {
  const { definition, node, found } = windows
  const plain = plainNames(definition)
  const dialect = boundDuckdb({})
  const following = projected(definition).filter(([name]) => {
    return !plain.includes(name) && name !== 'aggregation_time'
  })
  const again = following.map(([, expr], index) => `${expressionSql(dialect, expr)} AS again_${index}`)
  const isSame = (left: string, right: string): string =>
    keys.map((key) => `${left}.${key} IS NOT DISTINCT FROM ${right}.${key}`).join(' AND ')
  const conditions = [
    'more BETWEEN 1 AND most',
    'window_more <= most',
    'aggregation_time = closed_at',
    `window_end = window_start + to_microseconds(${node.sizeMicros})`,
    `epoch_us(window_start) % ${node.slideMicros} = 0`,
    ...following.map(([name], index) => `${quoteIdentifier(name)} IS NOT DISTINCT FROM again_${index}`),
    ...Object.entries(node.aggregates).flatMap(([name, aggregate]) => {
      return plain.includes(name) ? growthSql(name, aggregate) : []
    }),
  ]
  const expected = Object.keys(node.aggregates).map((name) => {
    return plain.includes(name) ? `x.${quoteIdentifier(name)} AS ${quoteIdentifier(`left ${name}`)}, ` : ''
  })
  const lastInstant = 'f.window_end - to_microseconds(1)'
  return `WITH differing AS (SELECT DISTINCT ${keys.join(', ')} FROM window_differences WHERE problem <> 'missing'),
found AS (
  SELECT f.*, ${[...again, 'c.time AS closed_at'].join(', ')}
  FROM (SELECT * FROM ${found}) AS f ASOF LEFT JOIN closing AS c ON f.window_end <= c.watermark
),
judged AS (
  SELECT f.*, ${expected.join('')}f.${quoteIdentifier(count)} - coalesce(x.${quoteIdentifier(count)}, 0) AS more,
    (SELECT count(*) FROM ${erasedInBatches} AS e
      WHERE ${wasThereAt('f.aggregation_time')} AND ${mayLieWithin('f.window_start', lastInstant)}) AS most
  FROM found AS f JOIN differing AS d ON ${isSame('f', 'd')}
  LEFT JOIN expected_windows AS x ON ${isSame('f', 'x')}
),
summed AS (SELECT *, sum(more) OVER (PARTITION BY window_start) AS window_more FROM judged)
SELECT ${keys.join(', ')} FROM summed
WHERE ${conditions.map((condition) => `coalesce(${condition}, false)`).join('\n  AND ')}`
}

/** What more rows do to an aggregate; amounts are at least a cent. */
function growthSql(name: string, aggregate: Aggregate): string[] {
  const [found, left] = [quoteIdentifier(name), quoteIdentifier(`left ${name}`)]
  switch (aggregate.function) {
    case 'countRows':
    case 'countWhere':
    case 'countDistinct':
      return [`${found} - coalesce(${left}, 0) BETWEEN 0 AND more`]
    case 'sumMoney':
      return [`${found} >= coalesce(${left}, 0) + more * 0.01`]
    case 'maxMoney':
      return [`(${left} IS NULL OR ${found} >= ${left})`]
    case 'minMoney':
      return [`(${left} IS NULL OR ${found} <= ${left})`]
    default:
      return []
  }
}
