// Records into DuckDB, a column at a time. Values are handed over as views of the fetched buffers: one copy
// each.
import {
  BIGINT,
  BLOB,
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBListValue,
  DuckDBStructValue,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  LIST,
  STRUCT,
  VARCHAR,
} from '@duckdb/node-api'
import duckdbBindings from '@duckdb/node-bindings'
import type { OffsetRange } from '../../src/batches/offsets.ts'
import {
  NO_TIMESTAMP_MS,
  type RecordChunk,
  type RecordSource,
  timestampFirstMs,
  timestampLastMs,
} from '../../src/batches/source.ts'
import { assert } from '../../src/errors/errors.ts'
import { kafkaRecords } from '../../src/lakehouse/0-kafka/transactions.ts'
import { duckdb } from '../../src/sql/index.ts'

const headersType = LIST(STRUCT({ key: VARCHAR, value: BLOB }))
const columnTypes: readonly DuckDBType[] = [INTEGER, BIGINT, BLOB, BLOB, headersType, BIGINT]
const rowsPerChunk = duckdbBindings.vector_size()
/** The records of a batch, in a table of the database until `drop`. */
export type LoadedRecords = {
  readonly count: number
  /** Of keys and values; 0 where nobody knows. */
  readonly bytes: number
  /** A SELECT with the columns of `kafka_batch`. */
  readonly select: string
  drop(): Promise<void>
}

/** A batch without records: it only closes windows. */
export const noRecords: LoadedRecords = {
  count: 0,
  bytes: 0,
  select: `SELECT ${Object.entries(kafkaRecords.schema)
    .map(([name, type]) => `CAST(NULL AS ${duckdb.type(type)}) AS ${duckdb.name(name)}`)
    .join(', ')} WHERE false`,
  drop: async () => undefined,
}

let tableCount = 0

/** The records, or how many of them were too much already. */
export type Loading =
  | { readonly kind: 'loaded'; readonly records: LoadedRecords }
  | { readonly kind: 'too much'; readonly count: number; readonly bytes: number }

export async function loadRecords(
  connection: DuckDBConnection,
  source: RecordSource,
  ranges: readonly OffsetRange[],
  signal: AbortSignal,
): Promise<LoadedRecords> {
  const loading = await loadWhatFits(connection, source, ranges, () => false, signal)
  assert(loading.kind === 'loaded', 'nothing is too much')
  return loading.records
}

export async function loadWhatFits(
  connection: DuckDBConnection,
  source: RecordSource,
  ranges: readonly OffsetRange[],
  isTooMuch: (count: number, bytes: number) => boolean,
  signal: AbortSignal,
): Promise<Loading> {
  const table = `incoming_${++tableCount}`
  await connection.run(
    `CREATE TABLE ${table} (source INTEGER, record_offset BIGINT, kafka_key BLOB, value BLOB, ` +
      `headers ${duckdb.type('headers')}, timestamp_ms BIGINT)`,
  )
  const drop = async (): Promise<void> => {
    await connection.run(`DROP TABLE ${table}`)
  }
  let [count, bytes] = [0, 0]
  const enough = new AbortController()
  const topics: { topic: string; partition: number }[] = []
  const appender = await connection.createAppender(table)
  try {
    await source.read(
      ranges,
      (chunk) => {
        count += chunk.count
        bytes += bytesOf(chunk)
        if (isTooMuch(count, bytes)) {
          enough.abort()
          enough.signal.throwIfAborted()
        }
        const number = numberOf(topics, chunk)
        for (let from = 0; from < chunk.count; from += rowsPerChunk) {
          appender.appendDataChunk(dataChunk(chunk, number, from, Math.min(rowsPerChunk, chunk.count - from)))
        }
      },
      AbortSignal.any([signal, enough.signal]),
    )
    appender.flushSync()
  } catch (error) {
    appender.clear() // What was appended must not be flushed into a table that goes.
    appender.closeSync()
    await drop()
    if (enough.signal.aborted && !signal.aborted) return { kind: 'too much', count, bytes }
    throw error
  }
  appender.closeSync()
  return { kind: 'loaded', records: { count, bytes, select: recordsSql(table, topics), drop } }
}

function bytesOf({ keys, values }: RecordChunk): number {
  const sum = (total: number, bytes: Uint8Array | null) => total + (bytes?.length ?? 0)
  return keys.reduce(sum, 0) + values.reduce(sum, 0)
}

