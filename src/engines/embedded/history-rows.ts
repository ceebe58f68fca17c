// What an operator remembers of silver's rows: the state that has it, and how it is read from silver's files.
import { randomBytes } from 'node:crypto'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Parameters } from '../../batches/plan.ts'
import { type Whole, whole } from '../../columns/whole.ts'
import { type AddFile, type DeltaSnapshot, fetchedScanSql, prunedFiles } from '../../delta/index.ts'
import type { Value } from '../../expr/index.ts'
import type { RowState } from '../../javascript/index.ts'
import { countsAlone, historyColumns, type OverNode, storedText } from '../../plan/index.ts'
import { duckdb } from '../../sql/index.ts'
import { KeyHash, type KeyValue } from '../../state/key-hash.ts'
import { ManyRows } from '../../state/many-rows.ts'
import { RecentAggregates } from '../../state/recent-aggregates.ts'
import { RecentIds } from '../../state/recent-ids.ts'
import { RecentTimes } from '../../state/recent-times.ts'
import { rangeOf } from '../batch-rules.ts'
import { takeRows } from './recent-rows.ts'
import { eachRow } from './selected-rows.ts'

/** One operator that remembers rows, and its rows. */
export type Kept = { readonly hash: KeyHash; readonly name: string } & (
  | { readonly node: Deduplicate; readonly rows: RecentIds }
  | { readonly node: OverNode; readonly rows: RecentTimes | RecentAggregates }
)
type Deduplicate = Extract<RowState, { kind: 'deduplicate' }>

/** What silver has, for one operator. */
export type HistoryRows = {
  readonly connection: DuckDBConnection
  readonly snapshot: DeltaSnapshot
  readonly directory: string
  readonly fromMicros: bigint | null
  /** Rows of later batches are left out. */
  readonly upToMicros: bigint
  /** The name of a table of one column with the keys whose rows are asked for; null is all. */
  readonly keys: string | null
}

const names = new WeakMap<RowState, string>()

/** Equal operators have one name, whichever definitions they are a part of. */
export function nameOf(node: RowState): string {
  const name = names.get(node) ?? storedText(node)
  names.set(node, name)
  return name
}

export function keptFor(node: RowState, parameters: Parameters): Kept {
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

export async function loadRows({ node, rows, hash }: Kept, history: HistoryRows): Promise<void> {
  const { connection, snapshot, directory, fromMicros, upToMicros } = history
  const isOver = rows instanceof RecentAggregates
  const columns = node.kind === 'over' ? historyColumns(node) : [node.key, node.eventTime]
  const where = boundsOf(node, history)
  const scan = await fetchedScanSql(snapshot, directory, {
    columns: [...new Set([...columns, 'processing_time'])],
    where,
    naiveTimestamps: true,
  })
  const [key, time] = [node.key, node.eventTime].map(duckdb.name) as [string, string]
  const isRecent = fromMicros === null ? 'true' : `${time} >= make_timestamp(${fromMicros})`
  const relation =
    `SELECT ${columns.map(duckdb.name).join(', ')} FROM (${scan}) ` +
    `WHERE processing_time <= make_timestamp(${upToMicros}) AND ${isRecent} ` +
    `AND ${key} ${history.keys === null ? 'IS NOT NULL' : `IN (SELECT * FROM ${history.keys})`} ` +
    `AND ${time} IS NOT NULL`
  if (history.keys === null) rows.reserve(rowsAbout(node, history))
  const type = snapshot.metadata.fields.find(({ name }) => name === node.key)?.type
  if (isOver) await takeValues(connection, relation, node as OverNode, rows)
  else if (type === 'string' || type === 'integer' || type === 'long') {
    const many = new ManyRows(hash, (micros) => rows.addDigested(micros))
    await takeRows(connection, relation, { key, time, isText: type === 'string' }, many)
  } else {
    await eachRow(connection, relation, (row) =>
      rows.add(row[node.key] as never, row[node.eventTime] as Whole),
    )
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
    rows.load(row[node.key] as KeyValue, row[node.eventTime] as Whole)
  })
}

/** About how many rows that is, as if those of a file were spread evenly over its time. */
export function rowsAbout(node: RowState, history: HistoryRows): number {
  const { snapshot, fromMicros } = history
  return prunedFiles(snapshot, boundsOf(node, history)).reduce((sum, file) => {
    return sum + rowsFrom(file, node.eventTime, fromMicros)
  }, 0)
}

/**
 * About how many rows of a file are not earlier, as if they were spread evenly over its time; all of one
 * whose statistics do not tell.
 */
export function rowsFrom({ stats }: AddFile, eventTime: string, fromMicros: bigint | null): number {
  const rows = Number(stats?.numRecords ?? 0n)
  if (fromMicros === null) return rows
  const bounds = [stats?.minValues[eventTime], stats?.maxValues[eventTime]]
  const [first, last] = bounds.map((bound) => Date.parse(String(bound)) * 1000) as [number, number]
  const share = (last - Number(fromMicros)) / (last - first)
  return Number.isNaN(share) ? rows : rows * Math.min(Math.max(share, 0), 1)
}

function boundsOf({ eventTime }: RowState, { fromMicros, upToMicros }: HistoryRows) {
  return [
    { column: eventTime, ...(fromMicros === null ? {} : { min: fromMicros }) },
    { column: 'processing_time', max: upToMicros },
  ]
}
