// Windows as they fill: each batch's rows are added to panes in memory when silver has them, and windows that
// close are read off. Only windows of which every row was added are. The others, and those of panes that
// would need too much memory, are computed from silver's files. docs/decisions/panes.md says what it brings.
import { NumberColumn, type Rows } from '../../columns/column.ts'
import { floorToMultiple, whole } from '../../columns/whole.ts'
import type { DeltaTable } from '../../delta/index.ts'
import { assert } from '../../errors/errors.ts'
import {
  addRows,
  type PanedTable,
  type PanePlan,
  panePlans,
  renamed,
  tableRows,
  type WindowPanePlans,
} from '../../javascript/index.ts'
import type { TableDefinition, WindowNode } from '../../plan/index.ts'
import type { ParameterValues } from '../../sql/index.ts'
import { InternedValues } from '../../state/interned-values.ts'
import { Pane } from '../../state/pane.ts'
import { turn } from '../../steps/turn.ts'
import type { Closing } from '../batch-rules.ts'

/** Of all panes. Where it is not enough, the tables whose panes are the largest do without. */
const paneBytesMax = 128 * 1024 * 1024
/** Panes that were too large are begun anew after so many of their windows. */
const windowsWithout = 8
/** Rows that are added, and groups that are read, without a look at the clock. */
const rowsAtOnce = 1_000

/** The table, as far as its log was read: others may have taken rows out of it. */
type Silver = Pick<DeltaTable, 'lastRemoval'>

type DefinitionsOfBatch = { readonly hash: string; readonly tables: readonly TableDefinition[] }

/** By column and the event time that goes with it: the ids of its rows, up to before one. */
type InternedRows = Map<string, { readonly ids: Int32Array; to: number }>

export class WindowPanes {
  readonly #definitions: string
  readonly #silver: Silver
  #removedAt: bigint | null
  readonly #plans: WindowPanePlans
  readonly #sets: readonly PaneSet[]
  readonly #interned: ReadonlyMap<string, InternedValues>
  readonly #bytesMax: number
  #readers = 0

  /**
   * `definitions` has the tables whose windows are asked for, and forgotten. `seenMicros` is the greatest
   * event time of silver's rows; null where it has none.
   */
  constructor(
    definitions: DefinitionsOfBatch,
    silver: Silver,
    seenMicros: bigint | null,
    bytesMax: number = paneBytesMax,
  ) {
    this.#definitions = definitions.hash
    this.#silver = silver
    this.#removedAt = silver.lastRemoval?.version ?? null
    this.#bytesMax = bytesMax
    this.#plans = panePlans(definitions.tables)
    this.#interned = new Map(
      Object.entries(this.#plans.types).map(([name, type]) => [name, new InternedValues(type)]),
    )
    this.#sets = this.#plans.plans.map((plan) => new PaneSet(plan, this.#interned))
    this.#miss(seenMicros)
  }

