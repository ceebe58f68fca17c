// Columns of a relation that its source has as they are: they need not be computed.
import type { Column, Rows } from '../columns/column.ts'
import type { Expr, Schema } from '../expr/index.ts'
import type { PlanNode } from '../plan/index.ts'
import type { RunningBatch } from './row-batch.ts'

export type GivenColumns = {
  /** By the names of columns those that they have in the source. */
  readonly given: Readonly<Record<string, string>>
  /** The columns that are computed. */
  readonly others: Readonly<Record<string, Expr>>
}

/** Of columns over a relation. Where it is none of the source's own, no column is as the source has it. */
export function givenColumns(input: PlanNode, columns: Readonly<Record<string, Expr>>): GivenColumns {
  const given: Record<string, string> = {}
  const others: Record<string, Expr> = {}
  for (const [name, expr] of Object.entries(columns)) {
    if (input.kind === 'input' && expr.kind === 'column') given[name] = expr.name
    else others[name] = expr
  }
  return { given, others }
}

export function typesOf(columns: Readonly<Record<string, Expr>>): Schema {
  return Object.fromEntries(Object.entries(columns).map(([name, { type }]) => [name, type]))
}

/** The columns of `rows` under their names here. */
export function renamed(given: GivenColumns['given'], { columns }: Rows): Record<string, Column> {
  return Object.fromEntries(Object.entries(given).map(([name, of]) => [name, columns[of]!]))
}

/** Adds rows from one on, up to before another, of which the path reads these columns. */
export function addRows(
  batch: RunningBatch,
  reads: readonly string[],
  columns: Readonly<Record<string, Column>>,
  from: number,
  to: number,
): void {
  const read = reads.map((name): [string, Column] => [name, columns[name]!])
  const row: Record<string, unknown> = {}
  for (let index = from; index < to; index++) {
    for (let at = 0; at < read.length; at++) row[read[at]![0]] = read[at]![1].get(index)
    batch.add(row)
  }
}
