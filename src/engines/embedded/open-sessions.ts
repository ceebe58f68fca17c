// Sessions of a table as they grow: each batch's rows wait in memory until the table's watermark has passed
// them, when their order is known, and are put into their session then. What a process lacks, at its start
// and where waiting rows would need too much memory, is read from silver's files.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Column, Rows } from '../../columns/column.ts'
import { type Whole, whole } from '../../columns/whole.ts'
import { assert } from '../../errors/errors.ts'
import { addRows, renamed, type SessionPlan, sessionRows, sessionTime } from '../../javascript/index.ts'
import type { TableDefinition } from '../../plan/index.ts'
import { duckdb, type ParameterValues } from '../../sql/index.ts'
import { InternedValues } from '../../state/interned-values.ts'
import { OpenSessions, type SessionKey } from '../../state/open-sessions.ts'
import { WaitingRows } from '../../state/waiting-rows.ts'
import { turn } from '../../steps/turn.ts'
import { type ClosingSessions, sessionsFrom } from '../batch-rules.ts'
import { arrivalOrder } from './arrival-order.ts'
import { ClosedSessions } from './closed-sessions.ts'
import { eachRow, rowChunks } from './selected-rows.ts'
import { openRowsSql, orderColumns, type SessionFiles, silverRowsSql, writtenSql } from './session-files.ts'
import { numbersOf, setValues } from './waiting-values.ts'

/** Of rows that wait. Those that are more are read from silver's files when their time has come. */
const waitingBytesMax = 96 * 1024 * 1024
/** Of open sessions and of all values. Beyond it those of some keys after others are computed from files. */
const openBytesMax = 128 * 1024 * 1024
/** Into so many parts keys are taken apart at most; what is too much then are sessions of single keys. */
const partsMax = 256
/** Half as many parts are enough where each takes less of the bytes than one of so many. */
const sharePerPart = 4
/** Rows that are put into sessions, or computed, without a look at the clock. */
const rowsAtOnce = 2_048
/** Sessions that are written as one file at most: so many are in memory as rows of the table. */
const sessionsAtOnce = 100_000
/** Values of rows that are as old as any that is remembered are kept a little longer. */
const forgetLaterMicros = 1_000_000
const rowsOfSelect = 8_192
/** A batch that closes sessions; silver has it. */
export type SessionsOfBatch = {
  readonly closing: ClosingSessions
  /** The times of the batch, and of the one before it. */
  readonly timeMicros: bigint
  readonly timeBeforeMicros: bigint
  readonly parameters: ParameterValues
}

type Loaded = Pick<SessionsOfBatch, 'closing' | 'timeBeforeMicros'>

export type SessionLimits = { readonly waitingBytesMax: number; readonly openBytesMax: number }

/** Keys by their hash. */
type KeyPart = { readonly index: number; readonly count: number }
const allKeys: KeyPart = { index: 0, count: 1 }

export class TableSessions {
  readonly #plan: SessionPlan
  readonly #definition: TableDefinition
  readonly #limits: SessionLimits
  readonly #interned: ReadonlyMap<string, InternedValues>
  /** Of several columns the numbers of their values; null for one. */
  readonly #keys: InternedValues | null
  readonly #waiting: WaitingRows
  /** Of rows before `#passedTo`; null where they are not known. */
  #open: OpenSessions | null = null
  #passedTo: bigint | null = null
  /** Rows up to this event time may be in silver, and not among those that wait. */
  #missedToMicros: bigint | null = null
  #isPassing = false
  /** What was missed while rows were taken. */
  #missed: { readonly toMicros: bigint | null; readonly isChanged: boolean } | null = null
  /** The greatest event time of silver's rows that were told of. */
  #seenMicros: bigint | null = null
  /** With more than one part nothing stays in memory from batch to batch. */
  #partCount = 1
  #partBytes = 0
  readonly #taken = new Int32Array(rowsAtOnce)

  constructor(
    plan: SessionPlan,
    definition: TableDefinition,
    limits: SessionLimits = { waitingBytesMax, openBytesMax },
  ) {
    this.#plan = plan
    this.#definition = definition
    this.#limits = limits
    const interned = [...plan.keys, ...plan.values.filter((_, index) => plan.kinds[index] === 'id')]
    this.#interned = new Map(interned.map((name) => [name, new InternedValues(plan.schema[name]!)]))
    this.#keys = plan.keys.length === 1 ? null : new InternedValues('string')
    this.#waiting = new WaitingRows(plan.kinds)
  }

