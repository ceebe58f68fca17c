// Several rows of each row of a relation, as of one transaction what several versions of the rules say.
import { assert } from '../errors/errors.ts'
import { type Columns, column, columnsOf, type Expr, type Schema } from '../expr/index.ts'
import { checkExpression, type ExpandNode, type PlanNode, type Relation } from './relation.ts'

/**
 * For each row one row of each of the copies. `schema` says which columns there are, and their order: those
 * that `keep` names are those of the row, the others are the copy's; `by` tells the copies apart.
 */
export function expand<
  S extends Schema,
  const R extends Schema,
  const K extends readonly (keyof S & keyof R & string)[],
>(
  of: Relation<S>,
  options: {
    readonly by: keyof R & string
    readonly keep: K
    readonly schema: R
    readonly copies: (
      row: Columns<S>,
    ) => readonly { readonly [N in Exclude<keyof R, K[number]>]: Expr<R[N]> }[]
  },
): Relation<R> {
  const { by, keep, schema } = options
  const names = Object.keys(schema).filter((name) => !keep.some((kept) => kept === name))
  const copies = options.copies(columnsOf(of.schema)).map((copy: Readonly<Record<string, Expr>>) => {
    for (const name of names) checkExpression(`column ${name}`, copy[name], schema[name]!)
    assert(copy[by]?.kind === 'literal', `each copy has a ${by} of its own`)
    return Object.fromEntries(names.map((name) => [name, copy[name]!]))
  })
  return { node: { kind: 'expand', input: of.node, by, keep, schema, copies }, schema }
}

/** The operator that makes several rows of each; null where there is none. It stands above all others. */
export function expandOf(node: PlanNode): ExpandNode | null {
  return node.kind === 'expand' ? node : null
}

export type ExpandedCopy = ExpandNode['copies'][number]

/** What tells a copy from the others, as text. */
export function copyName({ by }: ExpandNode, copy: ExpandedCopy): string {
  const of = copy[by]
  assert(of?.kind === 'literal', `each copy has a ${by} of its own`)
  return String(of.value)
}

/** The relation of one copy alone. */
export function copyRelation({ input, keep, schema }: ExpandNode, copy: ExpandedCopy): Relation {
  const columns = Object.entries(schema).map(([name, type]): [string, Expr] => {
    return [name, keep.includes(name) ? column(name, type) : copy[name]!]
  })
  return { node: { kind: 'project', input, columns: Object.fromEntries(columns) }, schema }
}
