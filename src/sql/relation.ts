// Relation -> SQL text of one engine. A plan becomes statements: first what several tables share, then the
// table.
import { assert, unreachable } from '../errors/errors.ts'
import type { Schema } from '../expr/index.ts'
import { earlierRows, type OverNode, type PlanNode, type WindowNode } from '../plan/index.ts'
import { decodeSql } from './decode.ts'
import { deduplicateSql } from './deduplicate.ts'
import type { Dialect } from './dialect.ts'
import { expandSql } from './expand.ts'
import { aggregateSql, combineSql, expressionSql, paneSql } from './expression.ts'
import { baselineSql, unpivotSql } from './figures.ts'
import { overLayer, overSql } from './over.ts'
import { readJsonSql } from './read-json.ts'
import { sessionsSql } from './sessions.ts'
import { sparkModelSql } from './spark-model.ts'

/** A relation that is computed once and named, for the statements after it. */
export type SharedStatement = {
  readonly name: string
  readonly sql: string
  /** Names of the inputs and shared relations that it reads. */
  readonly reads: readonly string[]
}

export type CompiledTable = {
  readonly shared: readonly SharedStatement[]
  readonly sql: string
  /** Names of the inputs and shared relations that `sql` reads. */
  readonly reads: readonly string[]
}

/** `windowsFrom` names a relation that has the rows of the window aggregate: it is not computed. */
export function compileTable(dialect: Dialect, node: PlanNode, windowsFrom?: string): CompiledTable {
  const shared: SharedStatement[] = []
  const reads = new Set<string>()
  const sql = new Compiler(dialect, shared, reads, windowsFrom).select(node)
  return { shared, sql, reads: [...reads] }
}

class Compiler {
  readonly dialect: Dialect
  readonly #shared: SharedStatement[]
  #reads: Set<string>
  readonly #windowsFrom: string | undefined

  constructor(dialect: Dialect, shared: SharedStatement[], reads: Set<string>, windowsFrom?: string) {
    this.dialect = dialect
    this.#shared = shared
    this.#reads = reads
    this.#windowsFrom = windowsFrom
  }

  select(node: PlanNode): string {
    const { dialect } = this
    switch (node.kind) {
      case 'input':
        this.#reads.add(node.name)
        return `SELECT ${names(dialect, Object.keys(node.schema))}\nFROM ${dialect.name(node.name)}`
      case 'project': {
        const input = (): string => this.from(node.input)
        const scored = dialect.engine === 'spark' ? sparkModelSql(dialect, node, input) : null
        if (scored !== null) return scored
        const columns = Object.entries(node.columns).map(([name, expr]) => {
          const sql = expressionSql(dialect, expr)
          return sql === dialect.name(name) ? sql : `${sql} AS ${dialect.name(name)}`
        })
        return `SELECT ${columns.join(',\n  ')}\nFROM ${this.from(node.input)}`
      }
      case 'filter':
        return `SELECT *\nFROM ${this.from(node.input)}\nWHERE ${expressionSql(dialect, node.where)}`
      case 'readJson':
        return readJsonSql(dialect, node, this.from(node.input))
      case 'decode':
        return decodeSql(dialect, node, this.from(node.input))
      case 'shared':
        return `SELECT *\nFROM ${this.from(node)}`
      case 'deduplicate':
        return deduplicateSql(dialect, node, this.from(node.input), this.from(node.history))
      case 'over':
        return this.#over(node)
      case 'window':
        if (this.#windowsFrom !== undefined) return `SELECT *\nFROM ${dialect.name(this.#windowsFrom)}`
        return node.slideMicros === node.sizeMicros ? this.#tumbling(node) : this.#sliding(node)
      case 'unpivot':
        return unpivotSql(dialect, node, this.from(node.input))
      case 'baseline':
        this.#reads.add(earlierRows)
        return baselineSql(dialect, node, this.from(node.input))
      case 'sessions':
        return sessionsSql(dialect, node, this.from(node.input), this.from(node.written))
      case 'expand':
        return expandSql(dialect, node, this.from(node.input))
      default:
        return unreachable(node)
    }
  }

  /** What stands behind FROM: a name, or the statement in parentheses. */
  from(node: PlanNode): string {
    if (node.kind === 'input') {
      this.#reads.add(node.name)
      return this.dialect.name(node.name)
    }
    if (node.kind === 'shared') {
      if (!this.#shared.some((statement) => statement.name === node.name)) {
        const { sql, reads } = this.#reading(() => this.select(node.input))
        this.#shared.push({ name: node.name, sql, reads })
      }
      this.#reads.add(node.name)
      return this.dialect.name(node.name)
    }
    return `(\n${indentSql(this.select(node))}\n)`
  }

  /**
   * Spark plans a statement again whenever a part of it is done, so one of many operators would cost the
   * square of their number: there, what each of them adds is a relation by itself. DuckDB plans once.
   */
  #over(node: OverNode): string {
    const { dialect } = this
    const layer = overLayer(node)
    const below = this.#reading(() => this.from(layer.below))
    for (const name of below.reads) this.#reads.add(name)
    const hold = (select: () => string): string => {
      const { sql, reads } = this.#reading(select)
      const name = `found_${this.#shared.length}`
      this.#shared.push({ name, sql, reads: [...below.reads, ...reads] })
      this.#reads.add(name)
      return dialect.name(name)
    }
    const historyOf = ({ history }: OverNode) => this.from(history)
    return overSql(dialect, layer, below.sql, historyOf, dialect.engine === 'spark' ? hold : null)
  }

