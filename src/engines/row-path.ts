// The tables that are computed row by row, compiled to JavaScript: all that have no windows.

import { isInstantMs, type RecordChunk } from '../batches/source.ts'
import type { Rows } from '../columns/column.ts'
import { type Whole, whole } from '../columns/whole.ts'
import { assert } from '../errors/errors.ts'
import { isEmpty } from '../expr/index.ts'
import { compileRowPath, type RowOutput, type RowPath, type RunningBatch } from '../javascript/index.ts'
import {
  copyName,
  copyRelation,
  expandOf,
  hasClosingRows,
  inputsOf,
  isOfInput,
  judgedColumns,
  judgedOf,
  type Lakehouse,
  type PlanNode,
  project,
  type Reads,
  type Relation,
  type TableDefinition,
  tableAt,
} from '../plan/index.ts'

/** Where the rows come from: records of the input, rows that the table of records has, or rows of events. */
export type RowSource = 'input' | 'records' | 'events'

/** The output of `lakehouseRowPath` that tells of each judged row; no table has such a path. */
export const factsOutput = 'judged facts'

/** The output that tells of each scored row which rules could not calculate; only where rules calculate. */
export const overflowsOutput = 'rule overflows'

/** The rules in whose conditions something is calculated. */
export function calculatingRules({ rules }: Lakehouse) {
  return rules.flatMap(({ name, overflows }) => (overflows ? [{ name, overflows }] : []))
}

/**
 * The rows of the wanted tables, as columns for `rowsOfTable`, from rows of the source. From records,
 * wherever they are, also `factsOutput`, a function that gets of each what `JudgedFacts.add` takes. `definitions` are
 * the tables as they were in a batch.
 */
export function lakehouseRowPath(
  lakehouse: Lakehouse,
  definitions: readonly TableDefinition[],
  source: RowSource,
  wanted: readonly string[],
): RowPath {
  const outputs: Record<string, RowOutput> = {}
  if (source !== 'events') outputs[factsOutput] = factsOf(tableAt(definitions, lakehouse.events.path))
  for (const path of wanted) {
    for (const [output, relation] of relationsOf(tableAt(definitions, path)))
      outputs[output] = { relation, into: 'columns' }
  }
  const { scored } = lakehouse
  // The rules are today's.
  if (scored !== null && wanted.includes(scored.path) && tableAt(definitions, scored.path) === scored) {
    Object.assign(outputs, overflowsOf(lakehouse, scored))
  }
  return compile(readsOf(lakehouse, source), definitions, outputs)
}

/** By their outputs the relations that the rows of a table are made of: one, or several copies. */
function relationsOf({ path, rows }: TableDefinition): readonly (readonly [string, Relation])[] {
  const expanded = expandOf(rows.node)
  if (expanded === null) return [[path, rows]]
  return expanded.copies.map((copy) => {
    return [`${path} ${copyName(expanded, copy)}`, copyRelation(expanded, copy)]
  })
}

/** The rows of a table among those of the outputs: those of each of its copies by themselves. */
export function rowsOfTable(outputs: ReadonlyMap<string, Rows>, table: TableDefinition): readonly Rows[] {
  const all = relationsOf(table).flatMap(([output]) => outputs.get(output) ?? [])
  return all.filter(({ rowCount }) => rowCount > 0)
}

/** Of the tables of `paths` those that are computed row by row from the source. */
export function rowTables(
  lakehouse: Lakehouse,
  definitions: readonly TableDefinition[],
  source: RowSource,
  paths: readonly string[],
): readonly string[] {
  return definitions
    .filter(({ path, rows }) => {
      if (!paths.includes(path) || hasClosingRows(rows.node)) return false
      if (source === 'input') return true
      return source === 'records' ? path !== lakehouse.records.path : !isOfInput(lakehouse, path)
    })
    .map(({ path }) => path)
}

/** The rows of the table of records alone, from the input. */
export function recordsRowPath({ records }: Pick<Lakehouse, 'records'>): RowPath {
  return compile({ of: 'records' }, [records], {
    [records.path]: { relation: records.rows, into: 'columns' },
  })
}

/**
 * Functions under the paths of the scored table, of the events and of the refused records, which get the row
 * of each record in these, of an event the first two, of any other record the last; and `factsOutput`.
 */
export function decisionRowPath(lakehouse: Lakehouse, definitions: readonly TableDefinition[]): RowPath {
  const { scored, events, refused } = lakehouse
  const tables = [events, ...(scored === null ? [] : [scored]), refused]
  const facts = factsOf(tableAt(definitions, events.path))
  const outputs = tables.map(({ path }): [string, RowOutput] => {
    return [path, { relation: tableAt(definitions, path).rows, into: 'function' }]
  })
  return compile({ of: 'records' }, definitions, { [factsOutput]: facts, ...Object.fromEntries(outputs) })
}

