// The same batches through the SQL of DuckDB, as the engine runs it, and through the compiled row path: where
// their rows, and what they say of the batch, are not the same.
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api'
import { partitionKey } from '../../src/batches/offsets.ts'
import type { RecordChunk } from '../../src/batches/source.ts'
import type { Rows } from '../../src/columns/column.ts'
import type { Whole } from '../../src/columns/whole.ts'
import { setTable, setView } from '../../src/engines/database.ts'
import { addRecords, factsOutput, lakehouseRowPath } from '../../src/engines/row-path.ts'
import { JudgedFacts, type RepeatJudge, type RowCounter } from '../../src/javascript/index.ts'
import { silverIds, silverUsers } from '../../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import {
  boundDuckdb,
  columnDefinitions,
  compileTable,
  duckdb,
  keyDigestSql,
  type ParameterValues,
} from '../../src/sql/index.ts'
import { KeyHash } from '../../src/state/key-hash.ts'
import { RecentIds } from '../../src/state/recent-ids.ts'
import { RecentTimes } from '../../src/state/recent-times.ts'
import type { RawRecord } from '../oracle/rows.ts'
import { memorySource } from '../unit/engine/memory-source.ts'
import { outcomeOfPartitions } from './judged-outcome.ts'
import { loadRecords } from './load-records.ts'

const { tables } = standardLakehouse

/** By the names that their rows have in DuckDB. */
const paths = {
  bronze_batch: 'bronze/transactions',
  silver_batch: 'silver/transactions',
  quarantine_batch: 'silver/quarantine',
  fraud_batch: 'fraud_detection',
} as const
type RowTable = keyof typeof paths
export const rowTables: readonly string[] = Object.values(paths)
const names = Object.keys(paths) as readonly RowTable[]

const velocityMicros = 1_800_000_000n
const stateSeed = [1, 2, 3, 4] as const
export type ComparedBatch = {
  readonly rows: Readonly<Record<RowTable, number>>
  readonly differences: string[]
}

