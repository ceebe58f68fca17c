// Rows that operators look back at where they are more than memory is given for them (STATE_ROWS_MAX): for
// each batch those of its keys are read from silver's files. What that costs grows with the history in the
// range, as files are not in order of keys, and not with the rows of the batch.
import { type DuckDBConnection, LIST, listValue, VARCHAR } from '@duckdb/node-api'
import type { Parameters } from '../../batches/plan.ts'
import type { Rows } from '../../columns/column.ts'
import type { Whole } from '../../columns/whole.ts'
import { figureText } from '../../delta/value-text.ts'
import { assert } from '../../errors/errors.ts'
import type { RowState, StateOfRows } from '../../javascript/index.ts'
import type { LeafType } from '../../parquet/leaf.ts'
import { columnType, type OverNode, type PlanNode } from '../../plan/index.ts'
import { duckdb } from '../../sql/index.ts'
import { rowsOf } from '../database.ts'
import type { SilverRows } from '../followed-silver.ts'
import { keptFor, loadRows } from './history-rows.ts'

/** The rows that a batch brings to silver: in memory, or as a SELECT has them. */
export type EventsOfBatch = Rows | { readonly select: string }

/** Whether the keys of a batch are known before the operator is asked: key and time are columns of silver. */
export function canLookUp(node: RowState): node is OverNode {
  return (
    node.kind === 'over' && [node.key, node.eventTime].every((name) => givenAs(node.input, name) !== null)
  )
}

/** What silver's rows before the batch of that time say to the operator about the keys of the batch. */
export async function lookedUp(
  connection: DuckDBConnection,
  silver: SilverRows,
  node: OverNode,
  events: EventsOfBatch,
  batch: { readonly timeMicros: bigint; readonly parameters: Parameters },
): Promise<StateOfRows> {
  const [key, time] = [givenAs(node.input, node.key), givenAs(node.input, node.eventTime)]
  assert(key !== null && time !== null, 'key and time of a row that is looked up are columns of silver')
  const least =
    'select' in events
      ? await putKeys(connection, events, key, time)
      : await putKeysOf(connection, node, events, key, time)
  const kept = keptFor(node, batch.parameters)
  if (least === null) return kept.rows
  await loadRows(kept, {
    connection,
    snapshot: await silver.snapshot(),
    directory: silver.directory,
    fromMicros: least - node.rangeMicros,
    upToMicros: batch.timeMicros - 1n,
    keys: keysTable,
  })
  return kept.rows
}

const keysTable = 'keys_of_batch'

/** Puts the different keys into a table, and gives the least event time; null where there is no row. */
async function putKeys(
  connection: DuckDBConnection,
  { select }: { readonly select: string },
  key: string,
  time: string,
): Promise<bigint | null> {
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE ${keysTable} AS SELECT DISTINCT ${duckdb.name(key)} FROM (${select})`,
  )
  const [row] = await rowsOf(
    connection,
    `SELECT epoch_us(min(${duckdb.name(time)})) AS least FROM (${select})`,
  )
  return (row?.least ?? null) as bigint | null
}

async function putKeysOf(
  connection: DuckDBConnection,
  node: OverNode,
  { columns, rowCount }: Rows,
  key: string,
  time: string,
): Promise<bigint | null> {
  const type = columnType(node.input, node.key) as LeafType // A key has no list.
  const keys = new Set<string>()
  let least: Whole | null = null
  for (let row = 0; row < rowCount; row++) {
    const [value, micros] = [columns[key]!.get(row), columns[time]!.get(row) as Whole | null]
    if (value !== null) keys.add(figureText(type, value as Whole))
    if (micros !== null && (least === null || micros < least)) least = micros
  }
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE ${keysTable} AS SELECT CAST(unnest($keys) AS ${duckdb.type(type)})`,
    { keys: listValue([...keys]) },
    { keys: LIST(VARCHAR) },
  )
  return least === null ? null : BigInt(least)
}

/** The column of silver that the relation passes on under the name; null where it computes it. */
function givenAs(node: PlanNode, name: string): string | null {
  switch (node.kind) {
    case 'input':
      return node.reads.of === 'batch' && name in node.schema ? name : null
    case 'project': {
      const expr = node.columns[name]
      return expr?.kind === 'column' ? givenAs(node.input, expr.name) : null
    }
    case 'over':
      return name in node.aggregates ? null : givenAs(node.input, name)
    case 'filter':
    case 'shared':
      return givenAs(node.input, name)
    default:
      return null
  }
}
