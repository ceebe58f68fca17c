// What is kept of silver between batches, for each operator that looks back: the ids that a transaction may
// repeat, when each user was active, the values of rows. All is read from silver at every start, so there is
// no state of its own that could be lost, half-written or ahead of the tables. Rows of windows are not kept:
// they are read when one closes.
import { randomBytes } from 'node:crypto'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Parameters } from '../../batches/plan.ts'
import { type Whole, whole } from '../../columns/whole.ts'
import { type AddFile, type DeltaSnapshot, prunedFiles, scanSql } from '../../delta/index.ts'
import { assert } from '../../errors/errors.ts'
import type { Value } from '../../expr/index.ts'
import type { RowState, StateOfRows } from '../../javascript/index.ts'
import { countsAlone, historyColumns, type OverNode, storedText } from '../../plan/index.ts'
import { duckdb } from '../../sql/index.ts'
import { KeyHash, type KeyValue } from '../../state/key-hash.ts'
import { ManyRows } from '../../state/many-rows.ts'
import { RecentAggregates } from '../../state/recent-aggregates.ts'
import { RecentIds } from '../../state/recent-ids.ts'
import { RecentTimes } from '../../state/recent-times.ts'
import { lookBack, rangeOf } from '../batch-rules.ts'
import { takeRows } from './recent-rows.ts'
import { eachRow } from './selected-rows.ts'

/** One operator that remembers rows, and its rows. */
type Kept = { readonly hash: KeyHash; readonly name: string } & (
  | { readonly node: Deduplicate; readonly rows: RecentIds }
  | { readonly node: OverNode; readonly rows: RecentTimes | RecentAggregates }
)
type Deduplicate = Extract<RowState, { kind: 'deduplicate' }>

/** What silver has, for one operator. */
type HistoryRows = {
  readonly connection: DuckDBConnection
  readonly snapshot: DeltaSnapshot
  readonly directory: string
  readonly fromMicros: bigint | null
  /** Rows of later batches are left out. */
  readonly upToMicros: bigint
}

export class RecentSilver {
  readonly #kept: readonly Kept[]

  private constructor(kept: readonly Kept[]) {
    this.#kept = kept
  }

  /**
   * Silver's rows that arrived up to the batch of time `upToMicros`, for each of the operators as far back as
   * it looks. Only files whose statistics may hold such rows are read.
   */
  static async load(
    connection: DuckDBConnection,
    silver: { readonly snapshot: DeltaSnapshot; readonly directory: string },
    states: readonly RowState[],
    parameters: Parameters,
    { watermarkMicros, upToMicros }: { readonly watermarkMicros: bigint | null; readonly upToMicros: bigint },
  ): Promise<RecentSilver> {
    const kept = states.map((node) => keptFor(node, parameters))
    for (const one of kept) {
      const fromMicros = lookBack(one.node, watermarkMicros, parameters)
      await loadRows(one, { connection, ...silver, fromMicros, upToMicros })
    }
    return new RecentSilver(kept)
  }

  /** Rows in memory. */
  get rowCount(): number {
    return this.#kept.reduce((sum, { rows }) => sum + rows.rowCount, 0)
  }

  /** Of these rows. */
  get bytes(): number {
    return this.#kept.reduce((sum, { rows }) => sum + rows.bytes, 0)
  }

  /** For a batch with these settings, in the order of the operators. */
  for(parameters: Parameters, states: readonly RowState[]): readonly StateOfRows[] {
    return states.map((node) => {
      const name = nameOf(node)
      const kept = this.#kept.find((one) => one.name === name)
      assert(kept !== undefined, 'what an operator remembers was loaded')
      if (kept.rows instanceof RecentIds) kept.rows.rangeMicros = whole(rangeOf(node, parameters))
      return kept.rows
    })
  }

