// What silver makes of each record by itself, as a project maps it: on every evaluator of the plan, and by
// the reader of `assay verify`.
import type { DuckDBConnection } from '@duckdb/node-api'
import { whole } from '../../src/columns/whole.ts'
import { assert } from '../../src/errors/errors.ts'
import type { ColumnType } from '../../src/expr/index.ts'
import { compileRowPath } from '../../src/javascript/index.ts'
import type { Silver } from '../../src/lakehouse/2-silver/transactions.ts'
import type { PlanNode, Relation } from '../../src/plan/index.ts'
import {
  boundDuckdb,
  type CompiledTable,
  compileTable,
  type Dialect,
  duckdb,
  literalSql,
} from '../../src/sql/index.ts'
import { judge } from '../../src/verify/judge.ts'
import { silverCells } from '../../src/verify/silver-cells.ts'
import type { MappedRecord } from '../oracle/mapped-project.ts'
import { bronzeMicros } from '../oracle/mapped-records.ts'

/** Reasons, or the cells by column: whole numbers, cents and instants as text. */
export type JudgedCells = {
  readonly reasons: readonly string[]
  readonly cells: Readonly<Record<string, unknown>>
}

export const parameters = {
  processing_time: bronzeMicros,
  watermark: null,
  dedup_micros: 600_000_000n,
} as const

/** Silver's columns and `invalid` of every record, in no order but with its offset. */
export function judgedRecords(silver: Silver): Relation {
  const { node, schema } = silver.transactions.rows
  assert(node.kind === 'project', 'silver projects what was accepted')
  const columns = {
    ...node.columns,
    invalid: { kind: 'column', name: 'invalid', type: 'array<string>' },
  } as const
  return {
    node: { kind: 'project', input: sharedNode(node, 'parsed_batch'), columns },
    schema: { ...schema, invalid: 'array<string>' },
  }
}

function sharedNode(node: PlanNode, name: string): PlanNode {
  if (node.kind === 'shared' && node.name === name) return node
  assert('input' in node, `no relation ${name} is shared`)
  return sharedNode(node.input, name)
}

/** A SELECT of the rows by offset, in the form in which every client can give values. */
export function shownRecords(dialect: Dialect, { schema }: Relation, compiled: CompiledTable): string {
  const [first, ...others] = compiled.shared
  assert(first !== undefined && others.length === 0, 'the parsed records alone are shared')
  const columns = Object.entries(schema).map(([name, type]) => {
    return `${shown(dialect, dialect.name(name), type)} AS ${dialect.name(name)}`
  })
  return `WITH ${first.name} AS (${first.sql}) SELECT ${columns.join(', ')} FROM (${compiled.sql}) ORDER BY ${dialect.name('offset')}`
}

function shown({ engine }: Dialect, column: string, type: ColumnType): string {
  if (type === 'timestamp') return engine === 'duckdb' ? `epoch_us(${column})` : `unix_micros(${column})`
  return type === 'decimal(18,2)' ? `CAST(CAST(${column} AS DECIMAL(28,2)) * 100 AS BIGINT)` : column
}

/** A row of any client. */
export function judgedCells(row: Readonly<Record<string, unknown>>, wanted: MappedRecord): JudgedCells {
  const reasons = row.invalid as readonly string[]
  return { reasons, cells: reasons.length > 0 ? {} : picked(row, wanted) }
}

export function expectedCells(record: MappedRecord): JudgedCells {
  return { reasons: record.reasons, cells: record.reasons.length > 0 ? {} : picked(record.cells, record) }
}

function picked(row: Readonly<Record<string, unknown>>, { cells }: MappedRecord): Record<string, unknown> {
  return Object.fromEntries(Object.keys(cells).map((name) => [name, plain(row[name])]))
}

/** Zero has no sign in SQL; numbers of all kinds are text here. */
function plain(cell: unknown): unknown {
  if (typeof cell === 'bigint') return String(cell)
  return typeof cell === 'number' ? String(cell === 0 ? 0 : cell) : (cell ?? null)
}

export async function onDuckdb(
  connection: DuckDBConnection,
  silver: Silver,
  records: readonly MappedRecord[],
): Promise<JudgedCells[]> {
  const values = records.map(({ value, kafkaMicros }, offset) => {
    const bytes = `CAST(${literalSql(duckdb, 'binary', value)} AS BLOB)`
    const kafka = kafkaMicros === null ? 'NULL' : `make_timestamp(${kafkaMicros})`
    return `('t', 0, ${offset}::BIGINT, NULL::BLOB, ${bytes}, ${kafka}::TIMESTAMP, make_timestamp(${bronzeMicros}))`
  })
  await connection.run(
    `CREATE OR REPLACE TABLE bronze_batch AS SELECT *, NULL AS headers, CAST(processing_time AS DATE) AS processing_date
     FROM (VALUES ${values.join(',')}) AS rows(topic, partition, "offset", kafka_key, value, kafka_timestamp, processing_time)`,
  )
  const relation = judgedRecords(silver)
  const dialect = boundDuckdb(parameters)
  const sql = shownRecords(dialect, relation, compileTable(dialect, relation.node))
  const rows = (await connection.runAndReadAll(sql)).getRowObjectsJS()
  return records.map((record, place) => judgedCells(rows[place]!, record))
}

export function inJavascript(silver: Silver, records: readonly MappedRecord[]): JudgedCells[] {
  const relation = judgedRecords(silver)
  const path = compileRowPath({ source: 'bronze_batch', outputs: { found: { relation, into: 'columns' } } })
  const batch = path.start({ parameters })
  for (const [offset, { value, kafkaMicros }] of records.entries()) {
    batch.add({
      topic: 't',
      partition: 0,
      offset,
      kafka_key: null,
      value,
      headers: null,
      kafka_timestamp: kafkaMicros === null ? null : whole(kafkaMicros),
      processing_time: whole(bronzeMicros),
      processing_date: 0,
    })
  }
  const columns = Object.entries(batch.rows('found').columns)
  return records.map((record, place) =>
    judgedCells(Object.fromEntries(columns.map(([name, column]) => [name, column.get(place)])), record),
  )
}

export function bySecondReading({ mapping }: Silver, records: readonly MappedRecord[]): JudgedCells[] {
  return records.map((record) => {
    const judged = judge(record.value, record.kafkaMicros, bronzeMicros, mapping)
    if (judged.kind === 'refused') return { reasons: judged.reasons, cells: {} }
    const cells = { ...silverCells(judged.transaction), amount: judged.transaction.cents }
    return { reasons: [], cells: picked(cells, record) }
  })
}

/** The first records of which not all say what is expected. */
export function differencesOf(
  records: readonly MappedRecord[],
  found: Readonly<Record<string, readonly JudgedCells[]>>,
): readonly unknown[] {
  return records.flatMap((record, place) => {
    const expected = expectedCells(record)
    const wrong = Object.entries(found).filter(
      ([, judged]) => JSON.stringify(judged[place]) !== JSON.stringify(expected),
    )
    if (wrong.length === 0) return []
    const others = Object.fromEntries(wrong.map(([name, judged]) => [name, judged[place]]))
    return [{ value: record.value.toString(), kafka: String(record.kafkaMicros), expected, ...others }]
  })
}
