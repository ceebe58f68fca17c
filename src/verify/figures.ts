import { quoteIdentifier } from '../delta/sql.ts'
import { assert } from '../errors/errors.ts'
import { batchTimeColumn } from '../plan/batch-time.ts'
import { type BaselineNode, baselineOf, type TableDefinition, unpivotOf } from '../plan/index.ts'
import { duckdb } from '../sql/index.ts'
import { type Findings, findingsOf, nothingFound } from './check.ts'
import type { ClosingDefinition } from './closings.ts'
import { differencesSql } from './compare.ts'
import { erasedInBatches, mayLieWithin, wasThereAt } from './erased.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import { batchTimeSql, columnsBehind, inputRelation, lateBeforeSql, selectOfMany, standIn } from './plans.ts'
import { isRetained } from './retained.ts'

/** Stands in the plan for figures with what is usual for them. */
export const usualFigures = 'figures with what is usual'

/** The columns of the table that tell its figures apart within a window. */
export function figureLabels({ rows }: TableDefinition): readonly string[] {
  return unpivotOf(rows.node)?.labels ?? []
}

/** The columns that follow from what is usual. */
export function columnsOfUsual({ rows }: TableDefinition): readonly string[] {
  const node = baselineOf(rows.node)
  if (node === null) return []
  const usual = new Set([node.expected, node.deviation])
  return Object.keys(rows.schema).filter((name) => {
    return !columnsBehind(rows.node, node, new Set([name])).isDisjointFrom(usual)
  })
}

/** The figures that windows have, without what is usual for them: nothing here asks for it. */
export function figuresSql(node: BaselineNode, figures: string): string {
  const [expected, deviation] = [node.expected, node.deviation].map(quoteIdentifier)
  return `SELECT *, NULL::DOUBLE AS ${expected}, NULL::DOUBLE AS ${deviation} FROM (${figures})`
}

/** Judges rows of the table, which are a SELECT; returns how many nobody can judge any more. */
export async function judgeUsual(
  lakehouse: WrittenLakehouse,
  { definition, parameters }: ClosingDefinition,
  found: string,
): Promise<{ readonly findings: Findings; readonly unproved: bigint }> {
  const node = baselineOf(definition.rows.node)
  if (node === null) return { findings: nothingFound, unproved: 0n }
  const { connection } = lakehouse
  const { path, rows } = definition
  await connection.run(`CREATE OR REPLACE TEMP TABLE usual AS ${usualSql(node, lakehouse.rows(path))}`)
  // Where the table has dropped rows, those that stood before its first ones are not known.
  const isWhole = isRetained(lakehouse.state(path)) ? `u.before >= ${node.rowsMax}` : 'true'
  const keys = [node.order, ...node.keys]
  const given = keys.map(
    (name) => `f.${quoteIdentifier(name)} IS NOT DISTINCT FROM u.${quoteIdentifier(name)}`,
  )
  const own = node.columns.map((name) => (name in rows.schema ? `f.${quoteIdentifier(name)}` : 'NULL'))
  const time = batchTimeColumn(lakehouse.defined, definition)
  const figures = `SELECT ${own.map((cell, index) => `${cell} AS ${quoteIdentifier(node.columns[index]!)}`).join(', ')},
      u.${quoteIdentifier(node.expected)}, u.${quoteIdentifier(node.deviation)},
      ${time === null ? 'NULL::TIMESTAMP' : `f.${quoteIdentifier(time)}`} AS ${batchTimeSql}, NULL::TIMESTAMP AS ${lateBeforeSql}
    FROM (${found}) AS f JOIN usual AS u ON ${given.join(' AND ')} WHERE ${isWhole}`
  const expected = selectOfMany(rows.node, parameters, (one) => (one === node ? standIn(usualFigures) : null))
  await connection.run(`CREATE OR REPLACE TEMP TABLE expected_usual AS
    WITH ${quoteIdentifier(inputRelation(usualFigures))} AS (${figures}) SELECT * FROM (${expected})`)
  const judged = `(SELECT f.* FROM (${found}) AS f JOIN usual AS u ON ${given.join(' AND ')} WHERE ${isWhole})`
  const differences = differencesSql({
    ...{ found: judged, expected: 'expected_usual', keys, columns: columnsOfUsual(definition) },
    ...{ isComplete: true, extra: 'it is no figure of the table' },
  })
  const findings = await findingsOf(connection, `FROM (${differences})`, keys)
  const unproved = await lakehouse.number(`SELECT count(*) FROM (${found}) AS f JOIN usual AS u
    ON ${given.join(' AND ')} WHERE NOT (${isWhole})`)
  await connection.run('DROP TABLE expected_usual')
  await connection.run('DROP TABLE usual')
  return { findings, unproved }
}

/** Of each row of the table: how many stand before it, and what they say is usual. */
function usualSql(node: BaselineNode, rows: string): string {
  const { rowsMin, rowsMax } = node
  const keys = node.keys.map(quoteIdentifier).join(', ')
  const [order, value] = [quoteIdentifier(node.order), quoteIdentifier(node.value)]
  const [expected, deviation] = [quoteIdentifier(node.expected), quoteIdentifier(node.deviation)]
  const middle = (list: string): string => {
    // Of an odd number the two are the same value.
    const [lower, upper] = [`list_sort(${list})[(before + 1) // 2]`, `list_sort(${list})[before // 2 + 1]`]
    return `${lower} + (${upper} - ${lower}) * CAST(0.5 AS ${duckdb.type('double')})`
  }
  return `SELECT * EXCLUDE (earlier, before), least(before, ${rowsMax}) AS before,
    CASE WHEN ${expected} IS NOT NULL THEN ${middle(`list_transform(earlier, lambda v: abs(v - ${expected}))`)} END AS ${deviation}
  FROM (
    SELECT *, CASE WHEN before >= ${rowsMin} THEN ${middle('earlier')} END AS ${expected}
    FROM (
      SELECT DISTINCT ON (${keys}, ${order}) ${keys}, ${order}, coalesce(len(earlier), 0) AS before, earlier
      FROM (
        SELECT ${keys}, ${order}, list(${value}) OVER (
          PARTITION BY ${keys} ORDER BY ${order} ROWS BETWEEN ${rowsMax} PRECEDING AND 1 PRECEDING
        ) AS earlier
        FROM ${rows}
      )
    )
  )`
}

/**
 * Takes the figures out of `window_differences` whose windows may have held erased records; returns how many
 * they are. Of what such a figure was nobody can say more.
 */
export async function excuseErasedFigures(
  { erased, connection }: WrittenLakehouse,
  sizeMicros: bigint,
): Promise<bigint> {
  if (erased.isNone) return 0n
  const lastInstant = `d.window_start + to_microseconds(${sizeMicros - 1n})`
  const closed = `(SELECT min(time) FROM closing WHERE watermark >= d.window_start + to_microseconds(${sizeMicros}))`
  const { rowsChanged } = await connection.run(`DELETE FROM window_differences AS d
    WHERE d.problem NOT IN ('missing', 'is there more than once') AND EXISTS (FROM ${erasedInBatches} AS e
      WHERE ${wasThereAt(closed)} AND ${mayLieWithin('d.window_start', lastInstant)})`)
  assert(rowsChanged >= 0, 'a DELETE says how many rows are gone')
  return BigInt(rowsChanged)
}
