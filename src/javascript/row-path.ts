// The row path: relations compiled to one function that takes rows one after another, in the order of their
// arrival, and hands the rows of the relations on. It computes each column once, where it is first needed,
// and only those that are needed. docs/decisions/compiled-row-path.md has what it brings.
import { type Column, newColumn, type Rows } from '../columns/column.ts'
import { whole } from '../columns/whole.ts'
import { assert } from '../errors/errors.ts'
import type { ColumnType, Schema, Value } from '../expr/index.ts'
import { ValueDecoder } from '../formats/known-schemas.ts'
import type { ParameterValues } from '../sql/index.ts'
import { Block, Bound, Names } from './block.ts'
import { ExpressionWriter } from './expression.ts'
import { NodeWriter } from './nodes.ts'
import type { RowBatch, RowPath, RowPathPlan, SourceRow } from './row-batch.ts'

export function compileRowPath(plan: RowPathPlan): RowPath {
  const names = new Names()
  const bound = new Bound(names)
  const batch = new Block('', null)
  const parameters = new Map<string, { readonly name: string; readonly type: ColumnType }>()
  const writer = new ExpressionWriter({
    names,
    bound,
    batch,
    parameter: (name, type) => {
      const known = parameters.get(name) ?? { name: names.free(name), type }
      parameters.set(name, known)
      return { text: known.name, isNullable: type !== 'array<string>', isOfBatch: true }
    },
  })
  const row = new Block('', batch)
  const nodes = new NodeWriter(writer, row, plan)
  const columnNames: OutputColumn[] = []
  const pushed = new Map<Block, Map<string, OutputColumn>>()
  const shared: SharedColumn[] = []
  for (const [output, { relation, into }] of Object.entries(plan.outputs)) {
    const block = nodes.blockOf(relation.node)
    block.moveLast()
    const texts = Object.keys(relation.schema).map((column) => {
      return { column, text: nodes.column(relation.node, column, block).text }
    })
    if (into === 'function') {
      const name = names.free(output)
      columnNames.push({ output, column: '', name })
      block.add(`${name}(${texts.map(({ text }) => text).join(', ')})`)
      continue
    }
    const ofBlock = pushed.get(block) ?? new Map<string, OutputColumn>()
    pushed.set(block, ofBlock)
    for (const { column, text } of texts) {
      const key = `${relation.schema[column]} ${text}`
      const known = ofBlock.get(key)
      if (known !== undefined) {
        shared.push({ output, column, of: known })
        continue
      }
      const one = { output, column, name: names.free(`${output}_${column}`) }
      ofBlock.set(key, one)
      columnNames.push(one)
      block.add(`${one.name}.push(${text})`)
    }
  }
  const states = nodes.states
  const functionArguments = [
    ...[...parameters.values()].map(({ name }) => name),
    ...states.map(({ name }) => name),
    ...(nodes.decoder === null ? [] : [nodes.decoder]),
    ...columnNames.map(({ name }) => name),
  ]
  const code = codeOf([...bound.values.keys()], functionArguments, batch, row)
  // The code is made of names and numbers alone: no text of the plan or of a row is in it.
  const startBatch = new Function(...bound.values.keys(), code)(...bound.values.values()) as (
    ...values: unknown[]
  ) => (row: SourceRow) => void
  return {
    code,
    plan,
    reads: nodes.reads,
    parameters: Object.fromEntries([...parameters].map(([name, { type }]) => [name, type])),
    states: states.map(({ node }) => node),
    start: (given) => {
      const columns = outputColumns(plan, shared, given.rowCountMax)
      const add = startBatch(
        ...[...parameters].map(([name, { type }]) => parameterValue(given.parameters, name, type)),
        ...statesOf(given, states.length),
        ...(nodes.decoder === null ? [] : [given.decoder ?? new ValueDecoder()]),
        ...columnNames.map(({ output, column }) => {
          return columns.get(output)?.columns[column] ?? functionOf(given, output)
        }),
      )
      return { add, rows: (output) => finished(columns.get(output), output) }
    },
  }
}

function codeOf(values: readonly string[], ofBatch: readonly string[], batch: Block, row: Block): string {
  const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`)
  const lines = [
    `// Values: ${values.join(', ')}`,
    `return (${ofBatch.join(', ')}) => {`,
    ...indent(batch.lines()),
    '  return (row) => {',
    ...indent(indent(row.lines())),
    '  }',
    '}',
  ]
  return lines.join('\n').replaceAll(/\}\n *else \{/g, '} else {')
}

/** A column that rows are pushed to, and its name in the code. */
type OutputColumn = { readonly output: string; readonly column: string; readonly name: string }
/** A column that is another one as well. */
type SharedColumn = { readonly output: string; readonly column: string; readonly of: OutputColumn }
type OutputRows = { readonly schema: Schema; readonly columns: Readonly<Record<string, Column>> }

/** Outputs that have the same rows have columns of the same values in common. */
function outputColumns(
  { outputs }: RowPathPlan,
  shared: readonly SharedColumn[],
  capacity: number | undefined,
): ReadonlyMap<string, OutputRows> {
  const rows = new Map<string, OutputRows>()
  for (const [output, { relation, into }] of Object.entries(outputs)) {
    if (into === 'function') continue
    const { schema } = relation
    const columns: Record<string, Column> = {}
    rows.set(output, { schema, columns })
    for (const [name, type] of Object.entries(schema)) {
      const { of } = shared.find((one) => one.output === output && one.column === name) ?? {}
      columns[name] = (of && rows.get(of.output)?.columns[of.column]) ?? newColumn(type, capacity)
    }
  }
  return rows
}

function finished(rows: OutputRows | undefined, output: string): Rows {
  assert(rows !== undefined, `${output} is no output with columns`)
  const rowCount = Object.values(rows.columns)[0]?.length ?? 0
  return { ...rows, rowCount }
}

function parameterValue(values: ParameterValues, name: string, type: ColumnType): Value {
  const value = values[name]
  assert(value !== undefined, `the batch brings no ${name}`)
  assert(value !== null || type !== 'array<string>', `the batch brings no list ${name}`)
  return typeof value === 'bigint' ? whole(value) : value
}

function statesOf({ states = [] }: RowBatch, count: number): NonNullable<RowBatch['states']> {
  assert(states.length === count, 'the batch brings what each operator remembers')
  return states
}

function functionOf(batch: RowBatch, output: string): (...values: never[]) => void {
  const call = batch.functions?.[output]
  assert(call !== undefined, `the batch brings no function ${output}`)
  return call
}
