// What can be computed over the rows of a session, beside the aggregates of windows: what goes by their
// order.
import type { Aggregate, Expr } from '../expr/index.ts'

/** Their meaning stands at the type `SessionsNode`. */
export type OrderedAggregate =
  | {
      readonly kind: 'ordered'
      readonly function: 'firstValues'
      readonly of: Expr<'string'>
      readonly rowsMax: number
      readonly type: 'array<string>'
    }
  | {
      readonly kind: 'ordered'
      readonly function: 'changes'
      readonly of: Expr
      readonly withinMicros: bigint | null
      readonly type: 'long'
    }
  | {
      readonly kind: 'ordered'
      readonly function: 'isPreceded'
      readonly where: Expr<'boolean'>
      readonly by: Expr<'boolean'>
      readonly rowsMin: number
      readonly type: 'boolean'
    }

export type SessionAggregate = Aggregate | OrderedAggregate

/** The values of a column in the first rows, at most so many rows; nulls are left out. */
export function firstValues(of: Expr<'string'>, rowsMax: number): OrderedAggregate {
  return { kind: 'ordered', function: 'firstValues', of, rowsMax, type: 'array<string>' }
}

/** How often a row has another value than the row before it, both known; `withinMicros` apart at most. */
export function changes(of: Expr, withinMicros: bigint | null = null): OrderedAggregate {
  return { kind: 'ordered', function: 'changes', of, withinMicros, type: 'long' }
}

/** Whether there is a row of the one kind that so many of the other precede, adjacent or not. */
export function isPreceded(
  where: Expr<'boolean'>,
  by: { readonly rows: Expr<'boolean'>; readonly rowsMin: number },
): OrderedAggregate {
  return { kind: 'ordered', function: 'isPreceded', where, by: by.rows, rowsMin: by.rowsMin, type: 'boolean' }
}

/** The expressions of a row that an aggregate asks for. */
export function argumentsOf(aggregate: SessionAggregate): readonly Expr[] {
  if (aggregate.kind === 'aggregate') return aggregate.args
  return aggregate.function === 'isPreceded' ? [aggregate.where, aggregate.by] : [aggregate.of]
}
