// The operator `over` as SQL of either engine, where it does more than count rows; its meaning stands at
// `OverNode` (plan/relation.ts). What a row meets is put together, and its own value is added at last.
// docs/decisions/over.md says what it costs.
import { assert } from '../errors/errors.ts'
import { functionNamed } from '../expr/index.ts'
import {
  columnType,
  isSummed,
  type OverAggregate,
  type OverNode,
  overColumns,
  sumTypes,
} from '../plan/index.ts'
import { indentRest } from './arrival.ts'
import type { Dialect } from './dialect.ts'
import { distinctCtes } from './over-distinct.ts'
import { isMet, type Meeting, meetingCtes, meetingSql } from './over-meeting.ts'

type Measures = Record<string, Meeting['measures'][string]>

/** The arrival of each row that has a key and an event time, and what is added to it. */
export function overValuesSql(dialect: Dialect, node: OverNode, input: string, history: string): string {
  const sql = new OverSql(dialect, node)
  const distinct = sql.counted.map((column) => distinctCtes(dialect, column, node.rangeMicros))
  const names = Object.keys(node.aggregates).map((name) => dialect.name(name))
  const joins = distinct.map(({ pairs: of }) => `\nLEFT JOIN ${of} ON ${of}.k = met.k AND ${of}.n = met.n`)
  const arrival = node.arrival.map((column, index) => `met.a${index} AS ${dialect.name(column)}`)
  const results = Object.values(node.aggregates).map((one, index) => `${sql.result(one)} AS ${names[index]}`)
  const ctes = [
    ...sql.inputs(input, history),
    ...meetingCtes(dialect, sql.meeting()),
    ...distinct.flatMap((one) => one.ctes),
  ]
  return `WITH ${ctes.join(',\n')}
SELECT ${[...arrival, ...results].join(',\n  ')}
FROM met${joins.join('')}`
}

class OverSql {
  readonly #dialect: Dialect
  readonly #node: OverNode
  /** The columns whose values are looked at; in the SQL they are v0, v1 .. */
  readonly #columns: readonly string[]
  readonly #aggregates: readonly OverAggregate[]

  constructor(dialect: Dialect, node: OverNode) {
    this.#dialect = dialect
    this.#node = node
    this.#columns = overColumns(node)
    this.#aggregates = Object.values(node.aggregates)
  }

  /** The columns whose different values are counted. */
  get counted(): readonly string[] {
    const asked = this.#aggregates.flatMap((one) => (one.function === 'distinct' ? [this.#valueOf(one)] : []))
    return [...new Set(asked)]
  }

  /** CTEs `now` and `past`: the rows of the batch and of the history, narrow. */
  inputs(input: string, history: string): string[] {
    const { key, eventTime, arrival } = this.#node
    const { name } = this.#dialect
    const time = `${meetingSql(this.#dialect).micros(name(eventTime))} AS t`
    const values = this.#columns.map((column, index) => `, ${name(column)} AS v${index}`).join('')
    const order = arrival.map(name).join(', ')
    const arrived = arrival.map((column, index) => `, ${name(column)} AS a${index}`).join('')
    const isNamed = `${name(key)} IS NOT NULL AND ${name(eventTime)} IS NOT NULL`
    return [
      `numbered AS (
  SELECT ${name(key)} AS k, ${time}${arrived}${values},
    row_number() OVER (PARTITION BY ${name(key)} ORDER BY ${order}) - 1 AS n,
    count(*) OVER (PARTITION BY ${name(key)}) AS c
  FROM ${indentRest(input)}
  WHERE ${isNamed}
)`,
      'now AS (SELECT *, n AS m FROM numbered)',
      `past AS (
  SELECT ${name(key)} AS k, ${time}${this.#isOrdered ? arrived : ''}${values}
  FROM ${indentRest(history)}
  WHERE ${name(eventTime)} IS NOT NULL AND ${name(key)} IN (SELECT k FROM numbered)
)`,
    ]
  }