  get bytes(): number {
    return this.#waiting.bytes + this.#openBytes(this.#open)
  }

  #openBytes(open: OpenSessions | null): number {
    let sum = (open?.bytes ?? 0) + (this.#keys?.bytes ?? 0)
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
    this.#seenMicros = seenMicros
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
    if (!this.#hasRoom(rows.rowCount)) return this.miss(seenMicros)
    this.#seenMicros = seenMicros
    const { computed, given } = this.#plan
    const columns = renamed(given, rows)
    if (computed === null) return this.#wait({ ...rows, columns })
    const batch = computed.start({ parameters: {}, rowCountMax: rows.rowCount })
    for (let from = 0; from < rows.rowCount; from += rowsAtOnce) {
      addRows(batch, computed.reads, rows.columns, from, Math.min(from + rowsAtOnce, rows.rowCount))
      await turn()
    }
    const made = batch.rows(sessionRows)
    this.#wait({ ...made, columns: { ...columns, ...made.columns } })
  }

  /** The same of a SELECT. */
  async addSelected(connection: DuckDBConnection, select: string, seenMicros: bigint | null): Promise<void> {
    const list = this.reads.map(duckdb.name).join(', ')
    const batch = this.#plan.rows.start({ parameters: {} })
    await eachRow(connection, `SELECT ${list} FROM (${select})`, batch.add)
    const rows = batch.rows(sessionRows)
    if (!this.#hasRoom(rows.rowCount)) return this.miss(seenMicros)
    this.#seenMicros = seenMicros
    this.#wait(rows)
  }

  #hasRoom(rowCount: number): boolean {
    return this.#partCount === 1 && this.#waiting.bytesWith(rowCount) <= this.#limits.waitingBytesMax
  }

  /** Reads what is open behind the sessions that a watermark has closed. */
  async load(files: SessionFiles, of: Loaded): Promise<void> {
    const { closedToMicros } = of.closing
    if (closedToMicros !== null) while (this.#put(null, whole(closedToMicros)) !== null);
    this.#open = await this.#opened(files, of, allKeys)
    this.#passedTo = closedToMicros
    if (this.#open === null) this.#spill()
  }

  /** The same of some keys; null where it is too much. */
  async #opened(files: SessionFiles, of: Loaded, part: KeyPart): Promise<OpenSessions | null> {
    const { closing, timeBeforeMicros: timeMicros } = of
    const { closedToMicros } = closing
    const open = new OpenSessions(this.#plan.shape)
    if (closedToMicros === null) return open
    const written = await this.#written(files, of, part)
    const fromMicros = sessionsFrom(closing)
    const range = { fromMicros, toMicros: closedToMicros - 1n, timeMicros, closedToMicros }
    const select = await openRowsSql(files, closing.node, this.reads, range)
    const isOpen = (row: number): boolean => {
      const last = written.get(this.#waiting.keys[row]!)
      return last === undefined || this.#waiting.times[row]! > last
    }
    for await (const rows of this.#selected(files.connection, this.#sqlOf(select, part))) {
      this.#wait(rows)
      while (this.#put(open, whole(closedToMicros), isOpen) !== null);
      if (this.#isTooMuch(open, part)) return null
    }
    // What the watermark closed, and the table lacks, was before the table.
    forgetClosed(open, whole(closedToMicros))
    return open
  }

  /** Reads the rows that wait as well; to be called before any other is added. */
  async loadAll(files: SessionFiles, of: Loaded, seenMicros: bigint | null): Promise<void> {
    this.#seenMicros = seenMicros
    await this.load(files, of)
    const { closedToMicros } = of.closing
    this.#missedToMicros = seenMicros
    if (closedToMicros === null || this.#open === null) return
    const range = { fromMicros: closedToMicros, toMicros: null, timeMicros: of.timeBeforeMicros }
    const select = await silverRowsSql(files, this.reads, range)
    for await (const rows of this.#selected(files.connection, select)) {
      if (!this.#hasRoom(rows.rowCount)) return this.miss(seenMicros)
      this.#wait(rows)
    }
    this.#missedToMicros = null
  }

  /** The rows of the table that a batch brings, some at a time. */
  async *closed(files: SessionFiles, batch: SessionsOfBatch): AsyncGenerator<Rows> {
    const { closedToMicros } = batch.closing
    const passed = this.#passedTo
    const isAhead = passed !== null && (closedToMicros === null || passed > closedToMicros)
    if (isAhead && (this.#missedToMicros === null || this.#missedToMicros < passed)) {
      this.#missedToMicros = passed // Rows before do not wait any more.
    }
    this.#isPassing = true
    try {
      if (this.#partCount === 1 && (this.#open === null || isAhead)) await this.load(files, batch)
      if (this.#partCount === 1) yield* this.#passed(files, batch)
      else yield* this.#inParts(files, batch, null)
    } finally {
      this.#isPassing = false
      if (this.#missed !== null) this.miss(this.#missed.toMicros, this.#missed.isChanged)
      this.#missed = null
    }
  }

  async *#passed(files: SessionFiles, batch: SessionsOfBatch): AsyncGenerator<Rows> {
    const open = this.#open
    assert(open !== null, 'open sessions are known')
    const { timeMicros, closing } = batch
    const fromMicros = this.#passedTo
    const isKnown =
      this.#missedToMicros === null || (fromMicros !== null && fromMicros > this.#missedToMicros)
    const closed = this.#newClosed(batch)
    const to = whole(closing.upToMicros)
    // The table may have batches already that this process did not close.
    const skipTo = closing.closedToMicros === null ? null : whole(closing.closedToMicros)
    let last: Whole | null = null
    if (!isKnown) {
      while (this.#put(null, to) !== null);
      const range = { fromMicros, toMicros: closing.upToMicros - 1n, timeMicros }
      const select = await silverRowsSql(files, this.reads, range)
      for await (const rows of this.#selected(files.connection, select)) {
        this.#wait(rows)
        last = later(last, yield* this.#putAll(open, closed, to, skipTo))
        if (this.#isTooMuch(open, allKeys)) break // Nothing else is asked of the connection meanwhile.
      }
      if (this.#isTooMuch(open, allKeys)) return yield* this.#spilled(files, batch, closed, last)
    }
    for (let next = this.#put(open, to); next !== null; next = this.#put(open, to)) {
      yield* this.#close(open, closed, next, skipTo)
      if (this.#isTooMuch(open, allKeys)) return yield* this.#spilled(files, batch, closed, next)
    }
    yield* this.#close(open, closed, to, skipTo)
    if (closed.count > 0) yield closed.take()
    this.#passedTo = closing.upToMicros
    const oldest = Number(to) - Number(this.#plan.shape.lengthMaxMicros) - forgetLaterMicros
    for (const values of this.#interned.values()) values.forgetBefore(oldest)
    this.#keys?.forgetBefore(oldest)
  }

  /** The rest of a batch whose sessions up to an instant are closed. */
  async *#spilled(
    files: SessionFiles,
    batch: SessionsOfBatch,
    closed: ClosedSessions,
    last: Whole | null,
  ): AsyncGenerator<Rows> {
    if (closed.count > 0) yield closed.take()
    this.#spill()
    yield* this.#inParts(files, batch, last)
  }

  /** Nothing is known any more, and the next batches are closed in parts. */
  #spill(): void {
    this.#open = null
    this.#partCount = Math.max(2, this.#partCount)
    this.#missedToMicros = this.#seenMicros
    this.#forget()
  }

  #forget(): void {
    this.#waiting.clear()
    for (const values of this.#interned.values()) values.sweep(Number.POSITIVE_INFINITY)
    this.#keys?.sweep(Number.POSITIVE_INFINITY)
  }

  async *#inParts(files: SessionFiles, batch: SessionsOfBatch, skipTo: Whole | null): AsyncGenerator<Rows> {
    this.#partBytes = 0
    const count = this.#partCount
    for (let index = 0; index < count; index++) yield* this.#ofPart(files, batch, { index, count }, skipTo)
    if (this.#partBytes * sharePerPart < this.#limits.openBytesMax) this.#partCount /= 2
  }

  /** What closes of some keys, from files alone; what closes up to `skipTo` was written. */
  async *#ofPart(
    files: SessionFiles,
    batch: SessionsOfBatch,
    part: KeyPart,
    skipTo: Whole | null,
  ): AsyncGenerator<Rows> {
    const { closing, timeMicros } = batch
    const { closedToMicros: fromMicros, upToMicros } = closing
    const open = await this.#opened(files, batch, part)
    let [isTooMuch, last] = [open === null, skipTo]
    if (open !== null) {
      const closed = this.#newClosed(batch)
      const to = whole(upToMicros)
      const rows = await silverRowsSql(files, this.reads, {
        fromMicros,
        toMicros: upToMicros - 1n,
        timeMicros,
      })
      for await (const some of this.#selected(files.connection, this.#sqlOf(rows, part))) {
        this.#wait(some)
        last = later(last, yield* this.#putAll(open, closed, to, skipTo))
        isTooMuch = this.#isTooMuch(open, part)
        if (isTooMuch) break
      }
      if (!isTooMuch) yield* this.#close(open, closed, to, skipTo)
      if (closed.count > 0) yield closed.take()
      this.#partBytes = Math.max(this.#partBytes, this.#openBytes(open))
    }
    this.#forget()
    if (!isTooMuch) return
    const { index, count } = part
    this.#partCount = Math.max(this.#partCount, count * 2)
    for (const half of [index, index + count])
      yield* this.#ofPart(files, batch, { index: half, count: count * 2 }, last)
  }

  #isTooMuch(open: OpenSessions, { count }: KeyPart): boolean {
    if (count >= partsMax || !this.#isDivided) return false
    return this.#openBytes(open) > this.#limits.openBytesMax
  }

  /** Keys that silver does not have as they are, or that are none, cannot be taken apart by a query. */
  get #isDivided(): boolean {
    const { keys, given } = this.#plan
    return keys.length > 0 && keys.every((name) => given[name] !== undefined)
  }

  #sqlOf(select: string, { index, count }: KeyPart): string {
    if (count === 1) return select
    const keys = this.#plan.node.keys.map(duckdb.name).join(', ')
    return `SELECT * FROM (${select}) WHERE hash(${keys}) % ${count} = ${index}`
  }

  #newClosed({ parameters }: SessionsOfBatch): ClosedSessions {
    return new ClosedSessions(this.#plan, parameters, this.#interned, (key) => this.#valuesOf(key))
  }

  /** All rows that wait before an instant, and what closes with them; the time of the last one. */
  async *#putAll(
    open: OpenSessions,
    closed: ClosedSessions,
    to: Whole,
    skipTo: Whole | null,
  ): AsyncGenerator<Rows, Whole | null> {
    let last: Whole | null = null
    for (let next = this.#put(open, to); next !== null; next = this.#put(open, to)) {
      yield* this.#close(open, closed, next, skipTo)
      last = next
    }
    return last
  }

  /** Puts some rows before an instant into their sessions; gives the time of the last, or null. */
  #put(open: OpenSessions | null, to: Whole, isOpen?: (row: number) => boolean): Whole | null {
    const taken = this.#taken
    const count = this.#waiting.take(to, taken)
    if (count === 0) return null
    const last = this.#waiting.times[taken[count - 1]!]!
    const some = isOpen === undefined ? taken : taken.subarray(0, count).filter(isOpen)
    open?.add(this.#waiting, some, isOpen === undefined ? count : some.length)
    this.#waiting.giveBack(taken, count)
    return last
  }

  /** Takes sessions out that close up to an instant, and gives rows where they are enough for a file. */
  async *#close(
    open: OpenSessions,
    closed: ClosedSessions,
    to: Whole,
    skipTo: Whole | null,
  ): AsyncGenerator<Rows> {
    if (skipTo !== null) forgetClosed(open, skipTo < to ? skipTo : to)
    for (; ; await turn()) {
      const places = open.closed(to, Math.min(rowsAtOnce, sessionsAtOnce - closed.count))
      if (places.length === 0) return
      closed.add(open, places)
      open.release(places)
      if (closed.count === sessionsAtOnce) yield closed.take()
    }
  }

  /** Rows in the order of their arrival wait until their time has come. */
  #wait({ columns, rowCount }: Rows): void {
    const waiting = this.#waiting
    const { arrival, keys, values, kinds } = this.#plan
    const places = waiting.reserve(rowCount)
    const times = columns[sessionTime]!
    const micros = numbersOf(times, rowCount)
    setValues(waiting.times, times, places)
    const setIds = (target: Int32Array, name: string): void => {
      const ids = new Int32Array(rowCount)
      this.#interned.get(name)!.setIds(ids, columns[name]!, micros, 0, rowCount)
      for (let row = 0; row < rowCount; row++) target[places[row]!] = ids[row]!
    }
    if (keys.length === 1) setIds(waiting.keys, keys[0]!)
    else this.#setKeys(columns, places, micros)
    for (const [index, name] of values.entries()) {
      const target = waiting.values[index]!
      if (kinds[index] === 'id') setIds(target as Int32Array, name)
      else setValues(target as Uint8Array | Whole[], columns[name]!, places)
    }
    const order = arrivalOrder(
      arrival.map((name) => columns[name]!),
      rowCount,
    )
    waiting.add(order === null ? places : Int32Array.from(order, (row) => places[row]!))
  }

  /** A key of several columns, or of none, is the list of their numbers. */
  #setKeys(columns: Readonly<Record<string, Column>>, places: Int32Array, micros: Float64Array): void {
    for (let row = 0; row < places.length; row++) {
      const values = this.#plan.keys.map((name) => columns[name]!.get(row))
      this.#waiting.keys[places[row]!] = this.#keyOf(values, micros[row]!)
    }
  }

  #keyOf(values: readonly unknown[], micros: number): SessionKey {
    const ids = values.map((value, index) => this.#interned.get(this.#plan.keys[index]!)!.idOf(value, micros))
    return this.#keys === null ? ids[0]! : this.#keys.idOf(ids.join(' '), micros)
  }

  #valuesOf(key: SessionKey): readonly unknown[] {
    const { keys } = this.#plan
    if (this.#keys === null) return [this.#interned.get(keys[0]!)!.valueOf(key)]
    if (keys.length === 0) return []
    const ids = String(this.#keys.valueOf(key)).split(' ')
    return keys.map((name, index) => this.#interned.get(name)!.valueOf(Number(ids[index])))
  }

  /** Of each key the end of its last session that the table has, where it can matter. */
  async #written(files: SessionFiles, of: Loaded, part: KeyPart): Promise<ReadonlyMap<SessionKey, Whole>> {
    const last = new Map<SessionKey, Whole>()
    const sql = await writtenSql(files, this.#definition, of.closing, of.timeBeforeMicros)
    if (sql === null) return last
    const { keys } = this.#plan.node
    const list = keys.map(duckdb.name).join(', ')
    const columns = [list, 'max(session_end) AS session_end'].filter(Boolean).join(', ')
    const select = `SELECT ${columns} FROM (${this.#sqlOf(sql, part)})${keys.length === 0 ? '' : ` GROUP BY ${list}`}`
    await eachRow(files.connection, select, (row) => {
      const end = row.session_end as Whole | null // As selected.
      if (end === null) return
      const values = keys.map((key) => row[key])
      last.set(this.#keyOf(values, Number(end)), end)
    })
    return last
  }

  /** Rows of a SELECT in their order, some at a time. */
  async *#selected(connection: DuckDBConnection, select: string): AsyncGenerator<Rows> {
    const list = this.reads.map(duckdb.name).join(', ')
    const start = () => this.#plan.rows.start({ parameters: {}, rowCountMax: rowsOfSelect })
    let [batch, count] = [start(), 0]
    const full: Rows[] = []
    const sql = `SELECT ${list} FROM (${select}) ORDER BY ${orderColumns.map(duckdb.name).join(', ')}`
    for await (const rows of rowChunks(connection, sql)) {
      for (const row of rows) {
        batch.add(row)
        if (++count < rowsOfSelect) continue
        full.push(batch.rows(sessionRows))
        ;[batch, count] = [start(), 0]
      }
      yield* full.splice(0)
    }
    if (count > 0) yield batch.rows(sessionRows)
  }
}

function forgetClosed(open: OpenSessions, to: Whole): void {
  for (let places = open.closed(to, rowsAtOnce); places.length > 0; places = open.closed(to, rowsAtOnce))
    open.release(places)
}

function later(one: Whole | null, other: Whole | null): Whole | null {
  return one === null || (other !== null && other > one) ? other : one
}
