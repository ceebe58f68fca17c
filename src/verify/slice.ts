// Slices: batches one after another, so many at a time that their rows fit into memory. What is judged by
// rows of one batch is judged slice by slice.

import type { BatchSettings } from '../batches/plan.ts'
import { quoteIdentifier } from '../delta/sql.ts'
import { rangeOf } from '../engines/batch-rules.ts'
import { streamOf } from '../engines/database.ts'
import { isByRebuild } from '../engines/rebuilt-definitions.ts'
import { type Definitions, tableHash } from '../ops/definitions.ts'
import { tableAlone, withoutCopies } from '../plan/alone.ts'
import { withoutConstants } from '../plan/constants.ts'
import { type TableDefinition, tableAt } from '../plan/index.ts'
import { instantSql, type Verdict } from './check.ts'
import { erasedInBatches } from './erased.ts'
import type { InstantRange, Rebuilt, WrittenLakehouse } from './lakehouse.ts'
import type { LoggedBatch } from './logged-batches.ts'
import { judgedPlanOf } from './plans.ts'
import { keys } from './position.ts'
import { isStreamedLakehouse } from './streamed.ts'
import { streamedRowsSql } from './streamed-rows.ts'

const tuplesPerInsert = 1_000
/** A slice has at most so many batches: a batch may have few rows, or none. */
const batchesPerSliceMax = 100_000

/** The names of what a slice makes of itself in the database. */
export const sliceOf = {
  /**
   * One row for each batch: number, time, watermarks at its end, silver's at its start (`late_before`), and how
   * many records and rows it counted.
   */
  batches: 'batches',
  /** Rows of bronze, with the time of their batch as `batch_time`. */
  bronze: 'bronze_slice',
  silver: 'silver_slice',
  quarantine: 'quarantine_slice',
} as const

/** A check at work: it judges slice after slice, and then says what it found. */
export type RunningCheck = {
  readonly slice?: (slice: Slice) => Promise<void>
  readonly finish: () => Promise<Verdict>
}

export type RowSettings = Pick<BatchSettings, 'delays' | 'parameters'>

/** What decided the rows of a slice: it is one and the same for all of its batches. */
export type SliceRules = {
  /** False for batches of a version that recorded no plan: settings and definitions are those of today. */
  readonly isPlanned: boolean
  /** False where `ops/definitions` has not what the plan names: the definitions are those of today. */
  readonly isDefined: boolean
  readonly settings: RowSettings
  readonly definitions: Definitions
}

export class Slice {
  readonly lakehouse: WrittenLakehouse
  readonly batches: readonly LoggedBatch[]
  /** The batch in front of them, of the slice before or left out; null where nobody knows one. */
  readonly before: LoggedBatch | null
  readonly rules: SliceRules
  /** About so many records are in it. */
  readonly rowCount: number
  /** Times of batches. The first slice begins before all, the last one ends behind all. */
  readonly range: InstantRange
  readonly #prepared = new Map<string, Promise<void>>()

  constructor(
    lakehouse: WrittenLakehouse,
    batches: readonly LoggedBatch[],
    before: LoggedBatch | null,
    rules: SliceRules,
    rowCount: number,
    range: InstantRange,
  ) {
    this.lakehouse = lakehouse
    this.batches = batches
    this.before = before
    this.rules = rules
    this.rowCount = rowCount
    this.range = range
  }

  /** By which column, and how far apart in event time, two events are the same one; null where none are. */
  get deduplication(): { readonly key: string; readonly rangeMicros: bigint } | null {
    const { deduplicate } = judgedPlanOf(this.definition(this.lakehouse.paths.events))
    if (deduplicate === null) return null
    return { key: deduplicate.key, rangeMicros: rangeOf(deduplicate, this.rules.settings.parameters) }
  }

  /** How far apart two events of one key are and still the same one, in microseconds. */
  get dedupMicros(): bigint {
    return this.deduplication?.rangeMicros ?? 0n
  }

  /**
   * A table by itself, as it was defined for the batches of the slice, or for its rebuild after them; one
   * that came later as it is defined today.
   */
  definition(path: string): TableDefinition {
    const rebuilt = this.#rebuilt(path)
    if (rebuilt !== null) return rebuilt.alone
    const { lakehouse, rules } = this
    const today = lakehouse.definitions.current.tables
    const isLater = this.#ofBatches(path) === null
    const tables = isLater ? today : rules.definitions.tables
    const found = tableAt(tables, path)
    const defined = tableAlone(lakehouse.defined, tables, isLater ? withoutCopies(found) : found)
    return rules.isPlanned && rules.isDefined ? defined : withoutConstants(defined)
  }

  /** Two slices with the same hash have one definition of the table. */
  definitionHash(path: string): string {
    const { current } = this.lakehouse.definitions
    const ofBatches = (): string | null => tableHash(this.rules.definitions, path)
    return this.#rebuilt(path)?.hash ?? ofBatches() ?? tableHash(current, path) ?? ''
  }