  /** What a batch adds from here on can be taken back, until `commit`. */
  mark(): void {
    for (const { rows } of this.#kept) rows.mark()
  }

  commit(): void {
    for (const { rows } of this.#kept) rows.commit()
  }

  rollback(): void {
    for (const { rows } of this.#kept) rows.rollback()
  }

  /** Drops what no later row can ask for. */
  forget(watermarkMicros: bigint | null, parameters: Parameters): void {
    for (const { node, rows } of this.#kept) {
      const fromMicros = lookBack(node, watermarkMicros, parameters)
      if (fromMicros !== null) rows.forgetBefore(whole(fromMicros))
    }
  }
}

const names = new WeakMap<RowState, string>()

/** Equal operators have one name, whichever definitions they are a part of. */
function nameOf(node: RowState): string {
  const name = names.get(node) ?? storedText(node)
  names.set(node, name)
  return name
}

function keptFor(node: RowState, parameters: Parameters): Kept {
  // Nobody who sends records can know which of them share a place.
  const seed = randomBytes(16)
  const hash = new KeyHash([
    seed.readInt32LE(0),
    seed.readInt32LE(4),
    seed.readInt32LE(8),
    seed.readInt32LE(12),
  ])
  const about = { hash, name: nameOf(node) }
  if (node.kind === 'deduplicate') {
    return { ...about, node, rows: new RecentIds({ hash, rangeMicros: whole(rangeOf(node, parameters)) }) }
  }
  if (!countsAlone(node)) return { ...about, node, rows: new RecentAggregates({ hash, node }) }
  return { ...about, node, rows: new RecentTimes({ hash, rangeMicros: whole(node.rangeMicros) }) }
}

async function loadRows({ node, rows, hash }: Kept, history: HistoryRows): Promise<void> {
  const { connection, snapshot, directory, fromMicros, upToMicros } = history
  const isOver = rows instanceof RecentAggregates
  const columns = node.kind === 'over' ? historyColumns(node) : [node.key, node.eventTime]
  const where = [
    { column: node.eventTime, ...(fromMicros === null ? {} : { min: fromMicros }) },
    { column: 'processing_time', max: upToMicros },
  ]
  const scan = scanSql(snapshot, directory, {
    columns: [...new Set([...columns, 'processing_time'])],
    where,
    naiveTimestamps: true,
  })
  const [key, time] = [node.key, node.eventTime].map(duckdb.name) as [string, string]
  const isRecent = fromMicros === null ? 'true' : `${time} >= make_timestamp(${fromMicros})`
  const relation =
    `SELECT ${columns.map(duckdb.name).join(', ')} FROM (${scan}) ` +
    `WHERE processing_time <= make_timestamp(${upToMicros}) AND ${isRecent}`
  rows.reserve(rowsAbout(prunedFiles(snapshot, where), node.eventTime, fromMicros))
  const type = snapshot.metadata.fields.find(({ name }) => name === node.key)?.type
  if (isOver) await takeValues(connection, relation, node as OverNode, rows)
  else if (type === 'string' || type === 'integer' || type === 'long') {
    const many = new ManyRows(hash, (micros) => rows.addDigested(micros))
    await takeRows(connection, relation, { key, time, isText: type === 'string' }, many)
  } else {
    await eachRow(connection, relation, (row) => {
      const [value, micros] = [row[node.key], row[node.eventTime]]
      if (value !== null && micros !== null) rows.add(value as never, micros as Whole)
    })
  }
}

/** Rows with the values that are asked for; in order, where the one before a row is. */
async function takeValues(
  connection: DuckDBConnection,
  relation: string,
  node: OverNode,
  rows: RecentAggregates,
): Promise<void> {
  const isOrdered = Object.values(node.aggregates).some(({ function: of }) => of === 'previous')
  const order = isOrdered ? ` ORDER BY ${node.arrival.map(duckdb.name).join(', ')}` : ''
  await eachRow(connection, relation + order, (row) => {
    for (const [index, column] of rows.columns.entries()) rows.values[index] = row[column] as Value
    rows.load(row[node.key] as KeyValue | null, row[node.eventTime] as Whole | null)
  })
}

/** About how many rows are not earlier, as if those of a file were spread evenly over its time. */
function rowsAbout(files: readonly AddFile[], eventTime: string, fromMicros: bigint | null): number {
  return files.reduce((sum, { stats }) => {
    const bounds = [stats?.minValues[eventTime], stats?.maxValues[eventTime]]
    const [first, last] = bounds.map((bound) => Date.parse(String(bound)) * 1000) as [number, number]
    const share = fromMicros === null ? 1 : (last - Number(fromMicros)) / (last - first)
    return sum + Number(stats?.numRecords ?? 0n) * (share > 0 ? Math.min(share, 1) : 0)
  }, 0)
}