  /** A statement, and the names of what it reads. */
  #reading(select: () => string): { readonly sql: string; readonly reads: readonly string[] } {
    const outer = this.#reads
    this.#reads = new Set()
    const sql = select()
    const reads = [...this.#reads]
    this.#reads = outer
    return { sql, reads }
  }

  /** Each row belongs to one window: one group by. */
  #tumbling(node: WindowNode): string {
    const { dialect } = this
    const keys = node.keys.map((key) => dialect.name(key))
    const start = bucketSql(dialect, node.eventTime, node.sizeMicros)
    const aggregates = Object.entries(node.aggregates).map(
      ([name, aggregate]) => `${aggregateSql(dialect, aggregate)} AS ${dialect.name(name)}`,
    )
    return (
      `SELECT window_start, ${plusMicrosSql(dialect, 'window_start', node.sizeMicros)} AS window_end,\n  ` +
      `${[...keys, ...aggregates].join(',\n  ')}\n` +
      `FROM (\n  SELECT *, ${start} AS window_start\n  FROM ${indentRest(this.from(node.input))}\n` +
      `  WHERE ${mayCloseSql(dialect, node)}\n)\n` +
      `WHERE ${closesSql(dialect, node)}\n` +
      `GROUP BY ${['window_start', ...keys].join(', ')}`
    )
  }

  /**
   * Rows are grouped into panes as long as the slide; a window is the panes that it covers, so no row is
   * copied.
   */
  #sliding(node: WindowNode): string {
    const { dialect } = this
    assert(node.sizeMicros % node.slideMicros === 0n, 'a window is a whole number of slides')
    const paneCount = Number(node.sizeMicros / node.slideMicros)
    const keys = node.keys.map((key) => dialect.name(key))
    const aggregates = Object.entries(node.aggregates)
    const panes =
      `SELECT ${bucketSql(dialect, node.eventTime, node.slideMicros)} AS pane_start,\n  ` +
      `${[...keys, ...aggregates.map(([name, one]) => `${paneSql(dialect, one)} AS ${dialect.name(name)}`)].join(',\n  ')}\n` +
      `FROM ${this.from(node.input)}\nWHERE ${mayCloseSql(dialect, node)}\n` +
      `GROUP BY ${['pane_start', ...keys].join(', ')}`
    const slides = Array.from({ length: paneCount }, (_, index) => `(${BigInt(index) * node.slideMicros})`)
    const windows =
      `SELECT ${plusMicrosSql(dialect, 'pane_start', '-slide_micros')} AS window_start, panes.*\n` +
      `FROM (\n${indentSql(panes)}\n) AS panes, (VALUES ${slides.join(', ')}) AS slides(slide_micros)`
    return (
      `SELECT window_start, ${plusMicrosSql(dialect, 'window_start', node.sizeMicros)} AS window_end,\n  ` +
      `${[...keys, ...aggregates.map(([name, one]) => `${combineSql(dialect, one, dialect.name(name))} AS ${dialect.name(name)}`)].join(',\n  ')}\n` +
      `FROM (\n${indentSql(windows)}\n)\nWHERE ${closesSql(dialect, node)}\n` +
      `GROUP BY ${['window_start', ...keys].join(', ')}`
    )
  }
}

function names(dialect: Dialect, columns: readonly string[]): string {
  return columns.map((name) => dialect.name(name)).join(', ')
}

export const indentSql = (sql: string): string => sql.replaceAll(/^/gm, '  ')
const indentRest = (sql: string): string => sql.replaceAll('\n', '\n  ')

/** The start of the bucket of so many microseconds that holds the column's instant; aligned to the epoch. */
export function bucketSql(dialect: Dialect, column: string, micros: bigint): string {
  const start = { kind: 'call', function: 'windowStart', type: 'timestamp' } as const
  return expressionSql(dialect, {
    ...start,
    args: [
      { kind: 'column', name: column, type: 'timestamp' },
      { kind: 'literal', value: micros, type: 'long' },
    ],
  })
}

export function plusMicrosSql(dialect: Dialect, instant: string, micros: bigint | string): string {
  return dialect.engine === 'duckdb'
    ? `(${instant} + to_microseconds(${micros}))`
    : `timestampadd(MICROSECOND, ${micros}, ${instant})`
}

const timestampParameter = (dialect: Dialect, name: string): string =>
  expressionSql(dialect, { kind: 'parameter', name, type: 'timestamp' })

/** Windows that close: closedAfter < window_end <= closedUpTo. */
export function closesSql(dialect: Dialect, node: WindowNode): string {
  const after = timestampParameter(dialect, node.closedAfter)
  const upTo = timestampParameter(dialect, node.closedUpTo)
  const end = plusMicrosSql(dialect, 'window_start', node.sizeMicros)
  return `${end} <= ${upTo} AND (${after} IS NULL OR ${end} > ${after})`
}

/** A bound on the rows of such windows, on the bare column: statistics can skip the rest. */
export function mayCloseSql(dialect: Dialect, node: WindowNode): string {
  const after = timestampParameter(dialect, node.closedAfter)
  const upTo = timestampParameter(dialect, node.closedUpTo)
  const column = dialect.name(node.eventTime)
  return `${column} < ${upTo} AND (${after} IS NULL OR ${column} >= ${plusMicrosSql(dialect, after, -node.sizeMicros)})`
}

/** DuckDB's `CREATE TABLE` columns of a schema. */
export function columnDefinitions(dialect: Dialect, schema: Schema): string {
  return Object.entries(schema)
    .map(([name, type]) => `${dialect.name(name)} ${dialect.type(type)}`)
    .join(', ')
}
