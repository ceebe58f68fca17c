// Cases of the CEL specification for the operators and functions that conditions have: the values are those
// of the specification (test/data/cel-spec.ndjson), but for the differences that are stated one by one.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ColumnType, Expr, LiteralValue, Schema } from '../../../src/expr/index.ts'
import { compileRowPath, literalOf } from '../../../src/javascript/index.ts'
import { input, project } from '../../../src/plan/index.ts'
import { parseRules } from '../../../src/rules/index.ts'
import { duckdb, expressionSql, literalSql } from '../../../src/sql/index.ts'
import { celDifferences } from './cel-differences.ts'

type CelValue = {
  readonly bool_value?: string
  readonly int64_value?: string
  readonly double_value?: string
  readonly string_value?: string
}
type Case = {
  readonly case: string
  readonly expr: string
  readonly value?: CelValue
  readonly error?: true
  readonly bindings?: Readonly<Record<string, CelValue>>
}

const path = join(import.meta.dirname, '../../data/cel-spec.ndjson')
const cases: readonly Case[] = readFileSync(path, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line))

let connection: DuckDBConnection
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => connection.closeSync())

/** A condition that is true where the expression has the value. */
function conditionOf({ expr, value }: Case): string {
  if (value?.int64_value !== undefined) return `(${expr}) == ${value.int64_value}`
  if (value?.double_value !== undefined) return `(${expr}) == ${value.double_value}`
  if (value?.string_value !== undefined) return `(${expr}) == ${JSON.stringify(value.string_value)}`
  return expr
}

function typeOf(value: CelValue): ColumnType {
  if (value.int64_value !== undefined) return 'long'
  if (value.double_value !== undefined) return 'double'
  return value.string_value === undefined ? 'boolean' : 'string'
}

function given(value: CelValue): LiteralValue {
  if (value.int64_value !== undefined) return BigInt(value.int64_value)
  if (value.double_value !== undefined) return Number(value.double_value)
  return value.string_value ?? value.bool_value === 'true'
}

/** What came out: the value of the condition, on JavaScript and DuckDB; or why it is none. */
async function outcomeOf(one: Case): Promise<boolean | null | string> {
  const bindings = Object.entries(one.bindings ?? {})
  const columns: Schema = Object.fromEntries(bindings.map(([name, value]) => [name, typeOf(value)]))
  const text = `levels: { A: 1 }\nreview_from: 1\nrules: [{ name: r, points: 1, says: x, when: ${JSON.stringify(conditionOf(one))} }]`
  const parsed = parseRules(text, { columns })
  if (parsed.kind === 'mistakes') return parsed.mistakes[0]!.message
  const { value } = parsed.rules.rules[0]!
  const relation = project(input('given', columns), () => ({ value }))
  const batch = compileRowPath({
    source: 'given',
    outputs: { found: { relation, into: 'columns' } },
  }).start({ parameters: {} })
  batch.add(
    Object.fromEntries(bindings.map(([name, bound]) => [name, literalOf(columns[name]!, given(bound))])),
  )
  const javascript = batch.rows('found').columns.value!.get(0) as boolean | null
  const found = await connection.runAndReadAll(`SELECT ${expressionSql(duckdb, value)} ${fromSql(bindings)}`)
  expect(found.getRows()[0]![0], one.expr).toBe(javascript)
  return javascript
}

function fromSql(bindings: readonly (readonly [string, CelValue])[]): string {
  if (bindings.length === 0) return ''
  const cells = bindings.map(([name, value]) => {
    const expr: Expr = { kind: 'literal', value: given(value), type: typeOf(value) }
    return `${literalSql(duckdb, expr.type, given(value))} AS ${duckdb.name(name)}`
  })
  return `FROM (SELECT ${cells.join(', ')})`
}

/** An error of CEL is null here, or a mistake that is told before any row is read. */
function agrees({ value, error }: Case, outcome: boolean | null | string): boolean {
  if (error === true) return outcome === null || typeof outcome === 'string'
  return outcome === (value?.bool_value === undefined ? true : value.bool_value === 'true')
}

test.each(cases.map((one) => [one.case, one] as const))('%s', async (name, one) => {
  const outcome = await outcomeOf(one)
  const told = `${one.expr} gave ${outcome}`
  const difference = celDifferences[name]
  if (difference === undefined) expect(agrees(one, outcome), told).toBe(true)
  else expect(agrees(one, outcome), `${told}: the difference has closed: ${difference}`).toBe(false)
})

test('every difference is one of a case', () => {
  const names = new Set(cases.map((one) => one.case))
  expect(Object.keys(celDifferences).filter((name) => !names.has(name))).toEqual([])
})
