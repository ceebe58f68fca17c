// The place of a record, by which the tables are compared.
import { quoteIdentifier } from '../delta/sql.ts'

export const position = ['topic', 'partition', 'offset'] as const

/** As a list of SQL. */
export const keys = position.map(quoteIdentifier).join(', ')

export const samePosition = (a: string, b: string): string =>
  position.map((name) => `${a}.${quoteIdentifier(name)} = ${b}.${quoteIdentifier(name)}`).join(' AND ')
