// What do the Parquet files of a batch cost, written in three ways from the same columns: through DuckDB
// (rows into a table, COPY), with the library hyparquet-writer, and with src/parquet, alone and with the
// columns that two tables share encoded once? The rows are those that the pipeline makes of synthetic
// transactions. Processor time of all threads, the median and the best of the rounds; ways take turns. Run:
// npx node bench/parquet-write.ts [directory with node_modules/hyparquet-writer] [rows]
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { zstdCompressSync } from 'node:zlib'
import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DATE,
  DECIMAL,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  DuckDBListValue,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  LIST,
  STRUCT,
  TIMESTAMPTZ,
  VARCHAR,
} from '@duckdb/node-api'
import duckdbBindings from '@duckdb/node-bindings'
import { pipelineOptions } from '../src/cli/pipeline-options.ts'
import { type Column, NumberColumn, newColumn, type Rows } from '../src/columns/column.ts'
import { whole } from '../src/columns/whole.ts'
import { loadConfig } from '../src/config/config.ts'
import { DeltaTable, scanSql } from '../src/delta/index.ts'
import { streamOf } from '../src/engines/database.ts'
import { embeddedEngine } from '../src/engines/embedded/run.ts'
import { listener } from '../src/engines/events.ts'
import { openFileSource } from '../src/files/source.ts'
import { bronzeTransactions } from '../src/lakehouse/1-bronze/transactions.ts'
import { silverTransactions } from '../src/lakehouse/2-silver/transactions.ts'
import { fraudDetection } from '../src/lakehouse/3-fraud_detection.ts'
import { standardLakehouse } from '../src/lakehouse/index.ts'
import { tableDirectory } from '../src/ops/tables.ts'
import { SharedLeaves, writeParquet } from '../src/parquet/file.ts'
import type { TableDefinition } from '../src/plan/index.ts'
import { produce } from '../src/produce/produce.ts'

const library = process.argv[2] ?? null
const largeRows = Number(process.argv[3] ?? 200_000)
const sizes = [
  { rows: 500, rounds: 300 },
  { rows: largeRows, rounds: 7 },
]
const tables = [bronzeTransactions, silverTransactions, fraudDetection]
const directory = await mkdtemp(join(tmpdir(), 'assay-bench-'))

/** Columns that are in the files: not those that tables are partitioned by. */
type Stored = { readonly table: TableDefinition; readonly rows: Rows; readonly names: readonly string[] }
type Way = { readonly name: string; write(table: Stored, path: string): Promise<void> }

async function makeTables(base: string, count: number): Promise<void> {
  const input = join(directory, 'input')
  const signal = new AbortController().signal
  await produce({
    generator: { seed: 7 },
    count,
    ratePerSecond: null,
    to: { kind: 'directory', path: input, rotateRows: 10_000_000, rotateSeconds: 1e9 },
    period: { fromMs: Date.UTC(2026, 9, 1), toMs: Date.UTC(2026, 9, 1, 20) },
    signal,
  })
  const source = await openFileSource(input, { takeUnterminatedTail: true })
  await embeddedEngine.run({
    ...pipelineOptions({ ...loadConfig(standardLakehouse, {}, join(base, '.env')), deltaBasePath: base }),
    streams: standardLakehouse.streams,
    source,
    once: true,
    finalize: false,
    recordsPerBatchMax: count,
    tell: listener({ notice: ({ message }) => console.log(message) }),
    signal,
  })
  await source.close()
}

async function readRows(
  connection: DuckDBConnection,
  base: string,
  table: TableDefinition,
  count: number,
): Promise<Stored> {
  const delta = await DeltaTable.open(tableDirectory(base, table))
  const { schema } = table.rows
  const columns = Object.fromEntries(Object.entries(schema).map(([name, type]) => [name, newColumn(type)]))
  const snapshot = await delta.snapshot()
  const select = Object.entries(schema).map(([name, type]) => {
    if (type === 'timestamp') return `epoch_us("${name}")`
    if (type === 'date') return `("${name}" - DATE '1970-01-01')`
    if (type.startsWith('decimal')) return `("${name}" * 100)::BIGINT`
    return `"${name}"`
  })
  const scan = scanSql(snapshot, delta.directory, { naiveTimestamps: true })
  const result = await streamOf(
    connection,
    `SELECT ${select.join(', ')} FROM (${scan}) ORDER BY "offset" LIMIT ${count}`,
  )
  for (
    let chunk = await result.fetchChunk();
    chunk && chunk.rowCount > 0;
    chunk = await result.fetchChunk()
  ) {
    Object.values(columns).forEach((column, index) => {
      for (const value of chunk.getColumnValues(index)) push(column, value)
    })
  }
  const names = Object.keys(schema).filter((name) => name !== table.partitionBy)
  return { table, names, rows: { schema, columns, rowCount: Object.values(columns)[0]!.length } }
}

