// Sessions of a table as they grow: each batch's rows wait in memory until the table's watermark has passed
// them, when their order is known, and are put into their session then. What a process lacks, at its start
// and where waiting rows would need too much memory, is read from silver's files.
import type { DuckDBConnection } from '@duckdb/node-api'
import { type Column, NumberColumn, type Rows } from '../../columns/column.ts'
import { type Whole, whole } from '../../columns/whole.ts'
import { DeltaTable, fetchedScanSql } from '../../delta/index.ts'
import { assert } from '../../errors/errors.ts'
import { type SessionPlan, sessionRows, sessionTime, tableRows } from '../../javascript/index.ts'
import { tableDirectory } from '../../ops/tables.ts'
import { batchTimeColumn } from '../../plan/batch-time.ts'
import type { Lakehouse, TableDefinition } from '../../plan/index.ts'
import { duckdb, type ParameterValues } from '../../sql/index.ts'
import { InternedValues } from '../../state/interned-values.ts'
import {
  OpenSessions,
  type RowValues,
  type SessionKey,
  type SessionPlace,
} from '../../state/open-sessions.ts'
import { WaitingRows } from '../../state/waiting-rows.ts'
import { turn } from '../../steps/turn.ts'
import { type ClosingSessions, sessionsFrom } from '../batch-rules.ts'
import type { SilverRows } from '../followed-silver.ts'
import { arrivalOrder } from './arrival-order.ts'
import { eachRow, rowChunks } from './selected-rows.ts'

/** Of rows that wait. Where it is not enough, they are read from silver's files when their time has come. */
const waitingBytesMax = 96 * 1024 * 1024
/** Rows that are put into sessions without a look at the clock. */
const rowsAtOnce = 2_000
/** Sessions that are written as one file at most: so many are in memory as rows of the table. */
const sessionsAtOnce = 100_000
/** Values of rows that are as old as any that is remembered are kept a little longer. */
const forgetLaterMicros = 1_000_000

/** Where silver and the table's own rows are. */
export type SessionFiles = {
  readonly connection: DuckDBConnection
  readonly silver: SilverRows
  readonly lakehouse: Lakehouse
  readonly deltaBasePath: string
}

/** A batch that closes sessions; silver has it. */
export type SessionsOfBatch = {
  readonly closing: ClosingSessions
  /** The times of the batch, and of the one before it. */
  readonly timeMicros: bigint
  readonly timeBeforeMicros: bigint
  readonly parameters: ParameterValues
}

/** Rows of silver that came together, with what sessions ask of them. */
type Group = {
  readonly rowCount: number
  readonly bytes: number
  readonly times: Column
  readonly keys: readonly Int32Array[]
  readonly values: RowValues
}

export class TableSessions {
  readonly #plan: SessionPlan
  readonly #definition: TableDefinition
  readonly #bytesMax: number
  readonly #interned: ReadonlyMap<string, InternedValues>
  readonly #waiting = new WaitingRows<Group>()
  /** Of rows before `#passedTo`; null where they are not known. */
  #open: OpenSessions | null = null
  #passedTo: bigint | null = null
  /** Rows up to this event time may be in silver, and not among those that wait. */
  #missedToMicros: bigint | null = null
  #isPassing = false
  /** What was missed while rows were taken. */
  #missed: { readonly toMicros: bigint | null; readonly isChanged: boolean } | null = null

  constructor(plan: SessionPlan, definition: TableDefinition, bytesMax: number = waitingBytesMax) {
    this.#plan = plan
    this.#definition = definition
    this.#bytesMax = bytesMax
    const interned = [...plan.keys, ...plan.values.filter((_, index) => plan.interned.has(index))]
    this.#interned = new Map(interned.map((name) => [name, new InternedValues(plan.schema[name]!)]))
  }

