// Tables of windows against silver: every closed window is there once, with every cell as a plain GROUP BY
// over the rows of the window gives it. Each row is copied into every window that holds it: no panes, no
// batches.

import { floorTo, windowOf } from '../batches/planner.ts'
import type { Progress } from '../batches/progress.ts'
import { quoteIdentifier } from '../delta/sql.ts'
import { counted } from '../errors/counted.ts'
import { assert } from '../errors/errors.ts'
import type { TableDefinition, WindowNode } from '../plan/index.ts'
import { aggregateSql, boundDuckdb, expressionSql } from '../sql/index.ts'
import { findingsOf, nothingFound, together, type Verdict } from './check.ts'
import { differencesSql } from './compare.ts'
import { unprovedNote } from './erased.ts'
import { excuseErased } from './erased-windows.ts'
import { type EventSlice, eventSlices } from './event-slices.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import type { RunningCheck, Slice } from './slice.ts'

const tuplesPerInsert = 1_000

export function checkWindows(lakehouse: WrittenLakehouse, state: TableState): RunningCheck {
  const closings = new Closings(state)
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

type Closing = { readonly timeMicros: bigint; readonly watermarkMicros: bigint; readonly definition: number }

/**
 * The batches that closed windows: a window is written by the first batch whose watermark reaches its end, as
 * the table was defined then. Kept are those whose watermark passed an end: not more than there are windows.
 */
class Closings {
  /** As the table was defined at one time and another, oldest first. */
  readonly definitions: TableDefinition[] = []
  /** Batches that closed windows after the last one of the table. */
  lag = 0
  readonly #path: string
  readonly #watermark: string
  readonly #doneBatch: bigint
  readonly #own: Progress | null
  readonly #closed: Closing[] = []
  #hash: string | null = null
  #reached: bigint | null
  #lastEnd: bigint | null = null

  constructor({ definition: { path, watermark }, doneBatch, progress }: TableState) {
    assert(watermark !== null, `${path} has windows`)
    this.#path = path
    this.#watermark = watermark
    this.#doneBatch = doneBatch
    this.#own = progress
    this.#reached = progress?.watermarks[watermark] ?? null
  }

  take(slice: Slice): void {
    const { batches, before } = slice
    const definition = slice.definition(this.#path)
    if (slice.definitionHash(this.#path) !== this.#hash) this.definitions.push(definition)
    this.#hash = slice.definitionHash(this.#path)
    const { slideMicros } = windowNodeOf(definition)
    // What was closed before the first batch that is judged was closed by one of the batches before it.
    const isFirst = this.#lastEnd === null && before !== null
    for (const { batch, timeMicros, watermarks } of isFirst ? [before, ...batches] : batches) {
      const watermarkMicros = watermarks[this.#watermark]
      if (watermarkMicros === undefined) continue
      if ((batch ?? 0n) > this.#doneBatch) {
        if (this.#reached !== null && watermarkMicros > this.#reached) this.lag += 1
        continue
      }
      if (this.#reached === null || watermarkMicros > this.#reached) this.#reached = watermarkMicros
      const end = floorTo(watermarkMicros, slideMicros)
      if (this.#lastEnd !== null && end <= this.#lastEnd) continue
      this.#lastEnd = end
      this.#closed.push({ timeMicros, watermarkMicros, definition: this.definitions.length - 1 })
    }
  }

  /** As the table `closing`. */
  async insert({ connection }: WrittenLakehouse): Promise<void> {
    await connection.run(
      'CREATE OR REPLACE TEMP TABLE closings (time TIMESTAMP, watermark TIMESTAMP, definition INTEGER)',
    )
    // A table of a stream of its own has its own watermark in its commits.
    const own = this.#own?.watermarks[this.#watermark] ?? null
    const definition = this.definitions.length - 1
    const last = own === null ? [] : [{ timeMicros: this.#own!.timeMicros, watermarkMicros: own, definition }]
    const closed = [...this.#closed, ...last]
    for (let from = 0; from < closed.length; from += tuplesPerInsert) {
      const tuples = closed.slice(from, from + tuplesPerInsert).map((one) => {
        return `(make_timestamp(${one.timeMicros}), make_timestamp(${one.watermarkMicros}), ${one.definition})`
      })
      await connection.run(`INSERT INTO closings VALUES ${tuples.join(', ')}`)
    }
    await connection.run(`CREATE OR REPLACE TEMP TABLE closing AS
      SELECT watermark, min(time) AS time, arg_min(definition, time) AS definition FROM closings GROUP BY watermark`)
    await connection.run('DROP TABLE closings')
  }
}

function windowNodeOf({ path, rows }: TableDefinition): WindowNode {
  const node = windowOf(rows.node)
  assert(node !== null, `${path} has windows`)
  return node
}

async function judgeWindows(
  lakehouse: WrittenLakehouse,
  { definition: { path, stream } }: TableState,
  { definitions, lag }: Closings,
): Promise<Verdict> {
  const { connection } = lakehouse
  let findings = nothingFound
  let [groups, windows, unproved] = [0n, 0n, 0n]
  for (const [index, definition] of definitions.entries()) {
    const node = windowNodeOf(definition)
    const keys = ['window_start', ...node.keys]
    const columns = Object.keys(definition.rows.schema).filter((name) => !keys.includes(name))
    for await (const slice of eventSlices(lakehouse, node.sizeMicros)) {
      if (slice.part > 0) continue // Groups of one window meet in all of their columns: it is judged whole.
      await connection.run(`CREATE OR REPLACE TEMP TABLE expected_windows AS
        ${expectedSql(lakehouse, definition, slice, index)}`)
      const ofDefinition = definitions.length === 1 ? 'true' : isOfDefinition(index, definitions.length)
      const found = `(SELECT * FROM (${foundSql(lakehouse, path, slice)}) WHERE ${ofDefinition})`
      const differences = differencesSql({
        found,
        expected: 'expected_windows',
        keys,
        columns,
        isComplete: true,
        extra: 'silver has no rows for it, or it is not closed yet',
      })
      await connection.run(`CREATE OR REPLACE TEMP TABLE window_differences AS ${differences}`)
      unproved += await excuseErased(lakehouse, { definition, node, found })
      findings = together(findings, await findingsOf(connection, 'FROM window_differences', keys))
      await connection.run('DROP TABLE window_differences')
      groups += await lakehouse.number('SELECT count(*) FROM expected_windows')
      windows += await lakehouse.number('SELECT count(DISTINCT window_start) FROM expected_windows')
      await connection.run('DROP TABLE expected_windows')
    }
  }
  await connection.run('DROP TABLE closing')
  const behind = `it lags behind silver by ${counted(lag, 'batch', 'batches')}: run "assay run ${stream}"`
  return {
    proved: `${counted(groups, 'group')} of ${counted(windows, 'closed window')}, every cell as silver's rows give it`,
    findings,
    notes: [...(lag <= 1 ? [] : [behind]), ...unprovedNote(unproved, 'group')],
  }
}

/** Rows of a time that closed nothing are of the last definition, where they are found to be too many. */
function isOfDefinition(index: number, count: number): string {
  const closedBy = `aggregation_time IN (SELECT time FROM closing WHERE definition = ${index})`
  const isElse = 'aggregation_time IS NULL OR aggregation_time NOT IN (SELECT time FROM closing)'
  return index === count - 1 ? `(${closedBy} OR ${isElse})` : closedBy
}

/** A window is of the slice that holds its last instant. */
function foundSql(lakehouse: WrittenLakehouse, path: string, slice: EventSlice): string {
  const fromMicros = slice.fromMicros === null ? null : slice.fromMicros + 1n
  const toMicros = slice.toMicros === null ? null : slice.toMicros + 1n
  const rows = lakehouse.rowsWithin(path, 'window_end', { fromMicros, toMicros })
  if (lakehouse.sinceMicros !== null) {
    return `SELECT * FROM (${rows}) WHERE aggregation_time >= make_timestamp(${lakehouse.sinceMicros})`
  }
  const isLast = toMicros === null && fromMicros !== null
  return isLast ? `${rows} UNION ALL SELECT * FROM ${lakehouse.rows(path)} WHERE window_end IS NULL` : rows
}

function expectedSql(
  { sinceMicros }: WrittenLakehouse,
  definition: TableDefinition,
  slice: EventSlice,
  index: number,
): string {
  const node = windowNodeOf(definition)
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
  const project = definition.rows.node
  assert(project.kind === 'project', `${definition.path} ends with its columns`)
  const columns = Object.entries(project.columns).map(([name, expr]) => {
    if (name === 'aggregation_time') return 'closing.time AS aggregation_time'
    return `${expressionSql(dialect, expr)} AS ${quoteIdentifier(name)}`
  })
  const lastInstant = `epoch_us(window_start) + ${size - 1n}`
  const own = [
    ...(slice.fromMicros === null ? [] : [`${lastInstant} >= ${slice.fromMicros}`]),
    ...(slice.toMicros === null ? [] : [`${lastInstant} <= ${slice.toMicros}`]),
  ]
  return `WITH copied AS (
  SELECT *, unnest(${starts}) AS window_start FROM (${slice.rows})
),
grouped AS (
  SELECT window_start, window_start + to_microseconds(${size}) AS window_end,
    ${[...keys, ...aggregates].join(',\n    ')}
  FROM copied
  WHERE ${[`window_start + to_microseconds(${size}) <= (SELECT max(watermark) FROM closing)`, ...own].join(' AND ')}
  GROUP BY ${['window_start', ...keys].join(', ')}
)
SELECT ${columns.join(', ')}
FROM grouped ASOF JOIN closing ON grouped.window_end <= closing.watermark
WHERE closing.definition = ${index}${sinceMicros === null ? '' : ` AND closing.time >= make_timestamp(${sinceMicros})`}`
}