function push(column: Column, value: DuckDBValue): void {
  if (column instanceof NumberColumn)
    column.push(typeof value === 'bigint' ? whole(value) : (value as number | null))
  else if (value instanceof DuckDBListValue) column.push(value.items)
  else if (value !== null && typeof value === 'object' && 'bytes' in value)
    column.push(Buffer.from(value.bytes))
  else column.push(value)
}

const duckdbTypes: Readonly<Record<string, DuckDBType>> = {
  string: VARCHAR,
  binary: BLOB,
  int: INTEGER,
  long: BIGINT,
  boolean: BOOLEAN,
  date: DATE,
  timestamp: TIMESTAMPTZ,
  'decimal(18,2)': DECIMAL(18, 2),
  'array<string>': LIST(VARCHAR),
  headers: LIST(STRUCT({ key: VARCHAR, value: BLOB })),
}
const vectorRows = duckdbBindings.vector_size()

function throughDuckdb(connection: DuckDBConnection): Way {
  return {
    name: 'DuckDB',
    async write({ rows, names }, path) {
      const types = names.map((name) => duckdbTypes[rows.schema[name]!]!)
      const columns = names.map((name, index) => `"${name}" ${types[index]}`)
      await connection.run(`CREATE TABLE given (${columns.join(', ')})`)
      const appender = await connection.createAppender('given')
      for (let from = 0; from < rows.rowCount; from += vectorRows) {
        const count = Math.min(vectorRows, rows.rowCount - from)
        const chunk = DuckDBDataChunk.create(types, count)
        names.forEach((name, index) => {
          setVector(chunk, index, rows.columns[name]!, from, count)
        })
        appender.appendDataChunk(chunk)
      }
      appender.closeSync()
      await connection.run(`COPY given TO '${path}' (FORMAT parquet, COMPRESSION zstd, RETURN_STATS)`)
      await connection.run('DROP TABLE given')
    },
  }
}

function setVector(chunk: DuckDBDataChunk, index: number, column: Column, from: number, count: number): void {
  const vector = duckdbBindings.data_chunk_get_vector(chunk.chunk, index)
  const copy = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => {
    duckdbBindings.copy_data_to_vector(vector, 0, buffer as ArrayBuffer, byteOffset, byteLength)
  }
  const validity = new Uint8Array(vectorRows / 8).fill(0xff)
  for (let row = 0; row < count; row++) {
    if (column.get(from + row) === null) validity[row >> 3]! &= ~(1 << (row & 7))
  }
  if (column instanceof NumberColumn) {
    const values = column.values.subarray(from, from + count)
    copy(
      column.type === 'int' || column.type === 'date'
        ? new Int32Array(values)
        : BigInt64Array.from(values, BigInt),
    )
  } else if (column.type === 'boolean')
    copy(Uint8Array.from(column.values.slice(from, from + count) as boolean[], Number))
  else if (column.type === 'string' || column.type === 'binary') {
    for (let row = 0; row < count; row++) {
      const value = column.values[from + row] as string | Uint8Array | null
      if (typeof value === 'string') duckdbBindings.vector_assign_string_element(vector, row, value)
      else if (value !== null) duckdbBindings.vector_assign_string_element_len(vector, row, value)
    }
  } else if (column.type === 'headers') {
    copy(new Uint8Array(vectorRows * 16)) // No record has headers here.
  } else {
    const lists = column.values.slice(from, from + count) as DuckDBValue[][]
    chunk.setColumnValues(
      index,
      lists.map((items) => new DuckDBListValue(items)),
    )
    return
  }
  if (column.nullCount === 0) return
  duckdbBindings.vector_ensure_validity_writable(vector)
  duckdbBindings.copy_data_to_vector_validity(vector, 0, validity.buffer, 0, validity.byteLength)
}

type LibraryModule = {
  readonly parquetWriteBuffer: (options: object) => ArrayBuffer
}

async function withLibrary(path: string): Promise<Way> {
  const resolved = createRequire(join(path, 'x.js')).resolve('hyparquet-writer')
  const { parquetWriteBuffer } = (await import(pathToFileURL(resolved).href)) as LibraryModule
  return {
    name: 'hyparquet-writer',
    async write({ rows, names }, file) {
      const elements = names.flatMap((name) => libraryElements(name, rows.columns[name]!.type))
      const columnData = names.map((name) => ({ name, data: libraryData(rows.columns[name]!) }))
      const bytes = parquetWriteBuffer({
        columnData,
        schema: [{ name: 'root', num_children: names.length }, ...elements],
        codec: 'ZSTD',
        compressors: { ZSTD: (body: Uint8Array) => zstdCompressSync(body) },
        rowGroupSize: 122_880,
      })
      await writeFile(file, new Uint8Array(bytes))
    },
  }
}

