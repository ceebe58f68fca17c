// Judged records in two: those that are accepted, and the others.
import { bool, type Columns, column, type Expr, type Schema } from '../expr/index.ts'
import { extend, type Relation, shared } from './relation.ts'

/**
 * Splits rows by their reasons: those without any are accepted, the others refused. Every row is in exactly
 * one of the two. The split is computed once; both sides read it.
 */
export function quarantineSplit<S extends Schema & { readonly reasons: 'array<string>' }>(
  name: string,
  judged: Relation<S>,
  isAccepted: (row: Columns<S>) => Expr<'boolean'>,
): { readonly accepted: Relation<S>; readonly refused: Relation<S> } {
  const once = shared(
    name,
    extend(judged, (row) => ({ is_accepted: isAccepted(row) })),
  )
  const isAcceptedColumn = column('is_accepted', 'boolean')
  const side = (where: Expr<'boolean'>): Relation<S> => ({
    node: { kind: 'filter', input: once.node, where },
    schema: judged.schema,
  })
  return {
    accepted: side(isAcceptedColumn),
    refused: side({
      kind: 'call',
      function: 'equals',
      args: [isAcceptedColumn, bool(false)],
      type: 'boolean',
    }),
  }
}