  get bytes(): number {
    let sum = this.#waiting.bytes + (this.#open?.bytes ?? 0)
    for (const { bytes } of this.#interned.values()) sum += bytes
    return sum
  }

  /** Sessions and rows in memory. */
  get count(): number {
    return this.#waiting.rowCount + (this.#open?.count ?? 0)
  }

  /** The columns of silver that a row is asked for. */
  get reads(): readonly string[] {
    return this.#plan.rows.reads
  }

  /** Silver has no row: all that come will be known. */
  begin(): void {
    this.#open = new OpenSessions(this.#plan.shape)
    this.#passedTo = null
    this.#missedToMicros = null
  }

  /** Silver has rows up to an event time that do not wait here; `isChanged`: others are not what they were. */
  miss(seenMicros: bigint | null, isChanged = false): void {
    if (this.#isPassing) {
      this.#missed = { toMicros: seenMicros, isChanged: isChanged || this.#missed?.isChanged === true }
      return
    }
    this.#waiting.clear()
    this.#missedToMicros = seenMicros
    if (isChanged) this.#open = null
  }

  /** Rows that a batch brought to silver; batches come in their order. */
  async add(rows: Rows, seenMicros: bigint | null): Promise<void> {
    const { computed, given } = this.#plan
    const columns: Record<string, Column> = {}
    for (const [name, of] of Object.entries(given)) columns[name] = rows.columns[of]!
    if (computed === null) return this.#wait({ ...rows, columns }, seenMicros)
    const { reads } = computed
    const read = reads.map((name) => rows.columns[name]!)
    const row: Record<string, unknown> = {}
    const batch = computed.start({ parameters: {}, rowCountMax: rows.rowCount })
    for (let index = 0; index < rows.rowCount; index++) {
      for (let column = 0; column < reads.length; column++) row[reads[column]!] = read[column]!.get(index)
      batch.add(row)
      if (index % rowsAtOnce === rowsAtOnce - 1) await turn()
    }
    const made = batch.rows(sessionRows)
    this.#wait({ ...made, columns: { ...columns, ...made.columns } }, seenMicros)
  }

  /** The same, of a SELECT with the columns that are read. */
  async addSelected(connection: DuckDBConnection, select: string, seenMicros: bigint | null): Promise<void> {
    const list = this.reads.map(duckdb.name).join(', ')
    const batch = this.#plan.rows.start({ parameters: {} })
    await eachRow(connection, `SELECT ${list} FROM (${select})`, batch.add)
    this.#wait(batch.rows(sessionRows), seenMicros)
  }

  #wait(rows: Rows, seenMicros: bigint | null): void {
    const group = this.#groupOf(rows)
    const arrival = this.#plan.arrival.map((name) => rows.columns[name]!)
    this.#waiting.add(group, (row) => timeOf(group, row), arrivalOrder(arrival, rows.rowCount))
    if (this.#waiting.bytes > this.#bytesMax) this.miss(seenMicros)
  }

  /** Reads what is open behind the sessions that a watermark has closed, and the rows that wait. */
  async load(files: SessionFiles, of: Pick<SessionsOfBatch, 'closing' | 'timeBeforeMicros'>): Promise<void> {
    const { closing, timeBeforeMicros } = of
    const { closedToMicros } = closing
    const open = new OpenSessions(this.#plan.shape)
    if (closedToMicros !== null) {
      const written = await this.#written(files, of)
      const range = { fromMicros: sessionsFrom(closing), toMicros: closedToMicros - 1n }
      const select = await this.#openRowsSql(
        files,
        { ...range, timeMicros: timeBeforeMicros },
        closedToMicros,
      )
      for await (const group of this.#groups(files.connection, select)) {
        for (let row = 0; row < group.rowCount; row++) {
          const [key, micros] = [keyOf(group, row), timeOf(group, row)]
          const last = written.get(key)
          if (last === undefined || micros > last) open.add(key, micros, group.values, row)
        }
      }
    }
    this.#open = open
    this.#passedTo = closedToMicros
  }

  /** Reads the rows that wait as well; to be called before any other is added. */
  async loadAll(
    files: SessionFiles,
    of: Pick<SessionsOfBatch, 'closing' | 'timeBeforeMicros'>,
    seenMicros: bigint | null,
  ): Promise<void> {
    await this.load(files, of)
    const { closedToMicros } = of.closing
    this.#missedToMicros = seenMicros
    if (closedToMicros === null) return
    const range = { fromMicros: closedToMicros, toMicros: null, timeMicros: of.timeBeforeMicros }
    const select = await this.#rowsSql(files, range)
    for await (const group of this.#groups(files.connection, select)) {
      this.#waiting.add(group, (row) => timeOf(group, row), null)
      if (this.#waiting.bytes > this.#bytesMax) return this.miss(seenMicros)
    }
    this.#missedToMicros = null
  }

  /** The rows of the table that a batch brings, some at a time. */
  async *closed(files: SessionFiles, batch: SessionsOfBatch): AsyncGenerator<Rows> {
    const { closing } = batch
    const { closedToMicros, upToMicros } = closing
    const passed = this.#passedTo
    const isAhead = passed !== null && (closedToMicros === null || passed > closedToMicros)
    if (isAhead && (this.#missedToMicros === null || this.#missedToMicros < passed)) {
      this.#missedToMicros = passed // Rows before do not wait any more.
    }
    if (this.#open === null || isAhead) await this.load(files, batch)
    if (closedToMicros !== null && this.#passedTo !== closedToMicros) {
      // The table had such batches already.
      for await (const _ of this.#passed(files, batch, closedToMicros));
    }
    yield* this.#passed(files, batch, upToMicros)
  }

  async *#passed(files: SessionFiles, batch: SessionsOfBatch, toMicros: bigint): AsyncGenerator<Rows> {
    const open = this.#open
    assert(open !== null, 'open sessions are known')
    const { parameters, timeMicros } = batch
    const fromMicros = this.#passedTo
    const isKnown =
      this.#missedToMicros === null || (fromMicros !== null && fromMicros > this.#missedToMicros)
    this.#isPassing = true
    try {
      let last: Whole | null = null
      const put = (group: Group, row: number, micros: Whole): void => {
        open.add(keyOf(group, row), micros, group.values, row)
        last = micros
      }
      const to = whole(toMicros)
      if (isKnown) {
        while (!this.#waiting.take(to, rowsAtOnce, put)) {
          if (last !== null) yield* this.#closedRows(open, last, parameters)
          await turn()
        }
      } else {
        while (!this.#waiting.take(to, Number.POSITIVE_INFINITY, () => undefined));
        const select = await this.#rowsSql(files, { fromMicros, toMicros: toMicros - 1n, timeMicros })
        for await (const group of this.#groups(files.connection, select)) {
          for (let row = 0; row < group.rowCount; row++) put(group, row, timeOf(group, row))
          if (last !== null) yield* this.#closedRows(open, last, parameters)
        }
      }
      yield* this.#closedRows(open, to, parameters)
      this.#passedTo = toMicros
      const oldest = Number(to) - Number(this.#plan.shape.lengthMaxMicros) - forgetLaterMicros
      for (const values of this.#interned.values()) values.forgetBefore(oldest)
    } finally {
      this.#isPassing = false
      if (this.#missed !== null) this.miss(this.#missed.toMicros, this.#missed.isChanged)
      this.#missed = null
    }
  }

  *#closedRows(open: OpenSessions, toMicros: Whole, parameters: ParameterValues): Generator<Rows> {
    const { closed, node } = this.#plan
    const names = [...node.keys, 'session_start', 'session_end', ...Object.keys(node.aggregates)]
    const row: Record<string, unknown> = Object.fromEntries(names.map((name) => [name, null]))
    for (;;) {
      let session = open.nextClosed(toMicros)
      if (session === null) return
      const batch = closed.start({ parameters, rowCountMax: Math.min(open.count + 1, sessionsAtOnce) })
      for (let count = 1; session !== null; count++) {
        this.#fill(row, open, session)
        batch.add(row)
        open.release(session)
        session = count < sessionsAtOnce ? open.nextClosed(toMicros) : null
      }
      yield batch.rows(tableRows)
    }
  }

  #fill(row: Record<string, unknown>, open: OpenSessions, session: SessionPlace): void {
    const { node, keys, values, figures, shape } = this.#plan
    const key = open.keyOf(session)
    const ids = typeof key === 'number' ? [key] : key.split(' ').map(Number)
    for (let index = 0; index < keys.length; index++) {
      row[node.keys[index]!] = this.#interned.get(keys[index]!)!.valueOf(ids[index]!)
    }
    row.session_start = open.startOf(session)
    row.session_end = open.endOf(session)
    for (const { name, kind, index } of figures) {
      switch (kind) {
        case 'fold':
          row[name] = open.folded(session, index)
          break
        case 'distinct':
          row[name] = open.distinctCount(session, index)
          break
        case 'changes':
          row[name] = open.changes(session, index)
          break
        case 'preceded':
          row[name] = open.isPreceded(session, index)
          break
        default: {
          const interned = this.#interned.get(values[shape.firsts[index]!.value]!)!
          row[name] = open.firsts(session, index, (id) => interned.valueOf(id))
        }
      }
    }
  }

  #groupOf({ columns, rowCount }: Rows): Group {
    const { keys, values, interned } = this.#plan
    const times = columns[sessionTime]!
    const idsOf = (name: string): Int32Array => {
      const known = this.#interned.get(name)!
      const column = columns[name]!
      const ids = new Int32Array(rowCount)
      for (let row = 0; row < rowCount; row++) ids[row] = known.idOf(column.get(row), Number(times.get(row)))
      return ids
    }
    let rowBytes = timeBytes + keys.length * idBytes
    const valuesOf = (name: string, index: number): RowValues[number] => {
      const isFlag = this.#plan.schema[name] === 'boolean'
      rowBytes += interned.has(index) ? idBytes : isFlag ? 1 : timeBytes
      if (interned.has(index)) return new Ids(idsOf(name))
      return isFlag ? new Flags(columns[name]!, rowCount) : columns[name]!
    }
    const group = { rowCount, times, keys: keys.map(idsOf), values: values.map(valuesOf) }
    return { ...group, bytes: rowCount * rowBytes }
  }

  /** Of each key the end of its last session that the table has, where it can matter. */
  async #written(
    { connection, lakehouse, deltaBasePath }: SessionFiles,
    { closing, timeBeforeMicros }: Pick<SessionsOfBatch, 'closing' | 'timeBeforeMicros'>,
  ): Promise<ReadonlyMap<SessionKey, Whole>> {
    const last = new Map<SessionKey, Whole>()
    const directory = tableDirectory(deltaBasePath, this.#definition)
    const from = sessionsFrom(closing)
    if (from === null || !(await DeltaTable.exists(directory))) return last
    const snapshot = await (await DeltaTable.open(directory)).snapshot()
    const column = batchTimeColumn(lakehouse, this.#definition)
    const { keys } = this.#plan.node
    const scan = await fetchedScanSql(snapshot, directory, {
      columns: [...keys, 'session_end', ...(column === null ? [] : [column])],
      where: [{ column: 'session_end', min: from }],
      naiveTimestamps: true,
    })
    const list = keys.map(duckdb.name).join(', ')
    const isBefore =
      column === null ? '' : ` AND ${duckdb.name(column)} <= make_timestamp(${timeBeforeMicros})`
    const select = `SELECT ${[list, 'max(session_end) AS session_end'].filter(Boolean).join(', ')} FROM (${scan})
      WHERE session_end >= make_timestamp(${from})${isBefore}${keys.length === 0 ? '' : ` GROUP BY ${list}`}`
    const interned = this.#plan.keys.map((name) => this.#interned.get(name)!)
    await eachRow(connection, select, (row) => {
      const end = row.session_end as Whole | null // As selected.
      if (end === null) return
      const ids = keys.map((key, index) => interned[index]!.idOf(row[key], Number(end)))
      last.set(ids.length === 1 ? ids[0]! : ids.join(' '), end)
    })
    return last
  }

  async #rowsSql({ silver }: SessionFiles, range: RowRange): Promise<string> {
    const { fromMicros, toMicros, timeMicros } = range
    const columns = new Set([...this.reads, 'event_time', ...arrivalColumns])
    const bounds = [
      ...(fromMicros === null ? [] : [`event_time >= make_timestamp(${fromMicros})`]),
      ...(toMicros === null ? [] : [`event_time <= make_timestamp(${toMicros})`]),
    ]
    const scan = await fetchedScanSql(await silver.snapshot(), silver.directory, {
      columns: [...columns],
      where: [
        {
          column: 'event_time',
          ...(fromMicros === null ? {} : { min: fromMicros }),
          ...(toMicros === null ? {} : { max: toMicros }),
        },
        { column: 'processing_time', max: timeMicros },
      ],
      naiveTimestamps: true,
    })
    return `SELECT * FROM (${scan}) WHERE ${[`processing_time <= make_timestamp(${timeMicros})`, ...bounds].join(' AND ')}`
  }

  /** Of keys alone whose last session can be open. */
  async #openRowsSql(files: SessionFiles, range: RowRange, closedToMicros: bigint): Promise<string> {
    const rows = await this.#rowsSql(files, range)
    const { node } = this.#plan
    if (node.input.kind !== 'input' || node.keys.length === 0) return rows
    const recent = { ...range, fromMicros: closedToMicros - node.gapMicros }
    const keys = node.keys.map(duckdb.name)
    const isSame = keys.map((key) => `r.${key} IS NOT DISTINCT FROM k.${key}`).join(' AND ')
    return `SELECT r.* FROM (${rows}) AS r SEMI JOIN (
      SELECT DISTINCT ${keys.join(', ')} FROM (${await this.#rowsSql(files, recent)})
    ) AS k ON ${isSame}`
  }

  /** Rows of a SELECT in their order, some at a time. */
  async *#groups(connection: DuckDBConnection, select: string): AsyncGenerator<Group> {
    const list = this.reads.map(duckdb.name).join(', ')
    const order = ['event_time', ...arrivalColumns].map(duckdb.name).join(', ')
    const start = () => this.#plan.rows.start({ parameters: {}, rowCountMax: rowsOfGroup })
    let [batch, count] = [start(), 0]
    const full: Rows[] = []
    const sql = `SELECT ${list} FROM (${select}) ORDER BY ${order}`
    for await (const rows of rowChunks(connection, sql)) {
      for (const row of rows) {
        batch.add(row)
        if (++count < rowsOfGroup) continue
        full.push(batch.rows(sessionRows))
        ;[batch, count] = [start(), 0]
      }
      for (const one of full.splice(0)) yield this.#groupOf(one)
    }
    if (count > 0) yield this.#groupOf(batch.rows(sessionRows))
  }
}

type RowRange = {
  readonly fromMicros: bigint | null
  readonly toMicros: bigint | null
  /** Rows of later batches are left out. */
  readonly timeMicros: bigint
}

/** In which order rows of silver arrived. */
const arrivalColumns = ['processing_time', 'topic', 'partition', 'offset']
const rowsOfGroup = 8_192
/** What a value of a row takes. */
const [timeBytes, idBytes] = [8, 4]

/** Numbers of interned values, as the values of a column. */
class Ids {
  readonly #ids: Int32Array

  constructor(ids: Int32Array) {
    this.#ids = ids
  }

  get(row: number): number {
    return this.#ids[row]!
  }
}

/** Conditions of rows: what is null is not true. */
class Flags {
  readonly #flags: Uint8Array

  constructor(column: Column, rowCount: number) {
    this.#flags = new Uint8Array(rowCount)
    for (let row = 0; row < rowCount; row++) if (column.get(row) === true) this.#flags[row] = 1
  }

  get(row: number): boolean {
    return this.#flags[row] === 1
  }
}

function timeOf({ times }: Group, row: number): Whole {
  if (times instanceof NumberColumn && times.large === null) return times.values[row]!
  return times.get(row) as Whole // Instants are whole numbers, and of no row null.
}

function keyOf({ keys }: Group, row: number): SessionKey {
  return keys.length === 1 ? keys[0]![row]! : keys.map((ids) => ids[row]).join(' ')
}