function libraryElements(name: string, type: Column['type']): object[] {
  const leaf = { name, repetition_type: 'OPTIONAL' }
  switch (type) {
    case 'string':
      return [{ ...leaf, type: 'BYTE_ARRAY', converted_type: 'UTF8' }]
    case 'binary':
      return [{ ...leaf, type: 'BYTE_ARRAY' }]
    case 'boolean':
      return [{ ...leaf, type: 'BOOLEAN' }]
    case 'int':
      return [{ ...leaf, type: 'INT32' }]
    case 'date':
      return [{ ...leaf, type: 'INT32', converted_type: 'DATE' }]
    case 'timestamp':
      return [{ ...leaf, type: 'INT64', converted_type: 'TIMESTAMP_MICROS' }]
    case 'decimal(18,2)':
      return [{ ...leaf, type: 'INT64', converted_type: 'DECIMAL', precision: 18, scale: 2 }]
    case 'array<string>':
      return [
        { ...leaf, num_children: 1, converted_type: 'LIST' },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', repetition_type: 'OPTIONAL', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
      ]
    case 'headers':
      return [
        { ...leaf, num_children: 1, converted_type: 'LIST' },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', repetition_type: 'OPTIONAL', num_children: 2 },
        { name: 'key', repetition_type: 'OPTIONAL', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
        { name: 'value', repetition_type: 'OPTIONAL', type: 'BYTE_ARRAY' },
      ]
    default:
      return [{ ...leaf, type: 'INT64' }]
  }
}

/** Whole numbers of 64 bits are bigints there. */
function libraryData(column: Column): unknown[] {
  if (!(column instanceof NumberColumn)) return column.values as unknown[]
  const isSmall = column.type === 'int' || column.type === 'date'
  return Array.from({ length: column.length }, (_, row) => {
    const value = column.get(row)
    return value === null || isSmall ? value : BigInt(value)
  })
}

function ownWriter(name: string, isShared: boolean): Way {
  let shared: SharedLeaves | null = null
  return {
    name,
    async write({ table, rows, names }, path) {
      if (table === bronzeTransactions) shared = isShared ? new SharedLeaves() : null
      const parts: Uint8Array[] = []
      const columns = names.map((column) => ({ name: column, column: rows.columns[column]! }))
      const range = { from: 0, to: rows.rowCount, indexes: null }
      const ofTable = table === bronzeTransactions ? null : shared
      await writeParquet(columns, range, (bytes) => void parts.push(bytes), ofTable)
      await writeFile(path, Buffer.concat(parts))
    },
  }
}

/** The compiled row path passes columns on: those that fraud_detection has of silver are silver's own. */
function shareColumns([, silver, fraud]: readonly Stored[]): void {
  const columns = fraud!.rows.columns as Record<string, Column>
  for (const [name, column] of Object.entries(silver!.rows.columns)) {
    if (columns[name]?.type === column.type && columns[name].length === column.length) columns[name] = column
  }
}

async function measure(ways: readonly Way[], given: readonly Stored[], rounds: number): Promise<void> {
  const costs = new Map(
    ways.map(({ name }) => [name, { cpu: [] as number[], wall: [] as number[], kib: [] as number[] }]),
  )
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) {
      const cost = costs.get(way.name)!
      const [before, startedMs] = [process.cpuUsage(), performance.now()]
      const paths = given.map(({ table }) =>
        join(directory, `${round}-${table.path.replace('/', '-')}.parquet`),
      )
      for (const [index, table] of given.entries()) await way.write(table, paths[index]!)
      const { user, system } = process.cpuUsage(before)
      cost.cpu.push((user + system) / 1000)
      cost.wall.push(performance.now() - startedMs)
      cost.kib = await Promise.all(paths.map(async (path) => Math.round((await stat(path)).size / 1024)))
      for (const path of paths) await rm(path)
    }
  }
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!
  const count = given[0]!.rows.rowCount
  const base = median(costs.get('DuckDB')!.cpu)
  for (const [name, { cpu, wall, kib }] of costs) {
    const [medianMs, bestMs] = [median(cpu), Math.min(...cpu)]
    console.log(
      `${count} rows, ${name}: ${medianMs.toFixed(2)} ms of processor time (${(medianMs / base).toFixed(2)} of DuckDB's), ` +
        `at best ${bestMs.toFixed(2)} ms, ${((bestMs * 1000) / count).toFixed(2)} µs a row; ` +
        `${median(wall).toFixed(1)} ms; ${kib.join(' + ')} KiB`,
    )
  }
}

const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
try {
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  const base = join(directory, 'lakehouse')
  await makeTables(base, largeRows)
  const ways = [
    throughDuckdb(connection),
    ...(library === null ? [] : [await withLibrary(library)]),
    ownWriter('src/parquet', false),
    ownWriter('shared columns', true),
  ]
  for (const { rows, rounds } of sizes) {
    const given: Stored[] = []
    for (const table of tables) given.push(await readRows(connection, base, table, rows))
    shareColumns(given)
    await connection.run(`SET threads = ${rows < 10_000 ? 1 : 2}`) // As the engine has it.
    await measure(ways, given, rounds)
  }
} finally {
  instance.closeSync()
  await rm(directory, { recursive: true, force: true })
}
