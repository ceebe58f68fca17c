import { quoteIdentifier } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { assert } from '../errors/errors.ts'
import { batchTimeColumn } from '../plan/batch-time.ts'
import {
  baselineOf,
  inputsOf,
  type PlanNode,
  type TableDefinition,
  unpivotOf,
  type WindowNode,
  windowOf,
} from '../plan/index.ts'
import { aggregateSql } from '../sql/index.ts'
import { findingsOf, nothingFound, together, type Verdict } from './check.ts'
import { type ClosingDefinition, Closings } from './closings.ts'
import { bagDifferencesSql, differencesSql } from './compare.ts'
import { unprovedNote } from './erased.ts'
import { excuseErased, leaveErased } from './erased-windows.ts'
import { type EventSlice, eventSlices } from './event-slices.ts'
import {
  columnsOfUsual,
  excuseErasedFigures,
  figureLabels,
  figuresSql,
  judgeUsual,
  usualFigures,
} from './figures.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import {
  batchTimeSql,
  dialectOfMany,
  inputRelation,
  lateBeforeSql,
  nameIn,
  selectOfMany,
  standIn,
} from './plans.ts'
import type { RunningCheck } from './slice.ts'

export function checkWindows(lakehouse: WrittenLakehouse, state: TableState): RunningCheck {
  const closings = new Closings(state, (definition) => windowNodeOf(definition).slideMicros)
  return {
    async slice(slice) {
      closings.take(slice)
    },
    async finish() {
      await closings.insert(lakehouse)
      return judgeWindows(lakehouse, state, closings)
    },
  }
}

function windowNodeOf({ path, rows }: TableDefinition): WindowNode {
  const node = windowOf(rows.node)
  assert(node !== null, `${path} has windows`)
  return node
}

const extra = 'silver has no rows for it, or it is not closed yet'

async function judgeWindows(
  lakehouse: WrittenLakehouse,
  { definition: { stream } }: TableState,
  { definitions, lag }: Closings,
): Promise<Verdict> {
  const { connection } = lakehouse
  let findings = nothingFound
  let [groups, windows, unproved, undecided] = [0n, 0n, 0n, 0n]
  for (const [index, defined] of definitions.entries()) {
    const { definition } = defined
    const node = windowNodeOf(definition)
    const { schema, node: plan } = definition.rows
    const figures = unpivotOf(plan)
    const labels = figureLabels(definition)
    const keys = ['window_start', ...node.keys, ...labels]
    // Where a key is not among the columns, nothing tells two groups of a window apart.
    const isKeyed = keys.every((name) => {
      const of = labels.includes(name) ? figures! : node
      return name in schema && nameIn(of, plan, name) === name
    })
    const ofUsual = columnsOfUsual(definition)
    const columns = Object.keys(schema).filter((name) => {
      return !ofUsual.includes(name) && (!isKeyed || !keys.includes(name))
    })
    for await (const slice of eventSlices(lakehouse, node.sizeMicros)) {
      if (slice.part > 0) continue // Groups of one window meet in all of their columns: it is judged whole.
      await connection.run(`CREATE OR REPLACE TEMP TABLE expected_windows AS
        ${expectedSql(lakehouse, defined, slice, index)}`)
      const found = `(${foundSql(lakehouse, definition, slice, { index, count: definitions.length })})`
      const compared = { found, expected: 'expected_windows', isComplete: true, extra }
      const differences = isKeyed
        ? differencesSql({ ...compared, keys, columns })
        : bagDifferencesSql({ ...compared, columns })
      await connection.run(`CREATE OR REPLACE TEMP TABLE window_differences AS ${differences}`)
      unproved += isKeyed
        ? figures !== null
          ? await excuseErasedFigures(lakehouse, node.sizeMicros)
          : await excuseErased(lakehouse, { ...defined, node, found, rows: inputSql(defined, slice) })
        : await leaveErased(lakehouse)
      const at = isKeyed ? keys : columns
      findings = together(findings, await findingsOf(connection, 'FROM window_differences', at))
      await connection.run('DROP TABLE window_differences')
      groups += await lakehouse.number('SELECT count(*) FROM expected_windows')
      windows += await lakehouse.number('SELECT count(DISTINCT window_start) FROM expected_windows')
      await connection.run('DROP TABLE expected_windows')
    }
    const all = foundSql(lakehouse, definition, everything, { index, count: definitions.length })
    const usual = await judgeUsual(lakehouse, defined, all)
    findings = together(findings, usual.findings)
    undecided += usual.unproved
  }
  await connection.run('DROP TABLE closing')
  const behind = `it lags behind silver by ${counted(lag, 'batch', 'batches')}: run "assay run ${stream}"`
  return {
    proved: `${counted(groups, 'group')} of ${counted(windows, 'closed window')}, every cell as silver's rows give it`,
    findings,
    notes: [
      ...(lag <= 1 ? [] : [behind]),
      ...unprovedNote(unproved, 'group'),
      ...(undecided === 0n
        ? []
        : [
            `not provable, because earlier rows were dropped: what was usual for ${counted(undecided, 'figure')}`,
          ]),
    ],
  }
}

/** Without bounds. */
const everything: Pick<EventSlice, 'fromMicros' | 'toMicros'> = { fromMicros: null, toMicros: null }

