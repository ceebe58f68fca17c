// Sessions as SQL of either engine; their meaning stands at `SessionsNode` (plan/relation.ts). Rows without a
// gap between them are a stretch. Most stretches are a session. Where one is as long as a session can be, its
// sessions begin one after another, each by the one before: a fold over its different times finds where. What
// goes by the order of rows is made of running frames over the rows of a session.
import { unreachable } from '../errors/errors.ts'
import type { Expr } from '../expr/index.ts'
import type { OrderedAggregate, SessionsNode } from '../plan/index.ts'
import type { Dialect } from './dialect.ts'
import { aggregateSql, expressionSql } from './expression.ts'

/** The rows of sessions that close, from a relation of rows and one of the sessions that were written. */
export function sessionsSql(dialect: Dialect, node: SessionsNode, rows: string, written: string): string {
  const sql = new SessionSql(dialect, node)
  const closes = (name: string): string => {
    const to = sql.parameter(name)
    return `(max(${sql.micros}) + ${node.gapMicros} < ${to} OR ${sql.begin} + ${node.lengthMaxMicros} <= ${to})`
  }
  return `WITH session_rows AS (
  ${indented(sql.unwritten(rows, written))}
),
stretches AS (
  ${indented(sql.stretches('session_rows'))}
),
placed AS (
  ${indented(sql.placed('stretches'))}
)
${sql.grouped('placed')}
HAVING ${closes(node.closedUpTo)} AND ${closes(node.closedAfter)} IS NOT TRUE`
}

/** Name of the column that has, in microseconds, when the session of a row begins. */
export const sessionBegin = 'session begins'

/** A row for each session, from a relation of rows that have the column `sessionBegin`. */
export function sessionGroupsSql(dialect: Dialect, node: SessionsNode, placed: string): string {
  return new SessionSql(dialect, node).grouped(placed)
}

const indented = (sql: string): string => sql.replaceAll('\n', '\n  ')

type Ordered = { readonly name: string; readonly one: OrderedAggregate; readonly index: number }

class SessionSql {
  readonly micros: string
  readonly begin: string
  readonly #dialect: Dialect
  readonly #node: SessionsNode
  readonly #keys: readonly string[]
  readonly #isDuckdb: boolean

  constructor(dialect: Dialect, node: SessionsNode) {
    this.#dialect = dialect
    this.#node = node
    this.#keys = node.keys.map(dialect.name)
    this.#isDuckdb = dialect.engine === 'duckdb'
    this.micros = this.microsOf(dialect.name(node.eventTime))
    this.begin = dialect.name(sessionBegin)
  }

  microsOf(instant: string): string {
    return this.#isDuckdb ? `epoch_us(${instant})` : `unix_micros(${instant})`
  }