  /** What each row meets, as CTE `met`. */
  meeting(): Meeting {
    const { arrival, rangeMicros } = this.#node
    const columns = this.#columns.map((_, index) => `v${index}`)
    const measures = counting('row_count', isMet)
    for (const one of this.#aggregates) {
      switch (one.function) {
        case 'count':
          break
        case 'previous':
        case 'sincePrevious':
          measures.last_row = {
            met: `max(CASE WHEN ${isMet} THEN ${this.#lastRow} END)`,
            together: 'max(last_row)',
          }
          break
        case 'distinct':
          Object.assign(
            measures,
            counting(`count_${this.#valueOf(one)}`, `${this.#valueOf(one)} IS NOT NULL`),
          )
          break
        case 'min':
        case 'max': {
          const name = `${one.function}_${this.#valueOf(one)}`
          measures[name] = {
            met: `${one.function}(${this.#valueOf(one)})`,
            together: `${one.function}(${name})`,
          }
          break
        }
        default: {
          const value = this.#valueOf(one)
          measures[`sum_${value}`] = {
            met: `sum(${this.#summed(one, value)})`,
            together: `sum(sum_${value})`,
          }
          Object.assign(measures, counting(`count_${value}`, `${value} IS NOT NULL`))
        }
      }
    }
    const order = this.#isOrdered ? ['batch_age', ...arrival.map((_, index) => `a${index}`)] : []
    const [now, past] = this.#isOrdered
      ? ['(SELECT *, 1 AS batch_age FROM now)', '(SELECT *, 0 AS batch_age FROM past)']
      : ['now', 'past']
    return {
      name: 'met',
      keys: ['k'],
      now,
      past,
      columns: [...order, ...columns],
      // A row is put together from what it met and from itself: the batch is not read again for that.
      kept: ['t', ...arrival.map((_, index) => `a${index}`), ...columns],
      ends: ['t'],
      rangeMicros,
      measures,
    }
  }

  /** The aggregate of what a row has met and of the row itself. */
  result(one: OverAggregate): string {
    const sql = this.#resultOf(one)
    return `CAST(${sql} AS ${this.#dialect.type(one.type)})`
  }

  #resultOf(one: OverAggregate): string {
    const { field } = meetingSql(this.#dialect)
    if (one.function === 'count') return 'coalesce(met.row_count, 0) + 1'
    if (one.function === 'sincePrevious') return `met.t - ${field('met.last_row', 't')}`
    const value = this.#valueOf(one)
    if (one.function === 'previous') return field('met.last_row', value)
    const own = `met.${value}`
    const present = `(coalesce(met.count_${value}, 0) + CASE WHEN ${own} IS NULL THEN 0 ELSE 1 END)`
    switch (one.function) {
      case 'min':
        return `least(met.min_${value}, ${own})`
      case 'max':
        return `greatest(met.max_${value}, ${own})`
      case 'distinct':
        return `${present} - coalesce(of_${value}_pairs.pairs, 0)`
      case 'sum':
        return this.#sum(one, value)
      case 'mean':
        return functionNamed('ratio')[this.#dialect.engine](this.#sum(one, value), present)
    }
  }

  #sum(one: OverAggregate, value: string): string {
    const own = this.#summed(one, `met.${value}`)
    const met = `met.sum_${value}`
    const type = this.#dialect.type(this.#sumType(one))
    return `CAST(CASE WHEN met.${value} IS NULL THEN ${met} WHEN ${met} IS NULL THEN ${own} ELSE ${met} + ${own} END AS ${type})`
  }

  /** A value as what sums are of. */
  #summed(one: OverAggregate, value: string): string {
    return `CAST(${value} AS ${this.#dialect.type(this.#sumType(one))})`
  }

  #sumType(one: OverAggregate) {
    const type = 'of' in one ? columnType(this.#node.input, one.of) : 'string'
    assert(isSummed(type), 'a sum is of numbers')
    return sumTypes[type]
  }

  /** By which the last one of rows is found, and what is asked of it; `micros` is its time. */
  get #lastRow(): string {
    const { struct } = meetingSql(this.#dialect)
    if (!this.#isOrdered) return struct({ t: 'micros' })
    const arrival = this.#node.arrival.map((_, index) => [`a${index}`, `a${index}`] as const)
    const values = this.#columns.map((_, index) => [`v${index}`, `v${index}`] as const)
    return struct({ t: 'micros', batch_age: 'batch_age', ...Object.fromEntries([...arrival, ...values]) })
  }

  get #isOrdered(): boolean {
    return this.#aggregates.some(({ function: of }) => of === 'previous')
  }

  #valueOf(one: OverAggregate): string {
    assert('of' in one, 'an aggregate of a column')
    return `v${this.#columns.indexOf(one.of)}`
  }
}

function counting(name: string, condition: string): Measures {
  return { [name]: { met: `sum(CASE WHEN ${condition} THEN 1 ELSE 0 END)`, together: `sum(${name})` } }
}