  get bytes(): number {
    const values = [...this.#interned.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    return this.#sets.reduce((sum, { bytes }) => sum + bytes, values)
  }

  /**
   * Rows that a batch of these definitions brought to silver, undefined where they are not known. With them
   * `seenMicros` is the greatest event time of silver. Batches come in their order.
   */
  async add(definitions: string, rows: Rows | undefined, seenMicros: bigint | null): Promise<void> {
    const removedAt = this.#silver.lastRemoval?.version ?? null
    const isChanged = removedAt !== this.#removedAt
    this.#removedAt = removedAt
    if (rows === undefined || isChanged || definitions !== this.#definitions) return this.#miss(seenMicros)
    const given = await this.#columnsOf(rows)
    const ids: InternedRows = new Map()
    let unlooked = 0
    for (let from = 0; from < rows.rowCount; from += rowsAtOnce) {
      const to = Math.min(from + rowsAtOnce, rows.rowCount)
      for (const [index, set] of this.#sets.entries()) {
        if (!set.add(given[index]!, from, to, ids)) return this.#miss(seenMicros)
      }
      unlooked += to - from
      // A look goes over all panes, so it comes when there can be twice as many as at the last one.
      const isDue = unlooked * this.#sets.length >= this.#paneCount
      if (isDue || to === rows.rowCount) {
        this.#keepBound(seenMicros)
        unlooked = 0
      }
      await turn()
    }
  }

  /** For each set its columns; of one that leaves rows out there are fewer. */
  async #columnsOf(rows: Rows): Promise<readonly Rows[]> {
    const { computed } = this.#plans
    const batch = computed?.start({ parameters: {}, rowCountMax: rows.rowCount })
    for (let from = 0; computed && batch && from < rows.rowCount; from += rowsAtOnce) {
      addRows(batch, computed.reads, rows.columns, from, Math.min(from + rowsAtOnce, rows.rowCount))
      await turn()
    }
    return this.#sets.map(({ plan: { given, output } }) => {
      const made = output === null ? rows : batch!.rows(output)
      const columns = renamed(given, rows)
      return { ...made, columns: output === null ? columns : { ...columns, ...made.columns } }
    })
  }

  /** The rows of a table's windows that close; null where panes do not have all of them. */
  async closed(
    definitions: string,
    path: string,
    closing: Closing,
    parameters: ParameterValues,
  ): Promise<Rows | null> {
    const set = definitions === this.#definitions ? this.#setOf(path) : undefined
    if (set === undefined) return null
    this.#readers++
    try {
      return await set.closed(path, closing, parameters)
    } finally {
      this.#readers--
    }
  }

  /** All windows of the table that end up to then are in the table. */
  forget(path: string, upToMicros: bigint): void {
    this.#setOf(path)?.forget(path, Number(upToMicros))
    this.#forgetValues()
  }

  get #paneCount(): number {
    return this.#sets.reduce((sum, { paneCount }) => sum + paneCount, 0)
  }

  #setOf(path: string): PaneSet | undefined {
    return this.#sets.find(({ plan }) => plan.tables.some((table) => table.path === path))
  }

  /** Silver has rows up to then that are in no pane. */
  #miss(seenMicros: bigint | null): void {
    for (const set of this.#sets)
      set.beginAfter(seenMicros === null ? Number.NEGATIVE_INFINITY : lineOf(seenMicros))
    this.#forgetValues()
  }

  #keepBound(seenMicros: bigint | null): void {
    if (this.bytes <= this.#bytesMax) return
    this.#sweepValues()
    for (let left = this.#sets.length; left > 0 && this.bytes > this.#bytesMax; left--) {
      const largest = this.#sets.reduce((a, b) => (a.bytes >= b.bytes ? a : b))
      largest.beginAfter(lineOf(seenMicros ?? 0n) + largest.windowMicros * windowsWithout)
      this.#sweepValues()
    }
  }

  /** What is being read may still have values of panes that are gone. */
  #forgetValues(): void {
    if (this.#readers > 0) return
    const first = this.#firstMicros
    for (const values of this.#interned.values()) values.forgetBefore(first)
  }

  #sweepValues(): void {
    if (this.#readers > 0) return
    const first = this.#firstMicros
    for (const values of this.#interned.values()) values.sweep(first)
  }

  get #firstMicros(): number {
    return Math.min(...this.#sets.map(({ firstMicros }) => firstMicros))
  }
}

/** What a number does not hold exactly is behind all windows. */
function lineOf(micros: bigint): number {
  const line = whole(micros)
  return typeof line === 'number' ? line : Number.POSITIVE_INFINITY
}

/** The panes of tables that have the same groups. */
class PaneSet {
  readonly plan: PanePlan
  readonly #interned: ReadonlyMap<string, InternedValues>
  readonly #panes = new Map<number, Pane>()
  /** Windows that begin later have all of their rows in panes. */
  #lineMicros = Number.NEGATIVE_INFINITY
  readonly #closedTo: Map<string, number>
  /** Of the group that is read off. */
  readonly #keyIds: number[] = []

  constructor(plan: PanePlan, interned: ReadonlyMap<string, InternedValues>) {
    this.plan = plan
    this.#interned = interned
    this.#closedTo = new Map(plan.tables.map(({ path }) => [path, Number.NEGATIVE_INFINITY]))
  }

  get bytes(): number {
    let sum = 0
    for (const { bytes } of this.#panes.values()) sum += bytes
    return sum
  }

  /** No row before is in a pane. */
  get firstMicros(): number {
    let first = Number.POSITIVE_INFINITY
    for (const start of this.#panes.keys()) if (start < first) first = start
    return first
  }

  get paneCount(): number {
    return this.#panes.size
  }

  /** Of the longest window. */
  get windowMicros(): number {
    return Math.max(...this.plan.tables.map(({ window }) => Number(window.sizeMicros)))
  }

  beginAfter(lineMicros: number): void {
    this.#lineMicros = Math.max(this.#lineMicros, lineMicros)
    this.#panes.clear()
  }

  /**
   * Rows from one on, up to before another. False for times that are no numbers.
   */
  add({ columns, rowCount }: Rows, from: number, before: number, ids: InternedRows): boolean {
    const times = columns[this.plan.time]!
    assert(times instanceof NumberColumn, 'instants are numbers')
    if (times.large !== null || times.nullCount > 0) return false
    const { keys, folds, distinct, values } = this.plan
    const to = Math.min(before, rowCount)
    const idsOf = (name: string): Int32Array => {
      const key = `${name} ${this.plan.time}`
      const known = ids.get(key) ?? { ids: new Int32Array(rowCount), to: 0 }
      ids.set(key, known)
      if (known.to < to) this.#interned.get(name)!.setIds(known.ids, columns[name]!, times.values, from, to)
      known.to = to
      return known.ids
    }
    const rows = {
      keys: keys.map(idsOf),
      folds: folds.map(({ argument }) => (argument === null ? null : columns[argument]!)),
      distinct: distinct.map(idsOf),
      values: values.map((name) => {
        const column = columns[name]!
        assert(column instanceof NumberColumn && column.type === 'double', 'values that are kept are doubles')
        return column
      }),
    }
    for (const [pane, ofPane] of this.#rowsByPane(times.values, from, to)) pane.add(ofPane, rows)
    return true
  }

  /** Rows that no window needs of which all is known are left out. */
  #rowsByPane(times: Float64Array, from: number, to: number): ReadonlyMap<Pane, readonly number[]> {
    const rowsByPane = new Map<Pane, number[]>()
    let [rows, start]: [number[] | undefined, number] = [undefined, Number.NaN]
    for (let row = from; row < to; row++) {
      const ofRow = Number(floorToMultiple(times[row]!, this.plan.sliceMicros))
      if (ofRow !== start) {
        const pane = this.#paneAt(ofRow)
        start = ofRow
        rows = pane === null ? undefined : (rowsByPane.get(pane) ?? [])
        if (pane !== null) rowsByPane.set(pane, rows!)
      }
      rows?.push(row)
    }
    return rowsByPane
  }

  /** null where a window that closes may have rows that are in no pane. */
  async closed(path: string, closing: Closing, parameters: ParameterValues): Promise<Rows | null> {
    const table = this.plan.tables.find((one) => one.path === path)!
    if (!(firstStart(closing) > this.#lineMicros)) return null
    const batch = table.rows.start({ parameters })
    const ofValues = table.figures.filter((figure) => figure.kind === 'values')
    const names = [...table.window.keys, ...table.figures.map(({ name }) => name)]
    const row: Record<string, unknown> = Object.fromEntries(
      ['window_start', 'window_end', ...names].map((name) => [name, null]),
    )
    for (const [start, panes] of this.#windows(table.window, closing)) {
      const pane = panes.length === 1 ? panes[0]! : await this.#merged(panes)
      row.window_start = start
      row.window_end = start + Number(table.window.sizeMicros)
      for (let group = 0; group < pane.groupCount; group++) {
        this.#fill(row, table, pane, group)
        for (const { name, index, of } of ofValues) row[name] = of(await pane.sortedValues(index, group))
        batch.add(row)
        if (group % rowsAtOnce === 0) await turn()
      }
    }
    return batch.rows(tableRows)
  }

  forget(path: string, upToMicros: number): void {
    this.#closedTo.set(path, Math.max(this.#closedTo.get(path)!, upToMicros))
    for (const start of this.#panes.keys()) {
      const isDone = this.plan.tables.every(({ path: one, window }) => {
        return lastStart(window, start) + Number(window.sizeMicros) <= this.#closedTo.get(one)!
      })
      if (isDone) this.#panes.delete(start)
    }
  }

  /** null where no window of which all is known needs the rows. */
  #paneAt(start: number): Pane | null {
    const known = this.#panes.get(start)
    if (known !== undefined) return known
    if (!this.plan.tables.some(({ window }) => lastStart(window, start) > this.#lineMicros)) return null
    const made = this.#newPane(start, this.#panes.get(start - this.plan.sliceMicros))
    this.#panes.set(start, made)
    return made
  }

  #newPane(start: number, like?: Pane): Pane {
    const { keys, folds, distinct, values } = this.plan
    const shape = {
      keyCount: keys.length,
      folds: folds.map(({ fold }) => fold),
      distinctCount: distinct.length,
      valuesCount: values.length,
    }
    return new Pane(shape, start, like)
  }

  async #merged(panes: readonly Pane[]): Promise<Pane> {
    const merged = this.#newPane(panes[0]!.startMicros, panes[0])
    for (const pane of panes) await merged.merge(pane)
    return merged
  }

  /** The panes of each window that closes, by its start. */
  #windows(window: WindowNode, { closedToMicros, upToMicros }: Closing): Map<number, Pane[]> {
    const [size, slide] = [Number(window.sizeMicros), Number(window.slideMicros)]
    const after = closedToMicros === null ? Number.NEGATIVE_INFINITY : Number(closedToMicros)
    const windows = new Map<number, Pane[]>()
    for (const pane of this.#panes.values()) {
      const last = lastStart(window, pane.startMicros)
      for (let start = last; start > last - size; start -= slide) {
        const end = start + size
        if (end <= after || end > Number(upToMicros)) continue
        const ofWindow = windows.get(start) ?? []
        windows.set(start, ofWindow)
        ofWindow.push(pane)
      }
    }
    return windows
  }

  #fill(row: Record<string, unknown>, { window, figures }: PanedTable, pane: Pane, group: number): void {
    const ids = this.#keyIds
    pane.keyIds(group, ids)
    for (let key = 0; key < ids.length; key++) {
      row[window.keys[key]!] = this.#interned.get(this.plan.keys[key]!)!.valueOf(ids[key]!)
    }
    for (const { name, kind, index } of figures) {
      if (kind === 'fold') row[name] = pane.folded[index]![group]
      else if (kind === 'distinct') row[name] = pane.distinctCount(index, group)
    }
  }
}

/** Of the last window that has all of a pane. */
function lastStart({ slideMicros }: WindowNode, paneStart: number): number {
  return Number(floorToMultiple(paneStart, Number(slideMicros)))
}

/** Of the first window that closes. */
function firstStart({ window, closedToMicros }: Closing): number {
  if (closedToMicros === null) return -Number.MAX_VALUE // Any: of a silver that was empty all is known.
  const closedTo = whole(closedToMicros)
  if (typeof closedTo !== 'number') return Number.NEGATIVE_INFINITY
  const [size, slide] = [Number(window.sizeMicros), Number(window.slideMicros)]
  return Number(floorToMultiple(closedTo, slide)) + slide - size
}