function recordsSql(table: string, topics: readonly { topic: string; partition: number }[]): string {
  const names = duckdb.list(topics.map(({ topic }) => duckdb.text(topic)))
  const partitions = duckdb.list(topics.map(({ partition }) => String(partition)))
  return (
    `SELECT CAST(${names} AS VARCHAR[])[source] AS topic, CAST(${partitions} AS INTEGER[])[source] AS partition, ` +
    `record_offset AS "offset", kafka_key, value, headers, ` +
    `CASE WHEN timestamp_ms BETWEEN ${timestampFirstMs} AND ${timestampLastMs} ` +
    `AND timestamp_ms <> ${NO_TIMESTAMP_MS} THEN make_timestamp(timestamp_ms * 1000) END AS kafka_timestamp FROM ${table}`
  )
}

/** The chunk's partition by its place in `topics`, counted from 1 as DuckDB's lists are. */
function numberOf(topics: { topic: string; partition: number }[], { topic, partition }: RecordChunk): number {
  const found = topics.findIndex((one) => one.topic === topic && one.partition === partition)
  if (found >= 0) return found + 1
  return topics.push({ topic, partition })
}

/**
 * The driver's own setters keep an object for each value; writing through the bindings is several times
 * faster.
 */
function dataChunk(records: RecordChunk, sourceNumber: number, from: number, count: number): DuckDBDataChunk {
  const chunk = DuckDBDataChunk.create(columnTypes, count)
  const vector = (column: number) => duckdbBindings.data_chunk_get_vector(chunk.chunk, column)
  copyInto(vector(0), new Int32Array(count).fill(sourceNumber))
  copyInto(vector(1), records.offsets.subarray(from, from + count))
  setBlobs(vector(2), records.keys, from, count)
  setBlobs(vector(3), records.values, from, count)
  setHeaders(chunk, records, from, count)
  if (records.timestampsMs) copyInto(vector(5), records.timestampsMs.subarray(from, from + count))
  else setValidity(vector(5), allNull)
  return chunk
}

type Vector = ReturnType<typeof duckdbBindings.data_chunk_get_vector>

function copyInto(vector: Vector, values: Int32Array | BigInt64Array): void {
  duckdbBindings.copy_data_to_vector(
    vector,
    0,
    values.buffer as ArrayBuffer,
    values.byteOffset,
    values.byteLength,
  ) // Never shared memory.
}

function setBlobs(vector: Vector, values: readonly (Uint8Array | null)[], from: number, count: number): void {
  const nulls: number[] = []
  for (let row = 0; row < count; row++) {
    const value = values[from + row]
    if (value) duckdbBindings.vector_assign_string_element_len(vector, row, value)
    else nulls.push(row)
  }
  if (nulls.length === 0) return
  const validity = new Uint8Array(rowsPerChunk / 8).fill(0xff)
  for (const row of nulls) validity[row >> 3]! &= ~(1 << (row & 7))
  setValidity(vector, validity)
}

/** Hardly any record has headers: only then does the driver's slow way pay. */
function setHeaders(chunk: DuckDBDataChunk, records: RecordChunk, from: number, count: number): void {
  const headers = records.headers.slice(from, from + count)
  if (headers.every((one) => one === null)) {
    const vector = duckdbBindings.data_chunk_get_vector(chunk.chunk, 4)
    duckdbBindings.copy_data_to_vector(vector, 0, emptyLists, 0, emptyLists.byteLength)
    setValidity(vector, allNull)
    return
  }
  chunk.setColumnValues(4, headers.map(headersValue))
}

function headersValue(headers: RecordChunk['headers'][number]): DuckDBValue {
  if (!headers) return null
  const structs = headers.map(({ key, value }) => {
    return new DuckDBStructValue({ key, value: value === null ? null : new DuckDBBlobValue(value) })
  })
  return new DuckDBListValue(structs)
}

/** One bit for each row of a vector, set where the row is valid. */
const allNull = new Uint8Array(rowsPerChunk / 8)
/**
 * Offset and length of a list for each row, 8 bytes each: even the lists of null rows must lie within the
 * vector.
 */
const emptyLists = new ArrayBuffer(rowsPerChunk * 16)

function setValidity(vector: Vector, validity: Uint8Array): void {
  duckdbBindings.vector_ensure_validity_writable(vector)
  const { buffer, byteOffset, byteLength } = validity
  // As above.
  duckdbBindings.copy_data_to_vector_validity(vector, 0, buffer as ArrayBuffer, byteOffset, byteLength)
}
