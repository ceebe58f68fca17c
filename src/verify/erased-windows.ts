// Windows that were closed before records in them were erased: they hold more than silver's rows give, and
// nobody can say whether what is more is right. They are excused where it can be: as many rows more as were
// erased that may lie there, every aggregate on the side where more rows bring it, and what follows from the
// aggregates as they say.

import type { Parameters } from '../batches/plan.ts'
import { quoteIdentifier } from '../delta/sql.ts'
import type { Aggregate } from '../expr/index.ts'
import { batchTimeColumn } from '../plan/batch-time.ts'
import type { TableDefinition, WindowNode } from '../plan/index.ts'
import { expressionSql } from '../sql/index.ts'
import { erasedInBatches, mayLieWithin, wasThereAt } from './erased.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import {
  batchTime,
  batchTimeSql,
  columnsBehind,
  dialectOfMany,
  inputRelation,
  lateBefore,
  lateBeforeSql,
  nameIn,
  selectOfMany,
  standIn,
} from './plans.ts'

type Windows = {
  readonly definition: TableDefinition
  readonly parameters: Parameters
  readonly node: WindowNode
  /** The rows that were found: a relation. */
  readonly found: string
  /** A SELECT of the rows that are left of those that the windows are made of. */
  readonly rows: string
}

/**
 * Takes the groups out of `window_differences` that erased records may explain, given `expected_windows` and
 * `closing`; returns how many they are.
 */
