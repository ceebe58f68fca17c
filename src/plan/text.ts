// A plan as text for people: one operator a line, its input below it.
import { counted } from '../errors/counted.ts'
import { unreachable } from '../errors/errors.ts'
import type { Aggregate, Expr } from '../expr/index.ts'
import { copyName } from './expand.ts'
import type { OverAggregate } from './over-aggregate.ts'
import type { JsonPath, PlanNode } from './relation.ts'
import type { SessionAggregate } from './session-aggregate.ts'
import type { TableDefinition } from './table.ts'

export function planText(table: TableDefinition): string {
  const partition = table.partitionBy === null ? '' : `, partitioned by ${table.partitionBy}`
  const closing = table.watermark === null ? '' : `, closed by WATERMARK_${table.watermark.toUpperCase()}`
  return [`sink ${table.path} (delta, append${partition}${closing})`, ...lines(table.rows.node, new Set())]
    .map((line, index) => (index === 0 ? line : `  ${line}`))
    .join('\n')
}

function lines(node: PlanNode, told: Set<string>): string[] {
  switch (node.kind) {
    case 'input':
      return [`input ${node.name} (${Object.keys(node.schema).join(', ')})`]
    case 'project':
      return [`project ${computed(node.columns)}`, ...nested(node.input, told)]
    case 'filter':
      return [`filter ${exprText(node.where)}`, ...nested(node.input, told)]
    case 'readJson':
      return [
        `json document of ${node.from} -> ${node.as}: ${Object.values(node.fields).map(pathText).join(', ')}`,
        ...nested(node.input, told),
      ]
    case 'decode':
      return [
        `${node.from} as JSON, by the schema that it or ${node.headers} name -> ${node.as}, ${node.failure}`,
        ...nested(node.input, told),
      ]
    case 'shared': {
      if (told.has(node.name)) return [`shared ${node.name} (as above)`]
      told.add(node.name)
      return [`shared ${node.name} (computed once for the batch)`, ...nested(node.input, told)]
    }
    case 'deduplicate':
      return [
        `deduplicate by ${node.key}, ${node.eventTime} within ${exprText(node.rangeMicros)} microseconds, in order of ${node.arrival.join(', ')} -> ${node.as}`,
        ...nested(node.input, told),
        ...nested(node.history, told),
      ]
    case 'over': {
      const aggregates = Object.entries(node.aggregates).map(([name, one]) => `${name} = ${overText(one)}`)
      return [
        `over the rows of the same ${node.key} in the preceding ${duration(node.rangeMicros)} of ${node.eventTime}, in order of ${node.arrival.join(', ')}: ${aggregates.join(', ')}`,
        ...nested(node.input, told),
        ...nested(node.history, told),
      ]
    }
    case 'window': {
      const slide =
        node.slideMicros === node.sizeMicros ? 'tumbling' : `sliding by ${duration(node.slideMicros)}`
      const keys = node.keys.length === 0 ? '' : ` by ${node.keys.join(', ')}`
      const aggregates = Object.entries(node.aggregates).map(([name, one]) => `${name} = ${callText(one)}`)
      return [
        `window ${duration(node.sizeMicros)} ${slide} of ${node.eventTime}${keys}: ${aggregates.join(', ')}`,
        ...nested(node.input, told),
      ]
    }
    case 'unpivot': {
      const names = node.figures.map(({ of }) => of).join(', ')
      return [
        `unpivot, a row for each figure that is not null, by ${node.labels.join(', ')}: ${names} -> ${node.value}`,
        ...nested(node.input, told),
      ]
    }
    case 'baseline':
      return [
        `baseline of ${node.value}, by the last ${counted(node.rowsMax, 'row')} of the table before it with the same ${node.keys.join(', ')} in order of ${node.order}, at least ${node.rowsMin} -> ${node.expected}, ${node.deviation}`,
        ...nested(node.input, told),
      ]
    case 'sessions': {
      const aggregates = Object.entries(node.aggregates).map(([name, one]) => `${name} = ${sessionText(one)}`)
      return [
        `sessions by ${node.keys.join(', ')}, in order of ${[node.eventTime, ...node.arrival].join(', ')}: a new one after more than ${duration(node.gapMicros)} without a row, or ${duration(node.lengthMaxMicros)} after the first: ${aggregates.join(', ')}`,
        ...nested(node.input, told),
        ...nested(node.written, told),
      ]
    }
    case 'expand': {
      const copies = node.copies.map((copy) => `${node.by} ${copyName(node, copy)}: ${computed(copy)}`)
      return [
        `expand, for each row ${copies.length === 0 ? 'none' : 'one'} of each ${node.by}, ${counted(node.keep.length, 'column')} unchanged`,
        ...copies.map((copy) => `  ${copy}`),
        ...nested(node.input, told),
      ]
    }
    default:
      return unreachable(node)
  }
}

const nested = (node: PlanNode, told: Set<string>): string[] => lines(node, told).map((line) => `  ${line}`)

/** A name with a point in it is told from two names by its quotes. */
export function pathText(path: JsonPath): string {
  return path.map((name) => (/^[\w-]+$/.test(name) ? name : JSON.stringify(name))).join('.')
}

