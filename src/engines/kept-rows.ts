// How many rows of silver the operators that look back will keep, from the statistics of its files.
import { DeltaTable, prunedFiles } from '../delta/index.ts'
import { tableDirectory } from '../ops/tables.ts'
import {
  countsAlone,
  type HistoryNode,
  historiesOf,
  type OverAggregate,
  storedText,
  type TableDefinition,
} from '../plan/index.ts'
import { eventsWatermarkOf, lookBack, rangeOf } from './batch-rules.ts'
import { rowsFrom } from './embedded/history-rows.ts'
import { canLookUp } from './embedded/looked-up.ts'
import type { PipelineOptions } from './engine.ts'
import type { StartChanges } from './start-changes.ts'

export type KeptRows = {
  readonly table: string
  /** The columns that the operator makes. */
  readonly column: string
  readonly kind: string
  readonly rangeMicros: bigint
  /** About so many. */
  readonly rows: number
  /** What the embedded engine keeps of them. */
  readonly bytes: number
  /** It keeps none: they are more than STATE_ROWS_MAX, and are looked up for each batch. */
  readonly isLookedUp: boolean
}

/** Of a start today; without a batch nothing is kept. */
export async function keptRows(
  {
    lakehouse,
    deltaBasePath,
    parameters,
    stateRowsMax,
  }: Pick<PipelineOptions, 'lakehouse' | 'deltaBasePath' | 'parameters' | 'stateRowsMax'>,
  { last }: StartChanges,
): Promise<readonly KeptRows[]> {
  const directory = tableDirectory(deltaBasePath, lakehouse.events)
  const isThere = last !== null && (await DeltaTable.exists(directory))
  const snapshot = isThere ? await (await DeltaTable.open(directory)).snapshot() : null
  const watermark = last === null ? null : eventsWatermarkOf(lakehouse, last.progress)
  const seen = new Set<string>()
  return lakehouse.tables.flatMap((table: TableDefinition) => {
    // What two tables share is kept once.
    const own = historiesOf(table.rows.node).filter(({ node }) => {
      const text = storedText(node)
      return !seen.has(text) && seen.add(text)
    })
    return own.map(({ node }) => {
      const min = lookBack(node, watermark, parameters)
      const where = [{ column: node.eventTime, ...(min === null ? {} : { min }) }]
      const files = snapshot === null ? [] : prunedFiles(snapshot, where)
      const rows = Math.round(files.reduce((sum, file) => sum + rowsFrom(file, node.eventTime, min), 0))
      const isLookedUp = rows > stateRowsMax && canLookUp(node)
      return {
        table: table.path,
        column: node.kind === 'over' ? Object.keys(node.aggregates).join(', ') : node.as,
        kind: node.kind,
        rangeMicros: rangeOf(node, parameters),
        rows,
        bytes: isLookedUp ? 0 : rows * bytesPerRow(node),
        isLookedUp,
      }
    })
  })
}

/**
 * docs/decisions/state.md: an id has 16 bytes, and what it stands in is at most twice as large. Of `over` it has
 * the bytes of the arrays, with the room that they grow by.
 */
export function bytesPerRow(node: HistoryNode): number {
  if (node.kind === 'deduplicate') return 32
  if (countsAlone(node)) return 48
  const ofRow = Object.values(node.aggregates).reduce((sum, one) => sum + aggregateBytes[one.function], 24)
  return Math.ceil(ofRow * 1.25) + 24
}

const aggregateBytes: Readonly<Record<OverAggregate['function'], number>> = {
  count: 0,
  sincePrevious: 0,
  sum: 16,
  mean: 20,
  min: 16,
  max: 16,
  distinct: 29,
  previous: 8,
}

/** How much of silver a table that is filled from its history takes. */
export type SilverHistory = { readonly rows: number; readonly days: number }

export async function silverHistory({
  lakehouse,
  deltaBasePath,
}: Pick<PipelineOptions, 'lakehouse' | 'deltaBasePath'>): Promise<SilverHistory> {
  const directory = tableDirectory(deltaBasePath, lakehouse.events)
  if (!(await DeltaTable.exists(directory))) return { rows: 0, days: 0 }
  const { files } = await (await DeltaTable.open(directory)).snapshot()
  let [rows, first, last] = [0, Infinity, -Infinity]
  for (const { stats } of files.values()) {
    rows += Number(stats?.numRecords ?? 0n)
    first = Math.min(first, Date.parse(String(stats?.minValues.event_time)) || Infinity)
    last = Math.max(last, Date.parse(String(stats?.maxValues.event_time)) || -Infinity)
  }
  return { rows, days: last < first ? 0 : (last - first) / 86_400_000 }
}
