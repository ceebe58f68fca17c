// What in a plan is no column, or of another type than is asked for: told before an engine meets it. Who
// builds plans by functions is told by these; what reads another table, or is written as data, is told here.
import { unreachable } from '../errors/errors.ts'
import { argumentMistake, isTyped } from '../expr/argument-types.ts'
import {
  type Aggregate,
  aggregateNamed,
  type ColumnType,
  type Expr,
  functionNamed,
  type Schema,
} from '../expr/index.ts'
import { overColumns } from './over.ts'
import { isKeyType } from './over-aggregate.ts'
import type { PlanNode, SessionsNode, UnpivotNode, WindowNode } from './relation.ts'
import { sessionColumns } from './roles.ts'
import { argumentsOf } from './session-aggregate.ts'
import type { TableDefinition } from './table.ts'

/** `parameters`: what a batch brings, by their names. */
export function typeMistakes({ path, rows, partitionBy }: TableDefinition, parameters: Schema): string[] {
  const plan = new PlanTypes(path, parameters)
  const given: Schema = plan.schemaOf(rows.node)
  for (const [name, type] of Object.entries(rows.schema)) {
    if (given[name] !== type)
      plan.say(`column ${name}`, `it is said to be ${type}, and its plan gives ${given[name] ?? 'none'}`)
  }
  if (partitionBy !== null && !(partitionBy in rows.schema)) {
    plan.say('partitionBy', noColumn(partitionBy, rows.schema))
  }
  return [...plan.mistakes]
}

const noColumn = (name: string, schema: Schema): string =>
  `there is no column ${name}; there is ${Object.keys(schema).join(', ')}`

class PlanTypes {
  readonly mistakes = new Set<string>()
  readonly #path: string
  readonly #parameters: Schema
  readonly #seen = new WeakMap<Schema, WeakSet<Expr>>()

  constructor(path: string, parameters: Schema) {
    this.#path = path
    this.#parameters = parameters
  }

  say(at: string, what: string): void {
    this.mistakes.add(`table ${this.#path}, ${at}: ${what}`)
  }

  /** The columns that the plan gives. */
  schemaOf(node: PlanNode): Schema {
    switch (node.kind) {
      case 'input':
        return node.schema
      case 'shared':
        return this.schemaOf(node.input)
      case 'filter': {
        const schema = this.schemaOf(node.input)
        this.#expression('filter', node.where, schema, 'boolean')
        return schema
      }
      case 'project': {
        const schema = this.schemaOf(node.input)
        const columns = Object.entries(node.columns)
        for (const [name, expr] of columns) this.#expression(`column ${name}`, expr, schema, null)
        return Object.fromEntries(columns.map(([name, expr]) => [name, expr.type]))
      }
      case 'readJson': {
        const schema = this.schemaOf(node.input)
        this.#column('readJson', node.from, schema, ['binary'])
        const fields = Object.keys(node.fields).map((name) => [name, 'json'])
        return { ...schema, [node.as]: 'boolean', ...Object.fromEntries(fields) }
      }
      case 'decode': {
        const schema = this.schemaOf(node.input)
        this.#column('decode', node.from, schema, ['binary'])
        this.#column('decode', node.headers, schema, ['headers'])
        return { ...schema, [node.as]: 'binary', [node.failure]: 'string' }
      }
      case 'deduplicate': {
        const [schema, history] = [this.schemaOf(node.input), this.schemaOf(node.history)]
        for (const one of [schema, history]) {
          this.#column('deduplicate', node.key, one, ['string'])
          this.#column('deduplicate', node.eventTime, one, ['timestamp'])
        }
        this.#expression('deduplicate', node.candidate, schema, 'boolean')
        for (const name of node.arrival) this.#column('deduplicate', name, schema, null)
        return { ...schema, [node.as]: 'boolean' }
      }
      case 'over': {
        const schema = this.schemaOf(node.input)
        for (const name of [...overColumns(node), ...node.arrival]) this.#column('over', name, schema, null)
        this.#column('over', node.eventTime, schema, ['timestamp'])
        const key = schema[node.key]
        if (key === undefined || !isKeyType(key)) this.#column('over', node.key, schema, [])
        const types = Object.entries(node.aggregates).map(([name, { type }]) => [name, type])
        return { ...schema, ...Object.fromEntries(types) }
      }
      case 'window':
        return this.#windows(node)
      case 'unpivot':
        return this.#figures(node)
      case 'baseline': {
        const schema = this.schemaOf(node.input)
        for (const name of [...node.keys, node.order]) this.#column('baseline', name, schema, null)
        this.#column('baseline', node.value, schema, ['double'])
        return { ...schema, [node.expected]: 'double', [node.deviation]: 'double' }
      }
      case 'sessions':
        return this.#sessions(node)
      case 'expand': {
        const schema = this.schemaOf(node.input)
        for (const name of node.keep) this.#column('expand', name, schema, [node.schema[name]!])
        for (const copy of node.copies) {
          for (const [name, expr] of Object.entries(copy))
            this.#expression(`column ${name}`, expr, schema, node.schema[name] ?? null)
        }
        return node.schema
      }
      default:
        return unreachable(node)
    }
  }