  /** In microseconds. */
  parameter(name: string): string {
    return this.microsOf(this.#dialect.parameter(name, 'timestamp'))
  }

  /** The rows that may be in a session which is not written, and were not too late for this batch. */
  unwritten(rows: string, written: string): string {
    const { eventTime, closedAfter, closedUpTo, lengthMaxMicros } = this.#node
    const time = `r.${this.#dialect.name(eventTime)}`
    const after = this.#dialect.parameter(closedAfter, 'timestamp')
    const from = this.#isDuckdb
      ? `${after} - to_microseconds(${lengthMaxMicros})`
      : `timestampadd(MICROSECOND, -${lengthMaxMicros}, ${after})`
    const last = this.#dialect.name('last written')
    const keys = this.#keys.map((key) => `${key}, `).join('')
    const isSame = this.#keys.map((key) => `r.${key} IS NOT DISTINCT FROM w.${key}`)
    return `SELECT r.*
FROM ${indented(rows)} AS r
LEFT JOIN (
  SELECT ${keys}max(session_end) AS ${last} FROM ${indented(written)}${this.#groupBy(this.#keys)}
) AS w ON ${isSame.length === 0 ? 'true' : isSame.join(' AND ')}
WHERE ${time} < ${this.#dialect.parameter(closedUpTo, 'timestamp')}
  AND (${after} IS NULL OR ${time} > ${from})
  AND (w.${last} IS NULL OR ${time} > w.${last})`
  }

  /** The rows with the number of their stretch among those of the key, and when it begins and ends. */
  stretches(rows: string): string {
    const { micros } = this
    const keys = this.#partition(this.#keys)
    const begins = `CASE WHEN ${micros} - lag(${micros}) OVER (${keys}ORDER BY ${micros}) <= ${this.#node.gapMicros} THEN 0 ELSE 1 END`
    const ofStretch = this.#partition([...this.#keys, 'stretch'])
    return `SELECT *, min(${micros}) OVER (${ofStretch}) AS stretch_first, max(${micros}) OVER (${ofStretch}) AS stretch_last
FROM (
  SELECT *, sum(begins) OVER (${keys}ORDER BY ${micros}) AS stretch
  FROM (SELECT *, ${begins} AS begins FROM ${rows})
)`
  }

  /** The rows with the beginning of their session. */
  placed(stretches: string): string {
    const { micros } = this
    const groups = [...this.#keys, 'stretch']
    const isSame = groups.map((name) => `s.${name} IS NOT DISTINCT FROM l.${name}`).join(' AND ')
    const isBefore = `one <= ${micros}`
    const last = this.#isDuckdb
      ? `list_max(list_filter(l.starts, lambda one: ${isBefore}))`
      : `array_max(filter(l.starts, one -> ${isBefore}))`
    return `SELECT s.*, coalesce(${last}, s.stretch_first) AS ${this.begin}
FROM ${stretches} AS s
LEFT JOIN (
  SELECT ${groups.join(', ')}, ${this.#starts(micros)} AS starts
  FROM ${stretches}
  WHERE stretch_last - stretch_first >= ${this.#node.lengthMaxMicros}
  GROUP BY ${groups.join(', ')}
) AS l ON ${isSame}`
  }

  /** Of a long stretch when each of its sessions begins. */
  #starts(micros: string): string {
    const { lengthMaxMicros: length } = this.#node
    if (this.#isDuckdb) {
      const times = `list_transform(list_sort(list(DISTINCT ${micros})), lambda one: [one])`
      const next = `CASE WHEN one[1] >= starts[-1] + ${length} THEN list_concat(starts, one) ELSE starts END`
      return `list_reduce(${times}, lambda starts, one: ${next})`
    }
    const next = `CASE WHEN one < try_element_at(starts, -1) + ${length} THEN starts ELSE concat(starts, array(one)) END`
    return `aggregate(array_sort(collect_set(${micros})), CAST(array() AS ARRAY<BIGINT>), (starts, one) -> ${next})`
  }

  grouped(placed: string): string {
    const { aggregates, eventTime } = this.#node
    const dialect = this.#dialect
    const time = dialect.name(eventTime)
    const figures = Object.entries(aggregates).map(([name, one], index) => {
      const sql = one.kind === 'aggregate' ? aggregateSql(dialect, one) : this.#ordered({ name, one, index })
      return `${sql} AS ${dialect.name(name)}`
    })
    const columns = [
      ...this.#keys,
      `min(${time}) AS session_start`,
      `max(${time}) AS session_end`,
      ...figures,
    ]
    return `SELECT ${columns.join(',\n  ')}
FROM (
  ${indented(this.#neighbours(placed))}
)
GROUP BY ${[...this.#keys, this.begin].join(', ')}`
  }

  /** The rows with what aggregates that go by their order ask of the rows before them. */
  #neighbours(placed: string): string {
    const order = [this.micros, ...this.#node.arrival.map(this.#dialect.name)].join(', ')
    const frame = `${this.#partition([...this.#keys, this.begin])}ORDER BY ${order}`
    const added: string[] = []
    const entries = Object.entries(this.#node.aggregates)
    for (const [index, [, one]] of entries.entries()) {
      if (one.kind !== 'ordered') continue
      switch (one.function) {
        case 'firstValues':
          added.push(`row_number() OVER (${frame}) AS ${this.#part('number', index)}`)
          break
        case 'changes':
          added.push(`lag(${this.#sql(one.of)}) OVER (${frame}) AS ${this.#part('previous', index)}`)
          if (one.withinMicros !== null)
            added.push(`lag(${this.micros}) OVER (${frame}) AS ${this.#part('previous time', index)}`)
          break
        case 'isPreceded':
          added.push(
            `coalesce(sum(CASE WHEN ${this.#sql(one.by)} THEN 1 ELSE 0 END) OVER (${frame} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS ${this.#part('preceding', index)}`,
          )
          break
        default:
          unreachable(one)
      }
    }
    return `SELECT *${added.map((sql) => `,\n  ${sql}`).join('')}\nFROM ${placed}`
  }

  #ordered({ one, index }: Ordered): string {
    switch (one.function) {
      case 'firstValues': {
        const [number, value] = [this.#part('number', index), this.#sql(one.of)]
        const isOne = `${number} <= ${one.rowsMax} AND ${value} IS NOT NULL`
        return this.#isDuckdb
          ? `coalesce(list(${value} ORDER BY ${number}) FILTER (WHERE ${isOne}), CAST([] AS VARCHAR[]))`
          : `transform(array_sort(collect_list(CASE WHEN ${isOne} THEN struct(${number} AS number, ${value} AS value) END)), one -> one.value)`
      }
      case 'changes': {
        const conditions = [`${this.#sql(one.of)} <> ${this.#part('previous', index)}`]
        if (one.withinMicros !== null) {
          conditions.push(`${this.micros} - ${this.#part('previous time', index)} <= ${one.withinMicros}`)
        }
        return this.#countWhere(conditions.join(' AND '))
      }
      case 'isPreceded':
        return `(${this.#countWhere(`${this.#sql(one.where)} AND ${this.#part('preceding', index)} >= ${one.rowsMin}`)} > 0)`
      default:
        return unreachable(one)
    }
  }

  #countWhere(condition: string): string {
    return this.#isDuckdb ? `count(*) FILTER (WHERE ${condition})` : `count_if(${condition})`
  }

  #part(what: string, index: number): string {
    return this.#dialect.name(`${what} of ${index}`)
  }

  #sql(expr: Expr): string {
    return expressionSql(this.#dialect, expr)
  }

  #partition(by: readonly string[]): string {
    return by.length === 0 ? '' : `PARTITION BY ${by.join(', ')} `
  }

  #groupBy(by: readonly string[]): string {
    return by.length === 0 ? '' : ` GROUP BY ${by.join(', ')}`
  }
}