  #ofBatches(path: string): TableDefinition | null {
    return this.rules.definitions.tables.find((table) => table.path === path) ?? null
  }

  /** The rebuild whose definition the table's rows of these batches go by; null where it is their own. */
  #rebuilt(path: string): Rebuilt | null {
    const rebuilt = this.lakehouse.rebuilt(path)
    if (rebuilt === null || (this.batches.at(-1)?.batch ?? 0n) > rebuilt.batch) return null
    return isByRebuild(this.#ofBatches(path), rebuilt.definition) ? rebuilt : null
  }

  /** Runs `make` once, however many checks need what it makes. */
  prepare(name: string, make: () => Promise<void>): Promise<void> {
    const made = this.#prepared.get(name) ?? make()
    this.#prepared.set(name, made)
    return made
  }

  /** Makes the batches and the rows of the slice, in place of those of the slice before it. */
  async show(): Promise<void> {
    const { lakehouse } = this
    const { records, events, refused } = lakehouse.paths
    await insertBatches(lakehouse, this.batches)
    if (lakehouse.has(events)) await this.#view(sliceOf.silver, this.rowsOf(events))
    if (lakehouse.has(refused)) await this.#view(sliceOf.quarantine, this.rowsOf(refused))
    if (!lakehouse.has(records)) return
    const select = isStreamedLakehouse(lakehouse)
      ? await streamedRowsSql(lakehouse, this.batches, this.range.toMicros === null)
      : `SELECT *, processing_time AS batch_time FROM (${this.rowsOf(records)})`
    await this.#view(sliceOf.bronze, select)
  }

  /**
   * A SELECT of a table's rows of these batches. Rows without a time are of no batch, and are looked at with
   * the last slice.
   */
  rowsOf(path: string, timeColumn = 'processing_time'): string {
    const rows = this.lakehouse.rowsWithin(path, timeColumn, this.range)
    const isLast = this.range.toMicros === null && this.range.fromMicros !== null
    if (!isLast) return rows
    const all = this.lakehouse.rows(path)
    return `${rows} UNION ALL SELECT * FROM ${all} WHERE ${quoteIdentifier(timeColumn)} IS NULL`
  }

  async #view(name: string, select: string): Promise<void> {
    await this.lakehouse.connection.run(`CREATE OR REPLACE TEMP VIEW ${name} AS ${select}`)
  }
}