  #windows(node: WindowNode): Schema {
    const schema = this.schemaOf(node.input)
    this.#column('window', node.eventTime, schema, ['timestamp'])
    for (const key of node.keys) this.#column('window', key, schema, null)
    for (const [name, aggregate] of Object.entries(node.aggregates)) {
      this.#call(`aggregate ${name}`, aggregate, schema, aggregateNamed(aggregate.function))
    }
    const keys = node.keys.flatMap((key) => (schema[key] === undefined ? [] : [[key, schema[key]]]))
    const types = Object.entries(node.aggregates).map(([name, { type }]) => [name, type])
    const given = Object.fromEntries([...keys, ...types])
    return { window_start: 'timestamp', window_end: 'timestamp', ...given }
  }

  #figures(node: UnpivotNode): Schema {
    const schema = this.schemaOf(node.input)
    for (const name of node.keep) this.#column('unpivot', name, schema, null)
    for (const { of } of node.figures) this.#column('unpivot', of, schema, ['double'])
    const kept = node.keep.flatMap((name) => (schema[name] === undefined ? [] : [[name, schema[name]]]))
    const labels = node.labels.map((name) => [name, 'string'])
    return Object.fromEntries([...kept, ...labels, [node.value, 'double']])
  }

  #sessions(node: SessionsNode): Schema {
    const schema = this.schemaOf(node.input)
    this.#column('sessions', node.eventTime, schema, ['timestamp'])
    for (const name of [...node.arrival, ...node.keys]) this.#column('sessions', name, schema, null)
    for (const [name, one] of Object.entries(node.aggregates)) {
      const at = `aggregate ${name}`
      if (one.kind === 'aggregate') this.#call(at, one, schema, aggregateNamed(one.function))
      else {
        const type =
          one.function === 'isPreceded' ? 'boolean' : one.function === 'firstValues' ? 'string' : null
        for (const arg of argumentsOf(one)) this.#expression(at, arg, schema, type)
      }
    }
    const keys = node.keys.flatMap((key) => (schema[key] === undefined ? [] : [[key, schema[key]]]))
    const types = Object.entries(node.aggregates).map(([name, { type }]) => [name, type])
    return { ...Object.fromEntries(keys), ...sessionColumns, ...Object.fromEntries(types) }
  }

  #column(at: string, name: string, schema: Schema, types: readonly ColumnType[] | null): void {
    const type = schema[name]
    if (type === undefined) this.say(at, noColumn(name, schema))
    else if (types !== null && !types.includes(type)) {
      this.say(
        at,
        `${name} is ${type}${types.length === 0 ? ', which is no key' : `; it takes ${types.join(', ')}`}`,
      )
    }
  }

  #expression(at: string, expr: Expr, schema: Schema, type: ColumnType | null): void {
    if (!isTyped(expr)) this.say(at, 'it is no expression')
    else if (type !== null && expr.type !== type) this.say(at, `it must be of type ${type}, not ${expr.type}`)
    const known = this.#seen.get(schema) ?? new WeakSet<Expr>()
    this.#seen.set(schema, known)
    // Parts of an expression are the same objects again and again.
    if (!isTyped(expr) || known.has(expr)) return
    known.add(expr)
    this.#parts(at, expr, schema)
  }

  #parts(at: string, expr: Expr, schema: Schema): void {
    switch (expr.kind) {
      case 'column':
        if (schema[expr.name] === undefined) this.say(at, noColumn(expr.name, schema))
        else if (schema[expr.name] !== expr.type)
          this.say(at, `it takes ${expr.name} for ${expr.type}, and it is ${schema[expr.name]}`)
        break
      case 'call':
        this.#call(at, expr, schema, functionNamed(expr.function))
        break
      case 'case':
        for (const { when, then } of expr.branches) {
          this.#expression(at, when, schema, 'boolean')
          this.#expression(at, then, schema, expr.type)
        }
        this.#expression(at, expr.otherwise, schema, expr.type)
        break
      case 'parameter':
        this.#parameter(at, expr)
        break
      case 'literal':
        break
      default:
        unreachable(expr)
    }
  }

  #parameter(at: string, { name, type }: { readonly name: string; readonly type: ColumnType }): void {
    const given = this.#parameters[name]
    if (given === type) return
    const known = Object.entries(this.#parameters).map(([one, of]) => `${one} (${of})`)
    this.say(at, `no batch brings a parameter ${name} of type ${type}; there is ${known.join(', ')}`)
  }

  #call(
    at: string,
    { args }: Pick<Aggregate, 'args'>,
    schema: Schema,
    record: Parameters<typeof argumentMistake>[0],
  ): void {
    const mistake = argumentMistake(record, args)
    if (mistake !== null) this.say(at, mistake)
    for (const arg of args) this.#expression(at, arg, schema, null)
  }
}