export class RowPathComparison {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection
  readonly #dedupMicros: bigint
  readonly #lateAfterMicros: bigint
  readonly #fromRecords = lakehouseRowPath(standardLakehouse, tables, 'input', rowTables)
  readonly #fromBronze = lakehouseRowPath(standardLakehouse, tables, 'records', [
    paths.silver_batch,
    paths.quarantine_batch,
  ])
  readonly #fromSilver = lakehouseRowPath(standardLakehouse, tables, 'events', [paths.fraud_batch])
  /** From records by their meaning, from rows of bronze and of silver as the engine remembers rows. */
  readonly #repeats: readonly [NaiveIds, RecentIds]
  readonly #counts = [
    new NaiveTimes(velocityMicros),
    new RecentTimes({ hash: new KeyHash(stateSeed), rangeMicros: Number(velocityMicros) }),
  ] as const
  #watermark: bigint | null = null
  #batch = 0n

  private constructor(
    instance: DuckDBInstance,
    connection: DuckDBConnection,
    options: { readonly dedupMicros: bigint; readonly lateAfterMicros: bigint },
  ) {
    this.#instance = instance
    this.#connection = connection
    this.#dedupMicros = options.dedupMicros
    this.#lateAfterMicros = options.lateAfterMicros
    const remembered = { hash: new KeyHash(stateSeed), rangeMicros: Number(options.dedupMicros) }
    this.#repeats = [new NaiveIds(options.dedupMicros), new RecentIds(remembered)]
  }

  static async start(options: {
    readonly dedupMicros: bigint
    readonly lateAfterMicros: bigint
  }): Promise<RowPathComparison> {
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    await connection.run('CREATE TABLE silver_ids (transaction_id UHUGEINT, event_time TIMESTAMP)')
    await connection.run(`CREATE TABLE silver_users (${columnDefinitions(duckdb, silverUsers.schema)})`)
    return new RowPathComparison(instance, connection, options)
  }

  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }

  /** A batch of records, in the order of arrival: topic, partition, offset. */
  async compare(records: readonly RawRecord[]): Promise<ComparedBatch> {
    const timeMicros = BigInt(Date.UTC(2026, 10, 1)) * 1000n + this.#batch++
    const parameters: ParameterValues = {
      processing_time: timeMicros,
      watermark: this.#watermark,
      dedup_micros: this.#dedupMicros,
      high_risk_countries: ['Nigeria', 'Russia', "L'Été"],
    }
    const chunks: RecordChunk[] = []
    await this.#onDuckdb(records, parameters, chunks)
    const differences: string[] = []
    const facts = new JudgedFacts()
    const batch = this.#fromRecords.start({
      parameters,
      states: this.#fromRecords.states.map(({ kind }) => (kind === 'over' ? this.#counts : this.#repeats)[0]),
      functions: { [factsOutput]: facts.add },
    })
    for (const chunk of chunks) addRecords(batch, chunk)
    for (const table of names) {
      differences.push(...(await this.#differences(table, batch.rows(paths[table]))))
    }
    differences.push(...(await this.#otherFacts(facts)))
    differences.push(
      ...(await this.#otherSources(
        batch.rows(paths.bronze_batch),
        batch.rows(paths.silver_batch),
        parameters,
      )),
    )
    await this.#take(facts.times.eventTimeMaxMicros)
    const rows = Object.fromEntries(names.map((table) => [table, batch.rows(paths[table]).rowCount]))
    return { rows: rows as ComparedBatch['rows'], differences }
  }

  async #onDuckdb(
    records: readonly RawRecord[],
    parameters: ParameterValues,
    chunks: RecordChunk[],
  ): Promise<void> {
    const connection = this.#connection
    const source = memorySource(records)
    const { ranges } = await source.cut(new Map(), records.length, new AbortController().signal)
    const kept = {
      ...source,
      read: (...[of, onChunk, signal]: Parameters<typeof source.read>) =>
        source.read(
          of,
          (chunk) => {
            chunks.push(chunk)
            return onChunk(chunk)
          },
          signal,
        ),
    }
    const loaded = await loadRecords(connection, kept, ranges, new AbortController().signal)
    await setTable(connection, 'kafka_batch', loaded.select)
    await loaded.drop()
    const compiled = (table: RowTable) => {
      const { rows } = tables.find(({ path }) => path === paths[table])!
      return compileTable(boundDuckdb(parameters), rows.node)
    }
    await setView(connection, 'bronze_batch', compiled('bronze_batch').sql)
    const { shared, sql } = compiled('silver_batch')
    for (const statement of shared) await setTable(connection, statement.name, statement.sql)
    await setTable(connection, 'silver_batch', sql)
    for (const table of ['quarantine_batch', 'fraud_batch'] as const) {
      await setTable(connection, table, compiled(table).sql)
    }
  }

  async #differences(table: RowTable, rows: Rows): Promise<string[]> {
    // The client takes a byte order mark at the beginning of a text away.
    const selected = Object.entries(rows.schema).map(([name, type]) => {
      const column = duckdb.name(name)
      return type === 'string' ? `'=' || ${column} AS ${column}` : column
    })
    const reader = await this.#connection.runAndReadAll(
      `SELECT ${selected.join(', ')} FROM ${table} ORDER BY ${table}.topic, partition, "offset"`,
    )
    const columns = reader.getColumns() // None where there is no row.
    if (reader.currentRowCount !== rows.rowCount) {
      const offsets = columns[reader.columnNames().indexOf('offset')]!.map(String)
      const found = Array.from({ length: rows.rowCount }, (_, row) => String(rows.columns.offset!.get(row)))
      const [more, less] = [
        found.filter((one) => !offsets.includes(one)),
        offsets.filter((one) => !found.includes(one)),
      ]
      return [
        `${table} has ${rows.rowCount} rows, and ${offsets.length} by SQL: more are ${more}; less are ${less}`,
      ]
    }
    return reader.columnNames().flatMap((name, index) => {
      const column = rows.columns[name]!
      return (columns[index] ?? []).flatMap((value, place) => {
        const cell = column.get(place)
        const [bySql, found] = [cellOf(value), cellOf(typeof cell === 'string' ? `=${cell}` : cell)]
        return bySql === found ? [] : [`${table}.${name} of row ${place} is ${found}, and ${bySql} by SQL`]
      })
    })
  }

  async #otherFacts(facts: JudgedFacts): Promise<string[]> {
    const bySql = await outcomeOfPartitions(this.#connection)
    const found = { ...facts.times, counts: facts.counts }
    const texts = [bySql, found].map(({ partitions, ...rest }) => {
      const sorted = partitions.toSorted((a, b) => (partitionKey(a) < partitionKey(b) ? -1 : 1))
      return JSON.stringify(
        { ...rest, partitions: sorted.map((one) => Object.entries(one).sort()) },
        (_, value) => (typeof value === 'bigint' ? String(value) : value),
      )
    })
    return texts[0] === texts[1] ? [] : [`the facts are ${texts[1]}, and ${texts[0]} by SQL`]
  }

  /** From the rows of bronze and of silver the same comes as from the records. */
  async #otherSources(bronze: Rows, silver: Rows, parameters: ParameterValues): Promise<string[]> {
    const facts = new JudgedFacts()
    const ofBronze = this.#fromBronze.start({
      parameters,
      states: [this.#repeats[1]],
      functions: { [factsOutput]: facts.add },
    })
    for (const row of rowsOf(bronze)) ofBronze.add(row)
    const ofSilver = this.#fromSilver.start({ parameters, states: [this.#counts[1]] })
    for (const row of rowsOf(silver)) ofSilver.add(row)
    const differences = [
      ...(await this.#differences('silver_batch', ofBronze.rows(paths.silver_batch))),
      ...(await this.#differences('quarantine_batch', ofBronze.rows(paths.quarantine_batch))),
      ...(await this.#differences('fraud_batch', ofSilver.rows(paths.fraud_batch))),
      ...(await this.#otherFacts(facts)),
    ]
    return differences.map((one) => `from rows: ${one}`)
  }

  /** Silver's rows are history from now on. */
  async #take(eventTimeMax: bigint | null): Promise<void> {
    const ids = Object.keys(silverIds.schema).map(duckdb.name)
    const users = Object.keys(silverUsers.schema).map(duckdb.name).join(', ')
    await this.#connection.run(
      `INSERT INTO silver_ids SELECT ${keyDigestSql(ids[0]!)}, ${ids[1]} FROM silver_batch`,
    )
    await this.#connection.run(`INSERT INTO silver_users SELECT ${users} FROM silver_batch`)
    if (eventTimeMax === null) return
    const watermark = eventTimeMax - this.#lateAfterMicros
    if (this.#watermark === null || watermark > this.#watermark) this.#watermark = watermark
  }
}

function* rowsOf({ columns, rowCount }: Rows): Generator<Readonly<Record<string, unknown>>> {
  const entries = Object.entries(columns)
  for (let place = 0; place < rowCount; place++) {
    yield Object.fromEntries(entries.map(([name, column]) => [name, column.get(place)]))
  }
}

/** A value of either side as text; null is null. */
function cellOf(value: unknown): string | null {
  if (value === null || typeof value === 'string') return value === null ? null : `'${value}'`
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex')
  if (Array.isArray(value)) return `[${value.map(cellOf).join(', ')}]`
  if (typeof value !== 'object') return String(value)
  const cell = value as Exclude<DuckDBValue, null> & Readonly<Record<string, unknown>>
  for (const name of ['items', 'micros', 'days', 'value', 'bytes', 'entries']) {
    // A header is an object that has a value, too.
    if (name in cell && !('key' in cell)) return cellOf(cell[name])
  }
  return `{${cellOf(cell.key)}: ${cellOf(cell.value)}}`
}

/** What deduplicate remembers, as its meaning says it. */
class NaiveIds implements RepeatJudge {
  readonly #rangeMicros: bigint
  readonly #times = new Map<string, bigint[]>()

  constructor(rangeMicros: bigint) {
    this.#rangeMicros = rangeMicros
  }

  repeats(key: string, micros: Whole): boolean {
    const at = BigInt(micros)
    const times = this.#times.get(key) ?? []
    if (times.some((other) => (other < at ? at - other : other - at) <= this.#rangeMicros)) return true
    this.#times.set(key, times)
    times.push(at)
    return false
  }
}

/** What the count of a user remembers: the times of each key in their order. */
class NaiveTimes implements RowCounter {
  readonly #rangeMicros: bigint
  readonly #times = new Map<unknown, bigint[]>()

  constructor(rangeMicros: bigint) {
    this.#rangeMicros = rangeMicros
  }

  count(key: string | Whole | boolean, micros: Whole): number {
    const at = BigInt(micros)
    const times = this.#times.get(key) ?? []
    this.#times.set(key, times)
    const end = placeBehind(times, at)
    times.splice(end, 0, at)
    return end + 1 - placeBehind(times, at - this.#rangeMicros - 1n)
  }
}

/** How many are not greater. */
function placeBehind(times: readonly bigint[], at: bigint): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle]! <= at) low = middle + 1
    else high = middle
  }
  return low
}
