// Tables of windows against silver: every closed window is there once, with every cell as a plain GROUP BY
// over the rows of the window gives it. Each row is copied into every window that holds it: no panes, no
// batches.

import { windowOf } from '../batches/planner.ts'
import { quoteIdentifier } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { assert } from '../errors/errors.ts'
import type { WindowNode } from '../plan/index.ts'
import { aggregateSql, boundDuckdb, expressionSql } from '../sql/index.ts'
import { findingsOf, together, type Verdict } from './check.ts'
import { differencesSql } from './compare.ts'
import type { Lakehouse, TableState } from './lakehouse.ts'
import { checkTimes, prepareBatches } from './progress.ts'
import { silverPath } from './silver.ts'

export async function checkWindows(lakehouse: Lakehouse, state: TableState): Promise<Verdict> {
  await prepareBatches(lakehouse)
  const { connection } = lakehouse
  const { definition } = state
  const node = windowOf(definition.rows.node)
  assert(node !== null && definition.watermark !== null, `${definition.path} has windows`)
  const found = lakehouse.rows(definition.path)
  await connection.run(`CREATE OR REPLACE TEMP TABLE closing AS ${closingSql(state)}`)
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE expected_windows AS ${expectedSql(lakehouse, state, node)}`,
  )
  const keys = ['window_start', ...node.keys]
  const columns = Object.keys(definition.rows.schema).filter((name) => !keys.includes(name))
  const differences = differencesSql({
    found,
    expected: 'expected_windows',
    keys,
    columns,
    isComplete: true,
    extra: 'silver has no rows for it, or it is not closed yet',
  })
  const findings = together(
    await findingsOf(connection, differences, keys),
    await checkTimes(lakehouse, state, 'aggregation_time'),
  )
  const count = await lakehouse.number('SELECT count(*) FROM expected_windows')
  const ends = await lakehouse.number('SELECT count(DISTINCT window_start) FROM expected_windows')
  const lag = await lakehouse.number(
    `SELECT count(*) FROM batches WHERE batch > ${state.doneBatch} AND ${quoteIdentifier(definition.watermark)} >
      (SELECT max(watermark) FROM closing)`,
  )
  await connection.run('DROP TABLE expected_windows')
  await connection.run('DROP TABLE closing')
  return {
    proved: `${counted(count, 'group')} of ${counted(ends, 'closed window')}, every cell as silver's rows give it`,
    findings,
    notes:
      lag <= 1n
        ? []
        : [
            `it lags behind silver by ${counted(lag, 'batch', 'batches')}: run "assay run ${definition.stream}"`,
          ],
  }
}

/**
 * The batches of the table by the watermark at their end, each with the first that had it: a window is
 * written by the first batch whose watermark reaches its end. A table of a stream of its own has its own
 * watermark in its commits.
 */
function closingSql(state: TableState): string {
  const { watermark } = state.definition
  assert(watermark !== null)
  const name = quoteIdentifier(watermark)
  const own = state.progress?.watermarks[watermark] ?? null
  const done = `SELECT time, ${name} AS watermark FROM batches
    WHERE ${name} IS NOT NULL AND coalesce(batch, 0) <= ${state.doneBatch}`
  const bound =
    own === null
      ? ''
      : `UNION ALL SELECT make_timestamp(${state.progress!.timeMicros}), make_timestamp(${own})`
  return `SELECT watermark, min(time) AS time FROM (${done} ${bound}) GROUP BY watermark`
}

function expectedSql(lakehouse: Lakehouse, state: TableState, node: WindowNode): string {
  const dialect = boundDuckdb({})
  const { sizeMicros: size, slideMicros: slide } = node
  const keys = node.keys.map(quoteIdentifier)
  const at = `epoch_us(${quoteIdentifier(node.eventTime)})`
  // The last window that holds the row, and those that start before it and have not ended yet.
  const last = `${at} - ((${at} % ${slide}) + ${slide}) % ${slide}`
  const starts = `list_transform(range(0, ${size / slide}), lambda i: make_timestamp(${last} - i * ${slide}))`
  const aggregates = Object.entries(node.aggregates).map(
    ([name, aggregate]) => `${aggregateSql(dialect, aggregate)} AS ${quoteIdentifier(name)}`,
  )
  const project = state.definition.rows.node
  assert(project.kind === 'project', `${state.definition.path} ends with its columns`)
  const columns = Object.entries(project.columns).map(([name, expr]) => {
    if (name === 'aggregation_time') return 'closing.time AS aggregation_time'
    return `${expressionSql(dialect, expr)} AS ${quoteIdentifier(name)}`
  })
  return `WITH copied AS (
  SELECT *, unnest(${starts}) AS window_start FROM ${lakehouse.rows(silverPath)}
),
grouped AS (
  SELECT window_start, window_start + to_microseconds(${size}) AS window_end,
    ${[...keys, ...aggregates].join(',\n    ')}
  FROM copied
  WHERE window_start + to_microseconds(${size}) <= (SELECT max(watermark) FROM closing)
  GROUP BY ${['window_start', ...keys].join(', ')}
)
SELECT ${columns.join(', ')}
FROM grouped ASOF JOIN closing ON grouped.window_end <= closing.watermark`
}
