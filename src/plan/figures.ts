// Figures of a row as rows of their own, and what is usual for them. An anomaly is a figure that is far from
// what the same figure was before.
import { assert } from '../errors/errors.ts'
import type { ColumnType, Schema } from '../expr/index.ts'
import {
  type BaselineNode,
  columnType,
  type LabelledFigure,
  type PlanNode,
  type Relation,
  type UnpivotNode,
} from './relation.ts'

/** The name by which SQL reads the rows that the table itself has. */
export const earlierRows = 'earlier_rows'

export function unpivot<
  S extends Schema,
  const K extends readonly (keyof S & string)[],
  const L extends readonly string[],
  const V extends string,
>(
  of: Relation<S>,
  options: {
    readonly keep: K
    readonly labels: L
    readonly value: V
    readonly figures: readonly {
      readonly labels: Readonly<Record<L[number], string | null>>
      readonly of: keyof S & string
    }[]
  },
): Relation<Pick<S, K[number]> & Readonly<Record<L[number], 'string'>> & Readonly<Record<V, 'double'>>> {
  const { keep, labels, value, figures } = options
  const texts = figures.map((figure) => labelsText(labels, figure))
  assert(new Set(texts).size === texts.length, 'figures are told apart by their labels')
  const kept = keep.map((name): [string, ColumnType] => [name, of.schema[name]!])
  const texted = labels.map((name): [string, ColumnType] => [name, 'string'])
  return {
    node: { kind: 'unpivot', input: of.node, keep, labels, value, figures },
    // fromEntries forgets the keys; they are those of the type.
    schema: Object.fromEntries([...kept, ...texted, [value, 'double']]) as never,
  }
}

export function baseline<S extends Schema, const E extends string, const D extends string>(
  of: Relation<S>,
  options: Pick<BaselineNode, 'rowsMin' | 'rowsMax'> & {
    readonly keys: readonly (keyof S & string)[]
    readonly order: keyof S & string
    readonly value: keyof S & string
    readonly expected: E
    readonly deviation: D
  },
): Relation<S & Readonly<Record<E | D, 'double'>>> {
  const added = { [options.expected]: 'double', [options.deviation]: 'double' }
  return {
    node: { ...options, kind: 'baseline', input: of.node, columns: Object.keys(of.schema) },
    schema: { ...of.schema, ...added } as never, // As above.
  }
}

/** What tells a figure from the others. */
export function labelsText(labels: readonly string[], figure: Pick<LabelledFigure, 'labels'>): string {
  return JSON.stringify(labels.map((name) => figure.labels[name] ?? null))
}

/** The operator that makes rows of figures; null where there is none. */
export function unpivotOf(node: PlanNode): UnpivotNode | null {
  if (node.kind === 'unpivot') return node
  return 'input' in node ? unpivotOf(node.input) : null
}

/** The operator that looks at the table's own rows; null where there is none. */
export function baselineOf(node: PlanNode): BaselineNode | null {
  if (node.kind === 'baseline') return node
  return 'input' in node ? baselineOf(node.input) : null
}

/** What figures are taken from; the relation itself where none are. */
export function belowFigures(of: Relation): Relation {
  const node = unpivotOf(of.node)
  if (node === null) return of
  const names = [...new Set([...node.keep, ...node.figures.map((figure) => figure.of)])]
  const types = names.map((name) => [name, columnType(node.input, name)])
  return { node: node.input, schema: Object.fromEntries(types) }
}
