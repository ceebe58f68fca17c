// ops/batches: one row for each batch, written when all tables have it. It outlives the clean-up of logs,
// so that tables can be made again and judged however old the lakehouse is.
import { planFromJson, planToJson } from '../batches/plan.ts'
import { type BatchCounts, batchJson, parseBatch, type RecordedBatch } from '../batches/progress.ts'
import type { DeltaTableDefinition, DeltaType } from '../delta/index.ts'
import { assert } from '../errors/errors.ts'
import { duckdb } from '../sql/index.ts'

export const batchesPath = 'ops/batches'

/** A batch as it is told when it is over. */
export type BatchRow = {
  readonly recorded: RecordedBatch
  /** The streams whose tables have the batch. */
  readonly streams: readonly string[]
  /** Empty where they are not known any more. */
  readonly rowsByTable: Readonly<Record<string, number>>
  readonly reasons: Readonly<Record<string, number>>
  /** In how many rows a rule could not calculate. */
  readonly overflows: Readonly<Record<string, number>>
  /** Milliseconds by phase; they decide nothing. */
  readonly phasesMs: Readonly<Record<string, number>>
}

const column = (name: string, type: DeltaType) => ({ name, type, nullable: true, metadata: {} })
const countsByName: DeltaType = {
  type: 'map',
  keyType: 'string',
  valueType: 'long',
  valueContainsNull: false,
}

export const batchesDefinition = {
  description:
    'One row for each batch: its plan, its outcome, how long it took, and what became of its records.',
  partitionColumns: [],
  fields: [
    column('batch', 'long'),
    column('processing_time', 'timestamp'),
    column('plan', 'string'),
    column('outcome', 'string'),
    column('definitions', 'string'),
    column('streams', { type: 'array', elementType: 'string', containsNull: false }),
    column('records', 'long'),
    column('silver_rows', 'long'),
    column('quarantined_rows', 'long'),
    column('event_time_max', 'timestamp'),
    column('watermark', 'timestamp'),
    column('rows_by_table', countsByName),
    column('reasons', countsByName),
    column('phases_ms', { ...countsByName, valueType: 'double' }),
    column('rule_overflows', countsByName),
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>

/** A SELECT of the rows, in the columns of the table. */
export function batchRowsSql(rows: readonly BatchRow[], eventsWatermark: string): string {
  const names = batchesDefinition.fields.map(({ name }) => duckdb.name(name)).join(', ')
  return `SELECT * FROM (VALUES ${rows.map((row) => rowSql(row, eventsWatermark)).join(',\n')}) AS batches(${names})`
}

function rowSql(
  { recorded, streams, rowsByTable, reasons, phasesMs, overflows }: BatchRow,
  eventsWatermark: string,
): string {
  const { plan, progress, counts } = recorded
  const cells = [
    `${progress.batch}::BIGINT`,
    instantSql(progress.timeMicros),
    plan === null ? 'NULL::VARCHAR' : duckdb.text(JSON.stringify(planToJson(plan))),
    duckdb.text(batchJson({ plan: null, progress, counts })),
    plan === null ? 'NULL::VARCHAR' : duckdb.text(plan.definitions),
    `${duckdb.list(streams.map(duckdb.text))}::VARCHAR[]`,
    countSql(counts, 'records'),
    countSql(counts, 'silver'),
    countSql(counts, 'quarantined'),
    instantSql(progress.eventTimeMaxMicros),
    instantSql(progress.watermarks[eventsWatermark] ?? null),
    mapSql(rowsByTable, 'BIGINT'),
    mapSql(reasons, 'BIGINT'),
    mapSql(phasesMs, 'DOUBLE'),
    mapSql(overflows, 'BIGINT'),
  ]
  return `(${cells.join(', ')})`
}

function countSql(counts: BatchCounts | null, name: keyof BatchCounts): string {
  return `${counts === null ? 'NULL' : counts[name]}::BIGINT`
}

function instantSql(micros: bigint | null): string {
  return micros === null ? 'NULL::TIMESTAMP' : `make_timestamp(${micros})`
}

function mapSql(values: Readonly<Record<string, number>>, type: 'BIGINT' | 'DOUBLE'): string {
  const [names, numbers] = [Object.keys(values), Object.values(values)]
  const list = duckdb.list(numbers.map((value) => `${value}::${type}`))
  return `map(${duckdb.list(names.map(duckdb.text))}::VARCHAR[], ${list}::${type}[])`
}

/** The batch of a row's plan and outcome. */
export function recordedOf(plan: string | null, outcome: string): RecordedBatch {
  const told = parseBatch(outcome)
  assert(told !== null, `${batchesPath} holds an outcome that is none`)
  return { ...told, plan: plan === null ? null : planFromJson(JSON.parse(plan)) }
}
