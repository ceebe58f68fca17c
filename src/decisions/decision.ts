// Makes of the rows of a record what people and programs are told.
import type { ColumnType, Schema, Value } from '../expr/index.ts'
import type { DefinedRule, Lakehouse } from '../plan/index.ts'
import { roleColumns, tableAt } from '../plan/index.ts'
import { ruleSentence, textOfValue } from '../rules/index.ts'
import type { DecidedPlace, Decision, DecisionCell, FiredRule } from './decision-answer.ts'

/** Characters of a text in a decision that is cut. */
export const cutTextMax = 1_000

/** The decision with its long texts cut, for a topic that would not take it whole. */
export function cutDecision(decision: Decision): Decision {
  const cut = (_: string, value: unknown): unknown =>
    typeof value === 'string' && value.length > cutTextMax ? `${value.slice(0, cutTextMax)}…` : value
  return JSON.parse(JSON.stringify(decision, cut)) as Decision // What it was, with shorter texts.
}

/** Columns of the scored table that are neither the event's nor what was decided. */
export function featureColumns(
  { tables, events }: Pick<Lakehouse, 'tables' | 'events'>,
  scoredPath: string,
): Schema {
  const { schema } = tableAt(tables, scoredPath).rows
  return Object.fromEntries(
    Object.entries(schema).filter(([name]) => !(name in roleColumns.scored) && !(name in events.rows.schema)),
  )
}

/** A row in the order of the columns of its table. */
type RowValues = readonly unknown[]

/** Makes decisions of rows; `lakehouse` scores. */
export class DecisionWriter {
  readonly #rules: readonly DefinedRule[]
  readonly #reasons: Lakehouse['reasons']
  readonly #id: string
  readonly #scored: Columns
  readonly #events: Columns
  readonly #refused: Columns
  readonly #features: readonly string[]
  readonly #version: string

  constructor(lakehouse: Lakehouse, scoredPath: string, version: string) {
    this.#version = version
    const { tables, events, refused } = lakehouse
    const scored = tableAt(tables, scoredPath)
    this.#rules = lakehouse.rules
    this.#reasons = lakehouse.reasons
    this.#id = lakehouse.names.event.column
    this.#scored = new Columns(scored.rows.schema)
    this.#events = new Columns(events.rows.schema)
    this.#refused = new Columns(refused.rows.schema)
    this.#features = Object.keys(featureColumns(lakehouse, scoredPath))
  }

  scored(event: RowValues, row: RowValues): Decision {
    const scored = (name: string): unknown => this.#scored.value(row, name)
    const text = (name: string): string | null =>
      this.#scored.has(name) ? this.#scored.text(row, name) : this.#events.text(event, name)
    const fired = (scored('reasons') as readonly string[]).map((name): FiredRule => {
      const { points, text: says } = ruleSentence(this.#rules, name, text)
      return { name, points, says }
    })
    return {
      ...this.#scored.place(row),
      decision: 'scored',
      id: this.#events.text(event, this.#id) ?? '',
      fraud_score: Number(scored('fraud_score')),
      risk_level: String(scored('risk_level')),
      requires_review: scored('requires_review') === true,
      rules: fired,
      features: Object.fromEntries(this.#features.map((name) => [name, this.#scored.cell(row, name)])),
      version: this.#version,
    }
  }

  refused(row: RowValues): Decision {
    const names = this.#refused.value(row, 'reasons') as readonly string[]
    const reasons = names.map((name) => ({ name, meaning: this.#reasons[name] ?? '' }))
    const place = this.#refused.place(row)
    const id = `${place.topic}/${place.partition}/${place.offset}`
    return { ...place, decision: 'refused', id, reasons, version: this.#version }
  }
}

class Columns {
  readonly #at: ReadonlyMap<string, { readonly index: number; readonly type: ColumnType }>

  constructor(schema: Schema) {
    this.#at = new Map(Object.entries(schema).map(([name, type], index) => [name, { index, type }]))
  }

  has(name: string): boolean {
    return this.#at.has(name)
  }

  value(row: RowValues, name: string): unknown {
    const found = this.#at.get(name)
    return found === undefined ? null : row[found.index]
  }

  text(row: RowValues, name: string): string | null {
    const found = this.#at.get(name)
    return found === undefined ? null : textOfValue(found.type, row[found.index] as Value)
  }

  cell(row: RowValues, name: string): DecisionCell {
    const value = this.value(row, name)
    if (value === null || typeof value === 'boolean' || Array.isArray(value)) return value
    const type = this.#at.get(name)?.type
    if (typeof value === 'number' && (type === 'int' || type === 'double')) return value
    return this.text(row, name)
  }

  place(row: RowValues): DecidedPlace {
    return {
      topic: String(this.value(row, 'topic')),
      partition: Number(this.value(row, 'partition')),
      offset: String(this.value(row, 'offset')),
    }
  }
}