/** A function `judged` that gets of every judged record what the table of refused ones has of those. */
export function judgedRowPath(lakehouse: Lakehouse, definitions: readonly TableDefinition[]): RowPath {
  const { node, schema } = tableAt(definitions, lakehouse.refused.path).rows
  assert(node.kind === 'project' && node.input.kind === 'filter', 'refused records are a part of the judged')
  const relation = { node: { ...node, input: node.input.input }, schema }
  const outputs = { judged: { relation, into: 'function' } } as const
  return compile(readsOf(lakehouse, 'records'), definitions, outputs)
}

function readsOf({ records, events }: Lakehouse, source: RowSource): Reads {
  if (source === 'input') return { of: 'records' }
  return { of: 'batch', table: source === 'records' ? records.path : events.path }
}

/** What is read of a batch is the source, or is computed from it as its table is defined. */
function compile(
  source: Reads,
  definitions: readonly TableDefinition[],
  outputs: Readonly<Record<string, RowOutput>>,
): RowPath {
  const derived: Record<string, PlanNode> = {}
  let sourceName = 'unread'
  const visit = (node: PlanNode): void => {
    for (const { name, reads } of inputsOf(node)) {
      if (reads.of === source.of && (reads.of === 'records' || reads.table === tableOf(source))) {
        assert(sourceName === 'unread' || sourceName === name, 'the rows of the source have one name')
        sourceName = name
      } else if (reads.of === 'batch' && derived[name] === undefined) {
        derived[name] = tableAt(definitions, reads.table).rows.node
        visit(derived[name])
      }
    }
  }
  for (const { relation } of Object.values(outputs)) visit(relation.node)
  return compileRowPath({ source: sourceName, derived, outputs })
}

function tableOf(reads: Reads): string | null {
  return reads.of === 'records' ? null : reads.table
}

function overflowsOf(
  lakehouse: Lakehouse,
  { rows: { node } }: TableDefinition,
): Readonly<Record<string, RowOutput>> {
  const rules = calculatingRules(lakehouse)
  if (rules.length === 0 || node.kind !== 'project') return {}
  const columns = Object.fromEntries(rules.map(({ name, overflows }) => [name, overflows]))
  const schema = Object.fromEntries(rules.map(({ name }) => [name, 'boolean' as const]))
  const relation = { node: { ...node, columns }, schema }
  return { [overflowsOutput]: { relation, into: 'function' } }
}

/** Of every judged record: its partition, its event time, whether it is valid, whether it is an event. */
function factsOf({ rows }: TableDefinition): RowOutput {
  const node = judgedOf(rows.node)
  assert(node !== null, 'events are a part of the judged records')
  const relation = project({ node, schema: judgedColumns }, (row) => ({
    topic: row.topic,
    partition: row.partition,
    event_time: row.event_time,
    is_valid: isEmpty(row.invalid),
    is_accepted: row.is_accepted,
  }))
  return { relation, into: 'function' }
}

/** Adds records of a chunk, from one index to before another, to a batch whose rows are records. */
export function addRecords(
  { add }: RunningBatch,
  chunk: RecordChunk,
  from = 0,
  to: number = chunk.count,
): void {
  const offsets = new WholeNumbers(chunk.offsets)
  const times = chunk.timestampsMs === null ? null : new WholeNumbers(chunk.timestampsMs)
  const row = {
    topic: chunk.topic,
    partition: chunk.partition,
    offset: 0 as Whole,
    kafka_key: null as Uint8Array | null,
    value: null as Uint8Array | null,
    headers: null as readonly unknown[] | null,
    kafka_timestamp: null as Whole | null,
  }
  for (let index = from; index < to; index++) {
    row.offset = offsets.at(index)
    row.kafka_key = chunk.keys[index]!
    row.value = chunk.values[index]!
    row.headers = chunk.headers[index]!
    row.kafka_timestamp = times === null ? null : timestampMicros(times.at(index))
    add(row)
  }
}

/** Null for milliseconds that are no instant. */
function timestampMicros(ms: Whole): Whole | null {
  if (!isInstantMs(ms)) return null
  const micros = Number(ms) * 1000
  return Number.isSafeInteger(micros) ? micros : whole(BigInt(ms) * 1000n)
}

const safeUpper = 2 ** 21

/** 64-bit numbers in their one form, without a bigint for each. */
class WholeNumbers {
  readonly #numbers: BigInt64Array
  readonly #halves: DataView

  constructor(numbers: BigInt64Array) {
    this.#numbers = numbers
    this.#halves = new DataView(numbers.buffer, numbers.byteOffset, numbers.byteLength)
  }

  at(index: number): Whole {
    const upper = this.#halves.getInt32(index * 8 + (isLittleEndian ? 4 : 0), isLittleEndian)
    if (upper >= safeUpper || upper < -safeUpper) return whole(this.#numbers[index]!)
    const value =
      upper * 2 ** 32 + this.#halves.getUint32(index * 8 + (isLittleEndian ? 0 : 4), isLittleEndian)
    return Number.isSafeInteger(value) ? value : whole(this.#numbers[index]!)
  }
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
