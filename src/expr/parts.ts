// What an expression is made of.
import type { ColumnType } from '../columns/types.ts'
import type { Expr } from './expression.ts'

/** The expressions that stand directly in it. */
export function partsOf(expr: Expr): readonly Expr[] {
  if (expr.kind === 'call') return expr.args
  if (expr.kind !== 'case') return []
  return [...expr.branches.flatMap((branch) => [branch.when, branch.then]), expr.otherwise]
}

/** The names of the columns that it asks, some more than once. */
export function columnNames(expr: Expr): string[] {
  return expr.kind === 'column' ? [expr.name] : partsOf(expr).flatMap(columnNames)
}

/** The expression with another one in place of a column, wherever it is asked. */
export function withInPlaceOf<T extends ColumnType>(expr: Expr<T>, name: string, by: Expr): Expr<T> {
  const inner = <E extends ColumnType>(part: Expr<E>): Expr<E> => withInPlaceOf(part, name, by)
  switch (expr.kind) {
    case 'column':
      return expr.name === name ? (by as Expr<T>) : expr // Of the column's type, as whoever asks sees to.
    case 'call':
      return { ...expr, args: expr.args.map((arg) => inner(arg)) }
    case 'case': {
      const branches = expr.branches.map(({ when, then: given }) => {
        const then = inner(given)
        return { when: inner(when), then }
      })
      return { ...expr, branches, otherwise: inner(expr.otherwise) }
    }
    default:
      return expr
  }
}
