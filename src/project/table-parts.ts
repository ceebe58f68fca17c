// What tables of a project are made of, beside plans and expressions.
import { type Expr, literal, type Schema } from '../expr/index.ts'
import { input, type Relation } from '../plan/index.ts'

const eventsPath = 'silver/transactions'

/**
 * The rows of silver in the windows that close, with these columns of it: what a table of windows reads.
 * Their types are silver's, or the lakehouse is refused.
 */
export function closingEvents<const S extends Schema>(columns: S): Relation<S> {
  return input(`closing_${Object.keys(columns).join('_')}`, columns, { of: 'closing', table: eventsPath })
}

export function list(...texts: readonly string[]): Expr<'array<string>'> {
  return literal('array<string>', texts)
}