export async function excuseErased(lakehouse: WrittenLakehouse, windows: Windows): Promise<bigint> {
  const { erased, connection } = lakehouse
  const count = rowCountOf(windows)
  if (erased.isNone || count === null) return 0n
  const keys = ['window_start', ...windows.node.keys].map(quoteIdentifier)
  const positive = await positiveSums(lakehouse, windows)
  const timeColumn = batchTimeColumn(lakehouse.defined, windows.definition)
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE excused AS ${excusedSql(windows, { keys, count, positive, timeColumn })}`,
  )
  const isIt = keys.map((key) => `d.${key} IS NOT DISTINCT FROM x.${key}`).join(' AND ')
  await connection.run(
    `DELETE FROM window_differences AS d USING excused AS x WHERE d.problem <> 'is there more than once' AND ${isIt}`,
  )
  const reader = await connection.runAndReadAll('SELECT count(*) FROM excused')
  await connection.run('DROP TABLE excused')
  return reader.getRows()[0]?.[0] as bigint // A count.
}

/** Of groups that nothing tells apart nobody can say what erased records were in. */
export async function leaveErased({ erased, connection }: WrittenLakehouse): Promise<bigint> {
  if (erased.isNone) return 0n
  return BigInt((await connection.run('DELETE FROM window_differences')).rowsChanged)
}

/** The column that counts the rows of a group; null where there is none. */
function rowCountOf(windows: Windows): string | null {
  const counts = Object.entries(windows.node.aggregates).filter(([, one]) => one.function === 'countRows')
  return counts.map(([name]) => name).find((name) => isPlain(windows, name)) ?? null
}

/** Whether the table has an aggregate or a key as it is. */
function isPlain({ definition: { rows }, node }: Windows, name: string): boolean {
  return name in rows.schema && nameIn(node, rows.node, name) === name
}

/** The sums to which each row that is left adds a cent or more: those that were erased are taken for such. */
async function positiveSums(
  { connection }: WrittenLakehouse,
  { node, rows, parameters }: Windows,
): Promise<ReadonlySet<string>> {
  const sums = Object.entries(node.aggregates).filter(([, one]) => one.function === 'sumMoney')
  if (sums.length === 0) return new Set()
  const dialect = dialectOfMany(parameters)
  const least = sums.map(([, { args }]) => `coalesce(min(${expressionSql(dialect, args[0]!)}) > 0, false)`)
  const reader = await connection.runAndReadAll(`SELECT ${least.join(', ')} FROM (${rows})`)
  const isPositive = reader.getRows()[0] ?? []
  return new Set(sums.flatMap(([name], index) => (isPositive[index] === true ? [name] : [])))
}

type ExcuseFacts = {
  /** As identifiers of SQL. */
  readonly keys: readonly string[]
  readonly count: string
  readonly positive: ReadonlySet<string>
  readonly timeColumn: string | null
}

function excusedSql(windows: Windows, { keys, count, positive, timeColumn }: ExcuseFacts): string {
  const { definition, parameters, node, found } = windows
  const { rows } = definition
  const aggregates = Object.entries(node.aggregates)
  const plain = aggregates.filter(([name]) => isPlain(windows, name))
  const unknown = aggregates.filter(([name]) => !isPlain(windows, name)).map(([name]) => name)
  // What follows from aggregates that the table has.
  const following = Object.keys(rows.schema).filter((name) => {
    const behind = columnsBehind(rows.node, node, new Set([name]))
    return nameIn(node, rows.node, name) !== name && behind.isDisjointFrom(new Set(unknown))
  })
  const isSame = (left: string, right: string): string =>
    keys.map((key) => `${left}.${key} IS NOT DISTINCT FROM ${right}.${key}`).join(' AND ')
  const conditions = [
    'more BETWEEN 1 AND most',
    'window_more <= most',
    ...(timeColumn === null ? [] : [`${quoteIdentifier(timeColumn)} = ${batchTimeSql}`]),
    `window_end = window_start + to_microseconds(${node.sizeMicros})`,
    `epoch_us(window_start) % ${node.slideMicros} = 0`,
    ...following.map((name, index) => `${quoteIdentifier(name)} IS NOT DISTINCT FROM again_${index}`),
    ...plain.flatMap(([name, aggregate]) => growthSql(name, aggregate, positive.has(name))),
  ]
  const left = plain.map(([name]) => `x.${quoteIdentifier(name)} AS ${quoteIdentifier(`left ${name}`)}, `)
  const again = following.map((name, index) => `g.${quoteIdentifier(name)} AS again_${index}, `)
  const asWindows = [
    ...['window_start', 'window_end', batchTime, lateBefore].map(quoteIdentifier),
    ...node.keys.map(quoteIdentifier),
    ...plain.map(([name]) => quoteIdentifier(name)),
    ...unknown.map((name) => `NULL AS ${quoteIdentifier(name)}`),
  ]
  const standing = 'found windows'
  const computed = selectOfMany(rows.node, parameters, (one) => (one === node ? standIn(standing) : null))
  const lastInstant = 'f.window_end - to_microseconds(1)'
  return `WITH differing AS (SELECT DISTINCT ${keys.join(', ')} FROM window_differences WHERE problem <> 'missing'),
found AS (
  SELECT f.*, c.time AS ${batchTimeSql}, NULL::TIMESTAMP AS ${lateBeforeSql}
  FROM (SELECT * FROM ${found}) AS f ASOF LEFT JOIN closing AS c ON f.window_end <= c.watermark
),
${quoteIdentifier(inputRelation(standing))} AS (SELECT ${asWindows.join(', ')} FROM found),
again AS (${computed}),
judged AS (
  SELECT f.*, ${[...left, ...again].join('')}f.${quoteIdentifier(count)} - coalesce(x.${quoteIdentifier(count)}, 0) AS more,
    (SELECT count(*) FROM ${erasedInBatches} AS e
      WHERE ${wasThereAt(`f.${batchTimeSql}`)} AND ${mayLieWithin('f.window_start', lastInstant)}) AS most
  FROM found AS f JOIN differing AS d ON ${isSame('f', 'd')}
  JOIN again AS g ON ${isSame('f', 'g')}
  LEFT JOIN expected_windows AS x ON ${isSame('f', 'x')}
),
summed AS (SELECT *, sum(more) OVER (PARTITION BY window_start) AS window_more FROM judged)
SELECT DISTINCT ${keys.join(', ')} FROM summed
WHERE ${conditions.map((condition) => `coalesce(${condition}, false)`).join('\n  AND ')}`
}

/** What more rows do to an aggregate. */
function growthSql(name: string, aggregate: Aggregate, isPositive: boolean): string[] {
  const [found, left] = [quoteIdentifier(name), quoteIdentifier(`left ${name}`)]
  switch (aggregate.function) {
    case 'countRows':
    case 'countWhere':
    case 'countDistinct':
      return [`${found} - coalesce(${left}, 0) BETWEEN 0 AND more`]
    case 'sumMoney':
      return isPositive ? [`${found} >= coalesce(${left}, 0) + more * 0.01`] : []
    case 'maxMoney':
      return [`(${left} IS NULL OR ${found} >= ${left})`]
    case 'minMoney':
      return [`(${left} IS NULL OR ${found} <= ${left})`]
    default:
      return []
  }
}
