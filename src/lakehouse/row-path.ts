// The tables that are computed row by row, compiled to JavaScript: bronze, silver, quarantine and
// fraud_detection.
import { isInstantMs, type RecordChunk } from '../batches/source.ts'
import { type Whole, whole } from '../columns/whole.ts'
import { assert } from '../errors/errors.ts'
import { isEmpty } from '../expr/index.ts'
import { compileRowPath, type RowOutput, type RowPath, type RunningBatch } from '../javascript/index.ts'
import { type PlanNode, project, type TableDefinition } from '../plan/index.ts'

/** Where the rows come from: records of the topic, rows that bronze has, or rows that silver has. */
export type RowSource = 'kafka_batch' | 'bronze_batch' | 'silver_batch'

/** The tables by the names that their rows have within a batch. */
export const rowTables = {
  bronze_batch: 'bronze/transactions',
  silver_batch: 'silver/transactions',
  quarantine_batch: 'silver/quarantine',
  fraud_batch: 'fraud_detection',
} as const

export type RowTable = keyof typeof rowTables

/**
 * The rows of the wanted tables, as columns under the names of `wanted`, from rows of the source. From
 * records and from bronze also `facts`, a function that gets of each row what `JudgedFacts.add` takes.
 */
export function lakehouseRowPath(
  definitions: readonly TableDefinition[],
  source: RowSource,
  wanted: readonly RowTable[],
): RowPath {
  const outputs: Record<string, RowOutput> = {}
  if (source !== 'silver_batch') outputs.facts = factsOf(tableOf(definitions, 'silver_batch'))
  for (const name of wanted) outputs[name] = { relation: tableOf(definitions, name).rows, into: 'columns' }
  const derived = (['bronze_batch', 'silver_batch'] as const).filter((name) => name !== source)
  return compileRowPath({
    source,
    derived: Object.fromEntries(derived.map((name) => [name, tableOf(definitions, name).rows.node])),
    outputs,
  })
}

function tableOf(definitions: readonly TableDefinition[], name: RowTable): TableDefinition {
  const found = definitions.find(({ path }) => path === rowTables[name])
  assert(found !== undefined, `no table ${rowTables[name]} is defined`)
  return found
}

/** Bronze's rows alone, from records. */
export function bronzeRowPath(definitions: readonly TableDefinition[]): RowPath {
  const bronze = tableOf(definitions, 'bronze_batch')
  return compileRowPath({
    source: 'kafka_batch',
    outputs: { bronze_batch: { relation: bronze.rows, into: 'columns' } },
  })
}

/** A function `judged` that gets of every judged row of bronze what quarantine has of the refused ones. */
export function judgedRowPath(definitions: readonly TableDefinition[]): RowPath {
  const { node, schema } = tableOf(definitions, 'quarantine_batch').rows
  assert(node.kind === 'project' && node.input.kind === 'filter', 'quarantine is a part of the judged rows')
  const relation = { node: { ...node, input: node.input.input }, schema }
  return compileRowPath({ source: 'bronze_batch', outputs: { judged: { relation, into: 'function' } } })
}

/** Of every judged row: its partition, its event time, whether it is valid, whether silver has it. */
function factsOf(silver: TableDefinition): RowOutput {
  const schema = {
    topic: 'string',
    partition: 'int',
    event_time: 'timestamp',
    invalid: 'array<string>',
    is_accepted: 'boolean',
  } as const
  const judged = { node: sharedNode(silver.rows.node, 'judged_batch'), schema }
  const relation = project(judged, (row) => ({
    topic: row.topic,
    partition: row.partition,
    event_time: row.event_time,
    is_valid: isEmpty(row.invalid),
    is_accepted: row.is_accepted,
  }))
  return { relation, into: 'function' }
}

function sharedNode(node: PlanNode, name: string): PlanNode {
  if (node.kind === 'shared' && node.name === name) return node
  assert('input' in node, `no relation ${name} is shared`)
  return sharedNode(node.input, name)
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