/** The rows of one of the definitions; a window is of the slice that holds its last instant. */
function foundSql(
  lakehouse: WrittenLakehouse,
  definition: TableDefinition,
  slice: Pick<EventSlice, 'fromMicros' | 'toMicros'>,
  { index, count }: { readonly index: number; readonly count: number },
): string {
  const { path } = definition
  const fromMicros = slice.fromMicros === null ? null : slice.fromMicros + 1n
  const toMicros = slice.toMicros === null ? null : slice.toMicros + 1n
  const within = lakehouse.rowsWithin(path, 'window_end', { fromMicros, toMicros })
  const isLast = toMicros === null && fromMicros !== null && lakehouse.sinceMicros === null
  const rows = isLast
    ? `${within} UNION ALL SELECT * FROM ${lakehouse.rows(path)} WHERE window_end IS NULL`
    : within
  const column = batchTimeColumn(lakehouse.defined, definition)
  const since = lakehouse.sinceMicros === null ? null : `make_timestamp(${lakehouse.sinceMicros})`
  if (column === null) {
    // The batch that closed the window is the one that should have.
    const isOf =
      index === count - 1 ? `coalesce(c.definition, ${index}) = ${index}` : `c.definition = ${index}`
    const isSince = since === null ? 'true' : `coalesce(c.time >= ${since}, true)`
    return `SELECT f.* FROM (${rows}) AS f ASOF LEFT JOIN closing AS c ON f.window_end <= c.watermark
      WHERE ${isOf} AND ${isSince}`
  }
  const time = quoteIdentifier(column)
  const conditions = [
    ...(since === null ? [] : [`${time} >= ${since}`]),
    ...(count === 1 ? [] : [isOfDefinition(time, index, count)]),
  ]
  return `SELECT * FROM (${rows})${conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`}`
}

/** Rows of a time that closed nothing are of the last definition, where they are found to be too many. */
function isOfDefinition(time: string, index: number, count: number): string {
  const closedBy = `${time} IN (SELECT time FROM closing WHERE definition = ${index})`
  const isElse = `${time} IS NULL OR ${time} NOT IN (SELECT time FROM closing)`
  return index === count - 1 ? `(${closedBy} OR ${isElse})` : closedBy
}

/** A SELECT of the rows that windows are made of. */
function inputSql({ definition, parameters }: ClosingDefinition, slice: EventSlice): string {
  const { input } = windowNodeOf(definition)
  const [read] = inputsOf(input)
  assert(read !== undefined, `${definition.path} reads rows`)
  // Which batch closes a window is not known before it is there.
  const rows = `SELECT *, NULL::TIMESTAMP AS ${batchTimeSql}, NULL::TIMESTAMP AS ${lateBeforeSql} FROM (${slice.rows})`
  return `WITH ${quoteIdentifier(inputRelation(read.name))} AS (${rows}) ${selectOfMany(input, parameters)}`
}

function expectedSql(
  { sinceMicros }: WrittenLakehouse,
  { definition, parameters }: ClosingDefinition,
  slice: EventSlice,
  index: number,
): string {
  const node = windowNodeOf(definition)
  const dialect = dialectOfMany(parameters)
  const { sizeMicros: size, slideMicros: slide } = node
  const keys = node.keys.map(quoteIdentifier)
  const at = `epoch_us(${quoteIdentifier(node.eventTime)})`
  // The last window that holds the row, and those that start before it and have not ended yet.
  const last = `${at} - ((${at} % ${slide}) + ${slide}) % ${slide}`
  const starts = `list_transform(range(0, ${size / slide}), lambda i: make_timestamp(${last} - i * ${slide}))`
  const aggregates = Object.entries(node.aggregates).map(
    ([name, aggregate]) => `${aggregateSql(dialect, aggregate)} AS ${quoteIdentifier(name)}`,
  )
  const lastInstant = `epoch_us(window_start) + ${size - 1n}`
  const own = [
    ...(slice.fromMicros === null ? [] : [`${lastInstant} >= ${slice.fromMicros}`]),
    ...(slice.toMicros === null ? [] : [`${lastInstant} <= ${slice.toMicros}`]),
  ]
  const since = sinceMicros === null ? '' : ` AND closing.time >= make_timestamp(${sinceMicros})`
  const closed = 'closed windows'
  const baseline = baselineOf(definition.rows.node)
  const selected = (of: PlanNode): string =>
    selectOfMany(of, parameters, (one) => {
      if (one === node) return standIn(closed)
      return one === baseline && one !== of ? standIn(usualFigures) : null
    })
  const rows = selected(definition.rows.node)
  const figures = baseline === null ? null : figuresSql(baseline, selected(baseline.input))
  const columns = Object.keys(definition.rows.schema).map(quoteIdentifier)
  return `WITH copied AS (
  SELECT *, unnest(${starts}) AS window_start FROM (${inputSql({ definition, parameters }, slice)})
),
grouped AS (
  SELECT window_start, window_start + to_microseconds(${size}) AS window_end,
    ${[...keys, ...aggregates].join(',\n    ')}
  FROM copied
  WHERE ${[`window_start + to_microseconds(${size}) <= (SELECT max(watermark) FROM closing)`, ...own].join(' AND ')}
  GROUP BY ${['window_start', ...keys].join(', ')}
),
${quoteIdentifier(inputRelation(closed))} AS (
  SELECT grouped.*, closing.time AS ${batchTimeSql}, NULL::TIMESTAMP AS ${lateBeforeSql}
  FROM grouped ASOF JOIN closing ON grouped.window_end <= closing.watermark
  WHERE closing.definition = ${index}${since}
)${figures === null ? '' : `,\n${quoteIdentifier(inputRelation(usualFigures))} AS (${figures})`}
SELECT ${columns.join(', ')} FROM (${rows})`
}