async function insertBatches(
  { connection, watermarkNames }: WrittenLakehouse,
  batches: readonly LoggedBatch[],
): Promise<void> {
  const watermarks = watermarkNames.map((name) => `"${name}" TIMESTAMP`).join(', ')
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE ${sliceOf.batches} (batch BIGINT, time TIMESTAMP, seen TIMESTAMP,
      finalized TIMESTAMP, late_before TIMESTAMP, ${watermarks}, records BIGINT, silver_rows BIGINT,
      quarantined_rows BIGINT)`,
  )
  const tuples = batches.map((batch) => {
    const instants = [
      batch.timeMicros,
      batch.eventTimeMaxMicros,
      batch.finalizedToMicros,
      batch.lateBeforeMicros,
      ...watermarkNames.map((name) => batch.watermarks[name] ?? null),
    ]
    const { counts } = batch
    const rows =
      counts === null ? ['NULL', 'NULL', 'NULL'] : [counts.records, counts.silver, counts.quarantined]
    return `(${[batch.batch ?? 'NULL', ...instants.map(instantSql), ...rows].join(', ')})`
  })
  for (let from = 0; from < tuples.length; from += tuplesPerInsert) {
    const some = tuples.slice(from, from + tuplesPerInsert)
    await connection.run(`INSERT INTO ${sliceOf.batches} VALUES ${some.join(', ')}`)
  }
}

/** The batches in slices, one after another; all rows of the tables are in one of them. */
export async function* slicesOf(
  lakehouse: WrittenLakehouse,
  batches: AsyncIterable<LoggedBatch>,
): AsyncGenerator<Slice> {
  const { sinceMicros } = lakehouse
  const isStreamed = isStreamedLakehouse(lakehouse)
  const pieces = await rowPieces(lakehouse)
  let fromMicros = sinceMicros
  let held: LoggedBatch[] = []
  let before: LoggedBatch | null = null
  let rowCount = 0
  const sliceTo = async (toMicros: bigint | null): Promise<Slice> => {
    const rules = await rulesOf(lakehouse, held[0] ?? before)
    const slice = new Slice(lakehouse, held, before, rules, rowCount, { fromMicros, toMicros })
    before = held.at(-1) ?? before
    fromMicros = toMicros === null ? null : toMicros + 1n
    held = []
    rowCount = 0
    return slice
  }
  /** The slices that end before the instant. */
  const endedBefore = async function* (micros: bigint | null, mayCut: boolean) {
    for (let piece = pieces[0]; piece !== undefined; piece = pieces[0]) {
      if (piece.toMicros === null || (micros !== null && micros <= piece.toMicros)) return
      pieces.shift()
      rowCount += piece.rows
      if (mayCut) yield await sliceTo(piece.toMicros)
    }
  }
  for await (const batch of batches) {
    if (sinceMicros !== null && batch.timeMicros < sinceMicros) {
      before = batch
      continue
    }
    // Where nobody knows what batches took of a streaming query's rows, these are looked at all at once.
    yield* endedBefore(batch.timeMicros, !isStreamed || batch.ranges !== null)
    const last = held.at(-1)
    const isOther = last !== undefined && last.plan?.definitions !== batch.plan?.definitions
    if (last !== undefined && (isOther || held.length === batchesPerSliceMax)) {
      yield await sliceTo(last.timeMicros)
    }
    held.push(batch)
  }
  yield* endedBefore(null, true)
  rowCount += pieces[0]?.rows ?? 0
  yield await sliceTo(null)
}

/** By the plan of a batch; where it has none, as configured and defined today. */
async function rulesOf(lakehouse: WrittenLakehouse, batch: LoggedBatch | null): Promise<SliceRules> {
  const { definitions } = lakehouse
  const plan = batch?.plan ?? null
  if (plan === null) {
    return {
      isPlanned: false,
      isDefined: true,
      settings: lakehouse.options,
      definitions: definitions.current,
    }
  }
  const found = await definitions.at(plan.definitions)
  return {
    isPlanned: true,
    isDefined: found !== null,
    settings: plan.settings,
    definitions: found ?? definitions.current,
  }
}

type RowPiece = { readonly toMicros: bigint | null; readonly rows: number }

/** Parts the rows into pieces of about `rowsAtOnce`, by the seconds of their batches; the last has no end. */
async function rowPieces(lakehouse: WrittenLakehouse): Promise<RowPiece[]> {
  const { sinceMicros, rowsAtOnce } = lakehouse
  const { records, events, refused } = lakehouse.paths
  const isTimed = lakehouse.has(records) && !isStreamedLakehouse(lakehouse)
  // The rows of a streaming query have times that are no batch's; silver and quarantine have the same
  // records.
  const paths = (isTimed ? [records] : [events, refused]).filter((path) => lakehouse.has(path))
  if (paths.length === 0) return []
  const range = { fromMicros: sinceMicros, toMicros: null }
  const times = paths.map(
    (path) => `SELECT processing_time FROM (${lakehouse.rowsWithin(path, 'processing_time', range)})`,
  )
  const result = await streamOf(
    lakehouse.connection,
    `SELECT epoch_us(processing_time) // 1000000 AS second, count(*) FROM (${times.join(' UNION ALL ')})
    WHERE processing_time IS NOT NULL GROUP BY second ORDER BY second`,
  )
  const pieces: RowPiece[] = []
  let rows = 0
  for await (const chunk of result.yieldRowsJs()) {
    // As selected.
    for (const [second, count] of chunk as [bigint, bigint][]) {
      if (rows > 0 && rows + Number(count) > rowsAtOnce) {
        pieces.push({ toMicros: second * 1_000_000n - 1n, rows })
        rows = 0
      }
      rows += Number(count)
    }
  }
  return [...pieces, { toMicros: null, rows }]
}

/**
 * A SELECT of the batches up to `doneBatch` that counted other rows than are there. `counted` is the column
 * of the batches, `time` that of the relation. Of erased records is known that bronze had them; each of the
 * other tables may have.
 */
export function countsSql(
  { erased: { isNone } }: WrittenLakehouse,
  relation: string,
  time: string,
  counted: 'records' | 'silver_rows' | 'quarantined_rows',
  doneBatch: bigint,
): string {
  const missing = `FROM ${erasedInBatches} ANTI JOIN ${relation} USING (${keys})`
  const gone = isNone
    ? ''
    : `LEFT JOIN (SELECT time, count(*) AS row_count FROM (${missing}) GROUP BY time) AS e ON e.time = b.time`
  const found = 'coalesce(r.row_count, 0)'
  const most = isNone ? found : `${found} + coalesce(e.row_count, 0)`
  const isRight =
    counted === 'records' ? `b.${counted} = ${most}` : `b.${counted} BETWEEN ${found} AND ${most}`
  return `SELECT b.batch, 'the batch counted others' AS problem, '${counted}' AS "column",
    CAST(${found} AS VARCHAR) AS found, CAST(b.${counted} AS VARCHAR) AS expected
  FROM ${sliceOf.batches} AS b
  LEFT JOIN (SELECT ${time} AS time, count(*) AS row_count FROM ${relation} GROUP BY ALL) AS r
    ON r.time = b.time
  ${gone}
  WHERE b.batch <= ${doneBatch} AND NOT (${isRight})`
}
