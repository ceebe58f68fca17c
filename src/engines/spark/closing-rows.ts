// What tables whose rows close read for a batch: silver's rows as far back as windows or open sessions reach.
import { type DeltaSnapshot, prunedFiles } from '../../delta/index.ts'
import { assert } from '../../errors/errors.ts'
import { inputsOf, type TableDefinition } from '../../plan/index.ts'
import { type Closing, type ClosingSessions, eventTimesOf, sessionsFrom } from '../batch-rules.ts'
import { type Inputs, type Relation, sqlRelation } from './connect/relations.ts'
import { deltaRows, instantsAndDays } from './rows.ts'

/** Silver with the batch. */
export type RowsOfSilver = {
  readonly directory: string
  /** The column of days that it is partitioned by. */
  readonly partitionBy: string | null
  /** The time of the batch: rows of later ones are left out. */
  readonly timeMicros: bigint
}

export function windowInputs(silver: RowsOfSilver, definition: TableDefinition, closing: Closing): Inputs {
  const { fromMicros, toMicros } = eventTimesOf(closing)
  const inputs = inputsOf(definition.rows.node).map((input): [string, Relation] => {
    assert(input.reads.of === 'closing', `${definition.path} has rows of windows`)
    return [input.name, rowsSql(silver, Object.keys(input.schema), fromMicros, toMicros)]
  })
  return Object.fromEntries(inputs)
}

/** `directory` is that of the table: what it has says where sessions go on. */
export function sessionInputs(silver: RowsOfSilver, closing: ClosingSessions, directory: string): Inputs {
  const { node, upToMicros } = closing
  const fromMicros = sessionsFrom(closing)
  const [input] = inputsOf(node.input)
  assert(input !== undefined, 'sessions read rows')
  const { name, schema } = node.written
  const ends = fromMicros === null ? {} : { session_end: { min: fromMicros } }
  return {
    [input.name]: rowsSql(silver, Object.keys(input.schema), fromMicros, upToMicros - 1n),
    [name]: sqlRelation(deltaRows(directory, Object.keys(schema), ends)),
  }
}

/**
 * False where no row of silver can be the last or the first of a session that closes: the bounds of its files
 * say so.
 */
export function mayCloseSessions(silver: DeltaSnapshot, closing: ClosingSessions): boolean {
  const { node, closedToMicros, upToMicros } = closing
  const { gapMicros, lengthMaxMicros } = node
  const from = (micros: bigint) => (closedToMicros === null ? {} : { min: closedToMicros - micros })
  const last = { ...from(gapMicros), max: upToMicros - gapMicros - 1n }
  const first = { ...from(lengthMaxMicros - 1n), max: upToMicros - lengthMaxMicros }
  return [last, first].some((range) => prunedFiles(silver, [{ column: 'event_time', ...range }]).length > 0)
}

function rowsSql(
  { directory, partitionBy, timeMicros }: RowsOfSilver,
  columns: readonly string[],
  fromMicros: bigint | null,
  toMicros: bigint,
): Relation {
  const rows = deltaRows(directory, columns, {
    ...instantsAndDays('event_time', partitionBy, fromMicros, toMicros),
    processing_time: { max: timeMicros },
  })
  return sqlRelation(rows)
}