/** The columns that a projection computes; those that it only keeps are counted. */
function computed(columns: Readonly<Record<string, Expr>>): string {
  const entries = Object.entries(columns)
  const kept = entries.filter(([name, expr]) => expr.kind === 'column' && expr.name === name).length
  const made = entries.filter(([name, expr]) => !(expr.kind === 'column' && expr.name === name))
  const list = made.map(([name, expr]) => `${name} = ${exprText(expr)}`)
  return kept === 0 ? list.join(', ') : [...list, `${counted(kept, 'column')} unchanged`].join(', ')
}

/**
 * How a column of a table is computed, in terms of the table's other columns and of the inputs; null where it
 * is one of an input's columns as it stands.
 */
export function definitionText({ rows }: TableDefinition, name: string): string | null {
  return definition(rows.node, name, (other) => other !== name && other in rows.schema)
}

function definition(node: PlanNode, name: string, isNamed: (name: string) => boolean): string | null {
  switch (node.kind) {
    case 'input':
      return null
    case 'project': {
      const expr = node.columns[name]!
      if (expr.kind === 'column') return definition(node.input, expr.name, isNamed)
      return exprText(expr, (inner) => (isNamed(inner) ? inner : definition(node.input, inner, isNamed)))
    }
    case 'readJson': {
      const path = node.fields[name]
      if (name === node.as) return node.as
      return path === undefined ? definition(node.input, name, isNamed) : `json '${pathText(path)}'`
    }
    case 'over': {
      const aggregate = node.aggregates[name]
      if (aggregate === undefined) return definition(node.input, name, isNamed)
      const rows = `rows of the same ${node.key} in the ${duration(node.rangeMicros)} until ${node.eventTime}, this one included`
      return aggregate.function === 'count' ? rows : `${overText(aggregate)} over the ${rows}`
    }
    case 'window': {
      const aggregate = node.aggregates[name]
      return aggregate === undefined ? null : callText(aggregate)
    }
    case 'sessions': {
      const aggregate = node.aggregates[name]
      return aggregate === undefined ? null : sessionText(aggregate)
    }
    case 'decode': {
      if (name === node.as) return `${node.from} as JSON`
      return name === node.failure ? name : definition(node.input, name, isNamed)
    }
    case 'deduplicate':
      return name === node.as ? node.as : definition(node.input, name, isNamed)
    case 'unpivot':
      return node.keep.includes(name) ? definition(node.input, name, isNamed) : `the ${name} of the figure`
    case 'baseline': {
      const rows = `${node.value} in the last ${counted(node.rowsMax, 'row')} before it with the same ${node.keys.join(', ')}`
      if (name === node.expected) return `the median of ${rows}`
      if (name === node.deviation) return `the median distance from ${node.expected} of ${rows}`
      return definition(node.input, name, isNamed)
    }
    case 'expand':
      return node.keep.includes(name) ? definition(node.input, name, isNamed) : `${name} of the ${node.by}`
    case 'filter':
    case 'shared':
      return definition(node.input, name, isNamed)
    default:
      return unreachable(node)
  }
}

/** `nameOf` says what stands for a column; null is its own name. */
export function exprText(expr: Expr, nameOf: (column: string) => string | null = () => null): string {
  switch (expr.kind) {
    case 'column':
      return nameOf(expr.name) ?? expr.name
    case 'literal':
      return expr.type === 'string' ? `'${shortened(String(expr.value))}'` : String(expr.value)
    case 'parameter':
      return `$${expr.name}`
    case 'call':
      return callText(expr, nameOf)
    case 'case': {
      const text = (inner: Expr): string => exprText(inner, nameOf)
      const branches = expr.branches.map((branch) => `${text(branch.when)} -> ${text(branch.then)}`)
      return `when(${branches.join(', ')}, else ${text(expr.otherwise)})`
    }
    default:
      return unreachable(expr)
  }
}

/** The text of a model is as long as a book. */
function shortened(text: string): string {
  return text.length <= literalShownMax
    ? text
    : `${text.slice(0, literalShownMax)}.. (${text.length} characters)`
}

const literalShownMax = 200

function callText(
  call: Pick<Aggregate, 'function' | 'args'>,
  nameOf?: (column: string) => string | null,
): string {
  return `${call.function}(${call.args.map((arg) => exprText(arg, nameOf)).join(', ')})`
}

function sessionText(one: SessionAggregate): string {
  if (one.kind === 'aggregate') return callText(one)
  switch (one.function) {
    case 'firstValues':
      return `${exprText(one.of)} of the first ${counted(one.rowsMax, 'row')}`
    case 'changes': {
      const within = one.withinMicros === null ? '' : `, within ${duration(one.withinMicros)}`
      return `changes of ${exprText(one.of)} from row to row${within}`
    }
    case 'isPreceded':
      return `a row with ${exprText(one.where)} behind ${one.rowsMin} or more with ${exprText(one.by)}`
    default:
      return unreachable(one)
  }
}

function overText(aggregate: OverAggregate): string {
  return 'of' in aggregate ? `${aggregate.function}(${aggregate.of})` : `${aggregate.function}()`
}

function duration(micros: bigint): string {
  return micros % 60_000_000n === 0n ? `${micros / 60_000_000n} min` : `${micros} microseconds`
}
