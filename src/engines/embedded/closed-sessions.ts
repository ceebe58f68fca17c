// Sessions that closed as rows of their table: column by column, and by the row only what the table computes.
import { type Column, newColumn, type Rows } from '../../columns/column.ts'
import { addRows, type RunningBatch, type SessionPlan, tableRows } from '../../javascript/index.ts'
import type { ParameterValues } from '../../sql/index.ts'
import type { InternedValues } from '../../state/interned-values.ts'
import type { OpenSessions, SessionPlace } from '../../state/open-sessions.ts'

export class ClosedSessions {
  readonly #plan: SessionPlan
  /** The values of a session's key. */
  readonly #keyValues: (key: number) => readonly unknown[]
  readonly #interned: ReadonlyMap<string, InternedValues>
  readonly #parameters: ParameterValues
  #columns: Readonly<Record<string, Column>> = {}
  /** What the table computes of them. */
  #computed: RunningBatch | null = null
  #count = 0

  constructor(
    plan: SessionPlan,
    parameters: ParameterValues,
    interned: ReadonlyMap<string, InternedValues>,
    keyValues: (key: number) => readonly unknown[],
  ) {
    this.#plan = plan
    this.#parameters = parameters
    this.#interned = interned
    this.#keyValues = keyValues
    this.#begin()
  }

  get count(): number {
    return this.#count
  }

  add(open: OpenSessions, places: readonly SessionPlace[]): void {
    const { node, values, figures, shape } = this.#plan
    for (const place of places) {
      const ofKey = this.#keyValues(open.keyOf(place))
      for (let index = 0; index < ofKey.length; index++) this.#push(node.keys[index]!, ofKey[index])
    }
    this.#each('session_start', places, (place) => open.startOf(place))
    this.#each('session_end', places, (place) => open.endOf(place))
    for (const { name, kind, index, instead } of figures) {
      switch (kind) {
        case 'fold':
          this.#each(name, places, (place) => open.folded(place, index))
          break
        case 'distinct':
          this.#each(name, places, (place) => open.distinctCount(place, index))
          break
        case 'changes':
          this.#each(name, places, (place) => open.changes(place, index))
          break
        case 'preceded':
          this.#each(name, places, (place) => open.isPreceded(place, index))
          break
        default: {
          const interned = this.#interned.get(values[shape.firsts[index]!.value]!)!
          const decode = (id: number): unknown => (id === 0 ? instead : interned.valueOf(id))
          this.#each(name, places, (place) => open.firsts(place, index, decode))
        }
      }
    }
    this.#compute(places.length)
  }

  /** The rows of all that were added; then there are none. */
  take(): Rows {
    const { schema, given } = this.#plan.closed
    const made: Record<string, Column> = {}
    for (const [name, of] of Object.entries(given)) made[name] = this.#columns[of]!
    const computed = this.#computed?.rows(tableRows)
    const all = { ...made, ...computed?.columns }
    const inOrder = Object.keys(schema).map((name): [string, Column] => [name, all[name]!])
    const rowCount = computed?.rowCount ?? this.#count
    this.#begin()
    return { schema, columns: Object.fromEntries(inOrder), rowCount }
  }

  #begin(): void {
    const { columns, computed } = this.#plan.closed
    this.#columns = Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, newColumn(type)]))
    this.#computed = computed?.start({ parameters: this.#parameters }) ?? null
    this.#count = 0
  }

  #compute(rowCount: number): void {
    const from = this.#count
    this.#count += rowCount
    const { computed } = this.#plan.closed
    if (computed === null) return
    addRows(this.#computed!, computed.reads, this.#columns, from, this.#count)
  }

  #each(name: string, places: readonly SessionPlace[], cellOf: (place: SessionPlace) => unknown): void {
    const column = this.#columns[name]!
    for (const place of places) column.push(cellOf(place) as never) // As the column's type says.
  }

  #push(name: string, value: unknown): void {
    this.#columns[name]!.push(value as never) // As the column's type says.
  }
}
